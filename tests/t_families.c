/*
 * Families whose models are others of ours written otherwise: fused rows
 * (Phi-3), factors beside the weights (Granite, MiniCPM), biases of q, k and v
 * (Seed-OSS); from safetensors and from GGUF.  Where the factors only move a
 * scale, the model is the one without them; else f64 says what comes out.
 */
#include <config.h>

#include <math.h>

#include "backend/backends.h"
#include "base/bytes.h"
#include "engine/engine.h"
#include "model/import/formats.h"
#include "model/import/hf_config.h"
#include "model/import/hf_tensors.h"
#include "model/import/import.h"
#include "model/import/safetensors.h"
#include "model/model_layout.h"
#include "tests/float_model.h"
#include "tests/gguf_made.h"
#include "tests/models_util.h"
#include "tests/safetensors_util.h"

#define V 512
#define TOKENS 48

/* ---- directories --------------------------------------------------------- */

static char *make_dir(const char *name, const char *config)
{
    char *dir = tmp_path(name), *path = file_join(dir, "config.json");

    file_mkdirs(dir, NULL);
    file_write(path, config, strlen(config), NULL);
    free(path);
    return dir;
}

/* A tensor of safetensors in F32, its rows from these tensors of m, times
 * `factor`. */
static void put_joined(struct st_file *f, const char *name,
                       const struct import *m, const uint32_t *tensor, size_t n,
                       float factor)
{
    struct st_tensor *t = &f->t[f->n++];
    struct tensor_record e;
    struct err err = ERR_INIT;
    struct buf b;

    memset(t, 0, sizeof(*t));
    snprintf(t->name, sizeof(t->name), "%s", name);
    snprintf(t->dtype, sizeof(t->dtype), "F32");
    buf_init(&b, (size_t)64 << 20);
    for (size_t i = 0; i < n; i++) {
        size_t count;
        float *x;

        model_expect(&m->rec, tensor[i], &e);
        count = (size_t)e.rows * e.cols;
        x = xmalloc(count * sizeof(*x));
        if (import_read(m, tensor[i], 0, count, x, &err))
            printf("# %s\n", err.text);
        for (size_t k = 0; k < count; k++)
            buf_put_f32(&b, x[k] * factor);
        t->rows += e.rows;
        t->cols = e.type == TENSOR_F32 ? 0 : e.cols;
        free(x);
    }
    t->data = (unsigned char *)buf_take(&b, &t->size);
}

static void put_one(struct st_file *f, const char *name,
                    const struct import *m, uint32_t tensor, float factor)
{
    put_joined(f, name, m, &tensor, 1, factor);
}

/* The tensors of m as those of a model with fused rows. */
static void write_fused(const struct import *m, const char *dir)
{
    char *path = file_join(dir, "model.safetensors"), name[80];
    static struct st_file f;

    f.n = 0;
    put_one(&f, "model.embed_tokens.weight", m, TENSOR_EMBED, 1);
    put_one(&f, "model.norm.weight", m, TENSOR_FINAL_NORM, 1);
    put_one(&f, "lm_head.weight", m, TENSOR_HEAD, 1);
    for (uint32_t l = 0; l < m->rec.n_layers; l++) {
        uint32_t at = TENSOR_LAYERS + LAYER_TENSORS * l;
        const uint32_t qkv[] = { at + LAYER_WQ, at + LAYER_WK,
                                 at + LAYER_WV };
        const uint32_t gate_up[] = { at + LAYER_GATE, at + LAYER_UP };
        static const struct {
            const char *name;
            uint32_t part;
        } plain[] = { { "input_layernorm", LAYER_ATTN_NORM },
                      { "self_attn.o_proj", LAYER_WO },
                      { "post_attention_layernorm", LAYER_FFN_NORM },
                      { "mlp.down_proj", LAYER_DOWN } };

        for (size_t i = 0; i < 4; i++) {
            snprintf(name, sizeof(name), "model.layers.%u.%s.weight", l,
                     plain[i].name);
            put_one(&f, name, m, at + plain[i].part, 1);
        }
        snprintf(name, sizeof(name),
                 "model.layers.%u.self_attn.qkv_proj.weight", l);
        put_joined(&f, name, m, qkv, 3, 1);
        snprintf(name, sizeof(name), "model.layers.%u.mlp.gate_up_proj.weight",
                 l);
        put_joined(&f, name, m, gate_up, 2, 1);
    }
    st_write(&f, path);
    st_clear(&f);
    free(path);
}

static struct import *open_path(const char *path)
{
    struct err err = ERR_INIT;
    struct import *m = NULL;

    if (formats_open(&m, path, &err))
        printf("# %s\n", err.text);
    return m;
}

static struct import *open_tree(const char *name)
{
    char *dir = tree_path(name);
    struct import *m = open_path(dir);

    free(dir);
    return m;
}

/* Whether two sources have the same numbers in every tensor. */
static bool same_numbers(const struct import *a, const struct import *b)
{
    bool same = a && b && a->rec.n_tensors == b->rec.n_tensors &&
                memcmp(a->inv_freq, b->inv_freq, sizeof(a->inv_freq)) == 0 &&
                f32_bits(a->rec.eps) == f32_bits(b->rec.eps) &&
                f32_bits(a->rec.attn_scale) == f32_bits(b->rec.attn_scale) &&
                a->rec.flags == b->rec.flags && a->rec.window == b->rec.window;

    for (uint32_t i = 0; same && i < a->rec.n_tensors; i++) {
        struct tensor_record e;
        size_t n;
        float *x;

        if (!import_name(a, i) || !import_name(b, i)) {
            same = !import_name(a, i) && !import_name(b, i);
            continue;
        }
        model_expect(&a->rec, i, &e);
        n = (size_t)e.rows * e.cols;
        x = xmalloc(2 * n * sizeof(*x));
        same = import_read(a, i, 0, n, x, NULL) == 0 &&
               import_read(b, i, 0, n, x + n, NULL) == 0 &&
               memcmp(x, x + n, n * sizeof(*x)) == 0;
        if (!same)
            printf("# tensor %u differs\n", i);
        free(x);
    }
    return same;
}

/* ---- fused rows ---------------------------------------------------------- */

static const char phi3_config[] =
    "{\"architectures\":[\"Phi3ForCausalLM\"],\"model_type\":\"phi3\","
    "\"auto_map\":{\"AutoConfig\":\"configuration_phi3.Phi3Config\"},"
    "\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":3,"
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"vocab_size\":150,\"max_position_embeddings\":512,"
    "\"original_max_position_embeddings\":512,\"partial_rotary_factor\":1.0,"
    "\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"rope_scaling\":null,"
    "\"hidden_act\":\"silu\",\"tie_word_embeddings\":false,"
    "\"sliding_window\":7,\"bos_token_id\":1,\"eos_token_id\":2,"
    "\"attention_bias\":false}";

static void try_fused(void)
{
    static const struct gguf_made how = { .architecture = "phi3",
                                          .theta = 10000, .fused = true };
    struct import *plain = open_tree("vectors/x1/models/tiny-mistral"), *m;
    char *dir = make_dir("phi3", phi3_config);
    char *path = tmp_path("phi3.gguf");
    struct gguf_out o;

    write_fused(plain, dir);
    m = open_path(dir);
    ok(m && same_numbers(m, plain), "phi3: fused rows are split");
    import_free(m);
    gguf_out_init(&o);
    gguf_made(&o, plain, &how);
    gguf_out_write(&o, path);
    gguf_out_clear(&o);
    m = open_path(path);
    ok(m && same_numbers(m, plain), "phi3: and those of a GGUF file");
    import_free(m);
    import_free(plain);
    free(dir);
    free(path);
}

/* ---- factors ------------------------------------------------------------- */

/* A directory with the tensors of a tree's and another config. */
static char *with_config(const char *name, const char *tree,
                         const char *config)
{
    char *dir = make_dir(name, config);
    char *from = xasprintf("%s/model.safetensors", tree);
    char *source = tree_path(from), *to = file_join(dir, "model.safetensors");
    struct buf b;

    buf_init(&b, (size_t)64 << 20);
    file_read(&b, source, NULL);
    file_write(to, b.data, b.len, NULL);
    buf_clear(&b);
    free(from);
    free(source);
    free(to);
    return dir;
}

/* Of tiny-llama-a8, which has 14 numbers a head and 56 a row. */
#define TINY                                                              \
    "\"hidden_size\":56,\"intermediate_size\":90,\"num_hidden_layers\":2," \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,"                \
    "\"vocab_size\":150,\"max_position_embeddings\":512,"                 \
    "\"hidden_act\":\"silu\",\"tie_word_embeddings\":true,"               \
    "\"bos_token_id\":1,\"eos_token_id\":2,\"rope_theta\":10000.0,"

/* All rows are four times those of Llama, whose eps is 1 / 16 of this. */
static void try_scale_alone(void)
{
    static const char granite[] =
        "{\"model_type\":\"granite\",\"architectures\":[\"GraniteForCausalLM\""
        "]," TINY "\"rms_norm_eps\":1.6e-04,\"embedding_multiplier\":4.0,"
        "\"residual_multiplier\":4.0,\"logits_scaling\":1.0,"
        "\"attention_multiplier\":0.2672612419124244}";
    static const char minicpm[] =
        "{\"model_type\":\"minicpm\",\"architectures\":[\"MiniCPMForCausalLM\""
        "],\"auto_map\":{\"AutoConfig\":\"x\"}," TINY
        "\"rms_norm_eps\":1.6e-04,\"scale_emb\":4,"
        "\"scale_depth\":5.656854249492381,\"dim_model_base\":56}";
    static const char *const config[] = { granite, minicpm };
    static const char tree[] = "vectors/x1/models/tiny-llama-a8";
    struct import *plain = open_tree(tree);

    plain->rec.flags &= ~(uint32_t)MODEL_A8;
    plain->rec.eps = (float)((double)1.6e-04f / 16);
    for (size_t i = 0; i < 2; i++) {
        char *dir = with_config(i ? "minicpm" : "granite", tree, config[i]);
        struct import *m = open_path(dir);

        ok(m && same_numbers(m, plain), "%s: a scale of all rows is none",
           i ? "minicpm" : "granite");
        import_free(m);
        free(dir);
    }
    import_free(plain);
}

/* A directory and a GGUF file with the same factors are the same model. */
static void try_both_sources(void)
{
    static const char config[] =
        "{\"model_type\":\"granite\",\"architectures\":[\"GraniteForCausalLM\""
        "]," TINY "\"rms_norm_eps\":1e-05,\"embedding_multiplier\":12.0,"
        "\"residual_multiplier\":0.22,\"logits_scaling\":16.0,"
        "\"attention_multiplier\":0.0078125}";
    static const struct gguf_made how = { .architecture = "granite",
                                          .interleaved = true,
                                          .format = 30 };
    static const char tree[] = "vectors/x1/models/tiny-llama-a8";
    struct import *plain = open_tree(tree), *a, *b;
    char *dir = with_config("both", tree, config);
    char *path = tmp_path("both.gguf");
    struct gguf_out o;

    gguf_out_init(&o);
    gguf_made(&o, plain, &how);
    gguf_put_f32(&o, "granite.embedding_scale", 12);
    gguf_put_f32(&o, "granite.residual_scale", 0.22f);
    gguf_put_f32(&o, "granite.logit_scale", 16);
    gguf_put_f32(&o, "granite.attention.scale", 0.0078125f);
    gguf_out_write(&o, path);
    gguf_out_clear(&o);
    a = open_path(dir);
    b = open_path(path);
    ok(a && b && same_numbers(a, b), "granite: the same from both sources");
    ok(a && f32_bits(a->rec.attn_scale) == f32_bits(0.0078125f),
       "attention_multiplier is the scale of attention");
    import_free(a);
    import_free(b);
    import_free(plain);
    free(dir);
    free(path);
}

/* ---- against f64 --------------------------------------------------------- */

struct run {
    const double *want;
    double kl, most; /* the widest spread of wanted logits */
    size_t n;
};

static void on_logits(void *self, void *user, uint32_t position,
                      const float *l)
{
    struct run *r = user;
    const double *w = r->want + (size_t)position * V;
    double zw = 0, zl = 0, mw = w[0], least = w[0], ml = (double)l[0];

    (void)self;
    for (size_t i = 0; i < V; i++) {
        mw = fmax(mw, w[i]);
        least = fmin(least, w[i]);
        ml = fmax(ml, (double)l[i]);
    }
    for (size_t i = 0; i < V; i++) {
        zw += exp(w[i] - mw);
        zl += exp((double)l[i] - ml);
    }
    for (size_t i = 0; i < V; i++) {
        double lp = w[i] - mw - log(zw), lq = (double)l[i] - ml - log(zl);

        r->kl += exp(lp) * (lp - lq);
    }
    r->most = fmax(r->most, mw - least);
    r->n++;
}

static bool compute_model(const struct model *m, const uint32_t *token,
                          struct run *r)
{
    struct engine_options o = { .max_sequences = 1, .draw_all = true };
    struct observer obs = { .logits = on_logits };
    struct sequence s = { .prompt = token, .n_prompt = TOKENS,
                          .max_tokens = 1, .user = r };
    struct backend *b = NULL;
    struct engine *e = NULL;
    bool busy = true, good;

    s.sampling.top_p = 1000000;
    good = backend_open(&b, "reference", 1, NULL) == 0 &&
           engine_new(&e, b, m, NULL, &o, &obs, NULL) == 0 &&
           engine_add(e, &s, NULL) == 0;
    while (good && busy)
        good = engine_step(e, &busy, NULL) == 0;
    engine_free(e);
    backend_close(b);
    return good;
}

/* stories260K as if it were Granite's, with factors that change much. */
static char *granite_stories(void)
{
    static const char config[] =
        "{\"model_type\":\"granite\",\"architectures\":[\"GraniteForCausalLM\""
        "],\"hidden_size\":64,\"intermediate_size\":172,"
        "\"num_hidden_layers\":5,\"num_attention_heads\":8,"
        "\"num_key_value_heads\":4,\"vocab_size\":512,"
        "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-05,"
        "\"rope_theta\":10000.0,\"hidden_act\":\"silu\","
        "\"tie_word_embeddings\":true,\"bos_token_id\":1,\"eos_token_id\":2,"
        "\"embedding_multiplier\":3.0,\"residual_multiplier\":0.7,"
        "\"logits_scaling\":2.5,\"attention_multiplier\":0.5}";
    char *from = stories_dir(), *dir, *source, *to;

    if (!from)
        return NULL;
    dir = make_dir("granite-stories", config);
    source = file_join(from, "model.safetensors");
    to = file_join(dir, "model.safetensors");
    if (symlink(source, to))
        printf("# cannot link %s\n", to);
    free(source);
    free(to);
    free(from);
    return dir;
}

static void try_float(void)
{
    static double want[TOKENS * V];
    char *dir = granite_stories();
    uint32_t token[TOKENS];
    struct run r = { .want = want };
    struct float_model *f;
    struct model *m;

    if (!dir) {
        skip("granite against f64", "APUS_TEST_DATA is not set");
        return;
    }
    for (size_t i = 0; i < TOKENS; i++)
        token[i] = (uint32_t)(3 + i * i * 7 % 500);
    f = float_model_new(dir);
    m = model_from_hf(dir, NULL);
    if (ok(f && m, "stories260K with Granite's factors")) {
        float_model_factors(f, 3, 0.7, 0.5, 2.5);
        float_model_run(f, token, TOKENS, want);
        ok(compute_model(m, token, &r), "is computed");
        ok(r.n == TOKENS && r.most > 2 && r.kl / TOKENS < 2e-3,
           "mean KL to f64: %.1e", r.kl / TOKENS);
    }
    model_close(m);
    float_model_free(f);
    free(dir);
}

/* ---- biases -------------------------------------------------------------- */

static void try_biased(void)
{
    static const char config[] =
        "{\"model_type\":\"seed_oss\",\"architectures\":[\"SeedOssForCausalLM"
        "\"],\"hidden_size\":48,\"intermediate_size\":100,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":3,"
        "\"num_key_value_heads\":1,\"head_dim\":18,\"vocab_size\":150,"
        "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-06,"
        "\"rope_theta\":1000000.0,\"hidden_act\":\"silu\","
        "\"attention_bias\":true,\"attention_out_bias\":false,"
        "\"mlp_bias\":false,\"rope_scaling\":{\"rope_type\":\"default\"},"
        "\"tie_word_embeddings\":false,\"bos_token_id\":1,"
        "\"eos_token_id\":2}";
    static const char tree[] = "vectors/x1/models/tiny-qwen2";
    static const struct gguf_made how = { .architecture = "seed_oss",
                                          .format = 30, .theta = 1000000 };
    struct import *plain = open_tree(tree), *m;
    char *dir = with_config("seed", tree, config);
    char *path = tmp_path("seed.gguf");
    struct gguf_out o;

    m = open_path(dir);
    ok(m && same_numbers(m, plain), "seed_oss: biases of q, k and v");
    import_free(m);
    gguf_out_init(&o);
    gguf_made(&o, plain, &how);
    gguf_out_write(&o, path);
    gguf_out_clear(&o);
    m = open_path(path);
    ok(m && same_numbers(m, plain), "seed_oss: from a GGUF file");
    import_free(m);
    import_free(plain);
    free(dir);
    free(path);
}

/* ---- the language model of one that sees, too ---------------------------- */

/* A checkpoint's tensors with this before their names, and one that is not
 * text. */
static void write_part(const char *from, const char *dir, const char *before,
                       const char *other)
{
    char *path = file_join(dir, "model.safetensors");
    bool newer = strncmp(before, "model.", 6) == 0;
    struct safetensors *st = NULL;
    static struct st_file f;

    f.n = 0;
    ok(safetensors_open(&st, from, NULL) == 0, "%s", from);
    for (size_t i = 0; st && i < safetensors_count(st); i++) {
        const struct safetensor *t = safetensors_at(st, i);
        bool whole = newer && strncmp(t->name, "model.", 6) != 0;
        struct st_tensor *to = &f.t[f.n++];
        float *x = xmalloc(t->n * sizeof(*x));
        struct buf b;

        memset(to, 0, sizeof(*to));
        buf_init(&b, (size_t)64 << 20);
        safetensors_read(st, t, 0, t->n, x, NULL);
        for (size_t k = 0; k < t->n; k++)
            buf_put_f32(&b, x[k]);
        snprintf(to->name, sizeof(to->name), "%s%.60s", whole ? "" : before,
                 newer && !whole ? t->name + 6 : t->name);
        snprintf(to->dtype, sizeof(to->dtype), "F32");
        to->rows = (unsigned)t->shape[0];
        to->cols = t->n_dims > 1 ? (unsigned)t->shape[1] : 0;
        to->data = (unsigned char *)buf_take(&b, &to->size);
        free(x);
    }
    st_add(&f, other, "F32", 3, 5);
    st_write(&f, path);
    st_clear(&f);
    safetensors_close(st);
    free(path);
}

/* The tensors of a tree under other names, its config as a text_config. */
static void try_part_of(const char *type, const char *architecture,
                        const char *tree, const char *more)
{
    struct import *plain = open_tree(tree), *m;
    char *from = tree_path(tree), *path = file_join(from, "config.json");
    struct err err = ERR_INIT;
    struct buf b;
    char *config, *dir;

    buf_init(&b, 1 << 16);
    if (!ok(plain && !file_read(&b, path, &err), "%s%s", tree, err.text))
        return;
    config = xasprintf("{\"model_type\":\"%s\",\"architectures\":[\"%s\"],"
                       "\"vision_config\":{\"hidden_act\":\"gelu\"},%s"
                       "\"text_config\":%.*s}", type, architecture, more,
                       (int)b.len, b.data);
    dir = make_dir(type, config);
    write_part(from, dir, "language_model.", "vision_tower.x.weight");
    m = open_path(dir);
    ok(m && same_numbers(m, plain) && m->rec.window == plain->rec.window,
       "%s: its text part", type);
    ok(m && m->rec.n_eos == (*more ? 2 : 1), "%s: ends of both", type);
    import_free(m);
    write_part(from, dir, "model.language_model.",
               "model.multi_modal_projector.x.weight");
    m = open_path(dir);
    ok(m && same_numbers(m, plain), "%s: by the newer names", type);
    import_free(m);
    write_part(from, dir, "language_model.", "audio_tower.x.weight");
    ok(formats_open(&m, dir, &err) && strstr(err.text, "\"audio_tower.x"),
       "%s: a part that is not known", type);
    import_free(plain);
    buf_clear(&b);
    free(from);
    free(path);
    free(config);
    free(dir);
}

/* As Gemma 3 4b was published: what the class has by itself is left out. */
#define GEMMA3 "{\"architectures\":[\"Gemma3ForConditionalGeneration\"],"      \
    "\"model_type\":\"gemma3\",\"boi_token_index\":255999,"                    \
    "\"eoi_token_index\":256000,\"eos_token_id\":[1,106],"                     \
    "\"image_token_index\":262144,\"initializer_range\":0.02,"                 \
    "\"mm_tokens_per_image\":256,\"torch_dtype\":\"bfloat16\",\"text_config\":"\
    "{\"hidden_size\":2560,\"intermediate_size\":10240,"                       \
    "\"model_type\":\"gemma3_text\",\"num_hidden_layers\":34,"                 \
    "\"sliding_window\":1024,"
#define GEMMA3_END "},\"vision_config\":{\"hidden_size\":1152,\"model_type\":" \
    "\"siglip_vision_model\",\"vision_use_head\":false}}"

static bool parse(struct hf_config *c, const char *text)
{
    struct err err = ERR_INIT;
    int rc = hf_config_parse(c, text, strlen(text), NULL, 0, &err);

    if (rc)
        printf("# %s\n", err.text);
    return rc == 0;
}

static void try_gemma3(void)
{
    static struct hf_config a, b;
    const struct model_record *r = &a.rec;

    ok(parse(&a, GEMMA3 "\"rope_scaling\":{\"factor\":8.0,\"rope_type\":"
             "\"linear\"}" GEMMA3_END) && r->n_heads == 8 &&
       r->n_kv_heads == 4 && r->head_dim == 256 && r->n_vocab == 262144 &&
       a.names & HF_MORE_ROWS &&
       f32_bits(r->eps) == f32_bits(1e-6f) && r->n_eos == 2 &&
       r->eos[0] == 1 && r->eos[1] == 106, "gemma3: sizes of the class");
    ok(f32_bits(a.inv_freq[0]) == f32_bits(0.125f) &&
       f32_bits(a.inv_freq[128]) == f32_bits(1.0f) &&
       f32_bits(a.inv_freq[64]) == f32_bits(0.125e-3f) &&
       f32_bits(a.inv_freq[192]) == f32_bits(0.01f),
       "gemma3: both thetas of the class");
    ok(parse(&b, GEMMA3 "\"rope_parameters\":{\"full_attention\":{"
             "\"factor\":8.0,\"rope_theta\":1000000,\"rope_type\":\"linear\"},"
             "\"sliding_attention\":{\"rope_theta\":10000.0,\"rope_type\":"
             "\"default\"}}" GEMMA3_END) && memcmp(&a, &b, sizeof(a)) == 0,
       "gemma3: the same by rope_parameters of each kind of layer");
    ok(parse(&b, GEMMA3 "\"rope_parameters\":{\"full_attention\":{"
             "\"factor\":8.0,\"rope_theta\":1000000,\"rope_type\":\"linear\"},"
             "\"sliding_attention\":{\"rope_theta\":20000.0}}" GEMMA3_END) &&
       memcmp(&a, &b, sizeof(a)) != 0, "gemma3: of which both count");
}

/* Of a small model. */
#define SIZES                                                              \
    "\"hidden_size\":48,\"intermediate_size\":90,\"num_hidden_layers\":2," \
    "\"num_attention_heads\":4,\"head_dim\":8,\"vocab_size\":150,"         \
    "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-5"

/* A head of its own is the class's, unless it is said. */
static void try_tied(void)
{
    static const char *const family[] = { "llama", "smollm3", "minicpm" };
    static const char *const says[] = { "", "\"tie_word_embeddings\":true,",
                                        "\"tie_word_embeddings\":false," };
    static struct hf_config c;

    for (size_t i = 0; i < 9; i++) {
        char *text = xasprintf("{\"model_type\":\"%s\",%s" SIZES
                               ",\"scale_emb\":2,\"scale_depth\":1,"
                               "\"dim_model_base\":16}", family[i / 3],
                               says[i % 3]);
        bool want = i % 3 == 1 || (i % 3 == 0 && i > 0);

        if (i / 3 < 2) /* the factors are MiniCPM's alone */
            strcpy(strstr(text, ",\"scale_emb"), "}");
        ok(parse(&c, text) && !(c.rec.flags & MODEL_TIED) == !want,
           "%s: %s tied", family[i / 3], want ? "is" : "is not");
        free(text);
    }
}

/* A window of the class, unless it is null. */
static void try_window(void)
{
    static const char config[] = "{\"model_type\":\"mistral\",%s"
        "\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":4,\"vocab_size\":150,"
        "\"max_position_embeddings\":8192,\"rms_norm_eps\":1e-05}";
    static const char *const says[] = { "", "\"sliding_window\":null,",
                                        "\"sliding_window\":7," };
    static const uint32_t want[] = { 4096, 0, 7 };
    static struct hf_config c;

    for (size_t i = 0; i < 3; i++) {
        char *text = xasprintf(config, says[i]);

        ok(parse(&c, text) && c.rec.window == want[i],
           "mistral: a window of %u keys", want[i]);
        free(text);
    }
}

/* ---- what is refused ----------------------------------------------------- */

static void refused(const char *config, const char *want)
{
    char *dir = with_config("refused", "vectors/x1/models/tiny-llama-a8",
                            config);
    struct err err = ERR_INIT;
    struct import *m = NULL;

    if (!ok(formats_open(&m, dir, &err) && strstr(err.text, want),
            "refused: %s", want))
        printf("# %s\n", err.text);
    import_free(m);
    free(dir);
}

static void try_refused(void)
{
    refused("{\"model_type\":\"granite\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"embedding_multiplier\":12,\"residual_multiplier\":1,"
            "\"logits_scaling\":1}", "it has no attention_multiplier");
    refused("{\"model_type\":\"granite\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"embedding_multiplier\":1e9,\"residual_multiplier\":1,"
            "\"logits_scaling\":1,\"attention_multiplier\":1}",
            "out of range");
    refused("{\"model_type\":\"llama\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"embedding_multiplier\":12}", "embedding_multiplier is 12");
    refused("{\"model_type\":\"llama\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"auto_map\":{\"AutoConfig\":\"x\"}}", "auto_map is");
    refused("{\"model_type\":\"seed_oss\"," TINY "\"rms_norm_eps\":1e-6,"
            "\"attention_bias\":true,\"attention_out_bias\":true}",
            "attention_out_bias is true");
    refused("{\"model_type\":\"phi3\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1]}}",
            "longrope");
    refused("{\"model_type\":\"phi3\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"partial_rotary_factor\":0.01}", "partial_rotary_factor is");
    refused("{\"model_type\":\"phi3\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"partial_rotary_factor\":1.5}", "partial_rotary_factor is");
    refused("{\"model_type\":\"mistral\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"partial_rotary_factor\":0.5}", "only 1 is known");
    refused("{\"model_type\":\"llama\"," TINY "\"rms_norm_eps\":1e-5,"
            "\"rope_parameters\":{\"rope_type\":\"default\","
            "\"partial_rotary_factor\":0.5}}", "only 1 is known");
    refused("{\"model_type\":\"mistral3\"," TINY "\"rms_norm_eps\":1e-5}",
            "it has no text_config");
    refused("{\"model_type\":\"mamba\"," TINY "\"rms_norm_eps\":1e-5}",
            "model_type is \"mamba\"");
}

/* Values of soft caps and of experts. */
static void try_refused_values(void)
{
#define GEMMA "{\"model_type\":\"gemma2\"," SIZES
#define MOE "{\"model_type\":\"qwen3_moe\"," SIZES
#define FEW ",\"moe_intermediate_size\":16,\"num_experts\":4"
#define TWO FEW ",\"num_experts_per_tok\":2"
    static const char *const bad[][2] = {
        { GEMMA ",\"sliding_window\":null}", "it has no sliding_window" },
        { GEMMA ",\"sliding_window\":7,\"attn_logit_softcapping\":0.5}",
          "attn_logit_softcapping is 0.5" },
        { GEMMA ",\"sliding_window\":7,\"attn_logit_softcapping\":\"x\"}",
          "attn_logit_softcapping is" },
        { GEMMA ",\"sliding_window\":7,\"final_logit_softcapping\":2e6}",
          "final_logit_softcapping is" },
        { MOE "}", "it has no num_experts" },
        { MOE FEW "}", "it has no num_experts_per_tok" },
        { MOE FEW ",\"num_experts_per_tok\":5}", "experts of a token is 5" },
        { MOE FEW ",\"num_experts_per_tok\":64}", "at most 63" },
        { MOE TWO ",\"mlp_only_layers\":[1]}", "mlp_only_layers is" },
        { MOE TWO ",\"decoder_sparse_step\":2}", "decoder_sparse_step is 2" },
        { MOE TWO ",\"apus_activations\":\"A8R\"}", "where it has 2048" },
        { MOE ",\"moe_intermediate_size\":24,\"num_experts\":4,"
          "\"num_experts_per_tok\":2}", "a multiple of 16" },
        { MOE ",\"moe_intermediate_size\":16,\"num_experts\":1024,"
          "\"num_experts_per_tok\":2}", "num_experts is 1024" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(bad[i][0], bad[i][1]);
}

int main(void)
{
    x1_thread_init();
    try_fused();
    try_scale_alone();
    try_both_sources();
    try_float();
    try_biased();
    try_part_of("mistral3", "Mistral3ForConditionalGeneration",
                "vectors/x1/models/tiny-mistral", "");
    try_part_of("gemma3", "Gemma3ForConditionalGeneration",
                "vectors/x1/models/tiny-gemma3", "\"eos_token_id\":[2,3],");
    try_gemma3();
    try_window();
    try_tied();
    try_refused();
    try_refused_values();
    tmp_remove();
    return done();
}
