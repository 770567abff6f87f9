/*
 * Which way the members of a group exchange what is on their devices: by NCCL
 * where each has a device of its own, all have the library, it joins them, and
 * a trial of every kind of exchange gives the right numbers; else through the
 * host (members.cu).  After each step all members agree whether all are well,
 * so that they go one way together.  A trial that does not end takes the device
 * with it: the rank ends, and gpu-nccl = no avoids it.
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
                     d->number, err);
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

static int exchange_trial(struct device *d, struct trial *host,
                          unsigned char *at, struct err *err)
{
    struct nccl *n = d->nccl;

    CUDA_TRY(cudaMemcpyAsync(at, host, sizeof(*host), cudaMemcpyHostToDevice,
                             d->stream), err);
    if (nccl_exchange(n, NCCL_MAX_U64, at + offsetof(struct trial, key), 2,
                      d->stream, err) ||
        nccl_exchange(n, NCCL_SUM_I32, at + offsetof(struct trial, sum), 2,
                      d->stream, err) ||
        nccl_exchange(n, NCCL_MAX_U32, at + offsetof(struct trial, word), 2,
                      d->stream, err))
        return -1;
    CUDA_TRY(cudaMemcpyAsync(host, at, sizeof(*host), cudaMemcpyDeviceToHost,
                             d->stream), err);
    return device_wait(d, NULL, err);
}

/* The host's copy is pinned: a copy to other memory would be waited for without
 * a deadline. */
static int try_out(struct device *d, struct err *err)
{
    const struct trial want = numbers(&d->group, true);
    struct trial *host = NULL;
    unsigned char *at = NULL;
    bool right = false;
    int rc = -1;

    if (cudaMallocHost((void **)&host, sizeof(*host)) != cudaSuccess ||
        cudaMalloc((void **)&at, sizeof(*host)) != cudaSuccess)
        err_set(err, ERR_RETRY, "the GPU has no memory for a trial of NCCL");
    else {
        *host = numbers(&d->group, false);
        rc = exchange_trial(d, host, at, err);
        right = rc == 0 && memcmp(host, &want, sizeof(want)) == 0;
    }
    if (!d->lost) {
        cudaFree(at);
        cudaFreeHost(host);
        cudaGetLastError();
    }
    if (rc == 0 && !right)
        return err_set(err, ERR_INPUT, "NCCL does not exchange exactly here");
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

void members_disconnect(struct device *d)
{
    if (d->nccl && !d->lost && nccl_close(d->nccl, d->out))
        d->lost = true; /* to free its memory might wait for ever */
    d->nccl = NULL;
}

/* A member whose call of the library has no end computes on. */
static void go_without(struct device *d, struct err *why)
{
    if (!d->lost)
        nccl_close(d->nccl, true);
    d->nccl = NULL;
    err_prefix(why, "members exchange through the host");
    caller_note(&d->caller, false, why->text);
}

int members_connect(struct device *d, struct err *err)
{
    static step_fn *const steps[] = { open_library, make_id, join, try_out };
    enum agreed agreed = AGREED_WELL;

    if (!d->in_group || d->connected || !d->apart)
        return 0;
    d->connected = true;
    for (size_t i = 0; i < 4 && agreed == AGREED_WELL; i++) {
        struct err mine = ERR_INIT, why = ERR_INIT;

        if (steps[i] == join &&
            d->group.ops->broadcast(d->group.self, d->nccl_id,
                                    sizeof(d->nccl_id), err)) {
            agreed = AGREED_BROKEN;
            break;
        }
        steps[i](d, &mine);
        agreed = agree(&d->group, &mine, &why);
        if (agreed == AGREED_FAILED)
            go_without(d, &why);
        else if (agreed == AGREED_BROKEN)
            err_copy(err, &why);
    }
    if (agreed == AGREED_WELL)
        caller_note(&d->caller, false, "members exchange by NCCL");
    d->broken = d->out = agreed == AGREED_BROKEN;
    return d->broken ? -1 : 0;
}
