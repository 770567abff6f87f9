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

/* A head that is the embedding: the rows whose logits are computed here. */
static void place_tied(struct cuda_weights *w, const struct model_part *part)
{
    w->head = w->embed;
    w->head.rows = (uint32_t)part->vocab;
    if (!w->embed.w)
        return;
    w->head.w += part->vocab_first * w->embed.ldk;
    w->head.scale += part->vocab_first;
}

/* The matrices of this part of the model, of which w->rec is. */
static void place_all(struct cuda_weights *w, const struct model_part *part,
                      struct places *p)
{
    const struct model_record *r = &w->rec;
    uint64_t q = (uint64_t)r->n_heads * r->head_dim;
    uint64_t kv = (uint64_t)r->n_kv_heads * r->head_dim;

    place(p, &w->embed, r->n_vocab, r->dim);
    if (r->flags & MODEL_TIED)
        place_tied(w, part);
    else
        place(p, &w->head, part->vocab, r->dim);
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

/* Other programs may end; ranks that share the device take what their settings
 * say. */
static int no_room(struct device *d, uint64_t needed, uint64_t free_bytes,
                   uint64_t all, struct err *err)
{
    uint64_t theirs = device_others(d, free_bytes, all);
    bool others = theirs && needed <= free_bytes + theirs;

    err_set(err, others && !d->shares ? ERR_RETRY : ERR_INPUT, "the GPU has"
            " %.0f of %.0f MB free, and the model's weights need %.0f%s",
            (double)free_bytes / 1e6, (double)all / 1e6, (double)needed / 1e6,
            !others     ? ": " CUDA_PLAN_LARGER
            : d->shares ? ": " CUDA_PLAN_SHARED
                        : ": other programs have the rest");
    return device_full(d, err);
}

static int take(struct device *d, struct places *p, struct err *err)
{
    struct cuda_weights *w = &d->weights;
    size_t free_bytes, all;

    place_all(w, &d->part, p);
    CUDA_TRY(cudaMemGetInfo(&free_bytes, &all), err);
    if (p->w_at + p->scale_at > free_bytes)
        return no_room(d, p->w_at + p->scale_at, free_bytes, all, err);
    if (device_take(d, &w->matrices, p->w_at, err) ||
        device_take(d, &w->scales, p->scale_at, err))
        return -1;
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

    /* as the head, if it is; an embedding alone is not a product */
    begin_check(d, w->rec.flags & MODEL_TIED ? &w->head : &w->embed);
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
    if (cuda_plan_check(rec, err) ||
        part_init(&d->part, &d->group, rec, err))
        return -1;
    d->mine = cuda_plan_record(rec, &d->part);
    w->rec = d->mine;
    w->layer = (struct cuda_layer *)xcalloc(rec->n_layers, sizeof(*w->layer));
    if (take(d, &p, err)) {
        weights_drop(d);
        return -1;
    }
    if (d->checks)
        w->check = (struct freivalds *)xcalloc(p.n, sizeof(*w->check));
    p = places{ w->matrices, (unsigned char *)w->scales, 0, 0, w->check, 0 };
    place_all(w, &d->part, &p);
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

/* Rows of a tensor that this device has: n of them from row `at` of its
 * matrix; w and scale are those of the first, the rows of w `ldw` apart. */
struct held_rows {
    const struct cuda_matrix *of;
    const int8_t *w;
    const float *scale;
    size_t at, n, ldw;
};

static void put_weights(struct device *d, const struct held_rows *p)
{
    const struct cuda_matrix *of = p->of;
    size_t each = of->ldk ? STAGE_BYTES / of->ldk : p->n;

    for (size_t r = 0; r < p->n && of->cols; r += each) {
        size_t n = p->n - r < each ? p->n - r : each;
        int8_t *s = stage_open(d);

        for (size_t i = 0; i < n; i++) {
            memcpy(s + i * of->ldk, p->w + (r + i) * p->ldw, of->cols);
            memset(s + i * of->ldk + of->cols, 0, of->ldk - of->cols);
        }
        stage_send(d, of->w + (p->at + r) * of->ldk, n * of->ldk);
    }
}

static void put_scales(struct device *d, const struct held_rows *p)
{
    const size_t each = STAGE_BYTES / sizeof(float);

    for (size_t r = 0; r < p->n; r += each) {
        size_t n = p->n - r < each ? p->n - r : each;

        memcpy(stage_open(d), p->scale + r, n * sizeof(float));
        stage_send(d, p->of->scale + p->at + r, n * sizeof(float));
    }
}

/* Add the rows to the check of their matrix: of an embedding those that are
 * also the head's. */
static void check_rows(const struct device *d, const struct held_rows *p)
{
    const struct cuda_weights *w = &d->weights;
    size_t skip = p->of == &w->embed ? d->part.vocab_first : 0;
    size_t most = p->of == &w->embed ? d->part.vocab : p->of->rows;

    for (size_t i = 0; p->of->check && i < p->n; i++)
        if (p->at + i >= skip && p->at + i < skip + most)
            freivalds_add(p->of->check, p->w + i * p->ldw, p->at + i - skip, 1);
}

void weights_put(struct device *d, uint32_t tensor, const struct x1_matrix *m,
                 size_t from, size_t to)
{
    struct cuda_weights *w = &d->weights;
    uint32_t first;
    const struct cuda_matrix *of = matrix_of(w, tensor, &first);
    const struct part_box box = part_box(&d->part, &w->rec, tensor, of->rows,
                                         m->cols);
    size_t begin = from > box.row ? from : box.row;
    size_t end = to < box.row + box.rows ? to : box.row + box.rows;
    struct held_rows p = { of, NULL, m->scale + begin,
                           first + begin - box.row, 0, m->cols };

    if (begin >= end)
        return;
    p.w = m->w + (begin - from) * m->cols + box.col;
    p.n = end - begin;
    put_weights(d, &p);
    put_scales(d, &p);
    check_rows(d, &p);
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

/* Append floats [first, first + n) of a vector of the model, or nothing for
 * NULL. */
static const float *append_part(struct vectors *v, const float *x,
                                size_t first, size_t n)
{
    size_t at = v->n;

    if (!x)
        return NULL;
    if (v->host)
        memcpy(v->host + at, x + first, n * sizeof(*x));
    v->n += n;
    return v->device + at;
}

static const float *append_vector(struct vectors *v, const float *x, size_t n)
{
    return append_part(v, x, 0, n);
}

/* Norms are whole, since rows are; biases are of this part's heads. */
static void append_all(struct device *d, struct vectors *v,
                       const struct model *m)
{
    struct cuda_weights *w = &d->weights;
    const struct model_record *r = &m->rec;
    const struct model_part *p = &d->part;
    size_t hd = r->head_dim, q = r->n_heads * hd, kv = r->n_kv_heads * hd;
    bool wide = r->flags & MODEL_WIDE_NORM;

    w->final_norm = append_vector(v, m->final_norm, r->dim);
    for (uint32_t l = 0; l < r->n_layers; l++) {
        const struct model_layer *from = &m->layers[l];
        struct cuda_layer *y = &w->layer[l];

        y->attn_norm = append_vector(v, from->attn_norm, r->dim);
        y->attn_after = append_vector(v, from->attn_after, r->dim);
        y->ffn_norm = append_vector(v, from->ffn_norm, r->dim);
        y->ffn_after = append_vector(v, from->ffn_after, r->dim);
        y->bias = append_part(v, from->bq, p->q_first * hd, p->q_heads * hd);
        append_part(v, from->bk, p->kv_first * hd, p->kv_heads * hd);
        append_part(v, from->bv, p->kv_first * hd, p->kv_heads * hd);
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

    append_all(d, &v, m);
    if (!w->vectors) {
        if (device_take(d, &w->vectors, v.n * sizeof(float), err))
            return -1;
        w->bytes += v.n * sizeof(float);
    }
    host = (float *)xcalloc(v.n, sizeof(*host));
    v = vectors{ host, w->vectors, 0 };
    append_all(d, &v, m);
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
