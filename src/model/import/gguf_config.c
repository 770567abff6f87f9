/*
 * From the keys ARCHITECTURE.* to a model record.  Keys of general, tokenizer,
 * split and quantize change nothing here.
 */
#include <config.h>

#include "model/import/gguf_config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/found.h"
#include "kernels/kernels.h"
#include "model/import/gguf.h"
#include "model/model_layout.h"

#define MAX_KEY 256

static const struct architecture {
    const char *name;
    bool interleaved, fused, folds, partial;
    uint32_t no_rope; /* as in struct gguf_config */
    uint32_t every;   /* likewise, of a file that has a window */
    uint32_t window;  /* of files that do not say; 0: none */
    bool gemma, local, caps; /* a factor of the embedding; a theta of layers
                                with the window; soft caps */
    bool experts;     /* in all layers */
    uint32_t large;   /* layers of the size whose attention scale is that of
                         width / heads channels, not of a head's */
    uint32_t flags;
} architectures[] = {
    { .name = "llama", .interleaved = true }, /* Mistral, too */
    { .name = "qwen2" },
    { .name = "qwen3" },
    { .name = "qwen3moe", .experts = true, .flags = MODEL_EXPERTS },
    { .name = "phi3", .fused = true },
    { .name = "granite", .interleaved = true, .folds = true },
    { .name = "minicpm", .interleaved = true, .folds = true },
    { .name = "seed_oss" },
    { .name = "smollm3", .interleaved = true, .no_rope = 4 },
    { .name = "chatglm", .interleaved = true, .fused = true,
      .partial = true }, /* GLM-4 without norms after */
    { .name = "glm4", .interleaved = true, .fused = true, .partial = true,
      .flags = MODEL_NORM_BOTH },
    { .name = "gemma2", .gemma = true, .every = 2, .caps = true, .large = 46,
      .window = 4096, .flags = MODEL_NORM_BOTH | MODEL_GELU },
    { .name = "gemma3", .gemma = true, .every = 6, .local = true, .large = 62,
      .flags = MODEL_NORM_BOTH | MODEL_GELU },
    { .name = "olmo2", .every = 4, /* OLMo 3, too */
      .flags = MODEL_QK_NORM | MODEL_NORM_AFTER | MODEL_WIDE_NORM },
};

#define KNOWN "llama, qwen2, qwen3, qwen3moe, phi3, granite, minicpm," \
              " seed_oss," \
              " smollm3, chatglm, glm4, gemma2, gemma3 and olmo2 are known"

/* What is asked for below, and what changes nothing. */
static const char *const known_keys[] = {
    "context_length", "embedding_length", "block_count",
    "feed_forward_length", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.value_length",
    "attention.layer_norm_rms_epsilon", "attention.sliding_window",
    "rope.dimension_count", "rope.freq_base", "rope.scaling.type",
    "rope.scaling.factor", "rope.scaling.original_context_length",
    "rope.scaling.attn_factor", "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow", "rope.scale_linear", "vocab_size",
    "rope.scaling.finetuned", "attention.layer_norm_epsilon",
};

/* Factors, of architectures that have them. */
static const char *const factor_keys[] = {
    "embedding_scale", "residual_scale", "logit_scale", "attention.scale",
};

/* Keys of Gemma; caps are those of Gemma 2. */
static const char *const gemma_keys[] = {
    "attention.scale", "attention.sliding_window_pattern",
    "rope.freq_base_swa",
};
static const char *const cap_keys[] = {
    "attn_logit_softcapping", "final_logit_softcapping",
};

/* Keys of models with experts. */
static const char *const expert_keys[] = {
    "expert_count", "expert_used_count", "expert_feed_forward_length",
};

/* Keys that change nothing where they are 0 or false. */
static const char *const neutral_keys[] = {
    "expert_count", "expert_used_count", "use_parallel_residual",
    "rope.scaling.yarn_log_multiplier", "attention.max_alibi_bias",
    "attention.clamp_kqv",
};

/* A file and the prefix of its keys. */
struct keys {
    const struct gguf *g;
    const char *architecture;
};

static const struct gguf_value *get_arch_value(const struct keys *k,
                                               const char *name)
{
    char key[MAX_KEY];

    snprintf(key, sizeof(key), "%s.%s", k->architecture, name);
    return gguf_get(k->g, key);
}

static int refuse_key(const struct keys *k, const char *name, const char *why,
                      struct err *err)
{
    return err_set(err, ERR_INPUT, "%s.%s %s", k->architecture, name, why);
}

/* Find a number, or an array of numbers that are all the same. */
static enum found find_number(const struct keys *k, const char *name,
                              double *out, struct err *err)
{
    const struct gguf_value *v = get_arch_value(k, name);
    struct gguf_items it;
    double x = 0, next;

    if (!v)
        return FOUND_NONE;
    if (gguf_f64(k->g, v, &x) &&
        (gguf_numbers(k->g, v, &it) || !gguf_next_number(&it, &x)))
        return refuse_key(k, name, "is not a number", err);
    while (v->type == GGUF_ARRAY && gguf_next_number(&it, &next))
        if (next < x || next > x)
            return refuse_key(k, name,
                              "differs from layer to layer, which is"
                              " not supported",
                              err);
    if (!(x > -1e30 && x < 1e30))
        return refuse_key(k, name, "is out of range", err);
    *out = x;
    return FOUND_ONE;
}

/* A whole number of 1 to 2^32 - 2; absent leaves *out alone if optional. */
static int count(const struct keys *k, const char *name, bool optional,
                 uint32_t *out, struct err *err)
{
    double x;
    enum found found = find_number(k, name, &x, err);

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE && optional)
        return 0;
    if (found == FOUND_NONE)
        return err_set(err, ERR_INPUT, "it has no key %s.%s", k->architecture,
                       name);
    if (!(x >= 1 && x < 4294967295.0) || x != floor(x))
        return refuse_key(k, name, "must be a whole number, 1 or more", err);
    *out = (uint32_t)x;
    return 0;
}

/* A number of at least `least`; absent leaves *out alone. */
static int real(const struct keys *k, const char *name, double least,
                double *out, struct err *err)
{
    double x = least;

    if (find_number(k, name, &x, err) == FOUND_FAILED)
        return -1;
    if (!(x >= least))
        return refuse_key(k, name, "is out of range", err);
    if (get_arch_value(k, name))
        *out = x;
    return 0;
}

static bool listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* Whether a value is 0 or false. */
static bool nothing(const struct gguf *g, const struct gguf_value *v)
{
    double x;
    bool b;

    if (gguf_bool(g, v, &b) == 0)
        return !b;
    return gguf_f64(g, v, &x) == 0 && !(x < 0 || x > 0);
}

#define LISTED(name, list) listed(name, list, sizeof(list) / sizeof(*(list)))

/* Keys that one architecture has and another has not. */
static bool is_own(const struct architecture *a, const char *name)
{
    return (a->folds && LISTED(name, factor_keys)) ||
           (a->gemma && LISTED(name, gemma_keys)) ||
           (a->experts && LISTED(name, expert_keys)) ||
           (a->caps && LISTED(name, cap_keys));
}

/* Every key of the architecture is one that is understood. */
static int check_keys(const struct keys *k, const struct architecture *a,
                      struct err *err)
{
    size_t n = strlen(k->architecture);

    for (size_t i = 0; i < gguf_count(k->g); i++) {
        const struct gguf_value *v = gguf_at(k->g, i);
        const char *name = v->key + n + 1;

        if (strncmp(v->key, k->architecture, n) != 0 || v->key[n] != '.' ||
            LISTED(name, known_keys) || is_own(a, name))
            continue;
        if (LISTED(name, neutral_keys) && nothing(k->g, v))
            continue;
        return err_set(err, ERR_INPUT, "models with the key \"%s\" are not"
                       " supported", v->key);
    }
    return 0;
}

static int find_architecture(const struct gguf *g,
                             const struct architecture **out,
                             struct err *err)
{
    const struct gguf_value *v = gguf_get(g, "general.type");
    const char *s;
    size_t n;

    if (gguf_string(g, v, &s, &n) == 0 && !gguf_says(g, v, "model"))
        return err_set(err, ERR_INPUT, "general.type is \"%.*s\": it is made"
                       " for a model and is none", n < 40 ? (int)n : 40, s);
    v = gguf_get(g, "general.architecture");
    if (gguf_string(g, v, &s, &n))
        return err_set(err, ERR_INPUT, "it has no general.architecture; "
                       KNOWN);
    for (size_t i = 0;
         i < sizeof(architectures) / sizeof(architectures[0]); i++) {
        *out = &architectures[i];
        if (gguf_says(g, v, (*out)->name))
            return 0;
    }
    return err_set(err, ERR_INPUT, "general.architecture is \"%.*s\"; "
                   KNOWN, n < 40 ? (int)n : 40, s);
}

static int read_heads(const struct keys *k, struct model_record *r,
                      uint32_t *turned, bool partial, struct err *err)
{
    uint32_t value = 0;

    if (count(k, "attention.head_count", false, &r->n_heads, err))
        return -1;
    r->n_kv_heads = r->n_heads;
    if (count(k, "attention.head_count_kv", true, &r->n_kv_heads, err) ||
        count(k, "attention.key_length", true, &r->head_dim, err) ||
        count(k, "attention.value_length", true, &value, err) ||
        count(k, "rope.dimension_count", true, turned, err))
        return -1;
    if (!r->head_dim && r->dim % r->n_heads)
        return err_set(err, ERR_INPUT, "it has no key %s.attention.key_length,"
                       " and %u is not a multiple of %u heads",
                       k->architecture, r->dim, r->n_heads);
    if (!r->head_dim)
        r->head_dim = r->dim / r->n_heads;
    if (value && value != r->head_dim)
        return refuse_key(k, "attention.value_length",
                          "is not that of a key,"
                          " which is not supported",
                          err);
    if (*turned == 0)
        *turned = r->head_dim;
    if (!partial && *turned != r->head_dim)
        return refuse_key(k, "rope.dimension_count",
                          "is not the width of a head,"
                          " which is not supported",
                          err);
    if (*turned > r->head_dim || *turned % 2)
        return refuse_key(k, "rope.dimension_count",
                          "is odd or above the width of"
                          " a head",
                          err);
    return 0;
}

/* The shares of a token's experts are of those alone. */
static int read_experts(const struct keys *k, struct model_record *r,
                        struct err *err)
{
    uint32_t n = 0, used = 0;

    if (count(k, "expert_count", false, &n, err) ||
        count(k, "expert_used_count", false, &used, err) ||
        count(k, "expert_feed_forward_length", false, &r->ffn_dim, err))
        return -1;
    if (n > MODEL_EXPERTS_MAX)
        return refuse_key(k, "expert_count", "is above 1023, which is not"
                          " supported", err);
    if (used > MODEL_USED_MAX)
        return refuse_key(k, "expert_used_count", "is above 63, which is not"
                          " supported", err);
    r->flags |= n << MODEL_EXPERTS_AT | used << MODEL_USED_AT;
    return 0;
}

static int read_sizes(const struct keys *k, struct gguf_config *c,
                      const struct architecture *a, struct err *err)
{
    struct model_record *r = &c->rec;
    uint32_t window = a->window;
    double eps = 0;

    if (count(k, "embedding_length", false, &r->dim, err) ||
        count(k, "feed_forward_length", false, &r->ffn_dim, err) ||
        count(k, "block_count", false, &r->n_layers, err) ||
        count(k, "context_length", false, &r->context, err) ||
        count(k, "attention.sliding_window", true, &window, err) ||
        read_heads(k, r, &c->heads.turned, a->partial, err))
        return -1;
    if (r->n_layers > MODEL_MAX_LAYERS)
        return err_set(err, ERR_INPUT, "%s.block_count is %u, at most %d are"
                       " supported", k->architecture, r->n_layers,
                       MODEL_MAX_LAYERS);
    r->n_tensors = model_tensor_at(r, r->n_layers, 0);
    if (r->context > X1_MAX_CONTEXT)
        r->context = X1_MAX_CONTEXT;
    if (window < r->context) /* one that no position leaves is none */
        r->window = window;
    if (real(k, "attention.layer_norm_rms_epsilon", 0, &eps, err))
        return -1;
    if (!(eps > 0))
        return err_set(err, ERR_INPUT, "it has no key %s.attention."
                       "layer_norm_rms_epsilon", k->architecture);
    r->eps = (float)eps; /* an f32 in the file */
    return 0;
}

static int refuse_scaling(const struct keys *k, const struct gguf_value *v,
                          struct err *err)
{
    const char *s = "";
    size_t n = 0;

    gguf_string(k->g, v, &s, &n);
    return err_set(err, ERR_INPUT, "%s.rope.scaling.type is \"%.*s\"; none,"
                   " linear and yarn are known", k->architecture,
                   n < 40 ? (int)n : 40, s);
}

static int read_scaling(const struct keys *k, struct hf_rope *rope,
                        struct err *err)
{
    const struct gguf_value *v = get_arch_value(k, "rope.scaling.type");
    double linear = 1, attention = 1;

    if (real(k, "rope.scale_linear", 1, &linear, err) ||
        real(k, "rope.scaling.factor", 1, &rope->factor, err) ||
        real(k, "rope.scaling.attn_factor", 0, &attention, err) ||
        real(k, "rope.scaling.original_context_length", 1, &rope->original,
             err) ||
        real(k, "rope.scaling.yarn_beta_fast", 0, &rope->beta_fast, err) ||
        real(k, "rope.scaling.yarn_beta_slow", 0, &rope->beta_slow, err))
        return -1;
    if (attention < 1 || attention > 1)
        return refuse_key(k, "rope.scaling.attn_factor",
                          "is not 1, which is not"
                          " supported",
                          err);
    if (!v && linear > 1) {
        rope->type = HF_ROPE_LINEAR;
        rope->factor = linear;
        return 0;
    }
    if (!v || gguf_says(k->g, v, "none"))
        return 0;
    if (gguf_says(k->g, v, "linear"))
        rope->type = HF_ROPE_LINEAR;
    else if (gguf_says(k->g, v, "yarn"))
        rope->type = HF_ROPE_YARN;
    else
        return refuse_scaling(k, v, err);
    if (!get_arch_value(k, "rope.scaling.factor"))
        return refuse_key(k, "rope.scaling.type", "comes without a factor",
                          err);
    return 0;
}

static int read_rope(const struct keys *k, struct gguf_config *c,
                     struct err *err)
{
    struct hf_rope *rope = &c->rope;
    double context = 0;

    rope->theta = 10000; /* older files of it say nothing */
    rope->factor = 1;
    rope->beta_fast = 32;
    rope->beta_slow = 1;
    if (real(k, "rope.freq_base", 1, &rope->theta, err) ||
        read_scaling(k, rope, err) ||
        real(k, "context_length", 1, &context, err))
        return -1;
    if (!(rope->theta > 1))
        return refuse_key(k, "rope.freq_base", "must be above 1", err);
    if (rope->type == HF_ROPE_YARN && rope->original < 1)
        rope->original = context;
    return 0;
}

/* Factors that are not there are 1, but Granite always says the last. */
static int read_factors(const struct keys *k, struct gguf_config *c,
                        struct err *err)
{
    double embedding = 1, residual = 1, logits = 0, attention = 0;

    if (real(k, "embedding_scale", 0, &embedding, err) ||
        real(k, "residual_scale", 0, &residual, err) ||
        real(k, "logit_scale", 0, &logits, err) ||
        real(k, "attention.scale", 0, &attention, err))
        return -1;
    if (!(logits > 0))
        return err_set(err, ERR_INPUT, "it has no key %s.logit_scale",
                       k->architecture);
    c->fold = (struct fold){ (float)embedding, (float)residual,
                             (float)logits };
    if (attention > 0)
        c->rec.attn_scale = (float)attention;
    return 0;
}

/* What Gemma has beside others. */
static int read_gemma(const struct keys *k, struct gguf_config *c,
                      const struct architecture *a, struct err *err)
{
    double cap[2] = { a->caps ? 50 : 0, a->caps ? 30 : 0 };
    double scale = 0, local = a->local ? 10000 : 0;
    struct model_record *r = &c->rec;

    if (c->every &&
        count(k, "attention.sliding_window_pattern", true, &c->every, err))
        return -1;
    if (real(k, "attention.scale", 0, &scale, err) ||
        real(k, "rope.freq_base_swa", 1, &local, err))
        return -1;
    for (size_t i = 0; i < 2; i++) {
        if (real(k, cap_keys[i], 0, &cap[i], err))
            return -1;
        if ((cap[i] > 0 && cap[i] < 1) || !(cap[i] < 0x1p20))
            return refuse_key(k, cap_keys[i], "must be 0, or at least 1 and"
                              " below 2^20", err);
    }
    if (a->local && !(local > 1))
        return refuse_key(k, "rope.freq_base_swa", "must be above 1", err);
    c->local_theta = local;
    c->score_cap = (float)cap[0];
    c->logit_cap = (float)cap[1];
    if (cap[0] > 0 || cap[1] > 0)
        r->flags |= MODEL_SOFT_CAPS;
    if (scale > 0)
        r->attn_scale = (float)scale;
    else if (r->n_layers == a->large && r->dim >= r->n_heads)
        r->attn_scale = (float)(1 / sqrt(r->dim / r->n_heads));
    c->embedding = (float)sqrt(r->dim);
    return 0;
}

int gguf_config(struct gguf_config *c, const struct gguf *g, struct err *err)
{
    const struct architecture *a = NULL;
    struct keys k = { g, NULL };
    double attention;

    memset(c, 0, sizeof(*c));
    c->rec.numerics = X1_VERSION;
    c->rec.architecture = 1;
    c->rec.bos = MODEL_NONE;
    memset(c->rec.eos, 0xff, sizeof(c->rec.eos));
    if (find_architecture(g, &a, err))
        return -1;
    k.architecture = a->name;
    c->rec.flags = a->flags;
    c->heads.interleaved = a->interleaved;
    c->fused = a->fused;
    c->fused_qkv = a->fused && gguf_find(g, "blk.0.attn_qkv.weight");
    c->folds = a->folds;
    c->no_rope = a->no_rope;
    c->every = a->window || get_arch_value(&k, "attention.sliding_window")
                   ? a->every
                   : 0;
    if (check_keys(&k, a, err) || read_sizes(&k, c, a, err) ||
        read_rope(&k, c, err))
        return -1;
    attention = hf_rope_attention(&c->rope);
    c->rec.attn_scale =
        (float)(1 / sqrt(c->rec.head_dim) * (attention * attention));
    if (a->experts && read_experts(&k, &c->rec, err))
        return -1;
    if (a->gemma)
        return read_gemma(&k, c, a, err);
    return a->folds ? read_factors(&k, c, err) : 0;
}
