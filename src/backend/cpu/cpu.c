/*
 * A step on the CPU: enter blocks, compute rows, draw, hash what is committed
 * to.  Everything happens in step; collect hands out what is there.
 */
#include <config.h>

#include "backend/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/forward.h"
#include "backend/cpu/kv.h"
#include "backend/cpu/pool.h"
#include "backend/cpu/shared.h"
#include "backend/cpu/weights.h"
#include "backend/group/agree.h"
#include "backend/group/follow.h"
#include "backend/group/joined.h"
#include "backend/cpu/model_part.h"
#include "backend/group/orders.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "engine/group.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "proof/blob.h"
#include "proof/trace.h"

#define KEPT 3 /* steps of which x_L is kept */
#define DRAW_LOGITS 8192 /* that a thread takes at least */

/* x_L of the rows of a step that drew. */
struct cpu_kept {
    struct backend_place *place;
    float *x; /* dim each */
    size_t n;
};

/* A row to be hashed; x_L if it drew or fin is asked for, else NULL. */
struct to_digest {
    size_t row;
    const float *last;
};

struct cpu {
    struct backend base;
    struct x1_kernels k;
    const struct model *model; /* NULL: nothing is loaded */
    struct weights weights;    /* of the model below, or of `model` */
    struct weights_share share;
    bool shares;
    struct model_sink sink;
    bool has_came;             /* the sink has all of a model .. */
    struct id came;            /* .. this one */
    struct backend_load want;
    struct kv_pool pool;
    struct pool *threads;
    struct forward *forward;
    uint32_t **weight;         /* room for a draw, a thread each */
    size_t *draw_of;           /* the row of a draw */
    struct to_digest *to_digest;
    struct backend_row *row;   /* of the step, all tokens known */
    uint32_t *drawn;           /* the id drawn last, a slot each */
    bool *told;                /* a slot each: its fault is in the result */
    struct trace_step *trace;  /* a row each */
    struct cpu_kept kept[KEPT];
    size_t newest;             /* of kept */
    struct backend_draw *draw;
    struct backend_fault *fault;
    struct backend_digest *digest;
    struct backend_last *last;
    float *last_x;             /* dim each, as many as slots */
    struct backend_result result;
    /* of a member of a group: */
    struct group group;
    bool in_group;
    struct model_part part; /* alone: all of the model */
    struct buf order;       /* of the first member */
    struct joined joined;   /* its hashes, and those of the others */
};

/* Whether the others do what this one does. */
static bool leads(const struct cpu *c)
{
    return c->in_group && c->group.rank == 0;
}

/* ---- a step -------------------------------------------------------------- */

static void on_residual(void *self, const struct backend_row *r,
                        uint32_t layer, const float *x)
{
    struct cpu *c = self;
    struct id blob;

    if (c->want.residual)
        c->want.residual(c->want.self, r->slot, r->position, layer, x);
    if (!r->deep)
        return;
    blob_f32(&blob, x, c->model->rec.dim);
    merkle_leaf(&c->trace[r - c->row].deep, blob.b, sizeof(blob));
}

/* Hash keys and values as they come: they are still in the cache. */
static void on_stored(void *self, const struct backend_row *const *r, size_t n,
                      uint32_t layer, size_t head)
{
    int8_t k[2][X1_MAX_HEAD_DIM], v[2][X1_MAX_HEAD_DIM];
    struct trace_row row[2];
    struct trace_step *step[2];
    struct cpu *c = self;

    for (size_t i = 0; i < n; i++) {
        row[i] = (struct trace_row){ .k = k[i], .v = v[i] };
        step[i] = &c->trace[r[i] - c->row];
        c->k.fetch(k[i], v[i], &row[i].s_k, &row[i].s_v,
                   kv_at(&c->pool, r[i]->slot, layer, head, r[i]->position),
                   r[i]->position % KV_PAGE, c->pool.head_dim);
    }
    if (n == 2)
        trace_step_row_pair(step[0], step[1], row, c->pool.head_dim);
    else
        trace_step_row(step[0], row[0].s_k, row[0].s_v, k[0], v[0],
                       c->pool.head_dim);
}

/* Of a member: a tree of its heads of a layer, not of all layers. */
static void on_part_stored(void *self, const struct backend_row *const *r,
                           size_t n, uint32_t layer, size_t head)
{
    struct cpu *c = self;
    size_t each = c->joined.heads;

    for (size_t i = 0; i < n && head % each == 0; i++)
        merkle_init(&c->trace[r[i] - c->row].kv);
    on_stored(self, r, n, layer, head);
    for (size_t i = 0; i < n && (head + 1) % each == 0; i++)
        joined_put(&c->joined, (size_t)(r[i] - c->row), layer, head,
                   &c->trace[r[i] - c->row].kv);
}

static void take_rows(struct cpu *c, const struct backend_row *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c->row[i] = row[i];
        if (row[i].token == BACKEND_DRAWN)
            c->row[i].token = c->drawn[row[i].slot];
        if (row[i].commit || row[i].deep)
            trace_step_init(&c->trace[i]);
        c->told[row[i].slot] = false;
    }
}

static bool in_range(const struct cpu *c, const struct backend_row *r)
{
    const struct fault *f = forward_fault(c->forward, r->slot);

    return !f || r->position < f->position;
}

/* Row i of the step, the at-th with logits. */
static void draw_row(struct cpu *c, size_t i, size_t at,
                     uint32_t *weight)
{
    const struct backend_row *r = &c->row[i];
    struct backend_draw *d = &c->draw[at];

    d->slot = r->slot;
    d->position = r->position;
    d->logits = r->tap && forward_good(c->forward, at)
                    ? forward_logits(c->forward, at) : NULL;
    d->drew = r->sampling && in_range(c, r);
    if (d->drew)
        sampler_draw_best(&d->d, forward_logits(c->forward, at),
                          c->model->rec.n_vocab, forward_best(c->forward, at),
                          r->sampling, r->position + 1, &c->k, weight);
}

static void draw_rows(void *self, size_t from, size_t to, size_t thread)
{
    struct cpu *c = self;

    for (size_t at = from; at < to; at++)
        draw_row(c, c->draw_of[at], at, c->weight[thread]);
}

/* Remember what the at-th row with logits drew, and its x_L. */
static void keep_drawn(struct cpu *c, size_t at)
{
    const struct backend_draw *d = &c->draw[at];
    struct cpu_kept *k = &c->kept[c->newest];
    size_t dim = c->model->rec.dim;

    if (!d->drew)
        return;
    c->drawn[d->slot] = d->d.token;
    k->place[k->n] = (struct backend_place){ d->slot, d->position };
    memcpy(k->x + k->n++ * dim, forward_last(c->forward, at),
           dim * sizeof(float));
}

static void digest_row(struct cpu *c, const struct to_digest *row,
                       struct backend_digest *d)
{
    const struct backend_row *r = &c->row[row->row];
    const struct trace_step *step = &c->trace[row->row];

    d->slot = r->slot;
    d->position = r->position;
    d->has_fin = row->last != NULL;
    d->has_deep = r->deep;
    if (c->in_group)
        d->kv = *joined_root(&c->joined, row->row);
    else
        merkle_root(&step->kv, &d->kv);
    if (row->last)
        blob_f32(&d->fin, row->last, c->model->rec.dim);
    if (r->deep)
        merkle_root(&step->deep, &d->deep);
}

static void digest_rows(void *self, size_t from, size_t to, size_t thread)
{
    struct cpu *c = self;

    (void)thread;
    for (size_t i = from; i < to; i++)
        digest_row(c, &c->to_digest[i], &c->digest[i]);
}

static void draw_all(struct cpu *c, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        const struct backend_row *r = &c->row[i];
        const struct fault *f = forward_fault(c->forward, r->slot);

        if (f && !c->told[r->slot]) {
            c->told[r->slot] = true;
            c->fault[c->result.n_faults++] =
                (struct backend_fault){ r->slot, *f };
        }
        if (r->logits)
            c->draw_of[at++] = i;
    }
    c->result.n_draws = at;
    pool_run(c->threads, draw_rows, c, at,
             DRAW_LOGITS / c->model->rec.n_vocab + 1);
    for (size_t i = 0; i < at; i++)
        keep_drawn(c, i);
}

/* The rows whose digests are wanted; how many. */
static size_t find_digests(struct cpu *c, size_t n)
{
    size_t at = 0, digests = 0;

    for (size_t i = 0; i < n; i++) {
        const struct backend_row *r = &c->row[i];
        struct to_digest d = { i, NULL };

        if (r->logits) {
            if (c->draw[at].drew)
                d.last = forward_last(c->forward, at);
            at++;
        } else if (r->fin) {
            d.last = forward_x(c->forward, i);
        }
        if (r->commit && in_range(c, r))
            c->to_digest[digests++] = d;
    }
    return digests;
}

/* Digests are the first member's; to that end the others show it theirs. */
static int digest_all(struct cpu *c, size_t n, struct err *err)
{
    size_t digests = find_digests(c, n);

    for (size_t i = 0; c->in_group && i < digests; i++)
        joined_want(&c->joined, c->to_digest[i].row);
    if (c->in_group && joined_exchange(&c->joined, &c->group, err))
        return -1;
    if (c->in_group && !leads(c))
        return 0;
    c->result.n_digests = digests;
    pool_run(c->threads, digest_rows, c, digests, 1);
    return 0;
}

/* x_L of the latest row at this place that drew in the steps that are kept:
 * an earlier one was another sequence's. */
static const float *find_last(const struct cpu *c,
                              const struct backend_place *p)
{
    for (size_t s = 0; s < KEPT; s++) {
        const struct cpu_kept *k = &c->kept[(c->newest + KEPT - s) % KEPT];

        for (size_t i = 0; i < k->n; i++)
            if (k->place[i].slot == p->slot &&
                k->place[i].position == p->position)
                return k->x + i * c->model->rec.dim;
    }
    return NULL;
}

static int take_last(struct cpu *c, const struct backend_step *s,
                     struct err *err)
{
    size_t dim = c->model->rec.dim;

    for (size_t i = 0; i < s->n_last; i++) {
        const float *x = find_last(c, &s->last[i]);

        if (!x)
            return err_set(err, ERR_FATAL, "x_L of position %u is not kept",
                           s->last[i].position);
        memcpy(c->last_x + i * dim, x, dim * sizeof(*x));
        c->last[i] = (struct backend_last){
            s->last[i].slot, s->last[i].position, c->last_x + i * dim
        };
    }
    c->result.n_last = s->n_last;
    return 0;
}

static int compute_step(struct cpu *c, const struct backend_step *s,
                        struct err *err)
{
    c->result = (struct backend_result){ .draw = c->draw, .fault = c->fault,
                                         .digest = c->digest,
                                         .last = c->last };
    if (take_last(c, s, err))
        return -1;
    for (size_t i = 0; i < s->n_entries; i++)
        if (kv_enter(&c->pool, s->entry[i].slot, s->entry[i].index,
                     s->entry[i].block, err))
            return -1;
    if (s->n_rows == 0)
        return 0;
    c->newest = (c->newest + 1) % KEPT;
    c->kept[c->newest].n = 0;
    take_rows(c, s->row, s->n_rows);
    if (forward_step(c->forward, c->row, s->n_rows, err))
        return -1;
    draw_all(c, s->n_rows);
    return digest_all(c, s->n_rows, err);
}

static int cpu_step(struct backend *b, const struct backend_step *s,
                    struct err *err)
{
    struct cpu *c = (struct cpu *)b;

    if (leads(c) && (s->n_rows > 0 || s->n_entries > 0) &&
        order_step(&c->group, &c->order, s, err))
        return -1;
    return compute_step(c, s, err);
}

static int cpu_collect(struct backend *b, struct backend_result *r,
                       struct err *err)
{
    (void)err;
    *r = ((struct cpu *)b)->result;
    return 0;
}

static int cpu_copy(struct backend *b, uint32_t from, uint32_t to,
                    struct err *err)
{
    struct cpu *c = (struct cpu *)b;

    if (leads(c) && order_copy(&c->group, from, to, err))
        return -1;
    return kv_copy(&((struct cpu *)b)->pool, from, to, err);
}

/* ---- its life ------------------------------------------------------------ */

static void unload(struct cpu *c)
{
    if (!c->model)
        return;
    forward_free(c->forward);
    if (!c->has_came)
        weights_clear(&c->weights);
    kv_clear(&c->pool);
    joined_clear(&c->joined);
    for (size_t i = 0; i < KEPT; i++) {
        free(c->kept[i].place);
        free(c->kept[i].x);
        c->kept[i] = (struct cpu_kept){ NULL, NULL, 0 };
    }
    for (size_t i = 0; c->weight && i < pool_threads(c->threads); i++)
        free(c->weight[i]);
    free(c->weight);
    free(c->draw_of);
    free(c->to_digest);
    free(c->row);
    free(c->drawn);
    free(c->told);
    free(c->trace);
    free(c->draw);
    free(c->fault);
    free(c->digest);
    free(c->last);
    free(c->last_x);
    c->forward = NULL;
    c->weight = NULL;
    c->draw_of = NULL;
    c->to_digest = NULL;
    c->row = NULL;
    c->drawn = NULL;
    c->told = NULL;
    c->trace = NULL;
    c->draw = NULL;
    c->fault = NULL;
    c->digest = NULL;
    c->last = NULL;
    c->last_x = NULL;
    c->model = NULL;
}

/* Room for a draw, for each thread. */
static int alloc_weights(struct cpu *c, struct err *err)
{
    size_t n = pool_threads(c->threads);

    c->weight = xcalloc(n, sizeof(*c->weight));
    for (size_t i = 0; i < n; i++) {
        void *weight;

        if (mem_big(&weight, c->model->rec.n_vocab, sizeof(uint32_t),
                    "a draw", err))
            return -1;
        c->weight[i] = weight;
    }
    return 0;
}

static int alloc(struct cpu *c, const struct backend_load *w, struct err *err)
{
    size_t dim = c->model->rec.dim;
    struct {
        void *out;
        size_t count, size;
    } want[] = {
        { &c->draw_of, w->draws, sizeof(*c->draw_of) },
        { &c->to_digest, w->rows, sizeof(*c->to_digest) },
        { &c->row, w->rows, sizeof(*c->row) },
        { &c->drawn, w->slots, sizeof(*c->drawn) },
        { &c->told, w->slots, sizeof(*c->told) },
        { &c->draw, w->draws, sizeof(*c->draw) },
        { &c->fault, w->slots, sizeof(*c->fault) },
        { &c->digest, w->rows, sizeof(*c->digest) },
        { &c->last, w->slots, sizeof(*c->last) },
        { &c->last_x, w->slots * dim, sizeof(*c->last_x) },
        { &c->trace, w->rows, sizeof(*c->trace) },
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        void *p;

        if (mem_big(&p, want[i].count, want[i].size, "a step", err))
            return -1;
        memcpy(want[i].out, &p, sizeof(p));
    }
    memset(c->drawn, 0, w->slots * sizeof(*c->drawn));
    for (size_t i = 0; i < KEPT; i++) {
        void *x;

        if (mem_big(&x, w->draws * dim, sizeof(float), "a step", err))
            return -1;
        c->kept[i].x = x;
        c->kept[i].place = xcalloc(w->draws, sizeof(*c->kept[i].place));
    }
    return 0;
}

/* The weights of a model in memory, or those that came. */
static int find_weights(struct cpu *c, const struct model *m, struct err *err)
{
    if (m->streamed && c->has_came && id_equal(c->came, m->id))
        return 0;
    if (m->streamed)
        return err_set(err, ERR_FATAL, "the weights of model %s went elsewhere",
                       id_text(m->id).s);
    weights_clear(&c->weights);
    c->has_came = false;
    return weights_init(&c->weights, &c->k, c->threads, m, &c->part, err);
}

static int load_part(struct cpu *c, const struct model *m,
                     const struct backend_load *want, struct err *err)
{
    const struct model_record *rec = &m->rec;
    struct forward_options o = { .rows = want->rows, .draws = want->draws,
                                 .slots = want->slots, .self = c,
                                 .stored = c->in_group ? on_part_stored
                                                       : on_stored,
                                 .part = &c->part,
                                 .group = c->in_group ? &c->group : NULL };

    unload(c);
    if (part_init(&c->part, &c->group, rec, err))
        return -1;
    c->model = m;
    c->want = *want;
    if (want->taps & (BACKEND_TAP_RESIDUAL | BACKEND_TAP_DEEP))
        o.residual = on_residual;
    if (!(want->taps & BACKEND_TAP_RESIDUAL))
        c->want.residual = NULL;
    kv_init(&c->pool, &c->k, rec->n_layers, c->part.kv_heads, rec->head_dim,
            want->slots);
    if (find_weights(c, m, err) || alloc(c, want, err) ||
        alloc_weights(c, err) ||
        (c->in_group && joined_init(&c->joined, &c->part, rec->n_layers,
                                    want->rows, err)) ||
        forward_new(&c->forward, m, &c->weights, &c->k, &c->pool, c->threads,
                    &o, err)) {
        unload(c);
        return -1;
    }
    return 0;
}

/* Whether all members have loaded.  m NULL: this one has no model, `none` has
 * why. */
static enum agreed load_together(struct cpu *c, const struct model *m,
                                 const struct err *none,
                                 const struct backend_load *want,
                                 struct err *err)
{
    enum agreed agreed = AGREED_FAILED;
    struct err mine = ERR_INIT;

    if (m)
        load_part(c, m, want, &mine);
    else
        mine = *none;
    if (c->in_group)
        agreed = agree(&c->group, &mine, err);
    else if (mine.code)
        err_copy(err, &mine);
    else
        agreed = AGREED_WELL;
    if (agreed != AGREED_WELL)
        unload(c);
    return agreed;
}

static int cpu_load(struct backend *b, const struct model *m,
                    const struct backend_load *want,
                    struct backend_plan *plan, struct err *err)
{
    struct cpu *c = (struct cpu *)b;

    if (leads(c) && order_load(&c->group, m->id, want, false, err))
        return -1;
    if (load_together(c, m, NULL, want, err) != AGREED_WELL)
        return -1;
    *plan = (struct backend_plan){
        .block_positions = KV_PAGE,
        .block_bytes = c->pool.block_bytes,
        .n_blocks = want->kv_bytes ? want->kv_bytes / c->pool.block_bytes
                                   : UINT64_MAX,
        .grows = true,
        .slots = want->slots,
        .rows = want->rows,
        .draws = want->draws,
    };
    return 0;
}

static void cpu_close(struct backend *b)
{
    struct cpu *c = (struct cpu *)b;

    if (leads(c))
        order_close(&c->group, NULL);
    unload(c);
    weights_clear(&c->weights);
    pool_free(c->threads);
    buf_clear(&c->order);
    free(c);
}

/* ---- matrices as they come ----------------------------------------------- */

static int sink_begin(void *self, const struct model_record *rec,
                      struct err *err)
{
    struct cpu *c = self;

    if (part_init(&c->part, &c->group, rec, err) ||
        (leads(c) && order_open(&c->group, rec, err)))
        return -1;
    /* what there was goes first: two models seldom fit */
    unload(c);
    weights_clear(&c->weights);
    c->has_came = false;
    return weights_begin(&c->weights, &c->k, c->threads, rec, &c->part,
                         c->shares ? &c->share : NULL, err);
}

static void sink_rows(void *self, uint32_t tensor, const struct x1_matrix *m,
                      size_t from, size_t to)
{
    struct cpu *c = self;

    weights_rows(&c->weights, tensor, m, from, to);
}

static void sink_end(void *self, const struct id *id)
{
    struct cpu *c = self;

    if (!id) {
        weights_clear(&c->weights);
        return;
    }
    weights_end(&c->weights);
    c->came = *id;
    c->has_came = true;
}

/* ---- a member that follows ----------------------------------------------- */

static void follow_drop(void *self)
{
    unload(self);
}

static enum agreed follow_load(void *self, const struct model *m,
                               const struct err *none,
                               const struct backend_load *want,
                               struct err *err)
{
    return load_together(self, m, none, want, err);
}

static int follow_step(void *self, const struct backend_step *s,
                       struct err *err)
{
    struct cpu *c = self;

    for (size_t i = 0; i < s->n_entries; i++)
        if (s->entry[i].index > c->model->rec.context / KV_PAGE)
            return err_set(err, ERR_FATAL, "the first member of the group has"
                           " a block past the model's context");
    return compute_step(c, s, err);
}

static int follow_copy(void *self, uint32_t from, uint32_t to,
                       struct err *err)
{
    return kv_copy(&((struct cpu *)self)->pool, from, to, err);
}

static int cpu_follow(struct backend *b, backend_find_fn *find, void *self,
                      struct err *err)
{
    static const struct follow_ops calls = {
        .drop = follow_drop, .load = follow_load, .step = follow_step,
        .copy = follow_copy,
    };
    struct cpu *c = (struct cpu *)b;

    return follow(&c->group, &calls, c, find, self, err);
}

/* ---- its table ----------------------------------------------------------- */

static const struct backend_ops ops = {
    .load = cpu_load,
    .step = cpu_step,
    .collect = cpu_collect,
    .copy = cpu_copy,
    .close = cpu_close,
    .follow = cpu_follow,
};

struct backend *cpu_new(const struct x1_kernels *k, size_t threads)
{
    return cpu_new_member(k, threads, &(struct group){ .size = 1 });
}

struct backend *cpu_new_member(const struct x1_kernels *k, size_t threads,
                               const struct group *g)
{
    struct cpu *c = xcalloc(1, sizeof(*c));

    c->group = *g;
    c->in_group = g->size > 1;
    buf_init(&c->order, ORDER_MAX);
    c->threads = pool_new(threads);
    c->k = *k;
    c->sink = (struct model_sink){ sink_begin, sink_rows, sink_end, c };
    c->base = (struct backend){ .ops = &ops, .name = c->k.name,
                                .sink = &c->sink };
    return &c->base;
}

void cpu_share(struct backend *b, unsigned wait_s, const struct caller *caller)
{
    struct cpu *c = (struct cpu *)b;

    c->share = (struct weights_share){ wait_s, *caller };
    c->shares = true;
}

size_t cpu_shared_bytes(const struct backend *b, bool *of_socket)
{
    const struct weights *w = &((const struct cpu *)b)->weights;

    *of_socket = w->of_socket;
    return shared_size(w->shared);
}
