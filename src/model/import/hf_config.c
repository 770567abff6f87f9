/*
 * From config.json to a model record.  Frequencies are hf_rope.c, limits of
 * the record model_layout.c.
 */
#include <config.h>

#include "model/import/hf_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_python.h"
#include "model/import/hf_layers.h"
#include "model/import/hf_part.h"
#include "model/import/hf_rope.h"
#include "model/import/hf_tensors.h"
#include "model/import/hf_values.h"
#include "model/model_layout.h"

#define MAX_CONFIG ((size_t)4 << 20)
#define IMAGE_IDS 64 /* at most, at the end of a vocabulary */

/* What is special of a family. */
enum {
    WINDOW = 1,         /* sliding_window has a meaning */
    NEEDS_HEAD_DIM = 2, /* its default is not hidden_size / heads */
    SOME_LAYERS = 4,    /* use_sliding_window, false if absent */
    FUSED = 8,
    GRANITE = 16,   /* factors by their names there */
    MINICPM = 32,   /* likewise */
    BIASED = 64,    /* attention_bias: of q, k and v alone */
    OWN_CODE = 128, /* auto_map names the family's own, as we have it */
    NO_ROPE = 256,  /* no_rope_layers */
    PARTIAL = 1024, /* partial_rotary_factor */
    GLM = 2048,     /* gate and up are one matrix; half of each head is turned
                       unless it says, pairs side by side; biases if it says */
    GEMMA = 4096,   /* gains plus 1, a factor of the embedding, GELU .. */
    LOCAL = 8192,   /* .. a theta of layers with the window .. */
    CAPS = 16384,   /* .. or soft caps, and each second layer has the window */
    EXPERTS = 32768, /* num_experts, of all layers */
    FOURTH = 512    /* layers with the window: all but each fourth one, unless
                       layer_types says; their RoPE is not scaled */
};

static const struct family {
    const char *name, *architecture;
    uint32_t flags, special;
} families[] = {
    { "llama", "LlamaForCausalLM", 0, 0 },
    { "mistral", "MistralForCausalLM", 0, WINDOW },
    { "ministral", "MinistralForCausalLM", 0, WINDOW },
    { "qwen2", "Qwen2ForCausalLM", MODEL_QKV_BIAS, WINDOW | SOME_LAYERS },
    { "qwen3", "Qwen3ForCausalLM", MODEL_QK_NORM,
      WINDOW | SOME_LAYERS | NEEDS_HEAD_DIM },
    { "qwen3_moe", "Qwen3MoeForCausalLM", MODEL_QK_NORM | MODEL_EXPERTS,
      WINDOW | SOME_LAYERS | NEEDS_HEAD_DIM | EXPERTS },
    { "phi3", "Phi3ForCausalLM", 0, WINDOW | FUSED | OWN_CODE | PARTIAL },
    { "granite", "GraniteForCausalLM", 0, GRANITE },
    { "minicpm", "MiniCPMForCausalLM", 0, MINICPM | OWN_CODE },
    { "seed_oss", "SeedOssForCausalLM", MODEL_QKV_BIAS, BIASED },
    { "glm", "GlmForCausalLM", 0, GLM | PARTIAL | NEEDS_HEAD_DIM | BIASED },
    { "glm4", "Glm4ForCausalLM", MODEL_NORM_BOTH,
      GLM | PARTIAL | NEEDS_HEAD_DIM | BIASED },
    { "gemma2", "Gemma2ForCausalLM", MODEL_NORM_BOTH | MODEL_GELU,
      WINDOW | GEMMA | CAPS | NEEDS_HEAD_DIM },
    { "gemma3_text", "Gemma3ForCausalLM",
      MODEL_QK_NORM | MODEL_NORM_BOTH | MODEL_GELU,
      WINDOW | GEMMA | LOCAL | NEEDS_HEAD_DIM },
    { "olmo2", "Olmo2ForCausalLM",
      MODEL_QK_NORM | MODEL_NORM_AFTER | MODEL_WIDE_NORM, 0 },
    { "olmo3", "Olmo3ForCausalLM",
      MODEL_QK_NORM | MODEL_NORM_AFTER | MODEL_WIDE_NORM, WINDOW | FOURTH },
    { "smollm3", "SmolLM3ForCausalLM", 0, WINDOW | SOME_LAYERS | NO_ROPE },
};

/* What a config may leave out, as transformers has it for a family; 0 is no
 * default.  A window that is null is none. */
static const struct defaults {
    const char *family;
    uint32_t heads, kv_heads, head_dim, vocab, context, window;
    float eps;
    double theta;
    bool tied;
} defaults[] = {
    { "gemma3_text", 8, 4, 256, 262208, 131072, 4096, 1e-6f, 1e6, true },
    { "gemma2", 8, 4, 256, 256000, 8192, 4096, 1e-6f, 0, true },
    { "mistral", 0, 0, 0, 0, 0, 4096, 0, 0, false },
    { "ministral", 0, 0, 0, 0, 0, 4096, 0, 0, false },
    { "olmo3", 0, 0, 0, 0, 0, 4096, 0, 0, false },
    { "smollm3", 0, 0, 0, 0, 0, 0, 0, 2e6, true },
    { "minicpm", 0, 0, 0, 0, 0, 0, 0, 0, true },
};

static const struct defaults *defaults_of(const struct family *f)
{
    static const struct defaults none;

    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (strcmp(defaults[i].family, f->name) == 0)
            return &defaults[i];
    return &none;
}

/* Keys that mean other arithmetic unless they are absent, null or false. */
static const char *const refused[] = {
    "attention_bias", "mlp_bias", "quantization_config",
    "compression_config", "num_experts", "num_local_experts",
    "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
    "attn_logit_softcapping", "final_logit_softcapping",
    "query_pre_attn_scalar", "attention_multiplier", "embedding_multiplier",
    "residual_multiplier", "logits_scaling", "logit_scale", "scale_emb",
    "scale_depth", "dim_model_base", "use_qk_norm", "qk_layernorm",
    "no_rope_layers", "no_rope_layer_interval", "alibi", "parallel_residual",
    "rope_interleaved", "is_encoder_decoder", "vision_config", "text_config",
    "auto_map", "attention_out_bias", "use_bidirectional_attention",
};

/* Those of them that a family has. */
static const struct {
    const char *key;
    uint32_t special;
} allowed[] = {
    { "attention_multiplier", GRANITE },
    { "embedding_multiplier", GRANITE },
    { "residual_multiplier", GRANITE },
    { "logits_scaling", GRANITE },
    { "scale_emb", MINICPM },
    { "scale_depth", MINICPM },
    { "dim_model_base", MINICPM },
    { "num_experts", EXPERTS },
    { "num_experts_per_tok", EXPERTS },
    { "moe_intermediate_size", EXPERTS },
    { "attn_logit_softcapping", CAPS },
    { "final_logit_softcapping", CAPS },
    { "attention_bias", BIASED },
    { "query_pre_attn_scalar", GEMMA },
    { "auto_map", OWN_CODE },
    { "no_rope_layers", NO_ROPE },
    { "no_rope_layer_interval", NO_ROPE },
};

static bool is_allowed(const struct family *f, const char *key)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (f->special & allowed[i].special &&
            strcmp(key, allowed[i].key) == 0)
            return true;
    return false;
}

static int parse_family(const struct family **out, const struct json *root,
                        struct err *err)
{
    const struct json *type = json_get(root, "model_type");
    const struct json *arch = json_first(json_get(root, "architectures"));
    const char *known =
        "llama, mistral, mistral3 (text), ministral, qwen2, qwen3, qwen3_moe,"
        " phi3, granite, minicpm, seed_oss, smollm3, glm, glm4, gemma2, gemma3"
        " (text), olmo2 and olmo3 are known";
    size_t i = 0, n = sizeof(families) / sizeof(families[0]);
    bool is_known = false;

    if (!json_string(type))
        return err_set(err, ERR_INPUT, "it has no model_type; %s", known);
    while (i < n && strcmp(json_string(type), families[i].name) != 0)
        i++;
    if (i == n)
        return hf_refuse("model_type", type, known, err);
    for (size_t k = 0; json_string(arch) && k < n; k++)
        is_known |= strcasecmp(json_string(arch),
                               families[k].architecture) == 0;
    if (arch && (!json_string(arch) ||
                 strcasecmp(json_string(arch), families[i].architecture) != 0))
        return hf_refuse("architectures", arch,
                         is_known ? "it is not that of model_type" : "only"
                         " causal language models are known", err);
    *out = &families[i];
    return 0;
}

/* What has no paragraph in X1.  f is NULL for an object within. */
static int parse_refused(const struct json *root, const struct family *f,
                         struct err *err)
{
    static const char *const act[] = { "hidden_act", "hidden_activation" };
    const char *known = f && f->special & GEMMA ? "gelu_pytorch_tanh" : "silu";
    const struct json *v;

    for (size_t i = 0; i < 2; i++) {
        v = json_get(root, act[i]);
        if (v && json_type(v) != JSON_NULL &&
            (!json_string(v) || strcmp(json_string(v), known) != 0))
            return hf_refuse(act[i], v, f && f->special & GEMMA
                             ? "only gelu_pytorch_tanh is known"
                             : "only silu is known", err);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        v = json_get(root, refused[i]);
        if (hf_given(v) && !(f && is_allowed(f, refused[i])))
            return hf_refuse(refused[i], v, "models with it are not supported",
                             err);
    }
    return 0;
}

/* How many channels of a head are turned, and in which order they lie. */
static int parse_heads(struct import_heads *h, const struct json *root,
                       const struct model_record *r, const struct family *f,
                       struct err *err)
{
    static const char key[] = "partial_rotary_factor";
    const struct json *in[] = { root, json_get(root, "rope_scaling"),
                                json_get(root, "rope_parameters") };
    double part = f->special & GLM ? 0.5 : 1;

    for (size_t i = 0; i < 3; i++)
        if (hf_number_again(&part, i ? root : NULL, key, in[i], key, 0, err))
            return -1;
    h->interleaved = f->special & GLM;
    h->turned = (uint32_t)(part <= 1 ? part * r->head_dim : 0);
    if (part < 1 && !(f->special & PARTIAL))
        return err_set(err, ERR_INPUT, "partial_rotary_factor is %g; only 1 is"
                       " known of this family", part);
    if (h->turned < 2 || h->turned % 2)
        return err_set(err, ERR_INPUT, "partial_rotary_factor is %g; it must"
                       " leave an even number of the %u channels of a head",
                       part, r->head_dim);
    return 0;
}

/* All layers have experts, and each token as many of them. */
static int parse_experts(struct model_record *r, const struct json *root,
                         struct err *err)
{
    const struct json *some = json_get(root, "mlp_only_layers");
    uint32_t n = 0, used = 0, step = 1;

    if (hf_count(&n, root, "num_experts", false, err) ||
        hf_count(&used, root, "num_experts_per_tok", false, err) ||
        hf_count(&r->ffn_dim, root, "moe_intermediate_size", false, err) ||
        hf_count(&step, root, "decoder_sparse_step", true, err))
        return -1;
    if (step != 1)
        return hf_refuse("decoder_sparse_step",
                         json_get(root, "decoder_sparse_step"),
                         "layers without experts are not supported", err);
    if (some && json_type(some) != JSON_NULL && json_first(some))
        return hf_refuse("mlp_only_layers", some,
                         "layers without experts are not supported", err);
    if (n > MODEL_EXPERTS_MAX)
        return hf_refuse("num_experts", json_get(root, "num_experts"),
                         "at most 1023 are supported", err);
    if (used > MODEL_USED_MAX)
        return hf_refuse("num_experts_per_tok",
                         json_get(root, "num_experts_per_tok"),
                         "at most 63 are supported", err);
    r->flags |= n << MODEL_EXPERTS_AT | used << MODEL_USED_AT;
    if (!json_true(json_get(root, "norm_topk_prob")))
        r->flags |= MODEL_SHARE_ALL;
    return 0;
}

/* A tied vocabulary that ends with what stands for images: X1 has no ids for
 * that, and the language model alone no use. */
static void cut_vocabulary(struct hf_config *c)
{
    uint32_t *n = &c->rec.n_vocab;

    if (!c->part || !(c->rec.flags & MODEL_TIED) || *n <= X1_MAX_VOCAB ||
        *n - X1_MAX_VOCAB > IMAGE_IDS)
        return;
    *n = X1_MAX_VOCAB;
    c->names |= HF_MORE_ROWS;
}

static int parse_sizes(struct model_record *r, const struct json *root,
                       const struct family *f, struct err *err)
{
    const struct defaults *d = defaults_of(f);
    uint32_t context = d->context;

    r->n_heads = d->heads;
    r->n_vocab = d->vocab;
    r->head_dim = d->head_dim;
    if (hf_count(&r->dim, root, "hidden_size", false, err) ||
        hf_count(&r->ffn_dim, root, "intermediate_size", false, err) ||
        hf_count(&r->n_layers, root, "num_hidden_layers", false, err) ||
        hf_count(&r->n_heads, root, "num_attention_heads", d->heads, err) ||
        hf_count(&r->n_vocab, root, "vocab_size", d->vocab, err) ||
        hf_count(&context, root, "max_position_embeddings", d->context, err))
        return -1;
    r->context = context < X1_MAX_CONTEXT ? context : X1_MAX_CONTEXT;
    r->n_kv_heads = d->kv_heads ? d->kv_heads : r->n_heads;
    if (hf_count(&r->n_kv_heads, root, "num_key_value_heads", true, err) ||
        hf_count(&r->head_dim, root, "head_dim",
                 d->head_dim || !(f->special & NEEDS_HEAD_DIM), err))
        return -1;
    if (!r->head_dim) {
        if (r->dim % r->n_heads)
            return err_set(err, ERR_INPUT, "it has no head_dim, and "
                           "hidden_size is not a multiple of "
                           "num_attention_heads");
        r->head_dim = r->dim / r->n_heads;
    }
    if (r->n_layers > MODEL_MAX_LAYERS)
        return err_set(err, ERR_INPUT, "num_hidden_layers is %u, at most %d "
                       "are supported", r->n_layers, MODEL_MAX_LAYERS);
    r->flags |= f->flags;
    if (f->special & EXPERTS && parse_experts(r, root, err))
        return -1;
    r->n_tensors = model_tensor_at(r, r->n_layers, 0);
    return 0;
}

/* eps: the nearest f32 to the number as it is written. */
static int parse_eps(struct model_record *r, const struct json *root,
                     const struct family *f, struct err *err)
{
    const struct json *v = json_get(root, "rms_norm_eps");

    r->eps = defaults_of(f)->eps;
    if (!v && r->eps > 0)
        return 0;
    if (!json_number(v))
        return err_set(err, ERR_INPUT, "it has no rms_norm_eps");
    r->eps = strtof(json_number(v), NULL);
    if (!(r->eps >= 0x1p-40f && r->eps < 0x1p40f))
        return hf_refuse("rms_norm_eps", v, "it is out of range", err);
    return 0;
}

static int token_id(uint32_t *out, const struct model_record *r,
                    const char *key, const struct json *v, struct err *err)
{
    uint64_t n;

    if (json_u64(v, &n) || n >= r->n_vocab)
        return hf_refuse(key, v, "it is not a token id of this vocabulary",
                         err);
    *out = (uint32_t)n;
    return 0;
}

static int add_eos(struct model_record *r, const struct json *v,
                   struct err *err)
{
    uint32_t id = 0;

    if (token_id(&id, r, "eos_token_id", v, err))
        return -1;
    for (uint32_t i = 0; i < r->n_eos; i++)
        if (r->eos[i] == id)
            return 0;
    if (r->n_eos == MODEL_EOS)
        return err_set(err, ERR_INPUT, "eos_token_id has more than 8 ids");
    r->eos[r->n_eos++] = id;
    return 0;
}

/* eos_token_id of both files, those of generation_config.json first; of
 * config.json both where the language model is a part. */
static int parse_eos(struct hf_config *c, const struct json *root,
                     const struct json *whole, const struct json *gen,
                     struct err *err)
{
    const struct json *const in[] = { gen, root, whole };

    memset(c->rec.eos, 0xff, sizeof(c->rec.eos));
    for (size_t i = 0; i < 3; i++) {
        const struct json *v = json_get(in[i], "eos_token_id"), *e;

        if (!v || json_type(v) == JSON_NULL)
            continue;
        if (json_type(v) != JSON_ARRAY && add_eos(&c->rec, v, err))
            return -1;
        for (e = json_type(v) == JSON_ARRAY ? json_first(v) : NULL; e;
             e = json_next(e))
            if (add_eos(&c->rec, e, err))
                return -1;
    }
    return 0;
}

static int parse_bos(struct model_record *r, const struct json *root,
                     struct err *err)
{
    const struct json *v = json_get(root, "bos_token_id");

    r->bos = MODEL_NONE;
    if (!v || json_type(v) == JSON_NULL)
        return 0;
    return token_id(&r->bos, r, "bos_token_id", v, err);
}

/* Every key of a scaling object is one that is understood below. */
static int check_scaling_keys(const struct json *s, struct err *err)
{
    static const char *const known[] = {
        "rope_type", "type", "rope_theta", "partial_rotary_factor", "factor",
        "original_max_position_embeddings", "low_freq_factor",
        "high_freq_factor", "attention_factor", "beta_fast", "beta_slow",
        "mscale", "mscale_all_dim", "truncate",
    };
    size_t n = sizeof(known) / sizeof(known[0]);

    for (const struct json *v = json_first(s); v; v = json_next(v)) {
        size_t i = 0;

        while (i < n && strcmp(json_key(v), known[i]) != 0)
            i++;
        if (i == n)
            return err_set(err, ERR_INPUT, "the rope scaling has the unknown "
                           "key \"%s\"", json_key(v));
    }
    return parse_refused(s, NULL, err);
}

static int parse_scaling_type(enum hf_rope_type *type, const struct json *s,
                              struct err *err)
{
    static const char *const names[] = { "default", "linear", "llama3",
                                         "yarn" };
    const struct json *v = json_get(s, "rope_type");

    if (!v)
        v = json_get(s, "type");
    *type = HF_ROPE_PLAIN;
    if (!v && json_get(s, "factor"))
        return err_set(err, ERR_INPUT, "the rope scaling has no rope_type");
    if (!v)
        return 0;
    for (size_t i = 0; i < 4; i++) {
        if (json_string(v) && strcmp(json_string(v), names[i]) == 0) {
            *type = (enum hf_rope_type)i;
            return 0;
        }
    }
    return hf_refuse("rope_type", v,
                     "default, linear, llama3 and yarn are known", err);
}

/* The rest of a scaling object, by its type. */
static int parse_scaling(struct hf_rope *r, const struct json *s,
                         struct err *err)
{
    const struct json *t = json_get(s, "truncate");

    if (parse_scaling_type(&r->type, s, err) || check_scaling_keys(s, err))
        return -1;
    if (r->type == HF_ROPE_PLAIN)
        return 0;
    if (hf_number(&r->factor, s, "factor", 1, err) ||
        hf_number(&r->original, s, "original_max_position_embeddings", 1,
                  err) ||
        hf_number(&r->low_freq, s, "low_freq_factor", 1e-6, err) ||
        hf_number(&r->high_freq, s, "high_freq_factor", 1e-6, err) ||
        hf_number(&r->beta_fast, s, "beta_fast", 1e-6, err) ||
        hf_number(&r->beta_slow, s, "beta_slow", 1e-6, err) ||
        hf_number(&r->attention, s, "attention_factor", 1e-6, err) ||
        hf_number(&r->mscale, s, "mscale", 0, err) ||
        hf_number(&r->mscale_all, s, "mscale_all_dim", 0, err))
        return -1;
    if (r->factor < 1)
        return err_set(err, ERR_INPUT, "the rope scaling has no factor");
    if (t && json_type(t) != JSON_BOOL)
        return hf_refuse("truncate", t, "it must be true or false", err);
    r->no_truncate = t && !json_true(t);
    if (r->type != HF_ROPE_LLAMA3)
        return 0;
    if (r->original < 1 || !(r->low_freq > 0) ||
        !(r->high_freq > r->low_freq))
        return err_set(err, ERR_INPUT, "the llama3 rope scaling needs "
                       "original_max_position_embeddings, low_freq_factor "
                       "and a higher high_freq_factor");
    return 0;
}

/* rope_parameters: of the layers without a window where the family has two. */
static const struct json *rope_parameters(const struct json *root,
                                          const struct family *f)
{
    const struct json *v = json_get(root, "rope_parameters");
    const struct json *full = json_get(v, "full_attention");

    return f->special & LOCAL && full ? full : v;
}

/* rope_theta and rope_scaling, or both in rope_parameters. */
static int parse_rope(struct hf_rope *r, const struct json *root,
                      const struct family *f, struct err *err)
{
    const struct json *scaling = json_get(root, "rope_scaling");
    const struct json *params = rope_parameters(root, f);
    double theta = defaults_of(f)->theta;

    memset(r, 0, sizeof(*r));
    r->theta = theta > 0 ? theta : 10000;
    r->beta_fast = 32;
    r->beta_slow = 1;
    if (hf_given(scaling) && hf_given(params))
        return err_set(err, ERR_INPUT, "it has rope_scaling and "
                       "rope_parameters; only one of them can hold");
    if (hf_given(params))
        scaling = params;
    if (hf_given(scaling) && json_type(scaling) != JSON_OBJECT)
        return hf_refuse("rope_scaling", scaling, "it must be an object", err);
    if (hf_number(&r->theta, root, "rope_theta", 1, err) ||
        hf_number_again(&r->theta, root, "rope_theta", scaling, "rope_theta",
                        1, err))
        return -1;
    if (!(r->theta > 1))
        return err_set(err, ERR_INPUT, "rope_theta must be above 1");
    if (hf_given(scaling) && parse_scaling(r, scaling, err))
        return -1;
    if (r->type == HF_ROPE_YARN && r->original < 1)
        return hf_number(&r->original, root, "max_position_embeddings", 1, err);
    return 0;
}

static int parse_activations(struct model_record *r, const struct json *root,
                             struct err *err)
{
    const struct json *v = json_get(root, "apus_activations");

    if (!v)
        return 0;
    if (json_string(v) && strcmp(json_string(v), "A8") == 0)
        r->flags |= MODEL_A8;
    else if (json_string(v) && strcmp(json_string(v), "A8R") == 0)
        r->flags |= MODEL_A8R;
    else if (!json_string(v) || strcmp(json_string(v), "A14") != 0)
        return hf_refuse("apus_activations", v, "A14, A8R and A8 are known",
                         err);
    return 0;
}

/* A factor that must be there. */
static int factor(double *out, const struct json *root, const char *key,
                  struct err *err)
{
    const struct json *v = json_get(root, key);

    if (!v || json_type(v) == JSON_NULL)
        return err_set(err, ERR_INPUT, "it has no %s", key);
    return hf_number(out, root, key, 0x1p-20, err);
}

/* The factors of a family; they are f32 here, as in other sources of it. */
static int parse_factors(struct hf_config *c, const struct json *root,
                         const struct family *f, struct err *err)
{
    struct model_record *r = &c->rec;
    double attention = 0, embedding = 0, residual = 0, logits = 0;

    c->folds = f->special & (GRANITE | MINICPM);
    if (f->special & GRANITE &&
        (factor(&attention, root, "attention_multiplier", err) ||
         factor(&embedding, root, "embedding_multiplier", err) ||
         factor(&residual, root, "residual_multiplier", err) ||
         factor(&logits, root, "logits_scaling", err)))
        return -1;
    if (f->special & GRANITE)
        r->attn_scale = (float)attention;
    if (f->special & MINICPM) {
        if (factor(&embedding, root, "scale_emb", err) ||
            factor(&residual, root, "scale_depth", err) ||
            factor(&logits, root, "dim_model_base", err))
            return -1;
        residual /= sqrt(r->n_layers);
        logits = r->dim / logits;
    }
    c->fold = (struct fold){ (float)embedding, (float)residual,
                             (float)logits };
    return 0;
}

/* Of each how many layers one has no window, where layer_types does not say. */
static uint32_t every_of(const struct json *root, const struct family *f)
{
    uint64_t n;

    if (f->special & CAPS)
        return 2;
    if (!(f->special & GEMMA))
        return f->special & FOURTH ? 4 : 0;
    if (json_u64(json_get(root, "sliding_window_pattern"), &n) &&
        json_u64(json_get(root, "_sliding_window_pattern"), &n))
        return 6;
    return n > 0 && n < UINT32_MAX ? (uint32_t)n : 6;
}

/* Gemma 3: layers with a window have frequencies of a theta of their own. */
static int parse_local(struct hf_rope *local, const struct json *root,
                       struct err *err)
{
    const struct json *own = json_get(json_get(root, "rope_parameters"),
                                      "sliding_attention");
    const struct json *type = json_get(own, "rope_type");

    local->theta = 10000;
    if (hf_number(&local->theta, root, "rope_local_base_freq", 1, err) ||
        hf_number_again(&local->theta, root, "rope_local_base_freq", own,
                        "rope_theta", 1, err))
        return -1;
    if (type && (!json_string(type) ||
                 strcmp(json_string(type), "default") != 0))
        return hf_refuse("rope_type", type, "layers with a window are known"
                         " with default alone", err);
    if (!(local->theta > 1))
        return err_set(err, ERR_INPUT, "rope_local_base_freq must be above 1");
    return 0;
}

/* Gemma 2: null is none. */
static int parse_caps(struct hf_config *c, const struct json *root,
                      struct err *err)
{
    static const char *const key[] = { "attn_logit_softcapping",
                                       "final_logit_softcapping" };
    double cap[] = { 50, 30 };

    for (size_t i = 0; i < 2; i++) {
        const struct json *v = json_get(root, key[i]);

        if (v && json_type(v) == JSON_NULL)
            cap[i] = 0;
        else if (hf_number(&cap[i], root, key[i], 1, err))
            return -1;
        if (!(cap[i] < 0x1p20))
            return hf_refuse(key[i], v, "it must be below 2^20", err);
    }
    c->score_cap = (float)cap[0];
    c->logit_cap = (float)cap[1];
    if (cap[0] > 0 || cap[1] > 0)
        c->rec.flags |= MODEL_SOFT_CAPS;
    return 0;
}

/* What is special of Gemma 2 and 3. */
static int parse_gemma(struct hf_config *c, const struct json *root,
                       const struct family *f, struct hf_rope *local,
                       struct err *err)
{
    const struct json *tied = json_get(root, "tie_word_embeddings");
    struct model_record *r = &c->rec;
    double scalar = 256;

    if (tied && json_type(tied) == JSON_BOOL && !json_true(tied))
        return hf_refuse("tie_word_embeddings", tied, "this family has no head"
                         " of its own", err);
    memset(local, 0, sizeof(*local));
    if ((f->special & LOCAL && parse_local(local, root, err)) ||
        (f->special & CAPS && parse_caps(c, root, err)) ||
        hf_number(&scalar, root, "query_pre_attn_scalar", 1, err))
        return -1;
    r->flags |= MODEL_TIED;
    r->attn_scale = (float)(1 / sqrt(scalar));
    c->names |= HF_GEMMA;
    c->one_plus = true;
    c->embedding = (float)sqrt(r->dim);
    return 0;
}

static bool is_tied(const struct json *root, const struct family *f)
{
    const struct json *v = json_get(root, "tie_word_embeddings");

    return v ? json_true(v) : defaults_of(f)->tied;
}

/* Frequencies and scales of all layers. */
static int put_layers(struct hf_config *c, const struct family *f,
                      const struct hf_rope *rope, const struct hf_rope *local,
                      struct hf_layers *layers, struct err *err)
{
    bool second = f->special & LOCAL ||
                  (f->special & FOURTH && rope->type != HF_ROPE_PLAIN);
    struct model_record *r = &c->rec;
    struct hf_rope plain = f->special & LOCAL ? *local : *rope;

    import_frequencies(c->inv_freq, rope, r->head_dim, &c->heads);
    for (uint32_t i = 0; i < r->head_dim / 2; i++)
        if (!(c->inv_freq[i] >= 0 && c->inv_freq[i] <= 1))
            return err_set(err, ERR_INPUT, "the rope scaling gives the "
                           "frequency %g, which is not within 0 to 1",
                           (double)c->inv_freq[i]);
    if (second) {
        plain.type = HF_ROPE_PLAIN;
        import_frequencies(layers->table, &plain, r->head_dim, &c->heads);
        layers->attn_scale = f->special & LOCAL
                                 ? r->attn_scale
                                 : (float)(1 / sqrt(r->head_dim));
        memcpy(layers->second, layers->local, sizeof(layers->second));
    }
    hf_layers_put(r, c->inv_freq, layers);
    hf_caps_put(r, c->inv_freq, c->score_cap, c->logit_cap);
    return 0;
}

static int parse_tree(struct hf_config *c, const struct json *root,
                      const struct json *gen, struct err *err)
{
    struct model_record *r = &c->rec;
    const struct family *f = NULL;
    struct hf_layers_how how;
    struct hf_layers layers;
    const struct json *whole = root;
    struct hf_rope rope, local;
    double a;

    memset(c, 0, sizeof(*c));
    r->numerics = X1_VERSION;
    r->architecture = 1;
    if (json_type(root) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "it is not an object");
    if (hf_part_find(&c->part, &root, err) || parse_family(&f, root, err) ||
        parse_refused(root, f, err) ||
        parse_sizes(r, root, f, err))
        return -1;
    how = (struct hf_layers_how){ f->special & WINDOW, f->special & SOME_LAYERS,
                                  f->special & NO_ROPE,
                                  every_of(root, f), defaults_of(f)->window };
    if (hf_layers_parse(&layers, root, r, &how, err) ||
        parse_heads(&c->heads, root, r, f, err) || parse_eps(r, root, f, err) ||
        parse_bos(r, root, err) || parse_eos(c, root, whole, gen, err) ||
        parse_rope(&rope, root, f, err) || parse_activations(r, root, err))
        return -1;
    if (is_tied(root, f))
        r->flags |= MODEL_TIED;
    a = hf_rope_attention(&rope);
    r->attn_scale = (float)(1 / sqrt(r->head_dim) * (a * a));
    c->names = f->special & FUSED ? HF_FUSED_QKV | HF_FUSED_FFN
               : f->special & GLM ? HF_FUSED_FFN : 0;
    if (f->special & GLM && hf_given(json_get(root, "attention_bias")))
        r->flags |= MODEL_QKV_BIAS;
    if (f->special & GEMMA && parse_gemma(c, root, f, &local, err))
        return -1;
    cut_vocabulary(c);
    if (parse_factors(c, root, f, err) ||
        model_check(r, err)) /* bounds head_dim too */
        return -1;
    return put_layers(c, f, &rope, &local, &layers, err);
}

int hf_config_parse(struct hf_config *c, const char *text, size_t n,
                    const char *gen, size_t n_gen, struct err *err)
{
    struct json *root = NULL, *g = NULL;
    struct hf_config out;
    int rc = -1;

    if (json_parse_python(&root, text, n, err))
        return err_prefix(err, "config.json");
    if (gen && json_parse_python(&g, gen, n_gen, err))
        err_prefix(err, "generation_config.json");
    else if (parse_tree(&out, root, g, err))
        err_prefix(err, "config.json");
    else
        rc = 0;
    json_free(root);
    json_free(g);
    if (!rc)
        *c = out;
    return rc;
}

int hf_config_read(struct hf_config *c, const char *dir, struct err *err)
{
    char *config = file_join(dir, "config.json");
    char *gen = file_join(dir, "generation_config.json");
    bool has_gen = file_exists(gen);
    struct buf b, g;
    int rc = -1;

    buf_init(&b, MAX_CONFIG);
    buf_init(&g, MAX_CONFIG);
    if (file_read(&b, config, err) || (has_gen && file_read(&g, gen, err)))
        goto out;
    buf_put(&b, "", 0); /* not NULL, though the file were empty */
    buf_put(&g, "", 0);
    rc = hf_config_parse(c, b.data, b.len, has_gen ? g.data : NULL, g.len,
                         err);
out:
    buf_clear(&b);
    buf_clear(&g);
    free(config);
    free(gen);
    return rc;
}
