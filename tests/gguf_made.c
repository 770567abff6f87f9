/*
 * Models of other formats written as GGUF.
 */
#include <config.h>

#include "tests/gguf_made.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/import/gguf.h"
#include "model/import/import.h"
#include "model/model_layout.h"
#include "text/tokenizer_internal.h"

/* ---- numbers ------------------------------------------------------------- */

static uint32_t half_bits(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 16 & 0x8000;

    if (fabsf(x) < 0x1p-14f)
        return sign | (uint32_t)(fabsf(x) * 0x1p24f);
    return sign | (u >> 13 & 0x3fff) | (u >> 16 & 0x4000);
}

static void put_number(struct buf *b, uint32_t format, float x)
{
    uint32_t u = format == 1 ? half_bits(x) : f32_bits(x) >> 16;

    if (format == 0) {
        buf_put_f32(b, x);
        return;
    }
    buf_putc(b, (int)(u & 255));
    buf_putc(b, (int)(u >> 8));
}

/* ---- tensors ------------------------------------------------------------- */

static const char *part_name(uint32_t part, bool after)
{
    static const char *const names[] = {
        "attn_norm.weight", "attn_q.weight", "attn_k.weight",
        "attn_v.weight", "attn_output.weight", "attn_q.bias", "attn_k.bias",
        "attn_v.bias", "attn_q_norm.weight", "attn_k_norm.weight",
        "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight",
        "ffn_down.weight", "post_attention_norm.weight",
        "post_ffw_norm.weight", "ffn_gate_inp.weight"
    };

    if (after && part == LAYER_ATTN_NORM)
        return "post_attention_norm.weight";
    return after && part == LAYER_FFN_NORM ? "post_ffw_norm.weight"
                                           : names[part];
}

static bool is_experts(const struct model_record *rec, uint32_t i)
{
    uint32_t part = model_part_of(rec, i);

    return i >= TENSOR_LAYERS && model_experts(rec) && part >= LAYER_GATE &&
           part <= LAYER_DOWN;
}

static void tensor_name(char *out, size_t n, const struct model_record *rec,
                        uint32_t i)
{
    static const char *const experts[] = {
        "ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"
    };

    if (i == TENSOR_EMBED)
        snprintf(out, n, "token_embd.weight");
    else if (i == TENSOR_FINAL_NORM)
        snprintf(out, n, "output_norm.weight");
    else if (i == TENSOR_HEAD)
        snprintf(out, n, "output.weight");
    else
        snprintf(out, n, "blk.%u.%s", model_layer_of(rec, i),
                 is_experts(rec, i)
                     ? experts[model_part_of(rec, i) - LAYER_GATE]
                     : part_name(model_part_of(rec, i),
                                 rec->flags & MODEL_NORM_AFTER));
}

static bool turned(const struct model_record *rec, uint32_t i)
{
    uint32_t part = model_part_of(rec, i);

    return i >= TENSOR_LAYERS && (part == LAYER_WQ || part == LAYER_WK ||
                                  part == LAYER_BQ || part == LAYER_BK);
}

/* The row of the model that is row `to` of a file with pairs side by side, and
 * after them what is not turned. */
static uint64_t row_of(uint64_t to, uint32_t head_dim, uint32_t turned)
{
    uint64_t r = to % head_dim, head = to - r, half = head_dim / 2;
    uint64_t rest = half - turned / 2;

    if (r < turned)
        return head + r / 2 + r % 2 * half;
    r -= turned;
    return head + (r < rest ? turned / 2 + r : half + turned / 2 + r - rest);
}

/* The rows of tensor `from` of m in the order of tensor i. */
static void put_rows(struct buf *b, const struct import *m, uint32_t i,
                     uint32_t from, const struct gguf_made *how)
{
    struct err err = ERR_INIT;
    struct tensor_record e;
    float *x;

    model_expect(&m->rec, i, &e);
    x = xmalloc(e.cols * sizeof(*x));
    for (uint64_t r = 0; r < e.rows; r++) {
        uint32_t hd = m->rec.head_dim;
        uint64_t row = r;

        if (how->interleaved && turned(&m->rec, i))
            row = row_of(r, hd, how->turned ? how->turned : hd);

        if (import_read(m, from, row * e.cols, e.cols, x, &err))
            printf("# %s\n", err.text);
        for (uint32_t k = 0; k < e.cols; k++) /* vectors are always F32 */
            put_number(b, e.type == TENSOR_F32 ? 0 : how->format, x[k]);
    }
    free(x);
}

/* Tensors of m from `from` to `last` as one that is called `name`. */
static void put_fused(struct gguf_out *o, const struct import *m,
                      uint32_t from, uint32_t last, const char *name,
                      const struct gguf_made *how)
{
    struct tensor_record e;
    uint64_t rows = 0;
    struct buf b;

    buf_init(&b, (size_t)64 << 20);
    for (uint32_t i = from; i <= last; i++) {
        model_expect(&m->rec, i, &e);
        rows += e.rows;
        put_rows(&b, m, i, i, how);
    }
    if (e.type == TENSOR_F32)
        gguf_put_tensor(o, name, 0, rows, 0, b.data, b.len);
    else
        gguf_put_tensor(o, name, how->format, e.cols, rows, b.data, b.len);
    buf_clear(&b);
}

/* Whether tensor i is part of a fused one, which the first of it writes. */
static bool put_part(struct gguf_out *o, const struct import *m, uint32_t i,
                     const struct gguf_made *how)
{
    const struct model_record *rec = &m->rec;
    uint32_t part = model_part_of(rec, i);
    bool ffn = part == LAYER_GATE || part == LAYER_UP;
    char name[64];

    if (i < TENSOR_LAYERS || !(how->fused || (ffn && how->fused_ffn)))
        return false;
    if (part == LAYER_WQ || part == LAYER_BQ) {
        snprintf(name, sizeof(name), "blk.%u.attn_qkv.%s",
                 model_layer_of(rec, i),
                 part == LAYER_WQ ? "weight" : "bias");
        put_fused(o, m, i, i + 2, name, how);
    }
    if (part == LAYER_GATE) {
        snprintf(name, sizeof(name), "blk.%u.ffn_up.weight",
                 model_layer_of(rec, i));
        put_fused(o, m, i, i + 1, name, how);
    }
    return (part >= LAYER_WQ && part <= LAYER_WV) ||
           (part >= LAYER_BQ && part <= LAYER_BV) || ffn;
}

/* Tensor `from` of m under the name of tensor i. */
static void put_tensor(struct gguf_out *o, const struct import *m, uint32_t i,
                       uint32_t from, const struct gguf_made *how)
{
    struct tensor_record e;
    uint32_t format = how->format;
    char name[64];
    struct buf b;

    model_expect(&m->rec, i, &e);
    buf_init(&b, (size_t)64 << 20);
    if (e.type == TENSOR_F32)
        format = 0;
    put_rows(&b, m, i, from, how);
    tensor_name(name, sizeof(name), &m->rec, i);
    if (is_experts(&m->rec, i))
        o->parts = model_experts(&m->rec);
    if (e.type == TENSOR_F32)
        gguf_put_tensor(o, name, format, e.rows, 0, b.data, b.len);
    else
        gguf_put_tensor(o, name, format, e.cols, e.rows, b.data, b.len);
    buf_clear(&b);
}

void gguf_made_tensors(struct gguf_out *o, const struct import *m,
                       const struct gguf_made *how)
{
    for (uint32_t i = 0; i < m->rec.n_tensors; i++)
        if (import_name(m, i) && !put_part(o, m, i, how))
            put_tensor(o, m, i, i, how);
    if (how->repeats_head)
        put_tensor(o, m, TENSOR_HEAD, TENSOR_EMBED, how);
}

/* ---- the tokenizer ------------------------------------------------------- */

/* A byte in GPT-2's alphabet: printable ones of Latin-1 are themselves, the
 * others follow from U+0100 on. */
static void put_byte(struct buf *b, unsigned char byte)
{
    uint32_t next = 256;

    for (unsigned i = 0; i < 256; i++) {
        bool itself = (i >= '!' && i <= '~') || (i >= 0xa1 && i <= 0xac) ||
                      (i >= 0xae && i <= 0xff);

        if (i == byte) {
            utf8_put(b, itself ? i : next);
            return;
        }
        next += !itself;
    }
}

/* A token as such a file has it, in b. */
static void token_text(struct buf *b, const struct tokenizer *t, uint32_t id)
{
    size_t n;
    const char *s = tokenizer_text(t, id, &n);

    buf_reset(b);
    if (t->token_flags[id])
        buf_put(b, s, n);
    else
        for (size_t i = 0; i < n; i++)
            put_byte(b, (unsigned char)s[i]);
}

static void put_tokens(struct gguf_out *o, const struct tokenizer *t,
                       uint32_t n_vocab)
{
    struct buf b;
    char pad[32];
    size_t n;

    buf_init(&b, 8192);
    gguf_put_array(o, "tokenizer.ggml.tokens", GGUF_STRING, n_vocab);
    for (uint32_t id = 0; id < n_vocab; id++) {
        tokenizer_text(t, id, &n);
        snprintf(pad, sizeof(pad), "[PAD%u]", id);
        if (n)
            token_text(&b, t, id);
        gguf_put_element(o, n ? b.data : pad, n ? b.len : strlen(pad));
    }
    gguf_put_array(o, "tokenizer.ggml.token_type", GGUF_I32, n_vocab);
    for (uint32_t id = 0; id < n_vocab; id++) {
        uint32_t flags = id < t->n ? t->token_flags[id] : 0;

        tokenizer_text(t, id, &n);
        buf_put_u32(&o->keys, !n                       ? 5
                              : flags == TOKEN_CONTROL ? 3
                              : flags == TOKEN_USER    ? 4 : 1);
    }
    buf_clear(&b);
}

struct pair {
    uint32_t rank, left, right;
};

static int by_rank(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    return (x->rank > y->rank) - (x->rank < y->rank);
}

static void put_merges(struct gguf_out *o, const struct tokenizer *t)
{
    struct pair *p = xcalloc(t->n_merges + 1, sizeof(*p));
    struct buf a, b;
    size_t n = 0;

    for (uint32_t left = 0; left < t->n; left++)
        for (uint32_t i = t->merge_at[left]; i < t->merge_at[left + 1]; i++)
            p[n++] = (struct pair){ t->merge[i].rank, left,
                                    t->merge[i].right };
    qsort(p, n, sizeof(*p), by_rank);
    buf_init(&a, 8192);
    buf_init(&b, 8192);
    gguf_put_array(o, "tokenizer.ggml.merges", GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        token_text(&a, t, p[i].left);
        token_text(&b, t, p[i].right);
        buf_putc(&a, ' ');
        buf_put(&a, b.data, b.len);
        gguf_put_element(o, a.data, a.len);
    }
    buf_clear(&a);
    buf_clear(&b);
    free(p);
}

static void put_tokenizer(struct gguf_out *o, const struct import *m,
                          const char *pre)
{
    struct err err = ERR_INIT;
    uint32_t first[TOKENIZER_FIRST];
    struct tokenizer *t;
    char *text = xstrndup(m->chat_template.data, m->chat_template.len);

    if (tokenizer_new(&t, (const unsigned char *)m->tokenizer.data,
                      m->tokenizer.len, m->rec.n_vocab, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    gguf_put_text(o, "tokenizer.ggml.model", "gpt2");
    gguf_put_text(o, "tokenizer.ggml.pre", pre);
    gguf_put_bool(o, "tokenizer.ggml.add_bos_token",
                  tokenizer_first(t, m->rec.bos, first) > 0);
    put_tokens(o, t, m->rec.n_vocab);
    put_merges(o, t);
    if (*text)
        gguf_put_text(o, "tokenizer.chat_template", text);
    tokenizer_free(t);
    free(text);
}

/* ---- keys ---------------------------------------------------------------- */

static void put_count(struct gguf_out *o, const struct gguf_made *how,
                      const char *name, uint32_t v)
{
    char *key = xasprintf("%s.%s", how->architecture, name);

    gguf_put_u32(o, key, v);
    free(key);
}

static void put_real(struct gguf_out *o, const struct gguf_made *how,
                     const char *name, double v)
{
    char *key = xasprintf("%s.%s", how->architecture, name);

    gguf_put_f32(o, key, (float)v);
    free(key);
}

static void put_text(struct gguf_out *o, const struct gguf_made *how,
                     const char *name, const char *v)
{
    char *key = xasprintf("%s.%s", how->architecture, name);

    gguf_put_text(o, key, v);
    free(key);
}

void gguf_made_keys(struct gguf_out *o, const struct import *m,
                    const struct gguf_made *how)
{
    const struct model_record *r = &m->rec;

    gguf_put_text(o, "general.architecture", how->architecture);
    gguf_put_text(o, "general.name", "made by a test");
    put_count(o, how, "context_length", r->context);
    put_count(o, how, "embedding_length", r->dim);
    put_count(o, how, "block_count", r->n_layers);
    put_count(o, how, "feed_forward_length", r->ffn_dim);
    put_count(o, how, "attention.head_count", r->n_heads);
    put_count(o, how, "attention.head_count_kv", r->n_kv_heads);
    put_count(o, how, "attention.key_length", r->head_dim);
    put_count(o, how, "attention.value_length", r->head_dim);
    put_count(o, how, "rope.dimension_count",
              how->turned ? how->turned : r->head_dim);
    put_real(o, how, "attention.layer_norm_rms_epsilon", (double)r->eps);
    if (r->window || how->window)
        put_count(o, how, "attention.sliding_window",
                  r->window ? r->window : how->window);
    if (how->yarn > 0) {
        put_text(o, how, "rope.scaling.type", "yarn");
        put_real(o, how, "rope.scaling.factor", how->yarn);
        put_count(o, how, "rope.scaling.original_context_length", 64);
    }
    if (model_experts(r)) {
        put_count(o, how, "expert_count", model_experts(r));
        put_count(o, how, "expert_used_count", model_experts_used(r));
        put_count(o, how, "expert_feed_forward_length", r->ffn_dim);
    }
    if (how->linear > 0) {
        put_text(o, how, "rope.scaling.type", "linear");
        put_real(o, how, "rope.scaling.factor", how->linear);
    }
    if (how->cap[0] > 0)
        put_real(o, how, "attn_logit_softcapping", how->cap[0]);
    if (how->cap[1] > 0)
        put_real(o, how, "final_logit_softcapping", how->cap[1]);
    if (how->scalar > 0)
        put_real(o, how, "attention.scale", 1 / sqrt(how->scalar));
    if (how->every)
        put_count(o, how, "attention.sliding_window_pattern", how->every);
    if (how->theta > 0)
        put_real(o, how, "rope.freq_base", how->theta);
    if (r->bos != MODEL_NONE)
        gguf_put_u32(o, "tokenizer.ggml.bos_token_id", r->bos);
    if (r->n_eos)
        gguf_put_u32(o, "tokenizer.ggml.eos_token_id", r->eos[0]);
    gguf_put_u32(o, "tokenizer.ggml.padding_token_id", UINT32_MAX);
    if (how->pre)
        put_tokenizer(o, m, how->pre);
}

void gguf_made(struct gguf_out *o, const struct import *m,
               const struct gguf_made *how)
{
    gguf_made_keys(o, m, how);
    gguf_made_tensors(o, m, how);
}
