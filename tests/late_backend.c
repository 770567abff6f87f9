/*
 * Each step is computed at once, and what came of it kept.
 */
#include <config.h>

#include "tests/late_backend.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/backend.h"
#include "model/model.h"

#define STEPS 6 /* whose results are kept: ahead, delayed, and the latest */

/* What came of a step, copied. */
struct kept {
    struct backend_draw *draw;
    float *logits;
    struct backend_fault *fault;
    struct backend_digest *digest;
    struct backend_last *last;
    float *x;
    struct backend_result r;
};

struct late {
    struct backend base;
    struct backend *inner;
    const struct model *model;
    size_t ahead, delay;
    uint32_t join;           /* blocks of `inner` that are one here */
    struct kept kept[STEPS]; /* by step, modulo */
    uint64_t n_steps, n_collected;
};

static void kept_clear(struct kept *k)
{
    free(k->draw);
    free(k->logits);
    free(k->fault);
    free(k->digest);
    free(k->last);
    free(k->x);
    memset(k, 0, sizeof(*k));
}

static void *copy(const void *data, size_t n, size_t size)
{
    void *c = xcalloc(n + 1, size);

    if (n > 0)
        memcpy(c, data, n * size);
    return c;
}

static void keep(struct kept *k, const struct backend_result *r,
                 const struct model_record *rec)
{
    size_t n_vocab = rec->n_vocab, dim = rec->dim;

    kept_clear(k);
    k->draw = copy(r->draw, r->n_draws, sizeof(*r->draw));
    k->logits = xcalloc(r->n_draws * n_vocab + 1, sizeof(float));
    for (size_t i = 0; i < r->n_draws; i++) {
        float *logits = k->logits + i * n_vocab;

        if (!r->draw[i].logits)
            continue;
        memcpy(logits, r->draw[i].logits, n_vocab * sizeof(float));
        k->draw[i].logits = logits;
    }
    k->fault = copy(r->fault, r->n_faults, sizeof(*r->fault));
    k->digest = copy(r->digest, r->n_digests, sizeof(*r->digest));
    k->last = copy(r->last, r->n_last, sizeof(*r->last));
    k->x = xcalloc(r->n_last * dim + 1, sizeof(float));
    for (size_t i = 0; i < r->n_last; i++) {
        memcpy(k->x + i * dim, r->last[i].x, dim * sizeof(float));
        k->last[i].x = k->x + i * dim;
    }
    k->r = (struct backend_result){
        .draw = k->draw, .n_draws = r->n_draws, .fault = k->fault,
        .n_faults = r->n_faults, .digest = k->digest,
        .n_digests = r->n_digests, .last = k->last, .n_last = r->n_last
    };
}

static int late_load(struct backend *b, const struct model *m,
                     const struct backend_load *want,
                     struct backend_plan *plan, struct err *err)
{
    struct late *l = (struct late *)b;

    if (l->inner->ops->load(l->inner, m, want, plan, err))
        return -1;
    l->model = m;
    l->n_steps = l->n_collected = 0;
    for (size_t i = 0; i < STEPS; i++)
        kept_clear(&l->kept[i]);
    plan->ahead = l->ahead;
    plan->block_positions *= l->join;
    plan->block_bytes *= l->join;
    if (plan->n_blocks != UINT64_MAX)
        plan->n_blocks /= l->join;
    return 0;
}

/* The step with each changed entry as those of `inner`, which are freed by the
 * caller. */
static struct backend_entry *split(struct backend_step *s, uint32_t join)
{
    struct backend_entry *e = xcalloc(s->n_entries * join + 1, sizeof(*e));
    size_t n = 0;

    for (size_t i = 0; i < s->n_entries; i++)
        for (uint32_t j = 0; j < join; j++)
            e[n++] = (struct backend_entry){ s->entry[i].slot,
                                             s->entry[i].index * join + j,
                                             s->entry[i].block * join + j };
    s->entry = e;
    s->n_entries = n;
    return e;
}

static int late_step(struct backend *b, const struct backend_step *s,
                     struct err *err)
{
    struct late *l = (struct late *)b;
    struct backend_step inner = *s;
    struct backend_entry *entry;
    struct backend_result r;
    int rc;

    if (l->n_steps - l->n_collected > l->ahead)
        abort(); /* more steps than the plan allows */
    entry = split(&inner, l->join);
    rc = l->inner->ops->step(l->inner, &inner, err);
    free(entry);
    if (rc || l->inner->ops->collect(l->inner, &r, err))
        return -1;
    keep(&l->kept[l->n_steps++ % STEPS], &r, &l->model->rec);
    return 0;
}

static int late_collect(struct backend *b, struct backend_result *r,
                        struct err *err)
{
    static const struct kept none;
    struct late *l = (struct late *)b;
    const struct kept *then = &none;

    (void)err;
    if (l->n_collected == l->n_steps)
        abort(); /* nothing runs */
    *r = l->kept[l->n_collected % STEPS].r;
    if (l->n_collected >= l->delay)
        then = &l->kept[(l->n_collected - l->delay) % STEPS];
    r->digest = then->r.digest;
    r->n_digests = then->r.n_digests;
    r->last = then->r.last;
    r->n_last = then->r.n_last;
    l->n_collected++;
    return 0;
}

static int late_copy(struct backend *b, uint32_t from, uint32_t to,
                     struct err *err)
{
    const struct late *l = (struct late *)b;
    int rc = 0;

    for (uint32_t j = 0; j < l->join && rc == 0; j++)
        rc = l->inner->ops->copy(l->inner, from * l->join + j,
                                 to * l->join + j, err);
    return rc;
}

static void late_close(struct backend *b)
{
    struct late *l = (struct late *)b;

    for (size_t i = 0; i < STEPS; i++)
        kept_clear(&l->kept[i]);
    backend_close(l->inner);
    free(l);
}

static const struct backend_ops ops = {
    .load = late_load,
    .step = late_step,
    .collect = late_collect,
    .copy = late_copy,
    .close = late_close,
};

struct backend *late_backend(struct backend *inner, size_t ahead, size_t delay)
{
    return joined_backend(inner, ahead, delay, 1);
}

struct backend *joined_backend(struct backend *inner, size_t ahead,
                               size_t delay, uint32_t join)
{
    struct late *l = xcalloc(1, sizeof(*l));

    l->base = (struct backend){ .ops = &ops, .name = inner->name,
                                .sink = inner->sink };
    l->inner = inner;
    l->ahead = ahead;
    l->delay = delay;
    l->join = join;
    return &l->base;
}
