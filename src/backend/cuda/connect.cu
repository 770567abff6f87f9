/*
 * Which way the members of a group exchange what is on their devices: by NCCL
 * where each has a device of its own, all have the library, it joins them, and
 * a trial of every kind of exchange gives the right numbers; else through the
 * host (members.cu).  After each step all members agree whether all are well,
 * so that they go one way together.  A trial that does not end is given up, and
 * they go through the host.  Where a device does not come back even then the
 * load fails, and the error names gpu-nccl = no.
 */
#include "backend/cuda/device.cuh"

#include <stdlib.h>
#include <string.h>

/* What a trial exchanges: numbers that a wrong type, sign or width spoils. */
struct trial {
    uint64_t key[2];
    int32_t sum[2];
    uint32_t word[2];
};

/* Steps, of which each member takes all or none.  An error is this member's
 * own. */
typedef int step_fn(struct device *d, struct err *err);

static int open_library(struct device *d, struct err *err)
{
    if (!d->may_nccl || strcmp(d->libs, "none") == 0)
        return err_set(err, ERR_INPUT, "gpu-nccl = no, or cuda-libs = none");
    return nccl_open(&d->nccl, d->libs, err);
}

static int make_id(struct device *d, struct err *err)
{
    return d->group.rank == 0 ? nccl_make_id(d->nccl, d->nccl_id, err) : 0;
}

static int join(struct device *d, struct err *err)
{
    return nccl_join(d->nccl, d->nccl_id, d->group.rank, d->group.size,
                     d->number, d->wait_s, err);
}

/* ---- a trial ------------------------------------------------------------- */

#define LARGEST 2130706432 /* sum of a product, and its negative */

/* This member's numbers; all: what comes of everybody's. */
static struct trial numbers(const struct group *g, bool all)
{
    const uint32_t last = g->size - 1, r = all ? last : g->rank;
    const int32_t rest = (int32_t)last;
    struct trial t;

    t.key[0] = r == last ? (uint64_t)1 << 63 | 5 : UINT64_MAX >> 1;
    t.key[1] = (uint64_t)7 << 32 | r;
    t.sum[0] = all ? LARGEST - rest : r == 0 ? LARGEST : -1;
    t.sum[1] = all ? rest - LARGEST : r == 0 ? -LARGEST : 1;
    t.word[0] = 0xfffffff0u - (all ? 0 : r);
    t.word[1] = r == last ? 0x80000000u : r;
    return t;
}

static int exchange_trial(struct device *d, struct err *err)
{
    unsigned char *at = d->trial_at;
    struct nccl *n = d->nccl;

    CUDA_TRY(cudaMemcpyAsync(at, d->trial, sizeof(*d->trial),
                             cudaMemcpyHostToDevice, d->stream), err);
    if (nccl_exchange(n, NCCL_MAX_U64, at + offsetof(struct trial, key), 2,
                      d->stream, err) ||
        nccl_exchange(n, NCCL_SUM_I32, at + offsetof(struct trial, sum), 2,
                      d->stream, err) ||
        nccl_exchange(n, NCCL_MAX_U32, at + offsetof(struct trial, word), 2,
                      d->stream, err))
        return -1;
    CUDA_TRY(cudaMemcpyAsync(d->trial, at, sizeof(*d->trial),
                             cudaMemcpyDeviceToHost, d->stream), err);
    return device_wait(d, NULL, err);
}

/* The host's copy is pinned: a copy to other memory would be waited for without
 * a deadline. */
static int take_trial(struct device *d, struct err *err)
{
    if (cudaMallocHost((void **)&d->trial, sizeof(*d->trial)) == cudaSuccess &&
        cudaMalloc((void **)&d->trial_at, sizeof(*d->trial)) == cudaSuccess)
        return 0;
    return err_set(err, ERR_RETRY, "the GPU has no memory for a trial of NCCL");
}

static int try_out(struct device *d, struct err *err)
{
    const struct trial want = numbers(&d->group, true);

    *d->trial = numbers(&d->group, false);
    if (exchange_trial(d, err))
        return -1;
    return memcmp(d->trial, &want, sizeof(want)) == 0
               ? 0 : err_set(err, ERR_INPUT, "NCCL does not exchange exactly"
                             " here");
}

/* CUDA waits for the device before it frees: not while a trial may have no
 * end. */
static void drop_trial(struct device *d)
{
    if (!d->lost) {
        cudaFree(d->trial_at);
        cudaFreeHost(d->trial);
        cudaGetLastError();
    }
    d->trial_at = NULL;
    d->trial = NULL;
}

/* ---- all of it ----------------------------------------------------------- */

/* What the device waited for has come to an end then, if it was members; else
 * to free its memory might wait for ever. */
static void close_library(struct device *d, bool aborts)
{
    bool stuck = nccl_close(d->nccl, aborts) != 0;

    d->nccl = NULL;
    if (!stuck && (!aborts || (d->lost && !d->hangs)))
        return;
    d->lost = d->hangs = stuck || !device_drains(d);
}

void members_disconnect(struct device *d)
{
    if (!d->nccl)
        return;
    if (!d->lost && !d->out && device_wait(d, NULL, NULL))
        d->out = true;
    close_library(d, d->lost || d->out);
}

/* Whether all can compute without the library. */
static enum agreed through_host(struct device *d, struct err *why,
                                struct err *err)
{
    struct err mine = ERR_INIT;
    enum agreed agreed;

    close_library(d, true);
    drop_trial(d);
    if (d->lost)
        err_set(&mine, ERR_RETRY, "%s hangs in a trial of NCCL, and after it:"
                " set gpu-nccl = no", d->uuid);
    agreed = agree(&d->group, &mine, err);
    err_prefix(why, "members exchange through the host");
    if (agreed == AGREED_WELL)
        caller_note(&d->caller, false, why->text);
    return agreed;
}

/* Until a step of it fails for one of them. */
static enum agreed take_steps(struct device *d, struct err *why)
{
    static step_fn *const steps[] = { open_library, take_trial, make_id, join,
                                      try_out };
    enum agreed agreed = AGREED_WELL;

    for (size_t i = 0; i < 5 && agreed == AGREED_WELL; i++) {
        struct err mine = ERR_INIT;

        if (steps[i] == join &&
            d->group.ops->broadcast(d->group.self, d->nccl_id,
                                    sizeof(d->nccl_id), why))
            return AGREED_BROKEN;
        steps[i](d, &mine);
        agreed = agree(&d->group, &mine, why);
    }
    return agreed;
}

enum agreed members_connect(struct device *d, struct err *err)
{
    struct err why = ERR_INIT;
    enum agreed agreed;

    if (!d->in_group || d->connected || !d->apart)
        return AGREED_WELL;
    d->connected = true;
    agreed = take_steps(d, &why);
    if (agreed == AGREED_FAILED)
        agreed = through_host(d, &why, err);
    else if (agreed == AGREED_BROKEN)
        err_copy(err, &why);
    if (agreed == AGREED_WELL && d->nccl) {
        drop_trial(d);
        caller_note(&d->caller, false, "members exchange by NCCL");
    }
    d->broken = d->out = agreed == AGREED_BROKEN;
    return agreed;
}
