/*
 * A prompt that fills a large product, a step of as many sequences as no fused
 * kernel serves, and steps of few that draw.
 */
#include <config.h>

#include "backend/start_test.h"

#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "engine/backend.h"
#include "model/model.h"
#include "model/shape.h"
#include "proof/digest.h"

enum { SLOTS = 5, PROMPT = 34, FEW = 2, DRAWS = 2, MOST = 40 };
#define ROWS PROMPT /* of the largest step */
#define KV_BYTES ((uint64_t)1 << 19)

/* Kinds of models, which between them ask for most kernels of a GPU, and the
 * hash of what the reference gives. */
static const struct start_kind {
    const char *name;
    uint32_t flags, heads, kv_heads;
    const char *hash; /* base64url */
} kinds[] = {
    { "A14, biases", MODEL_QKV_BIAS | MODEL_TIED, 8, 4,
      "q9F_uz2bpUtc6Vm6xa8xA9F3H-kwQi6lSKzj0HBu8C4" },
    { "A8R, GELU, norms on both sides", MODEL_A8R | MODEL_GELU |
      MODEL_NORM_BOTH | MODEL_QK_NORM | MODEL_LAYERS, 8, 1,
      "TebSXNkDSYPws9ltH8bC-C2eDJq4C07ton3Whbxcx6o" },
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* What leaves a slot comes in an order that is the backend's own. */
struct start_run {
    struct backend *b;
    struct backend_plan plan;
    uint32_t n_vocab;
    uint32_t at[SLOTS]; /* its next position */
    struct digest *drawn[SLOTS], *hashed[SLOTS];
};

static const struct sampling draws[SLOTS] = {
    { .top_p = 1000000 },
    { .temperature = 900000, .top_p = 1000000, .seed = 7 },
    { .temperature = 1000000, .top_p = 500000, .seed = 8 },
    { .temperature = 1000000, .top_p = 700000, .top_k = 40, .seed = 9 },
    { .top_p = 1000000 },
};

/* Each has an id of its own. */
static struct model *build(uint32_t i, struct err *err)
{
    const struct start_kind *k = &kinds[i];
    const struct model_record rec = {
        .n_layers = 2, .dim = 64, .n_heads = k->heads,
        .n_kv_heads = k->kv_heads, .head_dim = 16, .ffn_dim = 100,
        .n_vocab = 250, .context = 128, .eps = 1e-5f, .flags = k->flags
    };
    struct model *m;

    if (shape_build(&m, &rec, err))
        return NULL;
    m->id.b[0] = (unsigned char)(i + 1);
    return m;
}

static void take(struct start_run *r, const struct backend_result *got)
{
    for (size_t i = 0; i < got->n_draws; i++) {
        const struct backend_draw *d = &got->draw[i];
        const uint64_t n[] = { d->position, d->drew, d->d.token, d->d.kept,
                               d->d.sum_k, d->d.sum_p, d->d.r };

        if (d->slot < SLOTS)
            digest_put(r->drawn[d->slot], n, sizeof(n));
    }
    for (size_t i = 0; i < got->n_digests; i++) {
        const struct backend_digest *d = &got->digest[i];

        if (d->slot >= SLOTS)
            continue;
        digest_put(r->hashed[d->slot], d->kv.b, sizeof(d->kv.b));
        if (d->has_fin)
            digest_put(r->hashed[d->slot], d->fin.b, sizeof(d->fin.b));
    }
}

static int compute(struct start_run *r, const struct backend_step *s,
                   struct err *err)
{
    struct backend_result got;

    if (r->b->ops->step(r->b, s, err) || r->b->ops->collect(r->b, &got, err))
        return -1;
    take(r, &got);
    return 0;
}

/* The next row of a slot. */
static struct backend_row row(struct start_run *r, uint32_t slot, bool draw)
{
    uint32_t at = r->at[slot]++;

    return (struct backend_row){
        .slot = slot, .position = at, .commit = true, .logits = draw,
        .token = at < (slot ? 1 : PROMPT) ? (at * at * 7 + slot) % r->n_vocab
                                          : BACKEND_DRAWN,
        .sampling = draw ? &draws[slot] : NULL
    };
}

/* All blocks that the slots will need. */
static size_t place(const struct start_run *r, struct backend_entry *entry)
{
    uint32_t each = MOST / (uint32_t)r->plan.block_positions + 1;
    uint32_t n = 0;

    for (uint32_t s = 0; s < SLOTS; s++)
        for (uint32_t i = 0; i < each; i++, n++)
            entry[n] = (struct backend_entry){ s, i, n };
    return n;
}

static int all_steps(struct start_run *r, struct err *err)
{
    struct backend_row rows[ROWS];
    struct backend_entry entry[SLOTS * (MOST + 1)];
    struct backend_step s = { .row = rows, .entry = entry };
    int rc = 0;

    s.n_entries = place(r, entry);
    for (s.n_rows = 0; s.n_rows < PROMPT; s.n_rows++)
        rows[s.n_rows] = row(r, 0, s.n_rows + 1 == PROMPT);
    rc = compute(r, &s, err);
    s.n_entries = 0;
    for (int i = 0; rc == 0 && i <= DRAWS; i++) {
        size_t n = i == 0 ? SLOTS : FEW;

        for (s.n_rows = 0; s.n_rows < n; s.n_rows++)
            rows[s.n_rows] = row(r, (uint32_t)s.n_rows, true);
        rc = compute(r, &s, err);
    }
    s.n_rows = 0;
    for (int i = 0; rc == 0 && i < 2; i++) /* digests that are outstanding */
        rc = compute(r, &s, err);
    return rc ? -1 : 0;
}

static void end(struct start_run *r, struct id *out)
{
    struct digest *all = digest_new();
    struct id one;

    for (int i = 0; i < SLOTS; i++) {
        digest_end(r->drawn[i], &one);
        digest_put(all, one.b, sizeof(one.b));
        digest_end(r->hashed[i], &one);
        digest_put(all, one.b, sizeof(one.b));
    }
    digest_end(all, out);
}

/* 1: it is not loaded. */
static int compute_kind(struct backend *b, const struct model *m,
                        struct id *out, struct err *err)
{
    const struct backend_load want = { .slots = SLOTS, .rows = ROWS,
                                       .draws = SLOTS, .kv_bytes = KV_BYTES };
    struct start_run r = { .b = b, .n_vocab = m->rec.n_vocab };
    int rc = 1;

    for (int k = 0; k < SLOTS; k++) {
        r.drawn[k] = digest_new();
        r.hashed[k] = digest_new();
    }
    if (b->ops->load(b, m, &want, &r.plan, err) == 0) {
        if (r.plan.slots < SLOTS || r.plan.rows < ROWS || r.plan.draws < SLOTS)
            err_set(err, ERR_INPUT, "its steps are too small");
        else
            rc = all_steps(&r, err);
    }
    end(&r, out);
    return rc;
}

int backend_start_test(struct backend *b, struct err *err)
{
    struct model *m[KINDS] = { NULL };
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < KINDS; i++) {
        struct id is;

        m[i] = build(i, err);
        rc = m[i] ? compute_kind(b, m[i], &is, err) : -1;
        if (rc == 0 && strcmp(id_text(is).s, kinds[i].hash) != 0)
            rc = err_set(err, ERR_RETRY, "it computes other numbers than X1 of"
                         " a model with %s: %s", kinds[i].name,
                         id_text(is).s);
    }
    backend_close(b);
    for (size_t i = 0; i < KINDS; i++)
        model_close(m[i]);
    return rc;
}
