/*
 * Models in GGUF files: the families of vectors/x1, a byte-level model and
 * stories260K are the same models as from safetensors; quirks of files that
 * people have; what is refused, by name; the store.
 */
#include <config.h>

#include <math.h>

#include "base/bytes.h"
#include "model/import/formats.h"
#include "model/import/gguf.h"
#include "model/import/hf_rope.h"
#include "model/import/import.h"
#include "model/models.h"
#include "tests/gguf_made.h"
#include "tests/models_util.h"

/* One model, to be changed. */
static struct import *open_tree(const char *name)
{
    char *dir = tree_path(name);
    struct err err = ERR_INIT;
    struct import *m = NULL;

    if (formats_open(&m, dir, &err))
        printf("# %s\n", err.text);
    free(dir);
    return m;
}

static bool convert(const char *from, const struct convert_options *o,
                    struct id *id, struct model_record *rec, struct err *err)
{
    char *to = tmp_path("converted.apus");
    bool good;

    *err = (struct err)ERR_INIT;
    good = convert_model(from, to, o, id, err) == 0 &&
           model_peek(rec, id, to, err) == 0;
    unlink(to);
    free(to);
    return good;
}

/* Whether a GGUF file and a directory are one model. */
static void same_model(const char *file, const char *dir,
                       const struct convert_options *o, const char *what)
{
    struct model_record a, b;
    struct id x, y;
    struct err err;

    if (!ok(convert(file, o, &x, &a, &err), "%s: converted", what) ||
        !ok(convert(dir, o, &y, &b, &err), "%s: from safetensors", what)) {
        printf("# %s\n", err.text);
        return;
    }
    ok(id_equal(a.tensors, b.tensors), "%s: the same tensors", what);
    ok(id_equal(x, y), "%s: the same model", what);
}

/* ---- families ------------------------------------------------------------ */

static void try_family(const char *name, const struct gguf_made *how)
{
    struct convert_options o = { .a8 = strstr(name, "a8") != NULL };
    char *tree = xasprintf("vectors/x1/models/%s", name);
    char *dir = tree_path(tree), *path = tmp_path("family.gguf");
    struct import *m = open_tree(tree);
    struct gguf_out g;

    gguf_out_init(&g);
    m->embedding = m->final = 0; /* files have no factor */
    gguf_made(&g, m, how);
    gguf_out_write(&g, path);
    gguf_out_clear(&g);
    import_free(m);
    same_model(path, dir, &o, name);
    free(tree);
    free(dir);
    free(path);
}

static void try_families(void)
{
    static const struct gguf_made llama = {
        .architecture = "llama", .interleaved = true, .format = 30,
        .repeats_head = true
    };
    static const struct gguf_made mistral = {
        .architecture = "llama", .interleaved = true, .theta = 10000
    };
    static const struct gguf_made qwen2 = {
        .architecture = "qwen2", .format = 30, .theta = 1000000
    };
    static const struct gguf_made qwen3 = {
        .architecture = "qwen3", .format = 1, .theta = 1000000
    };
    static const struct gguf_made olmo2 = {
        .architecture = "olmo2", .format = 30, .theta = 500000
    };
    static const struct gguf_made olmo3 = {
        .architecture = "olmo2", .format = 1, .theta = 500000, .window = 7,
        .yarn = 8
    };
    static const struct gguf_made glm = {
        .architecture = "chatglm", .interleaved = true, .fused = true,
        .turned = 10, .format = 30, .theta = 10000
    };
    static const struct gguf_made glm4 = {
        .architecture = "glm4", .interleaved = true, .fused_ffn = true,
        .turned = 8, .format = 30, .theta = 10000
    };
    static const struct gguf_made smollm3 = {
        .architecture = "smollm3", .interleaved = true, .format = 30,
        .theta = 5000000
    };
    static const struct gguf_made gemma2 = {
        .architecture = "gemma2", .format = 1, .window = 7,
        .cap = { 2.5, 3 }, .scalar = 24
    };
    static const struct gguf_made gemma3 = {
        .architecture = "gemma3", .format = 30, .theta = 1000000, .window = 7,
        .linear = 8, .scalar = 24, .every = 3
    };
    static const struct gguf_made moe = {
        .architecture = "qwen3moe", .format = 1, .theta = 1000000
    };

    try_family("tiny-qwen3-moe", &moe);
    try_family("tiny-gemma2", &gemma2);
    try_family("tiny-gemma3", &gemma3);
    try_family("tiny-llama-a8r", &llama);
    try_family("tiny-mistral", &mistral);
    try_family("tiny-qwen2", &qwen2);
    try_family("tiny-qwen3", &qwen3);
    try_family("tiny-smollm3", &smollm3);
    try_family("tiny-glm", &glm);
    try_family("tiny-glm4", &glm4);
    try_family("tiny-olmo2", &olmo2);
    try_family("tiny-olmo3", &olmo3);
}

/* Old files of Gemma 2 do not say their window. */
static void try_old_gemma2(void)
{
    static const struct gguf_made how = { .architecture = "gemma2" };
    struct import *m = open_tree("vectors/x1/models/tiny-gemma2"), *g = NULL;
    char *path = tmp_path("old.gguf");
    struct err err = ERR_INIT;
    struct gguf_out o;

    m->embedding = m->final = 0;
    m->rec.context = 8192;
    gguf_out_init(&o);
    gguf_made(&o, m, &how);
    gguf_out_write(&o, path);
    gguf_out_clear(&o);
    if (ok(!formats_open(&g, path, &err), "an old Gemma 2: %s", err.text))
        ok(g->rec.flags & MODEL_LAYERS &&
           (uint32_t)g->inv_freq[g->rec.head_dim] == 4096 &&
           (uint32_t)g->inv_freq[model_caps_at(&g->rec)] == 50,
           "the window of 4096, the cap of 50");
    import_free(g);
    import_free(m);
    free(path);
}

/* ---- a byte-level model -------------------------------------------------- */

/* Pre-tokenizers by name in a GGUF file, and as tokenizer.json has them. */
#define SPLIT(regex)                                                       \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","       \
    "\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":\"Isolated\","     \
    "\"invert\":false},{\"type\":\"ByteLevel\","                           \
    "\"add_prefix_space\":false,\"use_regex\":false}]}"

static const struct pre {
    const char *name, *json, *normalizer;
} pres[] = {
    { "smollm", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
      "\"Digits\",\"individual_digits\":true},{\"type\":\"ByteLevel\","
      "\"add_prefix_space\":false}]}", "null" },
    { "gpt-2", "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}",
      "null" },
    { "qwen2", SPLIT("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}"
                     "\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+"
                     "[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|"
                     "\\\\s+"), "{\"type\":\"NFC\"}" },
    { "seed-coder", SPLIT("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}"
                          "\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1}| ?[^\\\\s\\\\p{L}"
                          "\\\\p{N}\\\\r\\\\n]+|\\\\s*[\\\\r\\\\n]+|"
                          "\\\\s+(?!\\\\S)|\\\\s+"), "null" },
};

/* A file of nano's in a directory, as it is. */
static void copy_file(const char *dir, const char *name)
{
    char *tree = xasprintf("models/nano/%s", name), *from = tree_path(tree);
    char *to = file_join(dir, name);
    struct buf b;

    buf_init(&b, (size_t)64 << 20);
    if (file_read(&b, from, NULL) || file_write(to, b.data, b.len, NULL))
        printf("# cannot copy %s\n", from);
    buf_clear(&b);
    free(tree);
    free(from);
    free(to);
}

/* tokenizer.json of nano with another normalizer and pre-tokenizer. */
static void put_tokenizer(const char *dir, const struct pre *pre)
{
    char *from = tree_path("models/nano/tokenizer.json");
    char *to = file_join(dir, "tokenizer.json"), *a, *b;
    struct buf t, out;

    buf_init(&t, (size_t)1 << 20);
    buf_init(&out, (size_t)1 << 20);
    if (file_read(&t, from, NULL))
        printf("# cannot read %s\n", from);
    a = strstr(t.data, "\"normalizer\"");
    b = strstr(t.data, "\"post_processor\"");
    buf_put(&out, t.data, (size_t)(a - t.data));
    buf_printf(&out, "\"normalizer\": %s, \"pre_tokenizer\": %s,\n%s",
               pre->normalizer, pre->json, b);
    file_write(to, out.data, out.len, NULL);
    buf_clear(&t);
    buf_clear(&out);
    free(from);
    free(to);
}

static void try_pre(const struct pre *pre)
{
    struct gguf_made how = { .architecture = "llama", .interleaved = true,
                             .format = 30, .theta = 10000,
                             .pre = pre->name };
    char *dir = tmp_path(pre->name), *path = tmp_path("byte-level.gguf");
    struct err err = ERR_INIT;
    struct import *m = NULL;
    struct gguf_out g;

    file_mkdirs(dir, NULL);
    copy_file(dir, "config.json");
    copy_file(dir, "model.safetensors");
    copy_file(dir, "tokenizer_config.json");
    put_tokenizer(dir, pre);
    if (ok(!formats_open(&m, dir, &err), "%s: a directory", pre->name)) {
        gguf_out_init(&g);
        gguf_made(&g, m, &how);
        gguf_out_write(&g, path);
        gguf_out_clear(&g);
        same_model(path, dir, NULL, pre->name);
    } else {
        printf("# %s\n", err.text);
    }
    import_free(m);
    free(dir);
    free(path);
}

static void try_byte_level(void)
{
    for (size_t i = 0; i < sizeof(pres) / sizeof(pres[0]); i++)
        try_pre(&pres[i]);
}

/* ---- stories260K --------------------------------------------------------- */

/* Its tokenizer.model squeezes spaces, which no key of the GGUF files says;
 * a copy that does not, and the context that those have. */
static char *stories_as_gguf(void)
{
    char *from = stories_dir(), *dir, *path, *at;
    static const char keep[] = "\x1a\x02\x20\x00"; /* normalizer: field 4 */
    struct buf b;

    if (!from)
        return NULL;
    dir = tmp_path("stories-gguf");
    file_mkdirs(dir, NULL);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "config.json",
                                             "model.safetensors",
                                             "tokenizer.model" };
        char *source = file_join(from, names[i]);

        path = file_join(dir, names[i]);
        buf_init(&b, (size_t)64 << 20);
        file_read(&b, source, NULL);
        at = i == 0 ? strstr(b.data, "512,\n \"rms") : NULL;
        if (at) /* "max_position_embeddings": 512 */
            memcpy(at, "2048, \"rms", 10);
        if (i == 2)
            buf_put(&b, keep, 4);
        file_write(path, b.data, b.len, NULL);
        buf_clear(&b);
        free(source);
        free(path);
    }
    free(from);
    return dir;
}

static void try_stories(void)
{
    char *path = data_path("models/stories260K/stories260K.gguf");
    char *dir = stories_as_gguf();

    if (path)
        same_model(path, dir, NULL, "stories260K");
    else
        skip("stories260K", "no APUS_TEST_DATA");
    free(path);
    free(dir);
}

/* ---- quirks -------------------------------------------------------------- */

/* nano with these keys and tensors instead of some. */
static void nano_out(struct gguf_out *o, const struct import *m)
{
    static const struct gguf_made how = {
        .architecture = "llama", .interleaved = true, .format = 30
    };

    gguf_out_init(o);
    gguf_made(o, m, &how);
}

static struct import *open_out(struct gguf_out *o, struct err *err)
{
    char *path = tmp_path("quirk.gguf");
    struct import *m = NULL;

    *err = (struct err)ERR_INIT;
    gguf_out_write(o, path);
    gguf_out_clear(o);
    if (formats_open(&m, path, err))
        m = NULL;
    free(path);
    return m;
}

/* The factors that Llama 3.1's converter writes, and others. */
static void try_factors(const struct import *nano)
{
    struct hf_rope rope = { .type = HF_ROPE_LLAMA3, .theta = 10000,
                            .factor = 8, .original = 8192, .low_freq = 1,
                            .high_freq = 4 };
    uint32_t half = nano->rec.head_dim / 2;
    float want[X1_MAX_HEAD_DIM / 2], plain[X1_MAX_HEAD_DIM / 2];
    unsigned char f[4 * X1_MAX_HEAD_DIM / 2];
    struct gguf_out o;
    struct import *m;
    struct err err;

    hf_rope_frequencies(want, &rope, nano->rec.head_dim);
    rope.type = HF_ROPE_PLAIN;
    hf_rope_frequencies(plain, &rope, nano->rec.head_dim);
    for (uint32_t i = 0; i < half; i++) /* in f32, and a little off */
        set_u32(f + 4 * i, f32_bits(plain[i] / want[i]));
    nano_out(&o, nano);
    gguf_put_tensor(&o, "rope_freqs.weight", 0, half, 0, f, 4 * half);
    m = open_out(&o, &err);
    ok(m && memcmp(m->inv_freq, want, half * 4) == 0,
       "factors of Llama 3 are its rule%s%s", m ? "" : ": ", err.text);
    import_free(m);
    for (uint32_t i = 0; i < half; i++)
        set_u32(f + 4 * i, f32_bits(i % 2 ? 2.0f : 1.0f));
    nano_out(&o, nano);
    gguf_put_tensor(&o, "rope_freqs.weight", 0, half, 0, f, 4 * half);
    m = open_out(&o, &err);
    ok(m && f32_bits(m->inv_freq[1]) == f32_bits(plain[1] / 2) &&
       f32_bits(m->inv_freq[2]) == f32_bits(plain[2]),
       "other factors divide the frequencies");
    import_free(m);
}

/* Scaling in the keys gives the frequencies of the same words in a config. */
static void try_scaling(const struct import *nano)
{
    struct hf_rope rope = { .type = HF_ROPE_YARN, .theta = 10000,
                            .factor = 4, .original = 128, .beta_fast = 32,
                            .beta_slow = 1 };
    uint32_t half = nano->rec.head_dim / 2;
    float want[X1_MAX_HEAD_DIM / 2];
    double a = hf_rope_attention(&rope);
    struct gguf_out o;
    struct import *m;
    struct err err;

    hf_rope_frequencies(want, &rope, nano->rec.head_dim);
    nano_out(&o, nano);
    gguf_put_text(&o, "llama.rope.scaling.type", "yarn");
    gguf_put_f32(&o, "llama.rope.scaling.factor", 4);
    gguf_put_u32(&o, "llama.rope.scaling.original_context_length", 128);
    m = open_out(&o, &err);
    ok(m && memcmp(m->inv_freq, want, half * 4) == 0 &&
       f32_bits(m->rec.attn_scale) ==
       f32_bits((float)(1 / sqrt(nano->rec.head_dim) * (a * a))),
       "yarn%s%s", m ? "" : ": ", err.text);
    import_free(m);
    rope.type = HF_ROPE_LINEAR;
    hf_rope_frequencies(want, &rope, nano->rec.head_dim);
    nano_out(&o, nano);
    gguf_put_f32(&o, "llama.rope.scale_linear", 4);
    m = open_out(&o, &err);
    ok(m && memcmp(m->inv_freq, want, half * 4) == 0,
       "linear, as older files say it%s%s", m ? "" : ": ", err.text);
    import_free(m);
}

static void try_named_template(const struct import *nano)
{
    static const char want[] = "{% if tools %}\nT{%+ else %}\nD{%+ endif %}";
    struct gguf_out o;
    struct import *m;
    struct err err;

    nano_out(&o, nano);
    gguf_put_text(&o, "tokenizer.chat_template", "D");
    gguf_put_text(&o, "tokenizer.chat_template.tool_use", "T\n");
    gguf_put_text(&o, "tokenizer.chat_template.rag", "R");
    m = open_out(&o, &err);
    ok(m && m->chat_template.len == strlen(want) &&
       memcmp(m->chat_template.data, want, strlen(want)) == 0,
       "two templates are one%s%s", m ? "" : ": ", err.text);
    import_free(m);
}

/* ---- what is refused ----------------------------------------------------- */

static void refused(struct gguf_out *o, const char *want)
{
    struct err err;
    struct import *m = open_out(o, &err);

    if (!ok(!m && strstr(err.text, want), "refused: %s", want))
        printf("# %s\n", err.text);
    import_free(m);
}

static void try_refused_keys(const struct import *nano)
{
    static const struct {
        const char *key;
        uint32_t value;
        const char *want;
    } bad[] = {
        { "llama.expert_count", 8, "\"llama.expert_count\" are not" },
        { "llama.something.new", 1, "\"llama.something.new\" are not" },
        { "llama.attn_logit_softcapping", 50, "softcapping\" are not" },
        { "llama.rope.scaling.attn_factor", 2, "attn_factor is not 1" },
    };
    struct gguf_out o;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        nano_out(&o, nano);
        gguf_put_u32(&o, bad[i].key, bad[i].value);
        refused(&o, bad[i].want);
    }
    nano_out(&o, nano);
    gguf_put_text(&o, "llama.rope.scaling.type", "longrope");
    refused(&o, "llama.rope.scaling.type is \"longrope\"");
    gguf_out_init(&o);
    gguf_put_text(&o, "general.architecture", "mamba");
    refused(&o, "general.architecture is \"mamba\"");
    gguf_out_init(&o);
    gguf_put_text(&o, "general.architecture", "llama");
    refused(&o, "it has no key llama.embedding_length");
}

/* Ids of control tokens that the vocabulary has not. */
static void try_refused_ids(const struct import *nano)
{
    struct import other = *nano;
    struct gguf_out o;
    struct import *m;
    struct err err;

    other.rec.bos = other.rec.n_vocab;
    nano_out(&o, &other);
    m = open_out(&o, &err);
    ok(m && m->rec.bos == MODEL_NONE && m->notes.len > 0 &&
       strstr(m->notes.data, "bos_token_id is 512, not below 512"),
       "an id that is not a token is left out, aloud");
    import_free(m);
    nano_out(&o, &other);
    gguf_put_text(&o, "tokenizer.ggml.model", "gpt2");
    gguf_put_bool(&o, "tokenizer.ggml.add_bos_token", true);
    refused(&o, "add_bos_token is true, and");
}

static void try_refused_tensors(const struct import *nano)
{
    static const unsigned char zeros[4096];
    static const struct gguf_made how = {
        .architecture = "llama", .interleaved = true, .format = 30
    };
    struct gguf_out o;

    nano_out(&o, nano);
    gguf_put_tensor(&o, "blk.0.ffn_gate_exps.weight", 0, 8, 0, zeros, 32);
    refused(&o, "\"blk.0.ffn_gate_exps.weight\" has no place");
    nano_out(&o, nano);
    gguf_put_tensor(&o, "blk.0.attn_q.bias", 0, 8, 0, zeros, 32);
    refused(&o, "\"blk.0.attn_q.bias\" has the shape");
    gguf_out_init(&o);
    gguf_made_keys(&o, nano, &how);
    refused(&o, "\"token_embd.weight\" is missing");
    gguf_out_init(&o);
    gguf_made_keys(&o, nano, &how);
    gguf_put_tensor(&o, "token_embd.weight", 16, 256, 16, zeros, 16 * 66);
    refused(&o, "\"token_embd.weight\" has the shape 16 x 256");
}

static void try_refused_caps(const struct import *nano)
{
    struct gguf_made how = { .architecture = "gemma2", .cap = { 0.5, 0 } };
    struct gguf_out o;

    gguf_out_init(&o);
    gguf_made_keys(&o, nano, &how);
    refused(&o, "gemma2.attn_logit_softcapping must be 0, or at least 1");
    how.cap[0] = 0;
    how.cap[1] = 0x1p20;
    gguf_out_init(&o);
    gguf_made_keys(&o, nano, &how);
    refused(&o, "gemma2.final_logit_softcapping must be 0, or at least 1");
    how.architecture = "gemma3";
    gguf_out_init(&o);
    gguf_made_keys(&o, nano, &how);
    refused(&o, "models with the key \"gemma3.final_logit_softcapping\"");
}

/* A directory with nothing but a GGUF file. */
static void try_directory(void)
{
    char *dir = tmp_path("only-gguf"), *path = file_join(dir, "m.gguf");
    struct err err = ERR_INIT;
    struct import *m = NULL;

    file_mkdirs(dir, NULL);
    file_write(path, "GGUF", 4, NULL);
    if (!ok(formats_open(&m, dir, &err) && strstr(err.text, path),
            "a directory with a GGUF file alone names it"))
        printf("# %s\n", err.text);
    import_free(m);
    free(dir);
    free(path);
}

int main(void)
{
    struct import *nano;

    try_families();
    try_old_gemma2();
    try_byte_level();
    try_stories();
    nano = open_tree("models/nano");
    try_factors(nano);
    try_scaling(nano);
    try_named_template(nano);
    try_refused_keys(nano);
    try_refused_ids(nano);
    try_refused_tensors(nano);
    try_refused_caps(nano);
    import_free(nano);
    try_directory();
    tmp_remove();
    return done();
}
