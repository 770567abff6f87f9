/*
 * A model in memory with weights from a seed.  Two passes over the same
 * list of tensors: one adds up the bytes, one places and fills them.  With a
 * sink, matrices take no place: some rows at a time are filled and passed on.
 */
#include <config.h>

#include "model/shape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/model_layout.h"

#define OTHER_WINDOW 9 /* of every second layer, where layers differ */
#define PIECE ((size_t)1 << 20) /* bytes of rows that go to a sink at once */

static const struct {
    const char *name;
    uint32_t layers, dim, heads, kv_heads, head_dim, ffn, vocab, context;
    uint32_t flags;
} shapes[] = {
    { "tiny", 2, 32, 4, 2, 8, 48, 64, 256, MODEL_TIED },
    { "nano", 6, 128, 4, 2, 32, 384, 512, 512, MODEL_TIED },
    { "stories15m", 6, 288, 6, 6, 48, 768, 32000, 256, MODEL_TIED },
    { "smollm-135m", 30, 576, 9, 3, 64, 1536, 49152, 8192, MODEL_TIED },
    { "tinyllama-1.1b", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 0 },
    { "llama-3.2-1b", 16, 2048, 32, 8, 64, 8192, 128256, 131072, MODEL_TIED },
    { "llama-3-8b", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 0 },
    { "qwen3-moe", 4, 1024, 16, 4, 64, 384, 32000, 8192,
      MODEL_TIED | MODEL_QK_NORM | MODEL_EXPERTS |
          32u << MODEL_EXPERTS_AT | 8u << MODEL_USED_AT },
    { "qwen2.5-7b", 28, 3584, 28, 4, 128, 18944, 152064, 32768,
      MODEL_QKV_BIAS },
};

static const struct {
    const char *name, *means;
} second_names[] = {
    { "1b", "llama-3.2-1b" },
    { "smollm", "smollm-135m" },
    { "tinyllama", "tinyllama-1.1b" },
};

const char *shape_name(size_t i)
{
    return i < sizeof(shapes) / sizeof(*shapes) ? shapes[i].name : NULL;
}

int shape_find(struct model_record *rec, const char *name)
{
    for (size_t i = 0; i < sizeof(second_names) / sizeof(*second_names); i++)
        if (strcmp(name, second_names[i].name) == 0)
            name = second_names[i].means;
    for (size_t i = 0; shape_name(i); i++) {
        if (strcmp(name, shapes[i].name) != 0)
            continue;
        memset(rec, 0, sizeof(*rec));
        rec->n_layers = shapes[i].layers;
        rec->dim = shapes[i].dim;
        rec->n_heads = shapes[i].heads;
        rec->n_kv_heads = shapes[i].kv_heads;
        rec->head_dim = shapes[i].head_dim;
        rec->ffn_dim = shapes[i].ffn;
        rec->n_vocab = shapes[i].vocab;
        rec->context = shapes[i].context;
        rec->flags = shapes[i].flags;
        rec->eps = 1e-5f;
        return 0;
    }
    return -1;
}

/* Where the next tensor goes; base NULL in the pass that only counts. */
struct shape_place {
    unsigned char *base;
    size_t at;
    uint32_t seed;
    const struct model_sink *sink; /* takes matrices, or NULL */
};

static uint32_t next(struct shape_place *p)
{
    p->seed ^= p->seed << 13;
    p->seed ^= p->seed >> 17;
    p->seed ^= p->seed << 5;
    return p->seed;
}

static void *take_aligned(struct shape_place *p, size_t n)
{
    void *out = p->base ? p->base + p->at : NULL;

    p->at += (n + 63) / 64 * 64;
    return out;
}

/* n values around `middle`, off by at most 1/8. */
static const float *vector(struct shape_place *p, size_t n, float middle)
{
    float *v = take_aligned(p, n * sizeof(*v));

    for (size_t i = 0; v && i < n; i++)
        v[i] = middle + ((float)(next(p) >> 8) * 0x1p-24f - 0.5f) * 0.25f;
    return v;
}

static void fill_scales(struct shape_place *p, float *scale, size_t rows,
                        size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        scale[i] = (1.0f + (float)(next(p) >> 8) * 0x1p-24f) /
                   (64.0f * sqrtf((float)cols));
}

static void fill_rows(struct shape_place *p, int8_t *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (int8_t)((int)(next(p) >> 24) % 127 - 63);
}

/* The same numbers, a piece at a time. */
static void pass_on(struct shape_place *p, uint32_t tensor, size_t rows,
                    size_t cols)
{
    size_t step = PIECE / cols / X1_GROUP * X1_GROUP;
    float *scale = xcalloc(rows, sizeof(*scale));
    int8_t *w;
    struct x1_matrix m;

    step = step ? step : X1_GROUP;
    w = xcalloc(step, cols);
    m = (struct x1_matrix){ (uint32_t)rows, (uint32_t)cols, scale, w };
    fill_scales(p, scale, rows, cols);
    for (size_t at = 0; at < rows; at += step) {
        size_t end = rows - at < step ? rows : at + step;

        fill_rows(p, w, (end - at) * cols);
        p->sink->rows(p->sink->self, tensor, &m, at, end);
    }
    free(scale);
    free(w);
}

static void matrix(struct shape_place *p, struct x1_matrix *m, uint32_t tensor,
                   size_t rows, size_t cols)
{
    float *scale;
    int8_t *w;

    *m = (struct x1_matrix){ (uint32_t)rows, (uint32_t)cols, NULL, NULL };
    if (p->sink) {
        if (p->base)
            pass_on(p, tensor, rows, cols);
        return;
    }
    scale = take_aligned(p, rows * sizeof(*scale));
    w = take_aligned(p, rows * cols);
    if (scale)
        fill_scales(p, scale, rows, cols);
    if (w)
        fill_rows(p, w, rows * cols);
    m->scale = scale;
    m->w = w;
}

/* `at` is the number of the layer's first tensor. */
static void one_layer(struct shape_place *p, struct model_layer *l, uint32_t at,
                      const struct model_record *r)
{
    size_t q = (size_t)r->n_heads * r->head_dim;
    size_t kv = (size_t)r->n_kv_heads * r->head_dim;
    size_t experts = r->flags & MODEL_EXPERTS ? model_experts(r) : 1;

    if (!(r->flags & MODEL_NORM_AFTER)) {
        l->attn_norm = vector(p, r->dim, 1);
        l->ffn_norm = vector(p, r->dim, 1);
    }
    if (r->flags & (MODEL_NORM_AFTER | MODEL_NORM_BOTH)) {
        l->attn_after = vector(p, r->dim, 1);
        l->ffn_after = vector(p, r->dim, 1);
    }
    matrix(p, &l->wq, at + LAYER_WQ, q, r->dim);
    matrix(p, &l->wk, at + LAYER_WK, kv, r->dim);
    matrix(p, &l->wv, at + LAYER_WV, kv, r->dim);
    matrix(p, &l->wo, at + LAYER_WO, r->dim, q);
    if (r->flags & MODEL_QKV_BIAS) {
        l->bq = vector(p, q, 0);
        l->bk = vector(p, kv, 0);
        l->bv = vector(p, kv, 0);
    }
    if (r->flags & MODEL_QK_NORM) {
        bool wide = r->flags & MODEL_WIDE_NORM;

        l->q_norm = vector(p, wide ? q : r->head_dim, 1);
        l->k_norm = vector(p, wide ? kv : r->head_dim, 1);
    }
    matrix(p, &l->gate, at + LAYER_GATE, experts * r->ffn_dim, r->dim);
    matrix(p, &l->up, at + LAYER_UP, experts * r->ffn_dim, r->dim);
    matrix(p, &l->down, at + LAYER_DOWN, experts * r->dim, r->ffn_dim);
    if (r->flags & MODEL_EXPERTS)
        matrix(p, &l->router, at + LAYER_ROUTER, experts, r->dim);
}

static void all(struct shape_place *p, struct model *m)
{
    const struct model_record *r = &m->rec;
    size_t half = r->head_dim / 2;
    float *f;

    matrix(p, &m->embed, TENSOR_EMBED, r->n_vocab, r->dim);
    m->head = m->embed;
    if (!(r->flags & MODEL_TIED))
        matrix(p, &m->head, TENSOR_HEAD, r->n_vocab, r->dim);
    f = take_aligned(p, half * model_tables(r) * sizeof(*f));
    for (size_t i = 0; f && i < half; i++)
        f[i] = (float)(1.0 / pow(10000.0, 2.0 * (double)i / r->head_dim));
    if (f && model_tables(r) > 1)
        memset(f + half, 0, half * sizeof(*f));
    m->inv_freq = f;
    if (r->flags & MODEL_SOFT_CAPS) {
        m->score_cap = 2;
        m->logit_cap = 3;
    }
    m->final_norm = vector(p, r->dim, 1);
    for (uint32_t l = 0; l < r->n_layers; l++) {
        m->layers[l].window = r->window;
        m->layers[l].attn_scale = r->attn_scale;
        m->layers[l].inv_freq = f;
        if (l % 2 == 1 && r->flags & MODEL_LAYERS) {
            m->layers[l].window = OTHER_WINDOW;
            m->layers[l].attn_scale *= 2;
            m->layers[l].inv_freq = f ? f + half : NULL;
        }
        one_layer(p, &m->layers[l], model_tensor_at(r, l, 0), r);
    }
}

/* Both passes.  p.sink takes the matrices, if there is one. */
static int fill(struct model *m, struct shape_place p, struct err *err)
{
    all(&p, m);
    if (mem_big(&m->data, p.at, 1, "weights", err))
        return -1;
    if (p.sink && p.sink->begin(p.sink->self, &m->rec, err))
        return -1;
    m->size = p.at;
    m->streamed = p.sink != NULL;
    p.base = m->data;
    p.at = 0;
    all(&p, m);
    if (p.sink)
        p.sink->end(p.sink->self, &m->id);
    return 0;
}

int shape_build_into(struct model **out, const struct model_record *rec,
                     const struct model_sink *sink, struct err *err)
{
    struct model *m = xcalloc(1, sizeof(*m));

    m->rec = *rec;
    m->rec.numerics = X1_VERSION;
    m->rec.architecture = 1;
    m->rec.attn_scale = (float)(1.0 / sqrt((double)rec->head_dim));
    m->rec.n_tensors = model_tensor_at(rec, rec->n_layers, 0);
    m->layers = xcalloc(rec->n_layers, sizeof(*m->layers));
    if (fill(m, (struct shape_place){ NULL, 0, 1, sink }, err)) {
        model_close(m);
        return -1;
    }
    *out = m;
    return 0;
}

int shape_build(struct model **out, const struct model_record *rec,
                struct err *err)
{
    return shape_build_into(out, rec, NULL, err);
}

static uint64_t tensor_bytes(const struct model *m, uint32_t i)
{
    struct tensor_record t;

    model_expect(&m->rec, i, &t);
    return model_tensor_size(&t);
}

uint64_t shape_bytes(const struct model *m)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < m->rec.n_tensors; i++)
        if (i != TENSOR_HEAD || !(m->rec.flags & MODEL_TIED))
            sum += tensor_bytes(m, i);
    return sum;
}

uint64_t shape_read_bytes(const struct model *m)
{
    uint64_t all = shape_bytes(m);

    return m->rec.flags & MODEL_TIED ? all
                                     : all - tensor_bytes(m, TENSOR_EMBED);
}
