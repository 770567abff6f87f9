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

/* m's tensors with this before their names, and one that is not text. */
static void write_part(const struct import *m, const char *dir,
                       const char *before, const char *other)
{
    char *path = file_join(dir, "model.safetensors"), name[80];
    bool newer = strncmp(before, "model.", 6) == 0;
    static struct st_file f;

    f.n = 0;
    for (uint32_t i = 0; i < m->rec.n_tensors; i++) {
        struct tensor_record e;
        const char *own = import_name(m, i);

        model_expect(&m->rec, i, &e);
        if (e.type == TENSOR_ABSENT || i == TENSOR_INV_FREQ)
            continue;
        if (newer && strncmp(own, "model.", 6) != 0)
            snprintf(name, sizeof(name), "%s", own);
        else
            snprintf(name, sizeof(name), "%s%s", before,
                     newer ? own + 6 : own);
        put_one(&f, name, m, i, 1);
    }
    st_add(&f, other, "F32", 3, 5);
    st_write(&f, path);
    st_clear(&f);
    free(path);
}

static void try_part(void)
{
    static const char tree[] = "vectors/x1/models/tiny-mistral";
    struct import *plain = open_tree(tree), *m;
    char *from = tree_path(tree), *path = file_join(from, "config.json");
    struct err err = ERR_INIT;
    struct buf b;
    char *config, *dir;

    buf_init(&b, 1 << 16);
    if (!ok(plain && !file_read(&b, path, &err), "tiny-mistral%s", err.text))
        return;
    config = xasprintf("{\"model_type\":\"mistral3\",\"architectures\":["
                       "\"Mistral3ForConditionalGeneration\"],"
                       "\"vision_config\":{\"hidden_act\":\"gelu\"},"
                       "\"text_config\":%.*s}", (int)b.len, b.data);
    dir = make_dir("part", config);
    write_part(plain, dir, "language_model.", "vision_tower.x.weight");
    m = open_path(dir);
    ok(m && same_numbers(m, plain) && m->rec.window == plain->rec.window,
       "mistral3: its text part");
    import_free(m);
    write_part(plain, dir, "model.language_model.",
               "model.multi_modal_projector.x.weight");
    m = open_path(dir);
    ok(m && same_numbers(m, plain), "mistral3: by the newer names");
    import_free(m);
    write_part(plain, dir, "language_model.", "audio_tower.x.weight");
    ok(formats_open(&m, dir, &err) && strstr(err.text, "\"audio_tower.x"),
       "mistral3: a part that is not known");
    import_free(plain);
    buf_clear(&b);
    free(from);
    free(path);
    free(config);
    free(dir);
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
#define SIZES                                                              \
    "\"hidden_size\":48,\"intermediate_size\":90,\"num_hidden_layers\":2," \
    "\"num_attention_heads\":4,\"head_dim\":8,\"vocab_size\":150,"         \
    "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-5"
#define GEMMA "{\"model_type\":\"gemma2\"," SIZES
#define MOE "{\"model_type\":\"qwen3_moe\"," SIZES
#define FEW ",\"moe_intermediate_size\":16,\"num_experts\":4"
#define TWO FEW ",\"num_experts_per_tok\":2"
    static const char *const bad[][2] = {
        { GEMMA "}", "it has no sliding_window" },
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
    try_part();
    try_refused();
    try_refused_values();
    tmp_remove();
    return done();
}
