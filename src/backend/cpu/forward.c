/*
 * x = embedding; each layer adds attention and then the feed-forward part;
 * the head turns the last row into logits.  doc/numerics.md, "A layer", and
 * its numbering of the rows that are quantised (OP_...).
 */
#include <config.h>

#include "backend/cpu/forward.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/forward_internal.h"
#include "backend/cpu/kv.h"
#include "backend/cpu/pool.h"
#include "backend/cpu/weights.h"
#include "backend/op_numbers.h"
#include "base/err.h"
#include "base/mem.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/model_layout.h"

#define OUTPUTS 32 /* of a linear, that threads do not share: two groups */

/* Costs in products of a linear, of an element of what else there is. */
#define QUANTISE_COST 64
#define HEADS_COST 128
#define EMBED_COST 256
#define CHECK_COST 16
#define SHARE_COST 32
#define HEAD_OUTPUTS 512 /* whose logits are still in a cache when they are
                            looked at: of 64 rows 128 KiB */

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

/* Faults are rare. */
void forward_fault_at(struct forward *f, const struct backend_row *r,
                      uint32_t layer, uint32_t op, size_t head, int32_t index)
{
    struct fault at = { r->position, layer, op, (uint32_t)head,
                        (uint32_t)index };
    struct slot_fault *s = &f->slot[r->slot];

    if (index < 0)
        return;
    pool_lock(f->threads);
    if (!s->faulty || less(&at, &s->least)) {
        s->faulty = true;
        s->least = at;
    }
    pool_unlock(f->threads);
}

/* ---- jobs on rows -------------------------------------------------------- */

/* What a job does with rows: its fields by the job. */
struct rows_job {
    struct forward *f;
    uint32_t layer, op;
    const float *x; /* rows to be quantised */
    const float *g; /* gains of a norm */
    const struct model_layer *w;
    bool k, q;      /* keys and values, queries */
};

/* Rows that are quantised side by side share cache lines, so a thread takes
 * some at a time. */
static void run_rows(struct forward *f, pool_fn *fn, struct rows_job *j,
                     size_t cost)
{
    j->f = f;
    pool_run(f->threads, fn, j, f->n, forward_least(4, cost));
}

/* The input of the next linear: x (n rows of k) as A14, or A8 if the model
 * is of a kind that has that. */
static void quantise_rows(void *self, size_t from, size_t to, size_t thread)
{
    const struct rows_job *j = self;
    struct forward *f = j->f;

    (void)thread;
    f->k->quantise(&f->in, j->x, f->in.k, f->in_fault, from, to);
    for (size_t i = from; i < to; i++)
        forward_fault_at(f, f->row[i], j->layer, j->op, 0, f->in_fault[i]);
}

void forward_prepare(struct forward *f, size_t k, uint32_t layer, uint32_t op)
{
    uint32_t flags = f->model->rec.flags;

    f->in.m = f->n;
    f->in.k = k;
    f->in.a8 = flags & MODEL_A8 || (flags & MODEL_A8R &&
                                    layer != HEAD_LAYER && op != OP_DOWN);
}

static void quantise(struct forward *f, const float *x, size_t k,
                     uint32_t layer, uint32_t op)
{
    struct rows_job j = { .layer = layer, .op = op, .x = x };

    forward_prepare(f, k, layer, op);
    run_rows(f, quantise_rows, &j, k * QUANTISE_COST);
}

static void norm_rows(void *self, size_t from, size_t to, size_t thread)
{
    struct rows_job j = *(const struct rows_job *)self;
    struct forward *f = j.f;

    f->k->rmsnorm(f->h + from * f->dim, f->x + from * f->dim, f->dim, j.g,
                  f->model->rec.eps, to - from, f->dim, f->fault + from);
    for (size_t i = from; i < to; i++)
        forward_fault_at(f, f->row[i], j.layer, j.op, 0, f->fault[i]);
    j.x = f->h;
    j.op++;
    quantise_rows(&j, from, to, thread);
}

/* h = norm(x), the input of the next linear. */
static void norm(struct forward *f, const float *g, uint32_t layer,
                 uint32_t op)
{
    struct rows_job j = { .layer = layer, .op = op, .g = g };

    forward_prepare(f, f->dim, layer, op + 1);
    run_rows(f, norm_rows, &j, f->dim * 2 * QUANTISE_COST);
}

/* Whether the norm of q and k is over heads that other members have. */
static bool has_part_norm(const struct forward *f)
{
    return f->group && f->model->rec.flags & MODEL_WIDE_NORM;
}

/* Vectors that a norm of q or k is over, and their length. */
static size_t norm_vectors(const struct forward *f, size_t heads, size_t *k)
{
    bool wide = f->model->rec.flags & MODEL_WIDE_NORM;

    *k = wide ? heads * f->hd : f->hd;
    return wide ? 1 : heads;
}

/* The heads of row i, from number `first` on: their norm, if the model has one
 * that was not computed before, and rope. */
static void turn_heads(struct forward *f, size_t i, float *x, size_t first,
                       size_t heads, const float *g, uint32_t layer,
                       uint32_t op)
{
    int32_t *fault = f->fault + i * f->model->rec.n_heads;
    const float *table = f->model->layers[layer].inv_freq;
    size_t at = i * f->angles + (size_t)(table - f->model->inv_freq);

    if (g && !has_part_norm(f)) {
        size_t k, n = norm_vectors(f, heads, &k);

        f->k->rmsnorm(x, x, k, g, f->model->rec.eps, n, k, fault);
        for (size_t h = 0; h < n; h++)
            forward_fault_at(f, f->row[i], layer, op, first + h, fault[h]);
    }
    f->k->rope(x, heads, f->hd, f->cos + at, f->sin + at);
}

/* K and V of row i into the cache. */
static void append_kv(struct forward *f, size_t i, uint32_t layer)
{
    const struct backend_row *r = f->row[i];
    size_t kvh = f->mine.kv_heads, first = f->mine.kv_first;

    for (size_t g = 0; g < kvh; g++) {
        size_t at = (i * kvh + g) * f->hd;
        int32_t bad[2];

        f->k->quantise_kv(kv_at(f->pool, r->slot, layer, g, r->position),
                          r->position % KV_PAGE, f->kx + at, f->vx + at, f->hd,
                          bad);
        forward_fault_at(f, r, layer, OP_K, first + g, bad[0]);
        forward_fault_at(f, r, layer, OP_V, first + g, bad[1]);
    }
}

/* Rows i .. i + n - 1, two at most, are in the cache: say so of those that are
 * committed to. */
static void say_stored(struct forward *f, size_t i, size_t n, uint32_t layer)
{
    const struct backend_row *r[2];
    size_t some = 0;

    for (size_t j = i; j < i + n; j++)
        if (f->row[j]->commit)
            r[some++] = f->row[j];
    for (size_t g = 0; some > 0 && g < f->mine.kv_heads; g++)
        f->o.stored(f->o.self, r, some, layer, g);
}

static void heads_rows(void *self, size_t from, size_t to, size_t thread)
{
    const struct rows_job *j = self;
    struct forward *f = j->f;
    const struct model_part *p = &f->mine;

    (void)thread;
    for (size_t i = from; i < to; i++) {
        if (j->k) {
            forward_fetch_row(f, j->layer, i);
            turn_heads(f, i, f->kx + i * f->kv_dim, p->kv_first, p->kv_heads,
                       j->w->k_norm, j->layer, OP_K_HEAD);
            append_kv(f, i, j->layer);
            if ((i - from) % 2 == 1)
                say_stored(f, i - 1, 2, j->layer);
            else if (i + 1 == to)
                say_stored(f, i, 1, j->layer);
        }
        if (j->q)
            turn_heads(f, i, f->q + i * f->q_dim, p->q_first, p->q_heads,
                       j->w->q_norm, j->layer, OP_Q_HEAD);
    }
}

static void embed_rows(void *self, size_t from, size_t to, size_t thread)
{
    struct forward *f = ((const struct rows_job *)self)->f;
    size_t n = f->angles;

    (void)thread;
    for (size_t i = from; i < to; i++) {
        f->k->embed(f->x + i * f->dim, &f->weights->embed, f->row[i]->token);
        x1_rope_row(f->cos + i * n, f->sin + i * n, f->model->inv_freq, n,
                    f->row[i]->position);
    }
}

/* ---- jobs on outputs ----------------------------------------------------- */

/* Linears of the same rows: y = w h + b. */
struct row_part {
    float *y;
    const struct x1_weights *w;
    const float *b;
};

/* Up to three linears, or a gate and the w up that belongs to it.  An item is
 * OUTPUTS outputs, of one linear after the other. */
struct outputs_job {
    struct forward *f;
    struct row_part part[3];
    size_t n;
    bool add;               /* y = y + .. */
    const struct x1_weights *up;
};

static size_t items_of(const struct row_part *p)
{
    return (p->w->rows + OUTPUTS - 1) / OUTPUTS;
}

static void part_outputs(const struct outputs_job *j, const struct row_part *p,
                         size_t from, size_t to)
{
    size_t rows = p->w->rows;
    const struct x1_kernels *k = j->f->k;

    from *= OUTPUTS;
    to = to * OUTPUTS < rows ? to * OUTPUTS : rows;
    if (j->up)
        k->swiglu(p->y, rows, p->w, j->up, &j->f->in, from, to);
    else
        k->linear(p->y, rows, p->w, p->b, j->add, &j->f->in, from, to);
}

static void outputs(void *self, size_t from, size_t to, size_t thread)
{
    const struct outputs_job *j = self;
    size_t first = 0;

    (void)thread;
    for (size_t i = 0; i < j->n; i++) {
        size_t end = first + items_of(&j->part[i]);
        size_t a = from > first ? from : first, b = to < end ? to : end;

        if (a < b)
            part_outputs(j, &j->part[i], a - first, b - first);
        first = end;
    }
}

static void run_outputs(struct forward *f, struct outputs_job *j)
{
    size_t items = 0;

    j->f = f;
    for (size_t i = 0; i < j->n; i++)
        items += items_of(&j->part[i]);
    pool_run(f->threads, outputs, j, items,
             forward_least(1, OUTPUTS * f->in.k * f->in.m));
}

/* x = x + linear */
static void residual_linear(struct forward *f, const struct x1_weights *w)
{
    struct outputs_job j = { .part = { { f->x, w, NULL } }, .n = 1,
                             .add = true };

    run_outputs(f, &j);
}

static void add_rows(void *self, size_t from, size_t to, size_t thread)
{
    const struct rows_job *j = self;
    struct forward *f = j->f;

    (void)thread;
    f->k->rmsnorm(f->h + from * f->dim, f->h + from * f->dim, f->dim, j->g,
                  f->model->rec.eps, to - from, f->dim, f->fault + from);
    for (size_t i = from; i < to; i++)
        forward_fault_at(f, f->row[i], j->layer, j->op, 0, f->fault[i]);
    for (size_t i = from * f->dim; i < to * f->dim; i++)
        f->x[i] += f->h[i];
}

/* x = x + linear, or x + norm(linear) with gains g, or NULL, of rows of k that
 * `op` quantises; of a member its columns, from number `first` on. */
static void add_linear(struct forward *f, const struct x1_weights *w,
                       const float *from, size_t k, size_t first,
                       const float *g, uint32_t layer, uint32_t op)
{
    struct outputs_job j = { .part = { { f->h, w, NULL } }, .n = 1 };
    struct rows_job rows = { .layer = layer, .g = g,
                             .op = op == OP_O ? OP_O_OUT : OP_DOWN_OUT };
    struct part_linear part = { .y = g ? f->h : f->x, .add = !g, .w = w,
                                .x = from, .k = k, .m = f->n, .first = first,
                                .layer = layer, .op = op };

    if (f->group)
        forward_part_linear(f, &part);
    else
        quantise(f, from, k, layer, op);
    if (!f->group && !g)
        residual_linear(f, w);
    else if (!f->group)
        run_outputs(f, &j);
    if (g)
        run_rows(f, add_rows, &rows, f->dim * QUANTISE_COST);
}

/* ---- layers -------------------------------------------------------------- */

static void move_row(float *x, size_t to, size_t from, size_t n)
{
    memcpy(x + to * n, x + from * n, n * sizeof(*x));
}

static void swap_row(float *x, size_t a, size_t b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float t = x[a * n + i];

        x[a * n + i] = x[b * n + i];
        x[b * n + i] = t;
    }
}

/* Rows with logits to the front, in their order, for the head. */
static bool heads_first(struct forward *f)
{
    bool moved = false;

    for (size_t i = f->n_heads = 0; i < f->n; i++) {
        const struct backend_row *r = f->row[i];
        size_t n = f->n_heads;

        if (!r->logits)
            continue;
        f->n_heads++;
        if (n == i)
            continue;
        swap_row(f->x, n, i, f->dim);
        swap_row(f->h, n, i, f->dim);
        swap_row(f->cos, n, i, f->angles);
        swap_row(f->sin, n, i, f->angles);
        f->row[i] = f->row[n];
        f->row[n] = r;
        moved = true;
    }
    return moved;
}

/* In the last layer only rows of which x_L is asked for go on: move them to
 * the front. */
static void only_drawing(struct forward *f, uint32_t l)
{
    size_t n = 0, all = f->n;

    for (size_t i = 0; i < f->n; i++) {
        if (!f->row[i]->logits && !f->row[i]->fin)
            continue;
        if (n != i) {
            move_row(f->x, n, i, f->dim);
            move_row(f->h, n, i, f->dim);
            move_row(f->cos, n, i, f->angles);
            move_row(f->sin, n, i, f->angles);
            f->row[n] = f->row[i];
        }
        n++;
    }
    f->n = n;
    if (heads_first(f) || n < all)
        quantise(f, f->model->layers[l].attn_norm ? f->h : f->x, f->dim, l,
                 OP_ATTN_NORM);
}

static void residual(struct forward *f, uint32_t layer)
{
    for (size_t i = 0; f->o.residual && i < f->n; i++)
        f->o.residual(f->o.self, f->row[i], layer, f->x + i * f->dim);
}

/* A norm of q or k over all members' heads, if the model has one. */
static void norm_keys(struct forward *f, uint32_t l)
{
    const struct model_layer *w = &f->model->layers[l];

    if (w->k_norm && has_part_norm(f))
        forward_part_norm(f, f->kx, f->mine.kv_first, f->mine.kv_heads,
                          f->model->rec.n_kv_heads, w->k_norm, l, OP_K_HEAD);
}

static void norm_queries(struct forward *f, uint32_t l)
{
    const struct model_layer *w = &f->model->layers[l];

    if (w->q_norm && has_part_norm(f))
        forward_part_norm(f, f->q, f->mine.q_first, f->mine.q_heads,
                          f->model->rec.n_heads, w->q_norm, l, OP_Q_HEAD);
}

/* This member's part of a bias, or NULL. */
static const float *part_bias(const struct forward *f, const float *b,
                              size_t head)
{
    return b ? b + head * f->hd : NULL;
}

/* Keys and values of all rows, and the queries of those that go on. */
static void keys_and_queries(struct forward *f, uint32_t l)
{
    const struct model_layer *w = &f->model->layers[l];
    const struct layer_weights *p = &f->weights->layers[l];
    bool last = l + 1 == f->model->rec.n_layers;
    const float *bq = part_bias(f, w->bq, f->mine.q_first);
    const float *bk = part_bias(f, w->bk, f->mine.kv_first);
    const float *bv = part_bias(f, w->bv, f->mine.kv_first);
    struct outputs_job k = { .part = { { f->kx, &p->wk, bk },
                                       { f->vx, &p->wv, bv },
                                       { f->q, &p->wq, bq } },
                             .n = last ? 2 : 3 };
    struct outputs_job q = { .part = { { f->q, &p->wq, bq } }, .n = 1 };
    struct rows_job heads = { .layer = l, .w = w, .k = true, .q = !last };

    run_outputs(f, &k);
    norm_keys(f, l);
    if (!last)
        norm_queries(f, l);
    run_rows(f, heads_rows, &heads, (f->q_dim + f->kv_dim) * HEADS_COST);
    if (!last)
        return;
    only_drawing(f, l);
    if (f->n == 0)
        return;
    heads.k = false;
    heads.q = true;
    run_outputs(f, &q);
    norm_queries(f, l);
    run_rows(f, heads_rows, &heads, f->q_dim * HEADS_COST);
}

/* The input of the next linear: h = norm(x), or x itself without gains. */
static void enter(struct forward *f, const float *g, uint32_t l, uint32_t op)
{
    if (g)
        norm(f, g, l, op);
    else
        quantise(f, f->x, f->dim, l, op + 1);
}

static void gelu_rows(void *self, size_t from, size_t to, size_t thread)
{
    struct forward *f = ((const struct rows_job *)self)->f;

    (void)thread;
    x1_gelu(f->k, f->g + from * f->ffn, f->u + from * f->ffn,
            (to - from) * f->ffn);
}

/* g = silu(gate(h)) * up(h), or gelu. */
static void gate_and_up(struct forward *f, const struct layer_weights *p)
{
    struct outputs_job swiglu = { .part = { { f->g, &p->gate, NULL } }, .n = 1,
                                  .up = &p->up };
    struct outputs_job both = { .part = { { f->g, &p->gate, NULL },
                                          { f->u, &p->up, NULL } }, .n = 2 };
    struct rows_job rows = { .f = f };

    if (!(f->model->rec.flags & MODEL_GELU)) {
        run_outputs(f, &swiglu);
        return;
    }
    run_outputs(f, &both);
    run_rows(f, gelu_rows, &rows, f->ffn * HEADS_COST);
}

/* ---- experts ------------------------------------------------------------- */

/* The experts of each row, and a sum of nothing. */
static void choose_rows(void *self, size_t from, size_t to, size_t thread)
{
    struct forward *f = ((const struct rows_job *)self)->f;
    const struct model_record *rec = &f->model->rec;
    size_t n = model_experts(rec), used = model_experts_used(rec);

    (void)thread;
    for (size_t i = from; i < to; i++)
        x1_experts(f->chosen + i * used, f->share + i * used, f->router + i * n,
                   n, used, rec->flags & MODEL_SHARE_ALL);
    for (size_t i = from * f->dim; i < to * f->dim; i++)
        f->sum[i] = 0;
}

/* The rows that have an expert, as its input. */
struct expert_job {
    struct forward *f;
    uint32_t layer, expert, op;
    const float *x;
};

static void quantise_members(void *self, size_t from, size_t to, size_t thread)
{
    const struct expert_job *j = self;
    struct forward *f = j->f;
    size_t used = model_experts_used(&f->model->rec);

    (void)thread;
    f->k->quantise(&f->in, j->x, f->in.k, f->in_fault, from, to);
    for (size_t i = from; i < to; i++)
        forward_fault_at(f, f->row[f->member[i] / used], j->layer, j->op,
                         j->op == OP_DOWN ? j->expert : 0, f->in_fault[i]);
}

/* m rows of k as the input of a linear. */
static void quantise_expert(struct expert_job *j, const float *x, size_t k,
                            size_t m, uint32_t op)
{
    struct forward *f = j->f;

    forward_prepare(f, k, j->layer, op);
    f->in.m = m;
    j->x = x;
    j->op = op;
    pool_run(f->threads, quantise_members, j, m,
             forward_least(4, k * QUANTISE_COST));
}

/* sum = sum + share * part of rows that have an expert; each has it once. */
static void add_shares(void *self, size_t from, size_t to, size_t thread)
{
    struct forward *f = ((const struct expert_job *)self)->f;
    size_t used = model_experts_used(&f->model->rec);

    (void)thread;
    for (size_t i = from; i < to; i++) {
        float share = f->share[f->member[i]];
        float *sum = f->sum + f->member[i] / used * f->dim;

        for (size_t d = 0; d < f->dim; d++)
            sum[d] += share * f->part[i * f->dim + d];
    }
}

/* sum = sum + share * down(silu(gate(h)) * up(h)) of the rows that have expert
 * e. */
static void expert(struct forward *f, uint32_t l, uint32_t e)
{
    const struct x1_weights *p = f->weights->layers[l].experts + 3 * e;
    size_t used = model_experts_used(&f->model->rec), m = 0;
    struct outputs_job gated = { .part = { { f->g, &p[0], NULL } }, .n = 1,
                                 .up = &p[1] };
    struct outputs_job down = { .part = { { f->part, &p[2], NULL } }, .n = 1 };
    struct expert_job j = { .f = f, .layer = l, .expert = e };
    struct part_linear part = { .y = f->part, .w = &p[2], .x = f->g,
                                .k = f->ffn, .first = f->mine.ffn_first,
                                .layer = l, .op = OP_DOWN, .head = e,
                                .of = f->member, .used = used };

    for (size_t i = 0; i < f->n * used; i++)
        if (f->chosen[i] == e) {
            memcpy(f->part + m * f->dim, f->h + i / used * f->dim,
                   f->dim * sizeof(*f->part));
            f->member[m++] = (uint32_t)i;
        }
    if (m == 0)
        return;
    part.m = m;
    quantise_expert(&j, f->part, f->dim, m, OP_FFN_NORM);
    run_outputs(f, &gated);
    if (f->group) {
        forward_part_linear(f, &part);
    } else {
        quantise_expert(&j, f->g, f->ffn, m, OP_DOWN);
        run_outputs(f, &down);
    }
    pool_run(f->threads, add_shares, &j, m,
             forward_least(1, f->dim * SHARE_COST));
}

static void add_sum(void *self, size_t from, size_t to, size_t thread)
{
    struct forward *f = ((const struct rows_job *)self)->f;

    (void)thread;
    for (size_t i = from * f->dim; i < to * f->dim; i++)
        f->x[i] += f->sum[i];
}

/* x = x + the sum over experts, in ascending order. */
static void experts(struct forward *f, uint32_t l)
{
    uint32_t n = model_experts(&f->model->rec);
    struct outputs_job router = { .part = { { f->router,
                                              &f->weights->layers[l].router,
                                              NULL } }, .n = 1 };
    struct rows_job rows = { .layer = l };

    run_outputs(f, &router);
    run_rows(f, choose_rows, &rows, n * HEADS_COST);
    for (uint32_t e = 0; e < n; e++)
        expert(f, l, e);
    run_rows(f, add_sum, &rows, f->dim * CHECK_COST);
}

static void layer(struct forward *f, uint32_t l)
{
    const struct model_layer *w = &f->model->layers[l];
    const struct layer_weights *p = &f->weights->layers[l];

    /* h = norm(x); x = x + wo attention(q), q, k, v = linear(h) */
    enter(f, w->attn_norm, l, OP_ATTN_IN);
    keys_and_queries(f, l);
    if (f->n == 0)
        return;
    forward_attend(f, l);
    add_linear(f, &p->wo, f->o_rows, f->q_dim, f->mine.q_first * f->hd,
               w->attn_after, l, OP_O);

    /* x = x + down(silu(gate(h)) * up(h)), h = norm(x) */
    enter(f, w->ffn_norm, l, OP_FFN_IN);
    if (f->model->rec.flags & MODEL_EXPERTS) {
        experts(f, l);
        return;
    }
    gate_and_up(f, p);
    add_linear(f, &p->down, f->g, f->ffn, f->mine.ffn_first, w->ffn_after, l,
               OP_DOWN);
}

/* Outputs of the head, some at a time, for all rows. */
static void head_outputs(void *self, size_t from, size_t to, size_t thread)
{
    const struct outputs_job *j = self;
    struct forward *f = j->f;
    size_t v = f->model->rec.n_vocab;
    const size_t most = HEAD_OUTPUTS / OUTPUTS;

    for (size_t at = from; at < to; at += most) {
        size_t end = at + most < to ? at + most : to;
        size_t first = at * OUTPUTS, last = end * OUTPUTS;

        last = last < v ? last : v;
        part_outputs(j, &j->part[0], at, end);
        for (size_t i = 0; i < f->n; i++)
            forward_fault_at(f, f->row[i], HEAD_LAYER, HEAD_LOGITS, 0,
                             logits_look(&f->greatest[thread * f->n + i],
                             f->logits + i * v + first, first,
                             last - first, f->model->logit_cap, f->k));
    }
}

static void head(struct forward *f)
{
    struct outputs_job j = { .f = f, .n = 1,
                             .part = { { f->logits, &f->weights->head,
                                         NULL } } };
    size_t items = items_of(&j.part[0]);

    norm(f, f->model->final_norm, HEAD_LAYER, HEAD_IN);
    for (size_t i = 0; i < pool_threads(f->threads) * f->n; i++)
        f->greatest[i] = (struct greatest){ SIZE_MAX, 0 };
    if (f->group)
        forward_part_head(f);
    else
        pool_run(f->threads, head_outputs, &j, items,
                 forward_least(1, OUTPUTS * f->in.k * f->in.m));
    for (size_t i = 0; i < f->n; i++)
        f->good[i] = !f->slot[f->row[i]->slot].faulty;
}

/* Room of each thread for the scores of these positions. */
static int reserve(struct forward *f, size_t positions, struct err *err)
{
    if (positions <= f->positions)
        return 0;
    positions = (positions + 1023) / 1024 * 1024;
    for (size_t i = 0; i < pool_threads(f->threads); i++) {
        void *scratch;

        if (mem_big(&scratch, f->k->attention_bytes(positions, f->hd), 1,
                    "scores", err))
            return -1;
        free(f->scratch[i]);
        f->scratch[i] = scratch;
    }
    f->positions = positions;
    return 0;
}

int forward_step(struct forward *f, const struct backend_row *rows, size_t n,
                 struct err *err)
{
    struct rows_job embed = { .f = f };

    f->n = n;
    for (size_t i = 0; i < n; i++) {
        if (reserve(f, (size_t)rows[i].position + 1, err))
            return -1;
        f->row[i] = &rows[i];
        f->slot[rows[i].slot].faulty = false;
    }
    run_rows(f, embed_rows, &embed, f->dim * EMBED_COST);
    residual(f, 0);
    for (uint32_t l = 0; l < f->model->rec.n_layers && f->n && !f->broken;
         l++) {
        layer(f, l);
        residual(f, l + 1);
    }
    for (size_t i = 0; i < f->n; i++)
        f->x_at[f->row[i] - rows] = i;
    f->n = f->n_heads;
    if (f->n && !f->broken)
        head(f);
    return f->group ? forward_part_end(f, rows, n, err) : 0;
}

const float *forward_logits(const struct forward *f, size_t i)
{
    return f->logits + i * f->model->rec.n_vocab;
}

const float *forward_last(const struct forward *f, size_t i)
{
    return f->x + i * f->dim;
}

const float *forward_x(const struct forward *f, size_t i)
{
    return forward_last(f, f->x_at[i]);
}

size_t forward_best(const struct forward *f, size_t i)
{
    if (f->group)
        return f->best[i];
    return logits_best(f->greatest + i, pool_threads(f->threads), f->n_heads);
}

bool forward_good(const struct forward *f, size_t i)
{
    return f->good[i];
}

const struct fault *forward_fault(const struct forward *f, uint32_t slot)
{
    return f->slot[slot].faulty ? &f->slot[slot].least : NULL;
}
