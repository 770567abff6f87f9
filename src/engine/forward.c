/*
 * x = embedding; each layer adds attention and then the feed-forward part;
 * the head turns the last row into logits.  doc/numerics.md, "A layer", and
 * its numbering of the rows that are quantised (OP_...).
 */
#include <config.h>

#include "engine/forward.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"

enum { /* operators of a layer, by the row that they quantise */
    OP_ATTN_IN = 0, OP_ATTN_NORM, OP_Q_HEAD, OP_K_HEAD, OP_Q_ROPE, OP_K, OP_V,
    OP_O, OP_FFN_IN, OP_FFN_NORM, OP_DOWN
};
enum { HEAD_IN = 0, HEAD_NORM, HEAD_LOGITS }; /* .. and of the head */
#define HEAD_LAYER 0xffffffffu

struct forward {
    const struct model *model;
    const struct x1_kernels *k;
    struct kv_pool *pool;
    const struct observer *obs;
    size_t dim, q_dim, kv_dim, ffn, hd; /* row lengths */
    /* the rows that are still computed, n of them */
    const struct forward_row **row;
    size_t n;
    /* row-major, max_rows each */
    float *x, *h, *y;      /* dim */
    float *q, *o;          /* q_dim */
    float *kx, *vx;        /* kv_dim */
    float *g, *u;          /* ffn */
    float *cos, *sin;      /* hd / 2 */
    struct x1_rows in;     /* what the next linear reads */
    struct x1_rows heads;  /* q after rope, n * heads rows of hd */
    int32_t *fault;        /* one a quantised row */
    float *logits;         /* max_draws x n_vocab */
    /* attention: one query at a time */
    size_t positions;
    float *score;
    struct x1_span *span;
    int64_t *num;
};

/* The least (position, layer, op, row, index) of a sequence is its fault. */
static bool less(const struct fault *a, const struct fault *b)
{
    if (a->position != b->position)
        return a->position < b->position;
    if (a->layer != b->layer)
        return a->layer < b->layer;
    if (a->op != b->op)
        return a->op < b->op;
    if (a->row != b->row)
        return a->row < b->row;
    return a->index < b->index;
}

static void note(const struct forward_row *r, uint32_t layer, uint32_t op,
                 size_t head, int32_t index)
{
    struct fault f = { r->position, layer, op, (uint32_t)head,
                       (uint32_t)index };

    if (index < 0 || (*r->faulty && !less(&f, r->fault)))
        return;
    *r->faulty = true;
    *r->fault = f;
}

/* Faults of an operation on n * per rows, `per` for each row of the step. */
static void note_all(struct forward *f, uint32_t layer, uint32_t op,
                     size_t per)
{
    for (size_t i = 0; i < f->n * per; i++)
        if (f->fault[i] >= 0)
            note(f->row[i / per], layer, op, i % per, f->fault[i]);
}

/* The input of the next linear: x (n rows of k) as A14, or A8 if the model
 * is of that kind. */
static void quantise(struct forward *f, const float *x, size_t k,
                     uint32_t layer, uint32_t op)
{
    f->in.m = f->n;
    f->in.k = k;
    f->k->quantise(&f->in, x, k, f->model->rec.flags & MODEL_A8, f->fault);
    note_all(f, layer, op, 1);
}

static void linear(struct forward *f, float *y, const struct x1_matrix *w,
                   const float *b)
{
    f->k->linear(y, w->rows, w, b, &f->in, 0, w->rows);
}

static void norm(struct forward *f, const float *g, uint32_t layer,
                 uint32_t op)
{
    f->k->rmsnorm(f->h, f->x, f->dim, g, f->model->rec.eps, f->n, f->dim,
                  f->fault);
    note_all(f, layer, op, 1);
    quantise(f, f->h, f->dim, layer, op + 1);
}

static void head_norm(struct forward *f, float *x, size_t heads,
                      const float *g, uint32_t layer, uint32_t op)
{
    if (!g)
        return;
    f->k->rmsnorm(x, x, f->hd, g, f->model->rec.eps, f->n * heads, f->hd,
                  f->fault);
    note_all(f, layer, op, heads);
}

static void rope(struct forward *f, float *x, size_t heads)
{
    for (size_t i = 0; i < f->n; i++) {
        size_t at = i * (f->hd / 2);

        f->k->rope(x + i * heads * f->hd, heads, f->hd, f->cos + at,
                   f->sin + at);
    }
}

/* K and V of all rows into the cache. */
static void remember(struct forward *f, uint32_t l)
{
    size_t kvh = f->model->rec.n_kv_heads;

    for (size_t i = 0; i < f->n; i++) {
        const struct forward_row *r = f->row[i];

        for (size_t g = 0; g < kvh; g++) {
            size_t at = (i * kvh + g) * f->hd;
            struct kv_row c;
            int32_t bad;

            kv_row(&c, r->kv, f->pool, l, g, r->position);
            f->k->store(c.k, c.s_k, f->kx + at, f->hd, &bad);
            note(r, l, OP_K, g, bad);
            f->k->store(c.v, c.s_v, f->vx + at, f->hd, &bad);
            note(r, l, OP_V, g, bad);
        }
    }
}

/* In the last layer only rows that draw go on: move them to the front. */
static void only_drawing(struct forward *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        if (!f->row[i]->draw)
            continue;
        if (n != i) {
            memcpy(f->x + n * f->dim, f->x + i * f->dim,
                   f->dim * sizeof(float));
            memcpy(f->in.q + n * f->dim, f->in.q + i * f->dim,
                   f->dim * sizeof(int16_t));
            f->in.scale[n] = f->in.scale[i];
            memcpy(f->cos + n * (f->hd / 2), f->cos + i * (f->hd / 2),
                   f->hd / 2 * sizeof(float));
            memcpy(f->sin + n * (f->hd / 2), f->sin + i * (f->hd / 2),
                   f->hd / 2 * sizeof(float));
            f->row[n] = f->row[i];
        }
        n++;
    }
    f->n = n;
    f->in.m = n;
}

/* o = attention of every row and head over what its sequence remembers. */
static void attend(struct forward *f, uint32_t l)
{
    const struct model_record *rec = &f->model->rec;
    size_t group = rec->n_heads / rec->n_kv_heads;

    f->heads.m = f->n * rec->n_heads;
    f->heads.k = f->hd;
    f->k->quantise(&f->heads, f->q, f->hd, false, f->fault);
    note_all(f, l, OP_Q_ROPE, rec->n_heads);
    for (size_t i = 0; i < f->n; i++) {
        const struct forward_row *r = f->row[i];
        size_t to = (size_t)r->position + 1;
        size_t from = rec->window && to > rec->window ? to - rec->window : 0;
        size_t n_spans = 0;

        for (size_t h = 0; h < rec->n_heads; h++) {
            size_t at = i * rec->n_heads + h;

            if (h % group == 0)
                n_spans = kv_spans(f->span, r->kv, f->pool, l, h / group,
                                   from, to);
            f->k->attention(f->o + at * f->hd, f->heads.q + at * f->hd,
                            f->heads.scale[at], rec->attn_scale, f->span,
                            n_spans, f->hd, f->score, f->num);
        }
    }
}

static void residual(struct forward *f, uint32_t layer)
{
    const struct observer *obs = f->obs;

    for (size_t i = 0; obs->residual && i < f->n; i++)
        obs->residual(obs->self, f->row[i]->user, f->row[i]->position, layer,
                      f->x + i * f->dim);
}

static void add(struct forward *f)
{
    f->k->add(f->x, f->y, f->n * f->dim);
}

static void layer(struct forward *f, uint32_t l)
{
    const struct model_layer *w = &f->model->layers[l];
    const struct model_record *rec = &f->model->rec;

    /* h = norm(x); k, v = linear(h), remembered */
    norm(f, w->attn_norm, l, OP_ATTN_IN);
    linear(f, f->kx, &w->wk, w->bk);
    linear(f, f->vx, &w->wv, w->bv);
    head_norm(f, f->kx, rec->n_kv_heads, w->k_norm, l, OP_K_HEAD);
    rope(f, f->kx, rec->n_kv_heads);
    remember(f, l);
    if (l + 1 == rec->n_layers)
        only_drawing(f);
    if (f->n == 0)
        return;

    /* q = linear(h); x = x + wo attention(q) */
    linear(f, f->q, &w->wq, w->bq);
    head_norm(f, f->q, rec->n_heads, w->q_norm, l, OP_Q_HEAD);
    rope(f, f->q, rec->n_heads);
    attend(f, l);
    quantise(f, f->o, f->q_dim, l, OP_O);
    linear(f, f->y, &w->wo, NULL);
    add(f);

    /* x = x + down(silu(gate(h)) * up(h)), h = norm(x) */
    norm(f, w->ffn_norm, l, OP_FFN_IN);
    linear(f, f->g, &w->gate, NULL);
    linear(f, f->u, &w->up, NULL);
    f->k->gate(f->g, f->g, f->u, f->n * f->ffn);
    quantise(f, f->g, f->ffn, l, OP_DOWN);
    linear(f, f->y, &w->down, NULL);
    add(f);
}

static void head(struct forward *f)
{
    const struct observer *obs = f->obs;
    size_t v = f->model->rec.n_vocab;

    norm(f, f->model->final_norm, HEAD_LAYER, HEAD_IN);
    linear(f, f->logits, &f->model->head, NULL);
    for (size_t i = 0; i < f->n; i++) {
        const struct forward_row *r = f->row[i];
        const float *row = f->logits + i * v;

        note(r, HEAD_LAYER, HEAD_LOGITS, 0, x1_fault(row, v));
        if (obs->logits && !*r->faulty)
            obs->logits(obs->self, r->user, r->position, row);
    }
}

void forward_step(struct forward *f, const struct forward_row *rows, size_t n)
{
    const struct model *m = f->model;

    f->n = n;
    for (size_t i = 0; i < n; i++) {
        f->row[i] = &rows[i];
        f->k->embed(f->x + i * f->dim, &m->embed, rows[i].token);
        x1_rope_row(f->cos + i * (f->hd / 2), f->sin + i * (f->hd / 2),
                    m->inv_freq, f->hd / 2, rows[i].position);
    }
    residual(f, 0);
    for (uint32_t l = 0; l < m->rec.n_layers && f->n; l++) {
        layer(f, l);
        residual(f, l + 1);
    }
    if (f->n)
        head(f);
}

const float *forward_logits(const struct forward *f, size_t i)
{
    return f->logits + i * f->model->rec.n_vocab;
}

const float *forward_last(const struct forward *f, size_t i)
{
    return f->x + i * f->dim;
}

/* n arrays of floats of max_rows rows; sizes fit: limits of kernels.h. */
static int alloc_rows(struct forward *f, size_t rows, size_t draws,
                      struct err *err)
{
    size_t wide = f->dim > f->q_dim ? f->dim : f->q_dim;
    size_t n_heads = f->model->rec.n_heads;
    struct {
        void *out;
        size_t count, size;
    } want[] = {
        { &f->row, rows, sizeof(*f->row) },
        { &f->x, rows * f->dim, 4 },
        { &f->h, rows * f->dim, 4 },
        { &f->y, rows * f->dim, 4 },
        { &f->q, rows * f->q_dim, 4 },
        { &f->o, rows * f->q_dim, 4 },
        { &f->kx, rows * f->kv_dim, 4 },
        { &f->vx, rows * f->kv_dim, 4 },
        { &f->g, rows * f->ffn, 4 },
        { &f->u, rows * f->ffn, 4 },
        { &f->cos, rows * (f->hd / 2), 4 },
        { &f->sin, rows * (f->hd / 2), 4 },
        { &f->in.q, rows * (f->ffn > wide ? f->ffn : wide), 2 },
        { &f->in.scale, rows, 4 },
        { &f->heads.q, rows * f->q_dim, 2 },
        { &f->heads.scale, rows * n_heads, 4 },
        { &f->fault, rows * n_heads, 4 },
        { &f->logits, draws * f->model->rec.n_vocab, 4 },
        { &f->num, f->hd, sizeof(*f->num) },
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        void *p;

        if (mem_big(&p, want[i].count, want[i].size, "activations", err))
            return -1;
        memcpy(want[i].out, &p, sizeof(p));
    }
    return 0;
}

int forward_reserve(struct forward *f, size_t positions, struct err *err)
{
    void *score, *span;

    if (positions <= f->positions)
        return 0;
    positions = (positions + 1023) / 1024 * 1024;
    if (mem_big(&score, positions, sizeof(float), "scores", err))
        return -1;
    if (mem_big(&span, positions / KV_PAGE + 2, sizeof(struct x1_span),
                "scores", err)) {
        free(score);
        return -1;
    }
    free(f->score);
    free(f->span);
    f->score = score;
    f->span = span;
    f->positions = positions;
    return 0;
}

int forward_new(struct forward **out, const struct model *m,
                const struct x1_kernels *k, struct kv_pool *pool,
                size_t max_rows, size_t max_draws,
                const struct observer *obs, struct err *err)
{
    const struct model_record *rec = &m->rec;
    struct forward *f = xcalloc(1, sizeof(*f));

    f->model = m;
    f->k = k;
    f->pool = pool;
    f->obs = obs;
    f->dim = rec->dim;
    f->hd = rec->head_dim;
    f->q_dim = (size_t)rec->n_heads * rec->head_dim;
    f->kv_dim = (size_t)rec->n_kv_heads * rec->head_dim;
    f->ffn = rec->ffn_dim;
    if (alloc_rows(f, max_rows, max_draws, err)) {
        forward_free(f);
        return -1;
    }
    *out = f;
    return 0;
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    free(f->row);
    free(f->x);
    free(f->h);
    free(f->y);
    free(f->q);
    free(f->o);
    free(f->kx);
    free(f->vx);
    free(f->g);
    free(f->u);
    free(f->cos);
    free(f->sin);
    free(f->in.q);
    free(f->in.scale);
    free(f->heads.q);
    free(f->heads.scale);
    free(f->fault);
    free(f->logits);
    free(f->num);
    free(f->score);
    free(f->span);
    free(f);
}
