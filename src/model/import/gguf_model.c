/*
 * Tensors of a GGUF file as those of a model.  In the files of some
 * architectures the rows of q and k are interleaved: the two channels of a
 * pair of RoPE, which X1 has half a head apart, are neighbours.
 */
#include <config.h>

#include "model/import/gguf_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/import/gguf.h"
#include "model/import/gguf_config.h"
#include "model/import/gguf_texts.h"
#include "model/import/hf_layers.h"
#include "model/import/import.h"
#include "model/model_layout.h"

#define TENSOR_NAME 64

/* Where a tensor of the model comes from. */
struct origin {
    const struct gguf_tensor *t; /* NULL: it has none */
    uint64_t row;     /* its first one there */
    bool as_heads;    /* rows are moved as `heads` says */
};

struct gguf_model {
    struct gguf *g;
    struct origin *from; /* of each tensor of the model */
    struct import_heads heads;
};

static const char *tensor_name(const struct import *m, uint32_t tensor)
{
    const struct gguf_model *s = m->self;

    return s->from[tensor].t ? s->from[tensor].t->name : NULL;
}

static int read_tensor(const struct import *m, uint32_t tensor, uint64_t from,
                       size_t n, float *out, struct err *err)
{
    const struct gguf_model *s = m->self;
    const struct origin *o = &s->from[tensor];
    uint64_t width = o->t->n_dims > 1 ? o->t->dim[0] : 1;

    while (n) {
        uint64_t row = from / width, in = from % width;
        size_t k = o->as_heads && n > width - in ? (size_t)(width - in) : n;

        if (o->as_heads)
            row = import_head_row(row, m->rec.head_dim, &s->heads);
        if (gguf_read(s->g, o->t, (o->row + row) * width + in, k, out, err))
            return -1;
        out += k;
        from += k;
        n -= k;
    }
    return 0;
}

static void close_model(struct import *m)
{
    struct gguf_model *s = m->self;

    gguf_close(s->g);
    free(s->from);
    free(s);
}

static const struct import_format format = { tensor_name, read_tensor,
                                             close_model };

/* ---- names --------------------------------------------------------------- */

/* Whether tensor i is in a matrix, or a bias, of several. */
static bool is_fused(const struct gguf_config *c,
                     const struct model_record *rec, uint32_t i)
{
    uint32_t k = model_part_of(rec, i);

    if (i < TENSOR_LAYERS)
        return false;
    if (k == LAYER_GATE || k == LAYER_UP)
        return c->fused;
    return c->fused_qkv && ((k >= LAYER_WQ && k <= LAYER_WV) ||
                            (k >= LAYER_BQ && k <= LAYER_BV));
}

/* Whether tensor i is the matrices of all experts, one after the other. */
static bool is_experts(const struct model_record *rec, uint32_t i)
{
    uint32_t k = model_part_of(rec, i);

    return i >= TENSOR_LAYERS && rec->flags & MODEL_EXPERTS &&
           k >= LAYER_GATE && k <= LAYER_DOWN;
}

static void name_of(char out[TENSOR_NAME], const struct model_record *rec,
                    uint32_t i, bool fused)
{
    static const char *const top[] = {
        "token_embd.weight", "", "output_norm.weight", "output.weight"
    };
    static const char *const part[] = {
        "attn_norm.weight", "attn_q.weight", "attn_k.weight",
        "attn_v.weight", "attn_output.weight", "attn_q.bias", "attn_k.bias",
        "attn_v.bias", "attn_q_norm.weight", "attn_k_norm.weight",
        "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight",
        "ffn_down.weight", "post_attention_norm.weight",
        "post_ffw_norm.weight", "ffn_gate_inp.weight"
    };
    static const char *const experts[] = {
        "ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"
    };
    bool after = rec->flags & MODEL_NORM_AFTER;
    uint32_t k = i < TENSOR_LAYERS ? 0 : model_part_of(rec, i);

    if (fused && k == LAYER_GATE)
        k = LAYER_UP; /* which has the rows of both */
    if (after && (k == LAYER_ATTN_NORM || k == LAYER_FFN_NORM))
        k = k == LAYER_FFN_NORM ? LAYER_FFN_AFTER : LAYER_ATTN_AFTER;
    if (i < TENSOR_LAYERS)
        snprintf(out, TENSOR_NAME, "%s", top[i]);
    else
        snprintf(out, TENSOR_NAME, "blk.%u.%s",
                 model_layer_of(rec, i),
                 is_experts(rec, i)       ? experts[k - LAYER_GATE]
                 : fused && k <= LAYER_WV ? "attn_qkv.weight"
                 : fused && k <= LAYER_BV ? "attn_qkv.bias" : part[k]);
}

static int wrong_shape(const struct gguf_tensor *t, uint64_t rows,
                       uint64_t cols, struct err *err)
{
    return err_set(err, ERR_INPUT, "tensor \"%s\" has the shape %" PRIu64
                   " x %" PRIu64 ", the keys say %" PRIu64 " x %" PRIu64,
                   t->name, t->dim[1], t->dim[0], rows, cols);
}

/* Tensor i of the model from the one of its name. */
static int find_tensor(struct import *m, const struct gguf_config *c,
                       uint32_t i, struct err *err)
{
    struct gguf_model *s = m->self;
    const struct gguf_tensor *t;
    struct tensor_record e;
    char name[TENSOR_NAME];
    uint64_t rows, cols;

    model_expect(&m->rec, i, &e);
    if (e.type == TENSOR_ABSENT || i == TENSOR_INV_FREQ ||
        (i == TENSOR_HEAD && m->rec.flags & MODEL_TIED))
        return 0;
    name_of(name, &m->rec, i, is_fused(c, &m->rec, i));
    t = gguf_find(s->g, name);
    if (!t)
        return err_set(err, ERR_INPUT, "tensor \"%s\" is missing", name);
    rows = e.rows;
    if (is_fused(c, &m->rec, i))
        import_fused(&m->rec, i, &s->from[i].row, &rows);
    cols = e.type == TENSOR_W8 ? e.cols : rows;
    rows = e.type == TENSOR_W8 ? rows : 1;
    if (t->dim[0] != cols || t->n != rows * cols ||
        t->dim[1] != rows / (is_experts(&m->rec, i) ? model_experts(&m->rec)
                                                    : 1))
        return wrong_shape(t, rows, cols, err);
    s->from[i].t = t;
    s->from[i].as_heads = import_has_heads(&m->rec, i) &&
                          (c->heads.interleaved ||
                           c->heads.turned != m->rec.head_dim);
    return 0;
}

/* No tensor is left over, but factors of frequencies and a head that repeats
 * the embedding. */
static int check_used(const struct import *m, struct err *err)
{
    const struct gguf_model *s = m->self;
    size_t n = gguf_tensors(s->g);
    bool *used = xcalloc(n + 1, sizeof(*used));
    int rc = 0;

    for (uint32_t i = 0; i < m->rec.n_tensors; i++)
        if (s->from[i].t)
            used[s->from[i].t - gguf_tensor_at(s->g, 0)] = true;
    for (size_t i = 0; i < n && !rc; i++) {
        const char *name = gguf_tensor_at(s->g, i)->name;

        if (used[i] || strcmp(name, "rope_freqs.weight") == 0 ||
            (strcmp(name, "output.weight") == 0 &&
             m->rec.flags & MODEL_TIED))
            continue;
        rc = err_set(err, ERR_INPUT, "tensor \"%s\" has no place in such a"
                     " model", name);
    }
    free(used);
    return rc;
}

/* ---- the head ------------------------------------------------------------ */

/* Whether output.weight has the numbers of the embedding: *same. */
static int compare_head(bool *same, const struct gguf *g,
                        const struct gguf_tensor *e,
                        const struct gguf_tensor *h, struct err *err)
{
    uint64_t width = e->dim[0];
    float *row, *other;
    int rc = 0;

    *same = h->dim[0] == width && h->n == e->n && width <= X1_MAX_K;
    if (!*same)
        return 0;
    row = xmalloc(2 * (size_t)width * sizeof(*row));
    other = row + width;
    for (uint64_t at = 0; at < e->n && rc == 0 && *same; at += width) {
        if (gguf_read(g, e, at, (size_t)width, row, err) ||
            gguf_read(g, h, at, (size_t)width, other, err))
            rc = -1;
        else
            *same = memcmp(row, other, (size_t)width * sizeof(*row)) == 0;
    }
    free(row);
    return rc;
}

/* Vocabulary, and whether the head is the embedding: it is if there is no
 * other, or if the other repeats it. */
static int read_head(struct import *m, struct err *err)
{
    struct gguf *g = ((struct gguf_model *)m->self)->g;
    const struct gguf_tensor *e = gguf_find(g, "token_embd.weight");
    const struct gguf_tensor *h = gguf_find(g, "output.weight");
    bool same = true;

    if (!e)
        return err_set(err, ERR_INPUT, "tensor \"token_embd.weight\" is"
                       " missing");
    if (e->dim[1] > X1_MAX_VOCAB)
        return err_set(err, ERR_INPUT, "its vocabulary has %" PRIu64
                       " tokens, at most %d are supported", e->dim[1],
                       X1_MAX_VOCAB);
    m->rec.n_vocab = (uint32_t)e->dim[1];
    if (h && compare_head(&same, g, e, h, err))
        return -1;
    if (same)
        m->rec.flags |= MODEL_TIED;
    return 0;
}

/* ---- frequencies --------------------------------------------------------- */

/* Llama 3's scaling is not in the keys: its factors are a tensor of f32, made
 * with numbers of less than 24 bits.  Where they are those of its rule, that
 * counts, as it does for other sources of the same model. */
static bool is_llama3(const struct import *m, const struct hf_rope *plain,
                      const float *factor, float *freq)
{
    struct hf_rope rope = *plain;
    uint32_t half = m->rec.head_dim / 2;

    rope.type = HF_ROPE_LLAMA3;
    rope.factor = (double)factor[half - 1];
    rope.original = 8192;
    rope.low_freq = 1;
    rope.high_freq = 4;
    if (!(rope.factor >= 1))
        return false;
    hf_rope_frequencies(freq, &rope, m->rec.head_dim);
    for (uint32_t i = 0; i < half; i++) {
        double rule = (double)m->inv_freq[i] / (double)freq[i];

        if (!(fabs((double)factor[i] / rule - 1) < 1e-4))
            return false;
    }
    return true;
}

/* Divide the frequencies by the factors of the file, if it has any. */
static int scale_frequencies(struct import *m, const struct hf_rope *rope,
                             struct err *err)
{
    const struct gguf *g = ((struct gguf_model *)m->self)->g;
    const struct gguf_tensor *t = gguf_find(g, "rope_freqs.weight");
    float factor[X1_MAX_HEAD_DIM / 2], freq[X1_MAX_HEAD_DIM / 2];
    uint32_t half = m->rec.head_dim / 2;

    if (!t)
        return 0;
    if (t->n != half)
        return wrong_shape(t, 1, half, err);
    if (rope->type != HF_ROPE_PLAIN)
        return err_set(err, ERR_INPUT, "tensor \"%s\" comes with a scaling"
                       " of RoPE in the keys, which is not supported",
                       t->name);
    if (gguf_read(g, t, 0, half, factor, err))
        return -1;
    for (uint32_t i = 0; i < half; i++)
        if (!(factor[i] >= 0x1p-20f && factor[i] <= 0x1p20f))
            return err_set(err, ERR_INPUT, "tensor \"%s\": number %u is out"
                           " of range", t->name, i);
    if (is_llama3(m, rope, factor, freq)) {
        memcpy(m->inv_freq, freq, half * sizeof(*freq));
        return 0;
    }
    for (uint32_t i = 0; i < half; i++)
        m->inv_freq[i] = (float)(1 / hf_pow(rope->theta, 2.0 * i /
                                            m->rec.head_dim) /
                                 (double)factor[i]);
    return 0;
}

static int read_frequencies(struct import *m, const struct gguf_config *c,
                            struct err *err)
{
    import_frequencies(m->inv_freq, &c->rope, m->rec.head_dim, &c->heads);
    if (scale_frequencies(m, &c->rope, err))
        return -1;
    for (uint32_t i = 0; i < m->rec.head_dim / 2; i++)
        if (!(m->inv_freq[i] >= 0 && m->inv_freq[i] <= 1))
            return err_set(err, ERR_INPUT, "the scaling of RoPE gives the"
                           " frequency %g, which is not within 0 to 1",
                           (double)m->inv_freq[i]);
    return 0;
}

/* The layers that differ, in an architecture that has some. */
static void put_layers(struct import *m, const struct gguf_config *c)
{
    struct hf_layers y = { .window = m->rec.window };
    struct hf_rope plain = c->rope;
    bool local = c->local_theta > 0;

    for (uint32_t l = 0; l < m->rec.n_layers; l++) {
        y.local[l] = c->every ? (l + 1) % c->every != 0 : m->rec.window > 0;
        y.second[l] = c->no_rope > 0 && (l + 1) % c->no_rope == 0;
    }
    if (c->every && (local || c->rope.type != HF_ROPE_PLAIN)) {
        plain.type = HF_ROPE_PLAIN;
        if (local)
            plain.theta = c->local_theta;
        import_frequencies(y.table, &plain, m->rec.head_dim, &c->heads);
        y.attn_scale = local ? m->rec.attn_scale
                             : (float)(1 / sqrt(m->rec.head_dim));
        memcpy(y.second, y.local, sizeof(y.second));
    }
    hf_layers_put(&m->rec, m->inv_freq, &y);
    hf_caps_put(&m->rec, m->inv_freq, c->score_cap, c->logit_cap);
}

/* ---- the model ----------------------------------------------------------- */

static int open_tensors(struct import *m, const struct gguf_config *c,
                        struct err *err)
{
    struct gguf_model *s = m->self;

    s->from = xcalloc(m->rec.n_tensors, sizeof(*s->from));
    s->heads = c->heads;
    for (uint32_t i = 0; i < m->rec.n_tensors; i++)
        if (find_tensor(m, c, i, err))
            return -1;
    return check_used(m, err);
}

int gguf_model_open(struct import *m, const char *path, struct err *err)
{
    struct gguf_model *s = xcalloc(1, sizeof(*s));
    struct gguf_config c;

    m->self = s;
    m->format = &format;
    if (gguf_open(&s->g, path, err) || gguf_config(&c, s->g, err))
        return -1;
    m->rec = c.rec;
    m->embedding = c.embedding;
    if (c.embedding > 0)
        m->final = 1 / c.embedding;
    if (c.folds && fold_factors(m, &c.fold, err))
        return -1;
    if (gguf_find(s->g, "blk.0.attn_q.bias") ||
        (c.fused_qkv && gguf_find(s->g, "blk.0.attn_qkv.bias")))
        m->rec.flags |= MODEL_QKV_BIAS;
    if (gguf_find(s->g, "blk.0.attn_q_norm.weight"))
        m->rec.flags |= MODEL_QK_NORM;
    if (read_head(m, err) || gguf_texts_read(m, s->g, err) ||
        model_check(&m->rec, err) || read_frequencies(m, &c, err))
        return -1;
    put_layers(m, &c);
    return open_tensors(m, &c, err);
}
