/*
 * x = embedding; each layer adds attention and then the feed-forward part;
 * the head turns the last row into logits.  doc/numerics.md, "A layer", and
 * its numbering of the rows that are quantised (OP_...).
 */
#include <config.h>

#include "backend/cpu/forward.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/kv.h"
#include "backend/cpu/weights.h"
#include "base/err.h"
#include "base/mem.h"
#include "kernels/kernels.h"
#include "model/model.h"

enum { /* operators of a layer, by the row that they quantise */
    OP_ATTN_IN = 0, OP_ATTN_NORM, OP_Q_HEAD, OP_K_HEAD, OP_Q_ROPE, OP_K, OP_V,
    OP_O, OP_FFN_IN, OP_FFN_NORM, OP_DOWN
};
enum { HEAD_IN = 0, HEAD_NORM, HEAD_LOGITS }; /* .. and of the head */
#define HEAD_LAYER 0xffffffffu

/* What left the range in this step, a slot each. */
struct slot_fault {
    bool faulty;
    struct fault least;
};

struct forward {
    const struct model *model;
    const struct x1_kernels *k;
    struct kv_pool *pool;
    struct forward_options o;
    const struct weights *weights;
    size_t dim, q_dim, kv_dim, ffn, hd; /* row lengths */
    /* the rows that are still computed, n of them */
    const struct backend_row **row;
    size_t n;
    struct slot_fault *slot;
    bool *good;            /* a row with logits each */
    /* row-major, max_rows each */
    float *x, *h;          /* dim */
    float *q, *o_rows;     /* q_dim */
    float *kx, *vx;        /* kv_dim */
    float *g;              /* ffn */
    float *cos, *sin;      /* hd / 2 */
    struct x1_rows in;     /* what the next linear reads */
    struct x1_query *query; /* n_heads */
    int32_t *fault;        /* one a quantised row */
    float *logits;         /* max_draws x n_vocab */
    size_t positions;      /* that scratch is for */
    void *scratch;         /* of attention */
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

static void note(struct forward *f, const struct backend_row *r,
                 uint32_t layer, uint32_t op, size_t head, int32_t index)
{
    struct fault at = { r->position, layer, op, (uint32_t)head,
                        (uint32_t)index };
    struct slot_fault *s = &f->slot[r->slot];

    if (index < 0 || (s->faulty && !less(&at, &s->least)))
        return;
    s->faulty = true;
    s->least = at;
}

/* Faults of an operation on n * per rows, `per` for each row of the step. */
static void note_all(struct forward *f, uint32_t layer, uint32_t op,
                     size_t per)
{
    for (size_t i = 0; i < f->n * per; i++)
        if (f->fault[i] >= 0)
            note(f, f->row[i / per], layer, op, i % per, f->fault[i]);
}

/* The input of the next linear: x (n rows of k) as A14, or A8 if the model
 * is of that kind. */
static void quantise(struct forward *f, const float *x, size_t k,
                     uint32_t layer, uint32_t op)
{
    f->in.m = f->n;
    f->in.k = k;
    f->in.a8 = f->model->rec.flags & MODEL_A8;
    f->k->quantise(&f->in, x, k, f->fault, 0, f->n);
    note_all(f, layer, op, 1);
}

static void linear(struct forward *f, float *y, const struct x1_weights *w,
                   const float *b)
{
    f->k->linear(y, w->rows, w, b, false, &f->in, 0, w->rows);
}

/* x = x + linear */
static void residual_linear(struct forward *f, const struct x1_weights *w)
{
    f->k->linear(f->x, w->rows, w, NULL, true, &f->in, 0, w->rows);
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
        const struct backend_row *r = f->row[i];

        for (size_t g = 0; g < kvh; g++) {
            size_t at = (i * kvh + g) * f->hd;
            int32_t bad[2];

            f->k->store(kv_at(f->pool, r->slot, l, g, r->position),
                        r->position % KV_PAGE, f->kx + at, f->vx + at, f->hd,
                        bad);
            note(f, r, l, OP_K, g, bad[0]);
            note(f, r, l, OP_V, g, bad[1]);
        }
    }
}

static void move_row(float *x, size_t to, size_t from, size_t n)
{
    memcpy(x + to * n, x + from * n, n * sizeof(*x));
}

/* In the last layer only rows that draw go on: move them to the front. */
static void only_drawing(struct forward *f, uint32_t l)
{
    size_t n = 0, half = f->hd / 2;

    for (size_t i = 0; i < f->n; i++) {
        if (!f->row[i]->logits)
            continue;
        if (n != i) {
            move_row(f->x, n, i, f->dim);
            move_row(f->h, n, i, f->dim);
            move_row(f->cos, n, i, half);
            move_row(f->sin, n, i, half);
            f->row[n] = f->row[i];
        }
        n++;
    }
    if (n == f->n)
        return;
    f->n = n;
    quantise(f, f->h, f->dim, l, OP_ATTN_NORM);
}

/* One row's queries of one KV head: the heads that share it. */
static void attend_head(struct forward *f, uint32_t l, size_t i, size_t g)
{
    const struct model_record *rec = &f->model->rec;
    const struct backend_row *r = f->row[i];
    size_t group = rec->n_heads / rec->n_kv_heads;
    size_t to = (size_t)r->position + 1;
    size_t from = rec->window && to > rec->window ? to - rec->window : 0;
    struct x1_blocks kv = kv_blocks(f->pool, r->slot, l, g);

    for (size_t j = 0; j < group; j++) {
        size_t at = (i * rec->n_heads + g * group + j) * f->hd;

        f->query[j] = (struct x1_query){ f->q + at, f->o_rows + at,
                                         (uint32_t)from, (uint32_t)to, -1 };
    }
    f->k->attention(f->query, group, rec->attn_scale, &kv, f->hd, f->scratch);
    for (size_t j = 0; j < group; j++)
        note(f, r, l, OP_Q_ROPE, g * group + j, f->query[j].fault);
}

/* o = attention of every row and head over what its sequence remembers. */
static void attend(struct forward *f, uint32_t l)
{
    for (size_t i = 0; i < f->n; i++)
        for (size_t g = 0; g < f->model->rec.n_kv_heads; g++)
            attend_head(f, l, i, g);
}

static void residual(struct forward *f, uint32_t layer)
{
    for (size_t i = 0; f->o.residual && i < f->n; i++)
        f->o.residual(f->o.self, f->row[i], layer, f->x + i * f->dim);
}

static void layer(struct forward *f, uint32_t l)
{
    const struct model_layer *w = &f->model->layers[l];
    const struct layer_weights *p = &f->weights->layers[l];
    const struct model_record *rec = &f->model->rec;

    /* h = norm(x); k, v = linear(h), remembered */
    norm(f, w->attn_norm, l, OP_ATTN_IN);
    linear(f, f->kx, &p->wk, w->bk);
    linear(f, f->vx, &p->wv, w->bv);
    head_norm(f, f->kx, rec->n_kv_heads, w->k_norm, l, OP_K_HEAD);
    rope(f, f->kx, rec->n_kv_heads);
    remember(f, l);
    if (l + 1 == rec->n_layers)
        only_drawing(f, l);
    if (f->n == 0)
        return;

    /* q = linear(h); x = x + wo attention(q) */
    linear(f, f->q, &p->wq, w->bq);
    head_norm(f, f->q, rec->n_heads, w->q_norm, l, OP_Q_HEAD);
    rope(f, f->q, rec->n_heads);
    attend(f, l);
    quantise(f, f->o_rows, f->q_dim, l, OP_O);
    residual_linear(f, &p->wo);

    /* x = x + down(silu(gate(h)) * up(h)), h = norm(x) */
    norm(f, w->ffn_norm, l, OP_FFN_IN);
    f->k->gate(f->g, f->ffn, &p->gate, &p->up, &f->in, 0, f->ffn);
    quantise(f, f->g, f->ffn, l, OP_DOWN);
    residual_linear(f, &p->down);
}

static void head(struct forward *f)
{
    size_t v = f->model->rec.n_vocab;

    norm(f, f->model->final_norm, HEAD_LAYER, HEAD_IN);
    linear(f, f->logits, &f->weights->head, NULL);
    for (size_t i = 0; i < f->n; i++) {
        const struct backend_row *r = f->row[i];

        note(f, r, HEAD_LAYER, HEAD_LOGITS, 0,
             f->k->fault(f->logits + i * v, v));
        f->good[i] = !f->slot[r->slot].faulty;
    }
}

/* Room for the scores of these positions. */
static int reserve(struct forward *f, size_t positions, struct err *err)
{
    void *scratch;

    if (positions <= f->positions)
        return 0;
    positions = (positions + 1023) / 1024 * 1024;
    if (mem_big(&scratch, f->k->attention_bytes(positions, f->hd), 1,
                "scores", err))
        return -1;
    free(f->scratch);
    f->scratch = scratch;
    f->positions = positions;
    return 0;
}

int forward_step(struct forward *f, const struct backend_row *rows, size_t n,
                 struct err *err)
{
    const struct model *m = f->model;

    f->n = n;
    for (size_t i = 0; i < n; i++) {
        if (reserve(f, (size_t)rows[i].position + 1, err))
            return -1;
        f->row[i] = &rows[i];
        f->slot[rows[i].slot].faulty = false;
        f->k->embed(f->x + i * f->dim, &f->weights->embed, rows[i].token);
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
    return 0;
}

const float *forward_logits(const struct forward *f, size_t i)
{
    return f->logits + i * f->model->rec.n_vocab;
}

const float *forward_last(const struct forward *f, size_t i)
{
    return f->x + i * f->dim;
}

bool forward_good(const struct forward *f, size_t i)
{
    return f->good[i];
}

const struct fault *forward_fault(const struct forward *f, uint32_t slot)
{
    return f->slot[slot].faulty ? &f->slot[slot].least : NULL;
}

/* ---- storage ------------------------------------------------------------- */

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
        { &f->q, rows * f->q_dim, 4 },
        { &f->o_rows, rows * f->q_dim, 4 },
        { &f->kx, rows * f->kv_dim, 4 },
        { &f->vx, rows * f->kv_dim, 4 },
        { &f->g, rows * f->ffn, 4 },
        { &f->cos, rows * (f->hd / 2), 4 },
        { &f->sin, rows * (f->hd / 2), 4 },
        { &f->in.q, f->k->rows_bytes(rows, f->ffn > wide ? f->ffn : wide), 1 },
        { &f->in.scale, rows, 4 },
        { &f->query, n_heads, sizeof(*f->query) },
        { &f->fault, rows * n_heads, 4 },
        { &f->good, draws, sizeof(*f->good) },
        { &f->logits, draws * f->model->rec.n_vocab, 4 },
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        void *p;

        if (mem_big(&p, want[i].count, want[i].size, "activations", err))
            return -1;
        memcpy(want[i].out, &p, sizeof(p));
    }
    return 0;
}

int forward_new(struct forward **out, const struct model *m,
                const struct weights *w, const struct x1_kernels *k,
                struct kv_pool *pool, const struct forward_options *o,
                struct err *err)
{
    const struct model_record *rec = &m->rec;
    struct forward *f = xcalloc(1, sizeof(*f));

    f->model = m;
    f->weights = w;
    f->k = k;
    f->pool = pool;
    f->o = *o;
    f->dim = rec->dim;
    f->hd = rec->head_dim;
    f->q_dim = (size_t)rec->n_heads * rec->head_dim;
    f->kv_dim = (size_t)rec->n_kv_heads * rec->head_dim;
    f->ffn = rec->ffn_dim;
    f->slot = xcalloc(o->slots, sizeof(*f->slot));
    if (alloc_rows(f, o->rows, o->draws, err)) {
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
    free(f->slot);
    free(f->good);
    free(f->x);
    free(f->h);
    free(f->q);
    free(f->o_rows);
    free(f->kx);
    free(f->vx);
    free(f->g);
    free(f->cos);
    free(f->sin);
    free(f->in.q);
    free(f->in.scale);
    free(f->query);
    free(f->fault);
    free(f->logits);
    free(f->scratch);
    free(f);
}
