/*
 * One layer by the operations of kernels.h, a window a thread.
 */
#include <config.h>

#include "fidelity/shown.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/pool.h"
#include "base/err.h"
#include "base/mem.h"
#include "fidelity/windows.h"

#define QUERIES 16 /* in a call of attention */

/* Of one thread. */
struct shown_room {
    struct x1_rows in;
    int32_t *fault;
    float *v, *cos, *sin;
    unsigned char *kv;      /* all blocks of all KV heads */
    unsigned char **block;  /* of one KV head */
    struct x1_query *query;
    void *scratch;
};

struct shown_job {
    struct shown_rows *s;
    struct shown_fault *fault;
    const struct x1_kernels *k;
    const struct model_record *r;
    const struct shown_layer *l;
    const struct windows *w;
    struct pool *pool;
    struct shown_room *room;      /* of each thread */
    size_t q_dim, kv_dim, block_bytes, blocks; /* blocks of a window */
};

/* A window that is being computed. */
struct shown_window {
    const struct shown_job *run;
    struct shown_room *room;
    size_t first, n; /* its rows */
};

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t group_of(const struct model_record *r)
{
    return r->n_heads / r->n_kv_heads;
}

static int room_init(struct shown_room *m, const struct shown_job *run,
                     struct err *err)
{
    const struct model_record *r = run->r;
    size_t n = run->w->longest, half = r->head_dim / 2;
    size_t wide = most(most(r->dim, r->ffn_dim), run->q_dim);
    size_t queries = most(QUERIES, group_of(r));

    memset(m, 0, sizeof(*m));
    m->fault = xmalloc(n * r->n_heads * sizeof(*m->fault));
    m->v = xmalloc(n * run->kv_dim * sizeof(*m->v));
    m->cos = xmalloc(n * half * sizeof(*m->cos));
    m->sin = xmalloc(n * half * sizeof(*m->sin));
    m->in.scale = xmalloc(n * sizeof(*m->in.scale));
    m->block = xmalloc(run->blocks * sizeof(*m->block));
    m->query = xmalloc(queries * sizeof(*m->query));
    return mem_big(&m->in.q, run->k->rows_bytes(n, wide), 1, "rows", err) ||
                   mem_big((void **)&m->kv, run->blocks * r->n_kv_heads,
                           run->block_bytes, "keys and values", err) ||
                   mem_big(&m->scratch,
                           run->k->attention_bytes(n, r->head_dim), 1,
                           "scores", err) ? -1 : 0;
}

static void room_clear(struct shown_room *m)
{
    free(m->fault);
    free(m->v);
    free(m->cos);
    free(m->sin);
    free(m->in.scale);
    free(m->in.q);
    free(m->block);
    free(m->query);
    free(m->kv);
    free(m->scratch);
}

static void check(const struct shown_window *p, size_t row, int32_t index)
{
    struct shown_fault *f = p->run->fault;

    if (index < 0)
        return;
    pool_lock(p->run->pool);
    if (p->first + row < f->row)
        f->row = p->first + row;
    pool_unlock(p->run->pool);
}

/* ---- steps of a layer ---------------------------------------------------- */

static void norm(const struct shown_window *p, float *y, const float *x,
                 const float *gain)
{
    const struct shown_job *c = p->run;
    size_t k = c->r->dim;

    c->k->rmsnorm(y, x, k, gain, c->r->eps, p->n, k, p->room->fault);
    for (size_t i = 0; i < p->n; i++)
        check(p, i, p->room->fault[i]);
}

static void quantise(const struct shown_window *p, const float *x, size_t k,
                     bool a8)
{
    struct x1_rows *in = &p->room->in;

    in->m = p->n;
    in->k = k;
    in->a8 = a8;
    p->run->k->quantise(in, x, k, p->room->fault, 0, p->n);
    for (size_t i = 0; i < p->n; i++)
        check(p, i, p->room->fault[i]);
}

static void linear(const struct shown_window *p, float *y, uint32_t part,
                   const float *bias, bool add)
{
    const struct x1_weights *w = &p->run->l->w[part];

    p->run->k->linear(y, w->rows, w, bias, add, &p->room->in, 0, w->rows);
}

/* Heads of q or k of row i: norm and RoPE. */
static void turn(const struct shown_window *p, float *x, size_t heads, size_t i,
                 const float *gain)
{
    const struct shown_job *c = p->run;
    size_t hd = c->r->head_dim;

    if (gain) {
        c->k->rmsnorm(x, x, hd, gain, c->r->eps, heads, hd, p->room->fault);
        for (size_t h = 0; h < heads; h++)
            check(p, i, p->room->fault[h]);
    }
    c->k->rope(x, heads, hd, p->room->cos + i * (hd / 2),
               p->room->sin + i * (hd / 2));
}

static unsigned char *block_at(const struct shown_window *p, size_t g,
                               size_t row)
{
    return p->room->kv + (g * p->run->blocks + row / X1_BLOCK) *
                             p->run->block_bytes;
}

static void keys(const struct shown_window *p, float *q, float *k)
{
    const struct shown_job *c = p->run;
    size_t hd = c->r->head_dim;
    int32_t bad[2];

    for (size_t i = 0; i < p->n; i++) {
        x1_rope_row(p->room->cos + i * (hd / 2), p->room->sin + i * (hd / 2),
                    c->l->inv_freq, hd / 2, (uint32_t)i);
        turn(p, q + i * c->q_dim, c->r->n_heads, i,
             c->l->vector[LAYER_Q_NORM]);
        turn(p, k + i * c->kv_dim, c->r->n_kv_heads, i,
             c->l->vector[LAYER_K_NORM]);
        for (size_t g = 0; g < c->r->n_kv_heads; g++) {
            c->k->quantise_kv(block_at(p, g, i), i % X1_BLOCK,
                              k + i * c->kv_dim + g * hd,
                              p->room->v + i * c->kv_dim + g * hd, hd, bad);
            check(p, i, bad[0]);
            check(p, i, bad[1]);
        }
    }
}

/* Queries [from, to) of one KV head, counted over rows and heads of it. */
static void attend(const struct shown_window *p, size_t g, size_t from,
                   size_t to)
{
    const struct shown_job *c = p->run;
    size_t hd = c->r->head_dim, group = group_of(c->r);
    struct x1_blocks kv = { p->room->block, 0 };
    struct x1_scoring scoring = { c->l->scale, 0 };
    uint32_t window = c->l->window;

    for (size_t j = from; j < to; j++) {
        size_t at = (p->first + j / group) * c->q_dim +
                    (g * group + j % group) * hd;
        uint32_t end = (uint32_t)(j / group) + 1;

        p->room->query[j - from] = (struct x1_query){
            c->s->q + at, c->s->o + at,
            window && end > window ? end - window : 0, end, -1 };
    }
    c->k->attention(p->room->query, to - from, scoring, &kv, hd,
                    p->room->scratch);
    for (size_t j = from; j < to; j++)
        check(p, j / group, p->room->query[j - from].fault);
}

static void attention(const struct shown_window *p)
{
    const struct shown_job *c = p->run;
    size_t all = p->n * group_of(c->r);
    size_t step = most(QUERIES / group_of(c->r), 1) * group_of(c->r);

    for (size_t g = 0; g < c->r->n_kv_heads; g++) {
        for (size_t b = 0; b < c->blocks; b++)
            p->room->block[b] = block_at(p, g, b * X1_BLOCK);
        for (size_t j = 0; j < all; j += step)
            attend(p, g, j, j + step < all ? j + step : all);
    }
}

static void one_window(const struct shown_window *p)
{
    const struct shown_job *c = p->run;
    const struct shown_layer *l = c->l;
    size_t at = p->first, dim = c->r->dim, ffn = c->r->ffn_dim;
    float *x = c->s->x + at * dim, *attn = c->s->attn + at * dim;
    float *q = c->s->q + at * c->q_dim, *k = c->s->k + at * c->kv_dim;
    float *f = c->s->ffn + at * dim, *h = c->s->h + at * ffn;
    bool a8 = c->r->flags & MODEL_A8R;

    norm(p, attn, x, l->vector[LAYER_ATTN_NORM]);
    quantise(p, attn, dim, a8);
    linear(p, q, LAYER_WQ, l->vector[LAYER_BQ], false);
    linear(p, k, LAYER_WK, l->vector[LAYER_BK], false);
    linear(p, p->room->v, LAYER_WV, l->vector[LAYER_BV], false);
    keys(p, q, k);
    attention(p);
    quantise(p, c->s->o + at * c->q_dim, c->q_dim, a8);
    linear(p, x, LAYER_WO, NULL, true);
    norm(p, f, x, l->vector[LAYER_FFN_NORM]);
    quantise(p, f, dim, a8);
    c->k->swiglu(h, ffn, &l->w[LAYER_GATE], &l->w[LAYER_UP], &p->room->in, 0,
                 ffn);
    quantise(p, h, ffn, false); /* A14 in an A8R model, too */
    linear(p, x, LAYER_DOWN, NULL, true);
}

static void some_windows(void *self, size_t from, size_t to, size_t thread)
{
    const struct shown_job *c = self;

    x1_thread_init();
    for (size_t i = from; i < to; i++) {
        struct shown_window p = { c, &c->room[thread], c->w->start[i],
                           c->w->start[i + 1] - c->w->start[i] };

        one_window(&p);
    }
}

int shown_run(struct shown_rows *s, struct shown_fault *fault,
              const struct x1_kernels *k, const struct model_record *r,
              const struct shown_layer *l, const struct windows *w,
              struct pool *pool, struct err *err)
{
    size_t threads = pool_threads(pool);
    struct shown_job c = { s, fault, k, r, l, w, pool, NULL,
                     (size_t)r->n_heads * r->head_dim,
                     (size_t)r->n_kv_heads * r->head_dim,
                     k->block_bytes(r->head_dim),
                     (w->longest + X1_BLOCK - 1) / X1_BLOCK };
    int rc = 0;

    fault->row = SIZE_MAX;
    c.block_bytes = (c.block_bytes + 63) / 64 * 64;
    c.room = xcalloc(threads, sizeof(*c.room));
    for (size_t i = 0; i < threads && rc == 0; i++)
        rc = room_init(&c.room[i], &c, err);
    if (rc == 0)
        pool_run(pool, some_windows, &c, w->n, 1);
    for (size_t i = 0; i < threads; i++)
        room_clear(&c.room[i]);
    free(c.room);
    return rc;
}
