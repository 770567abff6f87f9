/*
 * A device's health: which one this process takes, how long it is waited for,
 * and what is said when it fails.
 */
#include "backend/cuda/device.cuh"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "backend/cuda/slice.h"

#define SPIN_S 0.02   /* a wait gives its core to others until then .. */
#define PAUSE_NS 100000 /* .. and sleeps so long at a time after it */
#define LOOK_S 0.5      /* how often a wait looks after the group */
#define DRAIN_S 10      /* what was given up is over by then */

#define NEAR 256 /* launches between two events that are waited for */

#define OWN_PART 50 /* of a device's memory that CUDA takes itself, .. */
#define OWN_BYTES ((uint64_t)1 << 30) /* .. at most */

int cuda_failed(cudaError_t e, const char *call, struct err *err)
{
    size_t n = strcspn(call, "(");
    bool called = call[n] != '\0';

    return err_set(err, ERR_RETRY, "the GPU fails%s%.*s: %s",
                   called ? " at " : "", called ? (int)n : 0, call,
                   cudaGetErrorString(e));
}

/* ---- which one ----------------------------------------------------------- */

/* A slice goes by the name that it was given by. */
void device_uuid(char out[DEVICE_UUID], const struct cudaDeviceProp *p)
{
    int n;

    if (slice_name(out, DEVICE_UUID))
        return;
    n = snprintf(out, DEVICE_UUID, "%s", slice_count() ? "MIG-" : "GPU-");
    for (int i = 0; i < 16; i++)
        n += snprintf(out + n, (size_t)(DEVICE_UUID - n), "%s%02x",
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                      (unsigned char)p->uuid.bytes[i]);
}

static thread_local bool claimed; /* another rank has the device */

bool cuda_claimed(void)
{
    return claimed;
}

/* Each rank plans the whole memory of its device, so none may have two.  The
 * name of a socket is taken as long as this process lives, and no longer. */
static int claim(struct device *d, struct err *err)
{
    struct sockaddr_un at = {};
    int n = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "apus/%s",
                     d->uuid);

    at.sun_family = AF_UNIX;
    d->claim = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (d->claim < 0)
        return 0; /* nothing can be said of others */
    if (bind(d->claim, (struct sockaddr *)&at,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) == 0)
        return 0;
    close(d->claim);
    d->claim = -1;
    if (errno != EADDRINUSE)
        return 0;
    claimed = true;
    return err_set(err, ERR_RETRY, "another rank computes on %s: start one"
                   " rank a GPU, or set share-gpu = yes", d->uuid);
}

/* Hashes wait wherever the next step wants the device. */
static int make_streams(struct device *d, struct err *err)
{
    int least = 0, greatest = 0;

    CUDA_TRY(cudaDeviceGetStreamPriorityRange(&least, &greatest), err);
    CUDA_TRY(cudaStreamCreateWithPriority(&d->stream, cudaStreamNonBlocking,
                                          greatest), err);
    CUDA_TRY(cudaStreamCreateWithPriority(&d->side, cudaStreamNonBlocking,
                                          least), err);
    return 0;
}

/* Of what is not free, nor this process's, a part is CUDA's: some 100 MB on a
 * small device, some 500 on a large one. */
static uint64_t others_of(uint64_t free_bytes, uint64_t all)
{
    uint64_t own = all / OWN_PART < OWN_BYTES ? all / OWN_PART : OWN_BYTES;

    return all - free_bytes > own ? all - free_bytes - own : 0;
}

/* Ranks that share it may have come since. */
uint64_t device_others(const struct device *d, uint64_t free_bytes,
                       uint64_t all)
{
    return d->shares ? others_of(free_bytes + d->weights.bytes, all)
                     : d->others;
}

/* CUDA says the same of a driver that is not there. */
static int need_driver(cudaError_t e, struct err *err)
{
    int driver = 0;

    cudaDriverGetVersion(&driver);
    return err_set(err, ERR_RETRY, "cannot use a GPU on this machine: %s;"
                   " CUDA %d needs driver %u or later",
                   driver ? cudaGetErrorString(e)
                          : "it has no driver of NVIDIA",
                   CUDART_VERSION / 1000,
                   nvml_oldest_driver(CUDART_VERSION / 1000));
}

static int set_device(const struct device *d, struct err *err)
{
    CUDA_TRY(cudaSetDevice(d->number), err);
    return 0;
}

int device_find(struct device *d, unsigned local, bool share, struct err *err)
{
    struct cudaDeviceProp p = {};
    size_t free_bytes = 0, all = 0;
    int n = 0, processors = 0, at;
    cudaError_t e;

    d->claim = -1;
    claimed = false;
    e = cudaGetDeviceCount(&n);
    if (e == cudaErrorInsufficientDriver)
        return need_driver(e, err);
    if (e != cudaSuccess || n < 1)
        return err_set(err, ERR_RETRY, "cannot use a GPU on this machine: %s",
                       e == cudaSuccess ? "no device found"
                                        : cudaGetErrorString(e));
    at = d->number = (int)(local % (unsigned)n);
    CUDA_TRY(cudaGetDeviceProperties(&p, at), err);
    CUDA_TRY(cudaDeviceGetAttribute(&processors,
                                    cudaDevAttrMultiProcessorCount, at), err);
    device_uuid(d->uuid, &p);
    if (p.major < LEAST_MAJOR)
        return err_set(err, ERR_RETRY, "%s has compute capability %d.%d, the"
                       " minimum is %d.0", d->uuid, p.major, p.minor,
                       LEAST_MAJOR);
    /* before a context is made, which a device that is exclusive refuses */
    if (!share && claim(d, err))
        return -1;
    d->processors = (uint32_t)processors;
    if (set_device(d, err) || make_streams(d, err))
        return -1;
    CUDA_TRY(cudaMemGetInfo(&free_bytes, &all), err);
    d->others = others_of(free_bytes, all);
    snprintf(d->text, sizeof(d->text), "%s, %zu of %zu MiB free", d->uuid,
             free_bytes >> 20, all >> 20);
    d->xids = nvml_watch(d->uuid);
    return 0;
}

/* ---- waiting ------------------------------------------------------------- */

static void pause_until_later(double waited)
{
    const struct timespec t = { 0, PAUSE_NS };

    if (waited < SPIN_S)
        sched_yield();
    else
        nanosleep(&t, NULL);
}

/* The state of an event, or, NULL, of both streams. */
static cudaError_t state_of(const struct device *d, cudaEvent_t event)
{
    cudaError_t e = event ? cudaEventQuery(event) : cudaStreamQuery(d->stream);

    return e || event ? e : cudaStreamQuery(d->side);
}

/* The clock is read before the device is asked: a process that was stopped in
 * between, as a suspended job is, asks once more.  The state in the end. */
static cudaError_t wait_most(struct device *d, cudaEvent_t event, double most,
                             double *waited, struct err *err)
{
    double begun = clock_s(), looked = 0;
    cudaError_t e;

    *waited = 0;
    while ((e = state_of(d, event)) == cudaErrorNotReady) {
        if (*waited - looked > LOOK_S) {
            looked = *waited;
            if (members_whole(d, err))
                break;
        }
        if (*waited > most)
            break;
        pause_until_later(*waited);
        *waited = clock_s() - begun;
    }
    return e;
}

int device_wait(struct device *d, cudaEvent_t event, struct err *err)
{
    double most = HANG_S + HANG_STEPS * d->usual, waited;
    cudaError_t e;

    if (d->trial && d->wait_s && d->wait_s < most)
        most = d->wait_s; /* no longer than the others wait for this one */
    e = wait_most(d, event, most, &waited, err);
    if (e == cudaErrorNotReady && d->broken)
        return -1;
    if (e == cudaErrorNotReady) {
        d->lost = d->hangs = true;
        return err_set(err, ERR_RETRY, "the GPU hangs%s: no end of its work"
                       " after %.0f s", d->nccl ? ", or a member does" : "",
                       most);
    }
    CUDA_TRY(e, err);
    d->usual = waited > d->usual ? waited : 0.9 * d->usual + 0.1 * waited;
    return 0;
}

bool device_drains(struct device *d)
{
    double waited;

    return wait_most(d, NULL, DRAIN_S, &waited, NULL) == cudaSuccess;
}

/* The older of two events, behind which there are three times NEAR at most. */
int device_keep_near(struct device *d, uint32_t launches, struct err *err)
{
    cudaEvent_t at = d->near[d->nears % 2];

    d->since_near += launches;
    if (!at || d->graphs.captures || d->since_near < NEAR)
        return 0;
    d->since_near = 0;
    d->nears++;
    if (device_wait(d, at, err))
        return -1;
    CUDA_TRY(cudaEventRecord(at, d->stream), err);
    return 0;
}

/* ---- failing ------------------------------------------------------------- */

/* What the driver knows of a device that has failed. */
static void say_cause(struct device *d, struct err *err)
{
    unsigned xid = nvml_last_xid(d->xids);
    struct nvml_device nvml;

    if (nvml_ask(&nvml, d->uuid) && nvml.ecc_errors)
        err_prefix(err, "its memory has had %" PRIu64 " uncorrected errors"
                   " (ECC) since its driver was loaded", nvml.ecc_errors);
    if (xid)
        err_prefix(err, "the driver reports Xid %u%s%s%s", xid,
                   *nvml_xid_text(xid) ? " (" : "", nvml_xid_text(xid),
                   *nvml_xid_text(xid) ? ")" : "");
}

int device_failed(struct device *d, struct err *err)
{
    cudaError_t e = d->lost ? cudaSuccess : cudaStreamQuery(d->stream);
    const char *remedy = "";
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    if (e == cudaErrorNotReady) /* the next step, of a device that is well */
        e = cudaSuccess;
    if (d->nccl_failed && !d->lost && e == cudaSuccess)
        return err_prefix(err, "%s", d->uuid);
    d->lost = true;
    /* which of those that wait for each other by NCCL hangs nobody knows */
    d->base.lost = e != cudaSuccess || (d->hangs && !d->nccl);
    /* a device that hangs is not asked: that might, too */
    if (e != cudaSuccess)
        say_cause(d, err);
    if (e == cudaErrorIllegalAddress ||
        (e >= cudaErrorMisalignedAddress && e <= cudaErrorLaunchFailure))
        remedy = " (compute-sanitizer tells whether a kernel is wrong)";
    return err_set(err, err->code, "%s is lost in step %" PRIu64 ": %s%s",
                   d->uuid, d->steps, err->text, remedy);
}

/* A member's machine is said by whoever reports for its group. */
int device_full(struct device *d, struct err *err)
{
    struct err own = ERR_INIT;
    char host[256] = "";

    err = err_or(err, &own);
    d->base.full = err->code == ERR_RETRY;
    if (d->in_group)
        return err_prefix(err, "%s", d->uuid);
    if (gethostname(host, sizeof(host) - 1))
        strcpy(host, "?");
    return err_prefix(err, "%s, %s", host, d->uuid);
}

int device_take(struct device *d, void *at, uint64_t n, struct err *err)
{
    cudaError_t allocation = cudaMalloc((void **)at, n);

    if (allocation != cudaErrorMemoryAllocation) {
        CUDA_TRY(allocation, err);
        return 0;
    }
    err_set(err, d->shares ? ERR_INPUT : ERR_RETRY, "the GPU does not give %.0f"
            " MB, which were free%s", (double)n / 1e6,
            d->shares ? ": " CUDA_PLAN_SHARED
                      : " (another program has taken them?)");
    return device_full(d, err);
}

/* What failed since the last call may be said by this one. */
int device_enter(struct device *d, struct err *err)
{
    if (d->lost)
        return err_set(err, ERR_RETRY, "%s was lost by this process: start it"
                       " again", d->uuid);
    return set_device(d, err) ? device_failed(d, err) : 0;
}
