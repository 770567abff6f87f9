/*
 * What members of a group exchange, between two roundings integers alone: the
 * greatest sizes of rows of which each has some columns, and the sums of their
 * products; rows of a norm over all heads, bit by bit; the greatest logits, and
 * logits that are drawn from; the least faults and the hashes of a step.  Where
 * NCCL serves (connect.cu) the device's numbers go from device to device.  Else
 * they come to pinned memory, pass through the group's functions, and go back,
 * while the device waits.  The end of a step is the host's in any case.
 *
 * After an exchange that failed, or a device that did, this member is out of
 * step with the others: it makes no more calls, and its backend is closed.
 */
#include "backend/cuda/device.cuh"

#include <stdlib.h>
#include <string.h>

extern "C" {
#include "backend/group/follow.h"
}

#define LOGITS_LAUNCHES 4 /* that make a row of them whole, at most */

/* How a member's step has ended; the worst is that of all. */
enum ended { ENDED_WELL, ENDED_FAULTY, ENDED_FAILED, ENDED_WRONG };

int members_whole(struct device *d, struct err *err)
{
    if (!d->nccl || d->group.ops->whole(d->group.self, err) == 0)
        return 0;
    d->broken = d->out = true;
    return -1;
}

int members_check(const struct device *d, struct err *err)
{
    if (!d->in_group || !d->out)
        return 0;
    return err_set(err, ERR_RETRY, "this member of its group has failed: start"
                   " it again");
}

/* ---- exchanges ----------------------------------------------------------- */

/* An exchange has ended like this. */
static int exchanged(struct device *d, int rc)
{
    if (rc == 0)
        return 0;
    d->broken = d->out = true;
    return -1;
}

static int greatest(struct device *d, uint32_t *x, size_t n, struct err *err)
{
    return exchanged(d, d->group.ops->max_u32(d->group.self, x, n, err));
}

/* The greatest of the first n of d->keys: of their upper halves, then of the
 * lower ones of those that are as great. */
static int greatest_keys(struct device *d, size_t n, struct err *err)
{
    uint64_t *x = d->keys;
    uint32_t *high = (uint32_t *)(x + n), *low = high + n;

    for (size_t i = 0; i < n; i++)
        high[i] = (uint32_t)(x[i] >> 32);
    if (greatest(d, high, n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        low[i] = x[i] >> 32 == high[i] ? (uint32_t)x[i] : 0;
    if (greatest(d, low, n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        x[i] = (uint64_t)high[i] << 32 | low[i];
    return 0;
}

/* n bytes of the device, which come to `to`. */
static int bring(struct device *d, void *to, const void *from, size_t n,
                 struct err *err)
{
    if (n > 0)
        CUDA_TRY(cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToHost,
                                 d->stream), err);
    CUDA_TRY(cudaEventRecord(d->here, d->stream), err);
    return device_wait(d, d->here, err);
}

static int take_back(struct device *d, void *to, const void *from, size_t n,
                     struct err *err)
{
    CUDA_TRY(cudaMemcpyAsync(to, from, n, cudaMemcpyHostToDevice, d->stream),
             err);
    return 0;
}

/* From device to device. */
static int by_nccl(struct device *d, enum nccl_kind kind, void *x, size_t n,
                   struct err *err)
{
    if (nccl_exchange(d->nccl, kind, x, n, d->stream, err) == 0)
        return 0;
    d->nccl_failed = true;
    return -1;
}

/* n words of an array become the greatest of all members'. */
static int agree_words(struct device *d, enum plan_array a, size_t n,
                       struct err *err)
{
    if (d->nccl)
        return by_nccl(d, NCCL_MAX_U32, d->at[a], n, err);
    return bring(d, d->met, d->at[a], 4 * n, err) ||
           greatest(d, (uint32_t *)d->met, n, err) ||
           take_back(d, d->at[a], d->met, 4 * n, err) ? -1 : 0;
}

int members_amax(struct device *d, uint32_t m, struct err *err)
{
    return agree_words(d, PLAN_AMAX, m, err);
}

int members_rows(struct device *d, uint32_t m, uint32_t width, struct err *err)
{
    return agree_words(d, PLAN_WHOLE, (size_t)m * width, err);
}

/* Sums of slices, as they are: the numbers that 256 hi + lo is made of. */
int members_sums(struct device *d, size_t n, struct err *err)
{
    const struct group *g = &d->group;
    int32_t *sum = (int32_t *)d->met;

    if (d->nccl)
        return by_nccl(d, NCCL_SUM_I32, d->at[PLAN_SUMS], n, err);
    return bring(d, sum, d->at[PLAN_SUMS], n * sizeof(*sum), err) ||
           exchanged(d, g->ops->sum_i32(g->self, sum, n, err)) ||
           take_back(d, d->at[PLAN_SUMS], sum, n * sizeof(*sum), err)
               ? -1 : 0;
}

/* ---- draws --------------------------------------------------------------- */

/* Whether all logits of a row are looked at, by the draw or by the host. */
static bool needs_logits(const struct backend_row *r)
{
    return r->tap || (r->sampling && r->sampling->temperature != 0);
}

/* The same on the device. */
static int spread_logits(struct device *d, float *logits, struct err *err)
{
    const struct model_part *p = &d->part;
    const size_t vocab = d->mine.n_vocab, end = p->vocab_first + p->vocab;

    if (p->vocab_first > 0)
        CUDA_TRY(cudaMemsetAsync(logits, 0, p->vocab_first * sizeof(*logits),
                                 d->stream), err);
    if (end < vocab)
        CUDA_TRY(cudaMemsetAsync(logits + end, 0,
                                 (vocab - end) * sizeof(*logits), d->stream),
                 err);
    return by_nccl(d, NCCL_MAX_U32, logits, vocab, err);
}

/* A row of logits, of which this member has made some: whole. */
static int agree_logits(struct device *d, float *logits, struct err *err)
{
    const struct model_part *p = &d->part;
    const size_t vocab = d->mine.n_vocab, end = p->vocab_first + p->vocab;
    uint32_t *word = (uint32_t *)d->met;

    if (d->nccl)
        return spread_logits(d, logits, err);
    if (bring(d, word + p->vocab_first, logits + p->vocab_first,
              p->vocab * sizeof(*logits), err))
        return -1;
    memset(word, 0, p->vocab_first * sizeof(*word));
    memset(word + end, 0, (vocab - end) * sizeof(*word));
    return greatest(d, word, vocab, err) ||
           take_back(d, logits, word, vocab * sizeof(*logits), err) ? -1 : 0;
}

/* The greatest key of each row; all else of these rows is the same with all
 * members, and the greatest of it, too. */
static int agree_keys(struct device *d, uint32_t m, struct err *err)
{
    struct sample_row *row = d->f->draws;

    if (d->nccl)
        return by_nccl(d, NCCL_MAX_U64, d->at[PLAN_DRAW],
                       m * sizeof(*row) / sizeof(row->best), err);
    if (bring(d, row, d->at[PLAN_DRAW], m * sizeof(*row), err))
        return -1;
    for (uint32_t i = 0; i < m; i++)
        d->keys[i] = row[i].best;
    if (greatest_keys(d, m, err))
        return -1;
    for (uint32_t i = 0; i < m; i++)
        row[i].best = d->keys[i];
    return take_back(d, d->at[PLAN_DRAW], row, m * sizeof(*row), err);
}

int members_draws(struct device *d, uint32_t m, struct err *err)
{
    if (m > 0 && agree_keys(d, m, err))
        return -1;
    for (uint32_t i = 0; i < m; i++)
        if (needs_logits(&d->f->row[i].r) &&
            (device_keep_near(d, LOGITS_LAUNCHES, err) ||
             agree_logits(d, cuda_array<float>(d, PLAN_LOGITS) +
                                 (size_t)i * d->mine.n_vocab, err)))
            return -1;
    return 0;
}

/* ---- the end of a step --------------------------------------------------- */

/* A step that was launched later may still have copies of d->met to make. */

static enum ended ended(const struct device *d, const struct cuda_frame *f,
                        const struct err *mine)
{
    if (d->base.wrong)
        return ENDED_WRONG;
    if (mine->code)
        return ENDED_FAILED;
    for (size_t i = 0; i < f->n; i++)
        if (f->least[f->row[i].r.slot] != ~0ull)
            return ENDED_FAULTY;
    return ENDED_WELL;
}

/* The least fault of each slot over all members. */
static int agree_faults(struct device *d, const struct cuda_frame *f,
                        struct err *err)
{
    size_t n = d->plan.slots;

    for (size_t i = 0; i < n; i++)
        d->keys[i] = ~f->least[i];
    if (greatest_keys(d, n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        f->least[i] = ~d->keys[i];
    return 0;
}

/* The digests of a step, which the first member joins of everybody's hashes. */
static int agree_digests(struct device *d, const struct cuda_frame *f,
                         struct err *err)
{
    for (size_t i = 0; i < f->n; i++) {
        if (!f->row[i].r.commit)
            continue;
        joined_put_all(&d->joined, i,
                       (const struct id *)(f->hash + i * d->plan.trees * 8));
        joined_want(&d->joined, i);
    }
    return exchanged(d, joined_exchange(&d->joined, &d->group, err));
}

int members_collect(struct device *d, const struct cuda_frame *f,
                    const struct cuda_frame *hashed, const struct err *mine,
                    struct err *err)
{
    uint32_t worst = ended(d, f, mine);

    if (d->base.wrong) /* all hear of it now, or the first one does later */
        d->group.ops->accuse(d->group.self);
    /* a device that waits for a member hangs, and the group knows why */
    if (greatest(d, &worst, 1, err))
        return mine->code && !(d->hangs && d->nccl) ? err_copy(err, mine) : -1;
    if (worst >= ENDED_FAILED) {
        agree(&d->group, mine, err);
        if (d->group.rank == 0) /* it has the answers */
            d->base.withdraw = worst == ENDED_WRONG;
        d->out = true;
        return -1;
    }
    if (worst == ENDED_FAULTY && agree_faults(d, f, err))
        return -1;
    return hashed ? agree_digests(d, hashed, err) : 0;
}

void members_ended(struct device *d)
{
    if (device_leads(d) && d->broken && d->group.ops->accused(d->group.self))
        d->base.withdraw = true;
}

/* ---- a load -------------------------------------------------------------- */

enum agreed members_agree(struct device *d, const struct err *mine,
                          struct err *err)
{
    enum agreed agreed = mine->code ? AGREED_FAILED : AGREED_WELL;

    if (d->in_group)
        agreed = agree(&d->group, mine, err);
    else if (mine->code)
        err_copy(err, mine);
    d->broken = d->out = agreed == AGREED_BROKEN;
    return agreed;
}

/* Each shows the name of its device where all others have zeros. */
int members_places(struct device *d, struct err *err)
{
    const size_t each = DEVICE_UUID / sizeof(uint32_t);
    uint32_t name[GROUP_MAX * DEVICE_UUID / sizeof(uint32_t)] = {};
    const uint32_t *own = name + d->group.rank * each;

    d->sharers = 1;
    d->apart = true;
    if (!d->in_group)
        return 0;
    memcpy(name + d->group.rank * each, d->uuid, DEVICE_UUID);
    if (greatest(d, name, d->group.size * each, err))
        return -1;
    d->sharers = 0;
    for (uint32_t i = 0; i < d->group.size; i++) {
        d->sharers += memcmp(name + i * each, own, DEVICE_UUID) == 0;
        for (uint32_t k = 0; k < i; k++)
            d->apart = d->apart && memcmp(name + i * each, name + k * each,
                                          DEVICE_UUID) != 0;
    }
    return 0;
}

int members_blocks(struct device *d, struct err *err)
{
    uint32_t n = ~(uint32_t)d->plan.n_blocks;

    if (!d->in_group)
        return 0;
    if (greatest(d, &n, 1, err))
        return -1;
    cuda_plan_blocks(&d->plan, ~n);
    return 0;
}

int members_take(struct device *d, const struct backend_load *want,
                 struct err *err)
{
    size_t n = want->draws > want->slots ? want->draws : want->slots;

    if (!d->nccl)
        CUDA_TRY(cudaMallocHost((void **)&d->met, d->plan.exchange), err);
    CUDA_TRY(cudaEventCreateWithFlags(&d->here, cudaEventDisableTiming), err);
    d->keys = (uint64_t *)xcalloc(2 * n, sizeof(*d->keys));
    return joined_init(&d->joined, &d->part, d->mine.n_layers, want->rows, err);
}

void members_drop(struct device *d)
{
    if (!d->lost) {
        cudaFreeHost(d->met);
        if (d->here)
            cudaEventDestroy(d->here);
    }
    free(d->keys);
    joined_clear(&d->joined);
    d->met = NULL;
    d->here = NULL;
    d->keys = NULL;
}

/* ---- a member that follows ----------------------------------------------- */

static void follow_drop(void *self)
{
    device_unload((struct device *)self);
}

static int follow_step(void *self, const struct backend_step *s,
                       struct err *err)
{
    return device_step_part((struct device *)self, s, err);
}

static int follow_copy(void *self, uint32_t from, uint32_t to,
                       struct err *err)
{
    return device_copy_part((struct device *)self, from, to, err);
}

static int follow_collect(void *self, struct err *err)
{
    struct device *d = (struct device *)self;

    if (d->given == d->begun)
        return err_set(err, ERR_FATAL, "the first member of the group collects"
                       " a step that it has not begun");
    return device_collect_part(d, err);
}

int device_follow(struct backend *b, backend_find_fn *find, void *self,
                  struct err *err)
{
    static const struct follow_ops calls = {
        true, follow_drop, device_load_part, follow_step, follow_copy,
        follow_collect,
    };
    struct device *d = (struct device *)b;
    int rc;

    if (device_enter(d, err)) /* of this thread, for whatever is heard */
        return -1;
    rc = follow(&d->group, &calls, d, find, self, err);
    d->out = d->out || rc != 0;
    members_disconnect(d);
    return rc;
}
