/*
 * Conversion of Hugging Face directories: weights, scales and frequencies of
 * the vectors; the same bytes twice; single files and shards; tied heads;
 * extra, missing and bad tensors; configs that are refused; rope scaling;
 * chat templates; smoothing.
 */
#include <config.h>

#include <math.h>

#include "base/bytes.h"
#include "base/id.h"
#include "base/json.h"
#include "model/import/hf_config.h"
#include "model/import/hf_rope.h"
#include "model/import/hf_tensors.h"
#include "model/smooth.h"
#include "proof/digest.h"
#include "tests/models_util.h"
#include "tests/safetensors_util.h"

static const struct convert_options smoothed = { .smooth_auto = true };

static struct json *load(const char *path)
{
    struct err err = ERR_INIT;
    struct json *root = NULL;
    struct buf b;

    buf_init(&b, (size_t)64 << 20);
    if (file_read(&b, path, &err) || json_parse(&root, b.data, b.len, &err))
        printf("# %s\n", err.text);
    buf_clear(&b);
    return root;
}

/* The matrix of tensor i of a model. */
static const struct x1_matrix *matrix_of(const struct model *m, uint32_t i)
{
    const struct model_layer *y;

    if (i == TENSOR_EMBED)
        return &m->embed;
    if (i == TENSOR_HEAD)
        return &m->head;
    if (i < TENSOR_LAYERS)
        return NULL;
    y = &m->layers[model_layer_of(&m->rec, i)];
    switch (model_part_of(&m->rec, i)) {
    case LAYER_WQ:
        return &y->wq;
    case LAYER_WK:
        return &y->wk;
    case LAYER_WV:
        return &y->wv;
    case LAYER_WO:
        return &y->wo;
    case LAYER_GATE:
        return &y->gate;
    case LAYER_UP:
        return &y->up;
    case LAYER_DOWN:
        return &y->down;
    case LAYER_ROUTER:
        return &y->router;
    }
    return NULL;
}

static int has_digest(const struct json *v, const char *key, const void *p,
                      size_t n)
{
    const char *want = json_string(json_get(v, key));
    struct id h;
    char hex[65];

    digest(&h, p, n);
    digest_hex(hex, h);
    return want && strcmp(want, hex) == 0;
}

/* How many of the matrices that tensor i is, one or one for each expert, are
 * as published. */
static size_t matrices_good(const struct model *m, uint32_t i,
                            const struct json *sums)
{
    const struct x1_matrix *w = matrix_of(m, i);
    bool experts = hf_tensors_of_experts(&m->rec, i);
    uint32_t n = experts ? model_experts(&m->rec) : 1;
    uint32_t rows = w ? w->rows / n : 0;
    char name[HF_TENSOR_NAME];
    size_t good = 0;

    for (uint32_t e = 0; w && e < n; e++) {
        if (experts)
            hf_expert_name(name, &m->rec, i, e);
        else
            hf_tensor_name(name, &m->rec, i, false);
        if (json_get(sums, name) &&
            has_digest(json_get(sums, name), "w",
                       w->w + (size_t)e * rows * w->cols,
                       (size_t)rows * w->cols) &&
            has_digest(json_get(sums, name), "s_w",
                       w->scale + (size_t)e * rows, (size_t)rows * 4))
            good++;
    }
    return good;
}

/* weights_sha256 and inv_freq of a vector file. */
static void check_vectors(const char *name, const struct model *m,
                          const struct json *v)
{
    const struct json *sums = json_get(v, "weights_sha256");
    const char *hex = json_string(json_get(json_get(v, "inv_freq"), "hex"));
    size_t good = 0;
    char text[9];
    int same = hex && strlen(hex) == 4 * (size_t)m->rec.head_dim;

    for (uint32_t i = 0; i < m->rec.n_tensors; i++)
        good += matrices_good(m, i, sums);
    ok(good > 0 && good == json_count(sums), "%s: all %zu matrices have the "
       "published weights and scales", name, good);
    for (uint32_t i = 0; same && i < m->rec.head_dim / 2; i++) {
        uint32_t b = f32_bits(m->inv_freq[i]);

        snprintf(text, sizeof(text), "%02x%02x%02x%02x", b & 255,
                 b >> 8 & 255, b >> 16 & 255, b >> 24);
        same = strncmp(text, hex + 8 * i, 8) == 0;
    }
    ok(same, "%s: the frequencies are those published", name);
}

static void try_vectors(const char *name, const char *dir, const char *file)
{
    struct json *v = load(file);
    struct model *m = model_from_hf(dir, NULL);
    struct model *s = model_from_hf(dir, &smoothed);

    if (ok(m && v, "%s: is converted", name))
        check_vectors(name, m, v);
    ok(m && s && id_equal(m->id, s->id), "%s: smoothing has nothing to do",
       name);
    model_close(m);
    model_close(s);
    json_free(v);
}

static void try_all_vectors(void)
{
    static const char *const tiny[] = { "tiny-llama-a8", "tiny-llama-a8r",
                                        "tiny-gemma2", "tiny-gemma3",
                                        "tiny-ministral",
                                        "tiny-mistral",
                                        "tiny-olmo2", "tiny-olmo3",
                                        "tiny-qwen2", "tiny-qwen2-a8r",
                                        "tiny-qwen2-some", "tiny-qwen3",
                                        "tiny-qwen3-moe",
                                        "tiny-qwen3-moe-all",
                                        "tiny-smollm3" };
    char *dir, *file;

    for (size_t i = 0; i < sizeof(tiny) / sizeof(tiny[0]); i++) {
        char *d = xasprintf("vectors/x1/models/%s", tiny[i]);
        char *f = xasprintf("vectors/x1/%s.json", tiny[i]);

        dir = tree_path(d);
        file = tree_path(f);
        try_vectors(tiny[i], dir, file);
        free(dir);
        free(file);
        free(d);
        free(f);
    }
    dir = tree_path("models/nano");
    file = tree_path("vectors/x1/nano.json");
    try_vectors("nano", dir, file);
    free(dir);
    free(file);
    dir = stories_dir();
    if (dir) {
        file = data_path("vectors/x1/stories260K.json");
        try_vectors("stories260K", dir, file);
        free(file);
    } else {
        skip("stories260K", "APUS_TEST_DATA is not set");
    }
    free(dir);
}

/* The fields of the record. */
static void try_record(void)
{
    char *dir = tree_path("vectors/x1/models/tiny-qwen2");
    struct model *m = model_from_hf(dir, NULL);

    free(dir);
    dir = tree_path("vectors/x1/models/tiny-mistral");
    if (m) {
        const struct model_record *r = &m->rec;

        ok(r->n_layers == 2 && r->dim == 48 && r->n_heads == 3 &&
           r->n_kv_heads == 1 && r->head_dim == 18 && r->ffn_dim == 100 &&
           r->n_vocab == 150 && r->context == 512 && r->window == 0,
           "the sizes of qwen2");
        ok(r->flags == MODEL_QKV_BIAS && r->bos == 1 && r->n_eos == 1 &&
           r->eos[0] == 2 && r->eos[1] == MODEL_NONE, "its flags and ids");
        ok(f32_bits(r->eps) == f32_bits(1e-6f) &&
           f32_bits(r->attn_scale) == f32_bits((float)(1 / sqrt(18))),
           "its eps and attention scale");
        ok(r->template_size == 0, "and no template");
        ok(m->layers[1].bq && m->layers[1].bv && !m->layers[1].q_norm,
           "biases and no norms");
    }
    model_close(m);
    m = model_from_hf(dir, NULL);
    ok(m && m->rec.window == 7 && m->rec.flags == 0, "mistral's window");
    model_close(m);
    free(dir);
    dir = tree_path("vectors/x1/models/tiny-qwen3");
    m = model_from_hf(dir, NULL);
    ok(m && m->rec.flags == (MODEL_QK_NORM | MODEL_TIED) &&
       m->head.w == m->embed.w, "qwen3's norms and its tied head");
    model_close(m);
    free(dir);
}

static void try_twice(void)
{
    struct convert_options alone = { .threads = 1 }, many = { .threads = 7 };
    char *dir = tree_path("models/nano"), *a = tmp_path("a"),
         *b = tmp_path("b");
    struct id ida, idb;
    struct buf x, y;

    buf_init(&x, 1 << 24);
    buf_init(&y, 1 << 24);
    ok(!convert_model(dir, a, &alone, &ida, NULL) &&
           !convert_model(dir, b, &many, &idb, NULL) &&
           !file_read(&x, a, NULL) &&
           !file_read(&y, b, NULL) && x.len == y.len &&
           memcmp(x.data, y.data, x.len) == 0 && id_equal(ida, idb),
       "the same bytes twice, on one thread and on many");
    buf_clear(&x);
    buf_clear(&y);
    unlink(a);
    unlink(b);
    free(a);
    free(b);
    free(dir);
}

/* ---- directories of our own ------------------------------------------ */

static const char *base_config(void)
{
    return "{\"model_type\":\"llama\",\"hidden_size\":8,"
           "\"intermediate_size\":6,\"num_hidden_layers\":1,"
           "\"num_attention_heads\":2,\"vocab_size\":5,"
           "\"max_position_embeddings\":16,\"rms_norm_eps\":1e-5";
}

static void put_model_file(const char *dir, const char *name, const char *text)
{
    char *path = file_join(dir, name);

    file_write(path, text, strlen(text), NULL);
    free(path);
}

/* The tensors of base_config, of one dtype, with `kv` key channels. */
static void base_tensors(struct st_file *f, const char *dtype, int kv)
{
    st_add(f, "model.embed_tokens.weight", dtype, 5, 8);
    st_add(f, "model.norm.weight", dtype, 8, 0);
    st_add(f, "lm_head.weight", dtype, 5, 8);
    st_add(f, "model.layers.0.input_layernorm.weight", dtype, 8, 0);
    st_add(f, "model.layers.0.self_attn.q_proj.weight", dtype, 8, 8);
    st_add(f, "model.layers.0.self_attn.k_proj.weight", dtype, kv, 8);
    st_add(f, "model.layers.0.self_attn.v_proj.weight", dtype, kv, 8);
    st_add(f, "model.layers.0.self_attn.o_proj.weight", dtype, 8, 8);
    st_add(f, "model.layers.0.post_attention_layernorm.weight", dtype, 8, 0);
    st_add(f, "model.layers.0.mlp.gate_proj.weight", dtype, 6, 8);
    st_add(f, "model.layers.0.mlp.up_proj.weight", dtype, 6, 8);
    st_add(f, "model.layers.0.mlp.down_proj.weight", dtype, 8, 6);
}

/* A directory with base_config and `more` of it, and those tensors. */
static char *make_dir(const char *more, const struct st_file *f)
{
    char *dir = tmp_path("made"), *config, *rm;
    char *path = file_join(dir, "model.safetensors");

    rm = xasprintf("rm -rf %s", dir);
    if (system(rm))
        abort();
    free(rm);
    file_mkdirs(dir, NULL);
    config = xasprintf("%s%s}", base_config(), more);
    put_model_file(dir, "config.json", config);
    if (f)
        st_write(f, path);
    free(config);
    free(path);
    return dir;
}

/* Whether converting `dir` fails with a message that has this text. */
static int refused_with(const char *dir, const char *text)
{
    struct err err = ERR_INIT;
    char *out = tmp_path("refused.apus");
    struct id id;
    int rc = convert_model(dir, out, NULL, &id, &err);
    int good = rc == -1 && err.code == ERR_INPUT &&
               strstr(err.text, text) && !file_exists(out);

    if (!good)
        printf("# rc %d, %s\n", rc, err.text);
    unlink(out);
    free(out);
    return good;
}

static int accepted(const char *dir)
{
    struct model *m = model_from_hf(dir, NULL);

    model_close(m);
    return m != NULL;
}

static void try_dtypes(void)
{
    static const char *const dtype[] = { "F32", "F16", "BF16" };
    struct id id[3];
    int good = 1;

    for (size_t i = 0; i < 3; i++) {
        struct st_file f = { 0 };
        struct model *m;
        char *dir;

        base_tensors(&f, dtype[i], 8);
        dir = make_dir("", &f);
        m = model_from_hf(dir, NULL);
        good &= m != NULL;
        if (m)
            id[i] = m->id;
        model_close(m);
        st_clear(&f);
        free(dir);
    }
    ok(good && id_equal(id[0], id[1]) && id_equal(id[0], id[2]),
       "F32, F16 and BF16 of the same numbers give the same model");
}

static void try_tied(void)
{
    struct st_file f = { 0 };
    char *dir;
    struct model *m;

    base_tensors(&f, "BF16", 8);
    dir = make_dir(",\"tie_word_embeddings\":true", &f);
    ok(refused_with(dir, "differ"), "a tied head that differs is refused");
    free(dir);
    memcpy(st_data(&f, "lm_head.weight"),
           st_data(&f, "model.embed_tokens.weight"), 80);
    dir = make_dir(",\"tie_word_embeddings\":true", &f);
    m = model_from_hf(dir, NULL);
    ok(m && m->rec.flags == MODEL_TIED, "a tied head that is saved twice");
    model_close(m);
    free(dir);
    st_drop(&f, "lm_head.weight");
    dir = make_dir("", &f);
    ok(refused_with(dir, "\"lm_head.weight\" is missing"),
       "an own head that is missing is refused");
    st_clear(&f);
    free(dir);
}

/* One change of a checkpoint that must be refused with this text. */
static void try_bad_tensors(void)
{
    static const struct {
        const char *name, *text;
        unsigned char byte[2]; /* of the last number, BF16 */
    } cases[] = {
        { "model.layers.0.mlp.up_proj.weight", "number 47", { 0xc0, 0x7f } },
        { "model.norm.weight", "number 7", { 0x80, 0xff } },
        { "model.embed_tokens.weight", "number 39", { 0x80, 0x53 } },
    };
    struct st_file f = { 0 };
    char *dir;

    for (size_t i = 0; i < 3; i++) {
        struct st_file g = { 0 };
        const struct st_tensor *t;

        base_tensors(&g, "BF16", 8);
        t = st_find(&g, cases[i].name);
        memcpy(st_data(&g, cases[i].name) + t->size - 2, cases[i].byte, 2);
        dir = make_dir("", &g);
        ok(refused_with(dir, cases[i].text) &&
           refused_with(dir, cases[i].name), "NaN, infinity or 2^40 in %s",
           cases[i].name);
        st_clear(&g);
        free(dir);
    }
    base_tensors(&f, "BF16", 8);
    st_add(&f, "model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 2, 0);
    dir = make_dir("", &f);
    ok(accepted(dir), "saved frequencies are let pass");
    free(dir);
    st_add(&f, "model.layers.0.self_attn.q_proj.bias", "BF16", 8, 0);
    dir = make_dir("", &f);
    ok(refused_with(dir, "\"model.layers.0.self_attn.q_proj.bias\" has no "
                    "place"), "an extra tensor is refused");
    free(dir);
    st_clear(&f);
    base_tensors(&f, "BF16", 4);
    dir = make_dir("", &f);
    ok(refused_with(dir, "k_proj.weight\" has not the shape"),
       "a wrong shape is refused");
    free(dir);
    dir = make_dir(",\"num_key_value_heads\":1", &f);
    ok(accepted(dir), "and is right for one kv head");
    free(dir);
    st_clear(&f);
    base_tensors(&f, "F64", 8);
    dir = make_dir("", &f);
    ok(refused_with(dir, "dtype F64"), "another dtype is refused");
    free(dir);
    st_clear(&f);
}

/* ---- configs --------------------------------------------------------- */

static int parse(struct hf_config *c, const char *more, const char *gen,
                 struct err *err)
{
    char *text = xasprintf("%s%s}", base_config(), more);
    int rc = hf_config_parse(c, text, strlen(text), gen,
                             gen ? strlen(gen) : 0, err);

    free(text);
    return rc;
}

static void try_refused_configs(void)
{
    static const char *const cases[][2] = {
        { ",\"hidden_act\":\"gelu\"", "hidden_act" },
        { ",\"mlp_bias\":true", "mlp_bias" },
        { ",\"attention_bias\":true", "attention_bias" },
        { ",\"partial_rotary_factor\":0.5", "partial_rotary_factor" },
        { ",\"quantization_config\":{}", "quantization_config" },
        { ",\"num_local_experts\":8", "num_local_experts" },
        { ",\"sliding_window\":4", "sliding_window" },
        { ",\"use_sliding_window\":true", "use_sliding_window" },
        { ",\"layer_types\":[\"sliding_attention\",\"x\"]", "layer_types" },
        { ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}",
          "dynamic" },
        { ",\"rope_scaling\":{\"rope_type\":\"longrope\",\"factor\":2}",
          "longrope" },
        { ",\"rope_scaling\":{\"type\":\"linear\"}", "factor" },
        { ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2,\"x\":1}",
          "\"x\"" },
        { ",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":2}", "llama3" },
        { ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},"
          "\"rope_parameters\":{}", "rope_parameters" },
        { ",\"rope_theta\":0.5", "rope_theta" },
        { ",\"eos_token_id\":5", "eos_token_id" },
        { ",\"eos_token_id\":[1,-1]", "eos_token_id" },
        { ",\"bos_token_id\":1.5", "bos_token_id" },
        { ",\"head_dim\":3", "head" },
        { ",\"head_dim\":1026", "head" },
        { ",\"num_key_value_heads\":3", "heads" },
        { ",\"apus_activations\":\"A4\"", "apus_activations" },
        { ",\"architectures\":[\"LlamaForSequenceClassification\"]",
          "architectures" },
    };
    struct hf_config c;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;

        if (!ok(parse(&c, cases[i][0], NULL, &err) == -1 &&
                err.code == ERR_INPUT && strstr(err.text, cases[i][1]),
                "refused: %s", cases[i][0] + 1))
            printf("# %s\n", err.text);
    }
    ok(hf_config_parse(&c, "{\"model_type\":\"phi3\"}", 21, NULL, 0, NULL),
       "an unknown family is refused");
    ok(hf_config_parse(&c, "[]", 2, NULL, 0, NULL) &&
       hf_config_parse(&c, "{}", 2, NULL, 0, NULL) &&
       hf_config_parse(&c, "", 0, NULL, 0, NULL), "as is what is not a config");
}

/* A config of four layers of a family. */
static int parse_layers(struct hf_config *c, const char *family,
                        const char *more, struct err *err)
{
    char *text = xasprintf(
        "{\"model_type\":\"%s\",\"hidden_size\":8,\"intermediate_size\":8,"
        "\"num_hidden_layers\":4,\"num_attention_heads\":2,\"head_dim\":4,"
        "\"num_key_value_heads\":2,\"vocab_size\":9,"
        "\"max_position_embeddings\":64,"
        "\"rms_norm_eps\":1e-5%s}", family, more);
    int rc;

    *err = (struct err)ERR_INIT;
    rc = hf_config_parse(c, text, strlen(text), NULL, 0, err);
    free(text);
    return rc;
}

/* What the layers of a config are: a letter each, w with the window of 7, f
 * without, and the same in capitals without RoPE; "" if they are alike. */
static bool layers_are(const char *family, const char *more, const char *want,
                       uint32_t window)
{
    struct hf_config c;
    struct err err;
    char got[5] = "";

    if (parse_layers(&c, family, more, &err)) {
        printf("# %s\n", err.text);
        return false;
    }
    for (uint32_t l = 0; l < 4 && c.rec.flags & MODEL_LAYERS; l++) {
        const float *of = c.inv_freq + 4 + 4 * l;

        got[l] = of[0] > 0 ? 'w' : 'f';
        if (of[2] > 0)
            got[l] -= 'a' - 'A';
        if ((of[0] > 0 && (uint32_t)of[0] != 7) ||
            f32_bits(of[1]) != f32_bits(0.5f) || f32_bits(of[3]))
            got[l] = '?';
    }
    if (c.rec.flags & MODEL_LAYERS &&
        (f32_bits(c.inv_freq[2]) || f32_bits(c.inv_freq[3])))
        got[0] = '!';
    if (strcmp(got, want) != 0 || c.rec.window != window)
        printf("# \"%s\", window %u\n", got, c.rec.window);
    return strcmp(got, want) == 0 && c.rec.window == window;
}

#define MIXED "\"layer_types\":[\"sliding_attention\",\"full_attention\"," \
              "\"sliding_attention\",\"sliding_attention\"]"
#define NO_WINDOW ",\"sliding_window\":null,"
#define FULL "\"layer_types\":[\"full_attention\",\"full_attention\"," \
             "\"full_attention\",\"full_attention\"]"

static void try_layers(void)
{
    static const char *const bad[][3] = {
        { "mistral", ",\"layer_types\":[]", "layer_types" },
        { "mistral", ",\"layer_types\":7", "layer_types" },
        { "mistral", NO_WINDOW MIXED, "no sliding_window" },
        { "ministral", ",\"sliding_window\":7,\"layer_types\":[\"x\",1,2,3]",
          "layer_types[0] is \"x\"" },
        { "qwen2", ",\"sliding_window\":7," MIXED, "use_sliding_window" },
        { "qwen2", ",\"sliding_window\":7,\"use_sliding_window\":true",
          "max_window_layers" },
        { "olmo3", NO_WINDOW MIXED, "it has no sliding_window" },
        { "gemma3_text", ",\"rope_theta\":1e6,\"sliding_window\":7,"
          "\"final_logit_softcapping\":30", "final_logit_softcapping is 30" },
        { "gemma3_text", ",\"rope_theta\":1e6,\"sliding_window\":7,"
          "\"use_bidirectional_attention\":true", "use_bidirectional" },
        { "gemma3_text", ",\"rope_theta\":1e6,\"sliding_window\":7,"
          "\"hidden_activation\":\"silu\"", "hidden_activation is" },
        { "gemma3_text", ",\"rope_theta\":1e6,\"sliding_window\":7,"
          "\"tie_word_embeddings\":false", "tie_word_embeddings is" },
        { "gemma3_text", NO_WINDOW MIXED, "it has no sliding_window" },
        { "llama", ",\"no_rope_layers\":[1,1,1,0]", "no_rope_layers" },
        { "smollm3", ",\"no_rope_layers\":[1,1,1]", "no_rope_layers" },
        { "smollm3", ",\"no_rope_layers\":[1,1,1,2]", "no_rope_layers" },
        { "smollm3", ",\"no_rope_layer_interval\":0", "interval" },
    };
    struct hf_config c;
    struct err err;

    ok(layers_are("mistral", ",\"sliding_window\":7", "", 7) &&
       layers_are("mistral", ",\"sliding_window\":7," FULL, "", 0) &&
       layers_are("mistral", ",\"sliding_window\":64," MIXED, "", 0),
       "layers that are alike");
    ok(layers_are("ministral", ",\"sliding_window\":7," MIXED, "wfww", 0),
       "a window by layer");
    ok(layers_are("qwen2", ",\"sliding_window\":7,\"use_sliding_window\":true,"
                  "\"max_window_layers\":3", "fffw", 0) &&
       layers_are("qwen2", ",\"sliding_window\":7,\"use_sliding_window\":true,"
                  "\"max_window_layers\":0", "", 7) &&
       layers_are("qwen2", ",\"sliding_window\":7,\"use_sliding_window\":true,"
                  "\"max_window_layers\":4", "", 0) &&
       layers_are("qwen2", ",\"sliding_window\":7,\"max_window_layers\":2",
                  "", 0), "a window from a layer on");
    ok(layers_are("smollm3", "", "fffF", 0) &&
       layers_are("smollm3", ",\"no_rope_layer_interval\":2", "fFfF", 0) &&
       layers_are("smollm3", ",\"no_rope_layers\":[0,1,1,1]", "Ffff", 0) &&
       layers_are("smollm3", ",\"no_rope_layers\":[1,1,1,1]", "", 0),
       "layers without RoPE");
    ok(layers_are("smollm3", ",\"sliding_window\":7,\"use_sliding_window\":"
                  "true", "fffW", 0) &&
       layers_are("smollm3", ",\"sliding_window\":7,\"use_sliding_window\":"
                  "true," MIXED, "wfwW", 0), "both");
    ok(layers_are("olmo3", ",\"sliding_window\":7", "wwwf", 0) &&
       layers_are("olmo3", ",\"sliding_window\":7," FULL, "", 0) &&
       layers_are("olmo3", ",\"sliding_window\":7," MIXED, "wfww", 0) &&
       layers_are("olmo2", ",\"layer_types\":null", "", 0),
       "all but each fourth layer");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!ok(parse_layers(&c, bad[i][0], bad[i][1], &err) == -1 &&
                err.code == ERR_INPUT && strstr(err.text, bad[i][2]),
                "refused: %s", bad[i][1] + 1))
            printf("# %s\n", err.text);
}

static void try_gemma2(void)
{
    struct hf_config c;
    struct err err;

    ok(layers_are("gemma2", ",\"sliding_window\":7,"
                  "\"query_pre_attn_scalar\":4", "wfwf", 0),
       "a window in every second layer");
    ok(parse_layers(&c, "gemma2", ",\"sliding_window\":7,"
                    "\"final_logit_softcapping\":null", &err) == 0 &&
       c.rec.flags & MODEL_SOFT_CAPS && f32_bits(c.inv_freq[20]) ==
       f32_bits(50) && f32_bits(c.inv_freq[21]) == 0, "caps: 50, and none");
}

static void try_config_values(void)
{
    struct hf_config c;

    ok(!parse(&c, "", NULL, NULL) &&
       c.rec.n_eos == 0 && c.rec.bos == MODEL_NONE &&
       c.rec.head_dim == 4 && c.rec.n_kv_heads == 2, "defaults");
    ok(!parse(&c, ",\"eos_token_id\":[4,1,4],\"bos_token_id\":0",
              NULL, NULL) && c.rec.n_eos == 2 && c.rec.eos[0] == 4 &&
       c.rec.eos[1] == 1 && c.rec.bos == 0, "a list of eos ids");
    ok(!parse(&c, ",\"eos_token_id\":4", "{\"eos_token_id\":[3,2]}", NULL) &&
       c.rec.n_eos == 3 && c.rec.eos[0] == 3 && c.rec.eos[2] == 4,
       "eos ids of both files, those of generation_config.json first");
    ok(!parse(&c, ",\"apus_activations\":\"A8\"", NULL, NULL) &&
       c.rec.flags == MODEL_A8, "A8 by the config");
    ok(!parse(&c, ",\"rope_parameters\":{\"rope_type\":\"default\","
              "\"rope_theta\":100}", NULL, NULL) &&
       f32_bits(c.inv_freq[1]) == f32_bits(0.1f), "rope_parameters");
}

static void try_rope(void)
{
    struct hf_config c, plain;
    double s;

    parse(&plain, ",\"head_dim\":64", NULL, NULL);
    ok(!parse(&c, ",\"head_dim\":64,\"rope_scaling\":{\"type\":\"linear\","
              "\"factor\":4}", NULL, NULL) &&
       c.inv_freq[0] == 0.25f &&
       c.inv_freq[9] == plain.inv_freq[9] / 4, "linear scaling");
    ok(!parse(&c, ",\"head_dim\":64,\"rope_scaling\":{\"rope_type\":"
              "\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
              "\"high_freq_factor\":4,"
              "\"original_max_position_embeddings\":8192}", NULL, NULL) &&
       c.inv_freq[0] == 1 && c.inv_freq[10] == plain.inv_freq[10] &&
       c.inv_freq[31] == plain.inv_freq[31] / 8 &&
       c.inv_freq[23] < plain.inv_freq[23] &&
       c.inv_freq[23] > plain.inv_freq[23] / 8, "llama3 scaling");
    ok(!parse(&c, ",\"head_dim\":64,\"rope_scaling\":{\"rope_type\":"
              "\"yarn\",\"factor\":4,"
              "\"original_max_position_embeddings\":32768}", NULL, NULL) &&
       c.inv_freq[0] == 1 && c.inv_freq[31] == plain.inv_freq[31] / 4,
       "yarn scaling at both ends");
    s = 0.1 * log(4) + 1;
    ok(fabs(c.rec.attn_scale / (s * s / 8) - 1) < 1e-6,
       "yarn's factor is in the attention scale, twice");
    ok(!parse(&c, ",\"head_dim\":64,\"rope_scaling\":{\"rope_type\":"
              "\"yarn\",\"factor\":4,\"attention_factor\":1,"
              "\"original_max_position_embeddings\":32768}", NULL, NULL) &&
       c.rec.attn_scale == 0.125f, "unless the config gives another");
    ok(hf_pow(10000, 0.5) == 100 && hf_pow(2, 0.5) == sqrt(2) &&
       hf_pow(1e6, 0) == 1 && hf_log(1) == 0, "powers and a logarithm");
}

/* ---- texts and smoothing --------------------------------------------- */

static int has_template(const char *dir, const char *text)
{
    struct model *m = model_from_hf(dir, NULL);
    int good = m && m->rec.template_size == strlen(text) &&
               memcmp(m->chat_template, text, strlen(text)) == 0;

    model_close(m);
    return good;
}

static void try_templates(void)
{
    struct st_file f = { 0 };
    char *dir;

    base_tensors(&f, "F32", 8);
    dir = make_dir("", &f);
    ok(has_template(dir, ""), "no template");
    put_model_file(
        dir, "tokenizer_config.json",
        "{\"chat_template\":[{\"name\":\"x\","
        "\"template\":\"no\"},{\"name\":\"default\",\"template\":\"yes\"}]}");
    ok(has_template(dir, "yes"), "the default of a list");
    put_model_file(dir, "tokenizer_config.json",
                   "{\"chat_template\":\"{{a}}\"}");
    ok(has_template(dir, "{{a}}"), "a template in the config");
    put_model_file(dir, "chat_template.jinja", "file\n");
    ok(has_template(dir, "file\n"), "a template file holds before it");
    put_model_file(dir, "tokenizer_config.json", "{");
    ok(refused_with(dir, "tokenizer_config.json"), "a broken config");
    free(dir);
    st_clear(&f);
}

static void try_powers(void)
{
    static const double m[8] = { 1, 1, 1, 2, 16.5, 64, 255, 1e30 };
    static const double flat[3] = { 0, 0, 5 };
    unsigned char p[8];

    ok(smooth_powers(p, m, 7) && p[0] == 0 && p[3] == 0 && p[4] == 2 &&
       p[5] == 3 && p[6] == 3, "powers by the lower median, 2");
    ok(smooth_powers(p, m, 8) && p[7] == 12, "at most 2^12");
    ok(!smooth_powers(p, m, 4) && p[3] == 0, "none below 16 medians");
    ok(!smooth_powers(p, flat, 3) && p[2] == 0, "none where it is 0");
}

/* A bias that sticks out of its head's rows. */
static void try_smoothing(void)
{
    struct st_file f = { 0 };
    struct model *a, *b;
    char *dir;
    uint16_t big = 0x4880; /* 2^18 in BF16 */
    int good = 1;

    base_tensors(&f, "BF16", 8);
    st_add(&f, "model.layers.0.self_attn.q_proj.bias", "BF16", 8, 0);
    st_add(&f, "model.layers.0.self_attn.k_proj.bias", "BF16", 8, 0);
    st_add(&f, "model.layers.0.self_attn.v_proj.bias", "BF16", 8, 0);
    memcpy(st_data(&f, "model.layers.0.self_attn.k_proj.bias") + 2, &big, 2);
    dir = make_dir("", &f);
    put_model_file(dir, "config.json",
                   "{\"model_type\":\"qwen2\",\"hidden_size\":8,"
                   "\"intermediate_size\":6,\"num_hidden_layers\":1,"
                   "\"num_attention_heads\":2,\"vocab_size\":5,"
                   "\"max_position_embeddings\":16,\"rms_norm_eps\":1e-5}");
    a = model_from_hf(dir, NULL);
    b = model_from_hf(dir, &smoothed);
    if (ok(a && b && !id_equal(a->id, b->id), "smoothing changes a model")) {
        const struct model_layer *x = a->layers, *y = b->layers;
        float up = y->bq[1] / x->bq[1];

        good &= up > 1 && y->bk[1] == x->bk[1] / up;
        good &= y->bq[3] == x->bq[3] * up && y->bk[3] == x->bk[3] / up;
        for (size_t i = 0; i < 8; i++) {
            float s = i == 1 || i == 3 ? up : 1;

            good &= y->wq.scale[i] == x->wq.scale[i] * s;
            good &= y->wk.scale[i] == x->wk.scale[i] / s;
        }
        good &= memcmp(x->wq.w, y->wq.w, 64) == 0 &&
                memcmp(x->wk.w, y->wk.w, 64) == 0;
        ok(good, "by a power of two that moves from keys to queries");
    }
    model_close(a);
    model_close(b);
    st_clear(&f);
    free(dir);
}

int main(void)
{
    try_all_vectors();
    try_record();
    try_twice();
    try_dtypes();
    try_tied();
    try_bad_tensors();
    try_refused_configs();
    try_config_values();
    try_layers();
    try_gemma2();
    try_rope();
    try_templates();
    try_powers();
    try_smoothing();
    tmp_remove();
    return done();
}
