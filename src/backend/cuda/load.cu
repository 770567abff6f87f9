/*
 * Weights on the device: matrices row by row as they are read, through pinned
 * buffers, so that reading and hashing go on while the last rows are copied.
 */
#include "backend/cuda/device.cuh"

#include <stdlib.h>
#include <string.h>

#define STAGE_BYTES ((size_t)8 << 20)
#define ALIGN 256

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* Where matrices and their scales go; with base NULL they are counted. */
struct places {
    int8_t *w;
    unsigned char *scale;
    uint64_t w_at, scale_at;
    struct freivalds *check;
    size_t n;
};

static void place(struct places *p, struct cuda_matrix *m, uint64_t rows,
                  uint32_t cols)
{
    m->rows = (uint32_t)rows;
    m->cols = cols;
    m->ldk = cuda_plan_ldk(cols);
    m->w = p->w ? p->w + p->w_at : NULL;
    m->scale = p->scale ? (float *)(p->scale + p->scale_at) : NULL;
    m->check = p->check ? &p->check[p->n] : NULL;
    m->number = (uint32_t)p->n++;
    /* the library reads rows up to the next multiple of 16 */
    p->w_at += aligned((rows + 15) / 16 * 16 * m->ldk);
    p->scale_at += aligned(rows * sizeof(float));
}

static void place_all(struct cuda_weights *w, struct places *p)
{
    const struct model_record *r = &w->rec;
    uint64_t q = (uint64_t)r->n_heads * r->head_dim;
    uint64_t kv = (uint64_t)r->n_kv_heads * r->head_dim;

    place(p, &w->embed, r->n_vocab, r->dim);
    if (r->flags & MODEL_TIED)
        w->head = w->embed;
    else
        place(p, &w->head, r->n_vocab, r->dim);
    for (uint32_t l = 0; l < r->n_layers; l++) {
        struct cuda_layer *y = &w->layer[l];

        place(p, &y->qkv, q + 2 * kv, r->dim);
        place(p, &y->o, r->dim, (uint32_t)q);
        place(p, &y->gate, r->ffn_dim, r->dim);
        place(p, &y->up, r->ffn_dim, r->dim);
        place(p, &y->down, r->dim, r->ffn_dim);
    }
}

/* The matrix that a tensor is of, and the first of its rows there. */
static struct cuda_matrix *matrix_of(struct cuda_weights *w, uint32_t tensor,
                                     uint32_t *first)
{
    const struct model_record *r = &w->rec;
    struct cuda_layer *y;

    *first = 0;
    if (tensor == TENSOR_EMBED)
        return &w->embed;
    if (tensor == TENSOR_HEAD)
        return &w->head;
    y = &w->layer[model_layer_of(r, tensor)];
    switch (model_part_of(r, tensor)) {
    case LAYER_WV:
        *first += r->n_kv_heads * r->head_dim;
        /* fall through */
    case LAYER_WK:
        *first += r->n_heads * r->head_dim;
        /* fall through */
    case LAYER_WQ:
        return &y->qkv;
    case LAYER_WO:
        return &y->o;
    case LAYER_GATE:
        return &y->gate;
    case LAYER_UP:
        return &y->up;
    default:
        return &y->down;
    }
}

void weights_drop(struct device *d)
{
    struct cuda_weights *w = &d->weights;

    if (!d->lost) {
        cudaFree(w->matrices);
        cudaFree(w->scales);
        cudaFree(w->vectors);
    }
    for (size_t i = 0; i < STAGES && !d->lost; i++) {
        if (w->copied[i])
            cudaEventDestroy(w->copied[i]);
        cudaFreeHost(w->stage[i]);
    }
    for (size_t i = 0; i < w->n_checks; i++)
        freivalds_clear(&w->check[i]);
    free(w->check);
    free(w->layer);
    memset(w, 0, sizeof(*w));
}

static int take(struct device *d, struct places *p, struct err *err)
{
    struct cuda_weights *w = &d->weights;
    size_t free_bytes, all;

    place_all(w, p);
    CUDA_TRY(cudaMemGetInfo(&free_bytes, &all), err);
    if (p->w_at + p->scale_at > free_bytes)
        return err_set(err, ERR_INPUT, "the GPU has %.0f MB free, and the"
                       " model's weights need %.0f", (double)free_bytes / 1e6,
                       (double)(p->w_at + p->scale_at) / 1e6);
    CUDA_TRY(cudaMalloc((void **)&w->matrices, p->w_at), err);
    CUDA_TRY(cudaMalloc((void **)&w->scales, p->scale_at), err);
    CUDA_TRY(cudaMemsetAsync(w->matrices, 0, p->w_at, d->stream), err);
    w->bytes = p->w_at + p->scale_at;
    for (size_t i = 0; i < STAGES; i++) {
        CUDA_TRY(cudaMallocHost((void **)&w->stage[i], STAGE_BYTES), err);
        CUDA_TRY(cudaEventCreateWithFlags(&w->copied[i],
                                          cudaEventDisableTiming), err);
        CUDA_TRY(cudaEventRecord(w->copied[i], d->stream), err);
    }
    return 0;
}

static void begin_check(struct device *d, const struct cuda_matrix *m)
{
    struct cuda_weights *w = &d->weights;

    freivalds_init(m->check, d->key, (uint32_t)w->n_checks++, m->rows,
                   m->cols);
}

/* In the order of place_all. */
static void begin_checks(struct device *d)
{
    struct cuda_weights *w = &d->weights;

    begin_check(d, &w->embed);
    if (!(w->rec.flags & MODEL_TIED))
        begin_check(d, &w->head);
    for (uint32_t l = 0; l < w->rec.n_layers; l++) {
        const struct cuda_layer *y = &w->layer[l];

        begin_check(d, &y->qkv);
        begin_check(d, &y->o);
        begin_check(d, &y->gate);
        begin_check(d, &y->up);
        begin_check(d, &y->down);
    }
}

int weights_take(struct device *d, const struct model_record *rec,
                 struct err *err)
{
    struct cuda_weights *w = &d->weights;
    struct places p = {};

    weights_drop(d);
    if (cuda_plan_check(rec, err))
        return -1;
    w->rec = *rec;
    w->layer = (struct cuda_layer *)xcalloc(rec->n_layers, sizeof(*w->layer));
    if (take(d, &p, err)) {
        weights_drop(d);
        return -1;
    }
    if (d->checks)
        w->check = (struct freivalds *)xcalloc(p.n, sizeof(*w->check));
    p = places{ w->matrices, (unsigned char *)w->scales, 0, 0, w->check, 0 };
    place_all(w, &p);
    if (d->checks)
        begin_checks(d);
    w->there = true;
    return 0;
}

/* The first error of a copy is told when the model is loaded. */
static void note(struct cuda_weights *w, cudaError_t e)
{
    if (w->failed == cudaSuccess)
        w->failed = e;
}

/* n bytes through the next stage: room for them, once it is free. */
static int8_t *stage_open(struct device *d)
{
    struct cuda_weights *w = &d->weights;

    w->next = (w->next + 1) % STAGES;
    if (w->failed == cudaSuccess &&
        device_wait(d, w->copied[w->next], &w->why))
        note(w, cudaErrorUnknown);
    return w->stage[w->next];
}

static void stage_send(struct device *d, void *to, size_t n)
{
    struct cuda_weights *w = &d->weights;

    if (w->failed != cudaSuccess)
        return;
    note(w, cudaMemcpyAsync(to, w->stage[w->next], n, cudaMemcpyHostToDevice,
                            d->stream));
    note(w, cudaEventRecord(w->copied[w->next], d->stream));
}

void weights_put(struct device *d, uint32_t tensor, const struct x1_matrix *m,
                 size_t from, size_t to)
{
    struct cuda_weights *w = &d->weights;
    uint32_t first;
    const struct cuda_matrix *at = matrix_of(w, tensor, &first);
    size_t each = STAGE_BYTES / at->ldk;

    for (size_t r = from; r < to; r += each) {
        size_t n = to - r < each ? to - r : each;
        int8_t *s = stage_open(d);

        for (size_t i = 0; i < n; i++) {
            memcpy(s + i * at->ldk, m->w + (r - from + i) * m->cols, m->cols);
            memset(s + i * at->ldk + m->cols, 0, at->ldk - m->cols);
        }
        stage_send(d, at->w + (first + r) * at->ldk, n * at->ldk);
    }
    if (at->check)
        freivalds_add(at->check, m->w, first + from, to - from);
    each = STAGE_BYTES / sizeof(float);
    for (size_t r = from; r < to; r += each) {
        size_t n = to - r < each ? to - r : each;

        memcpy(stage_open(d), m->scale + r, n * sizeof(float));
        stage_send(d, at->scale + first + r, n * sizeof(float));
    }
}

static void put_all(struct device *d, const struct model *m)
{
    const struct model_record *r = &m->rec;

    weights_put(d, TENSOR_EMBED, &m->embed, 0, m->embed.rows);
    if (!(r->flags & MODEL_TIED))
        weights_put(d, TENSOR_HEAD, &m->head, 0, m->head.rows);
    for (uint32_t l = 0; l < r->n_layers; l++) {
        const struct model_layer *y = &m->layers[l];
        const struct x1_matrix *of[] = { &y->wq, &y->wk, &y->wv, &y->wo,
                                         &y->gate, &y->up, &y->down };
        static const uint32_t part[] = { LAYER_WQ, LAYER_WK, LAYER_WV,
                                         LAYER_WO, LAYER_GATE, LAYER_UP,
                                         LAYER_DOWN };

        for (size_t i = 0; i < 7; i++)
            weights_put(d, model_tensor_at(r, l, part[i]), of[i], 0,
                        of[i]->rows);
    }
}

/* ---- vectors ------------------------------------------------------------- */

/* Vectors one after the other; host NULL in the pass that counts. */
struct vectors {
    float *host, *device;
    size_t n;
};

/* Append n floats of the model, or nothing for NULL. */
static const float *append_vector(struct vectors *v, const float *x, size_t n)
{
    size_t at = v->n;

    if (!x)
        return NULL;
    if (v->host)
        memcpy(v->host + at, x, n * sizeof(*x));
    v->n += n;
    return v->device + at;
}

static void append_all(struct cuda_weights *w, struct vectors *v,
                       const struct model *m)
{
    const struct model_record *r = &m->rec;
    size_t q = (size_t)r->n_heads * r->head_dim;
    size_t kv = (size_t)r->n_kv_heads * r->head_dim;
    bool wide = r->flags & MODEL_WIDE_NORM;

    w->final_norm = append_vector(v, m->final_norm, r->dim);
    for (uint32_t l = 0; l < r->n_layers; l++) {
        const struct model_layer *from = &m->layers[l];
        struct cuda_layer *y = &w->layer[l];

        y->attn_norm = append_vector(v, from->attn_norm, r->dim);
        y->attn_after = append_vector(v, from->attn_after, r->dim);
        y->ffn_norm = append_vector(v, from->ffn_norm, r->dim);
        y->ffn_after = append_vector(v, from->ffn_after, r->dim);
        y->bias = append_vector(v, from->bq, q);
        append_vector(v, from->bk, kv);
        append_vector(v, from->bv, kv);
        y->q_norm = append_vector(v, from->q_norm, wide ? q : r->head_dim);
        y->k_norm = append_vector(v, from->k_norm, wide ? kv : r->head_dim);
    }
}

/* Copied before it returns: `host` is the caller's. */
static int send_vectors(struct device *d, const float *host, size_t n,
                        struct err *err)
{
    CUDA_TRY(cudaMemcpyAsync(d->weights.vectors, host, n * sizeof(*host),
                             cudaMemcpyHostToDevice, d->stream), err);
    return device_wait(d, NULL, err);
}

static int put_vectors(struct device *d, const struct model *m,
                       struct err *err)
{
    struct cuda_weights *w = &d->weights;
    struct vectors v = {};
    float *host;
    int rc;

    append_all(w, &v, m);
    if (!w->vectors) {
        CUDA_TRY(cudaMalloc((void **)&w->vectors, v.n * sizeof(float)), err);
        w->bytes += v.n * sizeof(float);
    }
    host = (float *)xcalloc(v.n, sizeof(*host));
    v = vectors{ host, w->vectors, 0 };
    append_all(w, &v, m);
    rc = send_vectors(d, host, v.n, err);
    free(host);
    w->has_vectors = rc == 0;
    return rc;
}

int weights_finish(struct device *d, const struct model *m, struct err *err)
{
    struct cuda_weights *w = &d->weights;

    if (m->streamed && !(w->whole && id_equal(w->id, m->id)))
        return err_set(err, ERR_FATAL, "the GPU has the weights of another"
                       " model");
    if (!m->streamed) {
        if (weights_take(d, &m->rec, err))
            return -1;
        put_all(d, m);
    }
    if (!w->has_vectors && put_vectors(d, m, err))
        return -1;
    if (w->why.code)
        return err_copy(err, &w->why);
    CUDA_TRY(w->failed, err);
    return device_wait(d, NULL, err);
}
