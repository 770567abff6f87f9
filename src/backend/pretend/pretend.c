/*
 * Tokens and digests of the pretended backend: no position has rows, and what
 * is drawn is drawn from zeros.
 */
#include <config.h>

#include "backend/pretend/pretend.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "engine/backend.h"
#include "model/model.h"
#include "proof/blob.h"
#include "proof/merkle.h"

static const uint32_t table[16] = { 7, 1, 12, 3, 9, 14, 2, 5, 0, 11, 6, 15,
                                    4, 8, 13, 10 };

struct pretend {
    struct backend base;
    const struct model *model;
    struct id kv, fin;             /* of every position */
    float *zeros;                  /* x_L of every position */
    uint32_t *drawn;               /* the id drawn last, a slot each */
    struct backend_draw *draw;
    struct backend_digest *digest;
    struct backend_last *last;
    struct backend_result result;
};

static void unload(struct pretend *p)
{
    free(p->zeros);
    free(p->drawn);
    free(p->draw);
    free(p->digest);
    free(p->last);
    p->zeros = NULL;
    p->drawn = NULL;
    p->draw = NULL;
    p->digest = NULL;
    p->last = NULL;
}

static int pretend_load(struct backend *b, const struct model *m,
                        const struct backend_load *want,
                        struct backend_plan *plan, struct err *err)
{
    struct pretend *p = (struct pretend *)b;
    struct merkle none;

    if (want->taps)
        return err_set(err, ERR_INPUT,
                       "the pretended engine has no rows to look at");
    unload(p);
    p->model = m;
    p->zeros = xcalloc(m->rec.dim, sizeof(*p->zeros));
    p->drawn = xcalloc(want->slots, sizeof(*p->drawn));
    p->draw = xcalloc(want->draws, sizeof(*p->draw));
    p->digest = xcalloc(want->rows, sizeof(*p->digest));
    p->last = xcalloc(want->slots, sizeof(*p->last));
    merkle_init(&none);
    merkle_root(&none, &p->kv);
    blob_f32(&p->fin, p->zeros, m->rec.dim);
    *plan = (struct backend_plan){
        .block_positions = 64,
        .n_blocks = UINT64_MAX,
        .grows = true,
        .slots = want->slots,
        .rows = want->rows,
        .draws = want->draws,
        .text = "pretended",
    };
    return 0;
}

static void pretend_row(struct pretend *p, const struct backend_row *r)
{
    uint32_t token = r->token == BACKEND_DRAWN ? p->drawn[r->slot] : r->token;

    if (r->logits) {
        struct backend_draw *d = &p->draw[p->result.n_draws++];

        *d = (struct backend_draw){ .slot = r->slot, .position = r->position,
                                    .drew = r->sampling != NULL };
        d->d.token = table[token % 16] % p->model->rec.n_vocab;
        p->drawn[r->slot] = d->d.token;
    }
    if (r->commit) {
        struct backend_digest *d = &p->digest[p->result.n_digests++];

        *d = (struct backend_digest){ .slot = r->slot,
                                      .position = r->position,
                                      .has_fin = r->sampling || r->fin };
        d->kv = p->kv;
        d->fin = p->fin;
    }
}

static int pretend_step(struct backend *b, const struct backend_step *s,
                        struct err *err)
{
    struct pretend *p = (struct pretend *)b;

    (void)err;
    p->result = (struct backend_result){
        .draw = p->draw, .digest = p->digest, .last = p->last,
        .n_last = s->n_last
    };
    for (size_t i = 0; i < s->n_last; i++)
        p->last[i] = (struct backend_last){ s->last[i].slot,
                                            s->last[i].position, p->zeros };
    for (size_t i = 0; i < s->n_rows; i++)
        pretend_row(p, &s->row[i]);
    return 0;
}

static int pretend_collect(struct backend *b, struct backend_result *r,
                           struct err *err)
{
    (void)err;
    *r = ((struct pretend *)b)->result;
    return 0;
}

static int pretend_copy(struct backend *b, uint32_t from, uint32_t to,
                        struct err *err)
{
    (void)b;
    (void)from;
    (void)to;
    (void)err;
    return 0;
}

static void pretend_close(struct backend *b)
{
    unload((struct pretend *)b);
    free(b);
}

static const struct backend_ops ops = {
    .load = pretend_load,
    .step = pretend_step,
    .collect = pretend_collect,
    .copy = pretend_copy,
    .close = pretend_close,
};

struct backend *pretend_new(void)
{
    struct pretend *p = xcalloc(1, sizeof(*p));

    p->base = (struct backend){ .ops = &ops, .name = "pretend",
                                .sink = &model_pass };
    return &p->base;
}
