/*
 * The emulated device itself (tests/cusim): sound kernels pass with every
 * seed, and each planted mistake is found.  A case runs in a child, whose
 * status 86 is a finding.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/cuda/dev.cuh"

extern "C" {
#include "tests/tap.h"
}

extern "C" void __tsan_read4(void *) __attribute__((weak));

/* A block sum of n <= 1024 ints by shuffles, one value a warp in shared. */
__global__ void k_sum(int *out, const int *x, int mistake)
{
    SHARED(int, part, 32);
    unsigned t = threadIdx.x, lane = t % 32;
    int v = x[blockIdx.x * blockDim.x + t];

    for (int d = 16; d > 0; d /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, d);
    if (lane == 0)
        part[t / 32] = v;
    if (mistake != 1)
        __syncthreads();
    if (t < 32) {
        v = t < blockDim.x / 32 ? part[t] : 0;
        v = __reduce_add_sync(0xffffffffu, v);
        if (t == 0)
            out[blockIdx.x] = v;
    }
}

__global__ void k_divergent(int *out)
{
    if (threadIdx.x < 16)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void k_returns(int *out)
{
    out[threadIdx.x] = 1;
    if (threadIdx.x % 5 == 3)
        return;
    __syncthreads();
    out[threadIdx.x] += 1;
}

__global__ void k_stuck(int *out)
{
    if (threadIdx.x < 8)
        __shfl_sync(0x0000ffffu, 1, 0);
    else if (threadIdx.x < 16)
        __syncwarp(0x0000ffffu);
    out[threadIdx.x] = 1;
}

__global__ void k_transpose(int *out, const int *x, int sync)
{
    SHARED(int, tile, 32);
    unsigned t = threadIdx.x;

    tile[t] = x[t];
    if (sync)
        __syncwarp();
    else
        (void)__shfl_sync(0xffffffffu, 0, 0);
    out[t] = tile[31 - t];
}

__global__ void k_uninit(int *out)
{
    SHARED(int, tile, 64);

    tile[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x + 32];
}

__global__ void k_bounds(int *out, int n)
{
    out[threadIdx.x + n] = 1;
}

__global__ void k_aligned(int *out)
{
    uint4 v = load16((char *)out + 4);

    if (v.x + v.y + v.z + v.w)
        out[threadIdx.x + 64] = 1;
}

/* Blocks add into one word, with an atomic or without. */
__global__ void k_between(int *out, int atomic)
{
    if (atomic)
        atomicAdd(out, 1);
    else
        *out = *out + 1;
}

/* The last block sums what all left, writes over what they read, and leaves
 * zero in the counter; or makes one of these mistakes. */
enum last { LAST_SOUND, NO_FENCE, NO_FENCE_AFTER, NO_BARRIER, TOO_EARLY,
            LAST_BUT_ONE, NOT_RESET };

static inline int sum_of(const int *part, unsigned n)
{
    int s = 0;

    for (unsigned i = 0; threadIdx.x == 0 && i < n; i++)
        s += part[i];
    return s;
}

__global__ void k_last(int *out, int *part, int *row, unsigned *count,
                       int mistake)
{
    SHARED(unsigned, last, 1);
    const unsigned n = gridDim.x - (mistake == LAST_BUT_ONE);
    const unsigned all = gridDim.x * blockDim.x;
    const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
    int s = 0;

    part[at] = (int)blockIdx.x + row[(at + 1) % all];
    if (mistake != NO_FENCE)
        __threadfence();
    if (mistake != NO_BARRIER)
        __syncthreads();
    if (mistake == TOO_EARLY)
        s = sum_of(part, all);
    if (threadIdx.x == 0) {
        last[0] = atomicAdd(count, 1u) == n - 1;
        if (last[0] && mistake != NOT_RESET)
            *count = 0;
    }
    __syncthreads();
    if (!last[0])
        return;
    if (mistake != NO_FENCE_AFTER)
        __threadfence();
    if (mistake != TOO_EARLY)
        s = sum_of(part, all);
    for (unsigned i = threadIdx.x; i < all; i += blockDim.x)
        row[i] = 0;
    if (threadIdx.x == 0)
        *out = s;
}

__global__ void k_copy(int *out, const int *x, int wait)
{
    SHARED(int, tile, 128);

    copy16(&tile[threadIdx.x * 4], &x[threadIdx.x * 4], true);
    copy_commit();
    if (wait)
        copy_wait<0>();
    __syncthreads();
    for (int i = 0; i < 4; i++)
        out[threadIdx.x * 4 + i] = tile[127 - threadIdx.x * 4 - i];
}

__global__ void k_add(int *out, const int *x)
{
    out[threadIdx.x] = x[threadIdx.x] + 1;
}

static int *device(size_t n, int fill)
{
    int *p = nullptr;

    cudaMalloc((void **)&p, n * sizeof(*p));
    for (size_t i = 0; fill && i < n; i++) {
        int v = (int)i;

        cudaMemcpy(p + i, &v, sizeof(v), cudaMemcpyHostToDevice);
    }
    return p;
}

/* What a case works on: results, the numbers 0 .. 255 twice, two streams. */
struct bench {
    int *out, *x, *y;
    cudaStream_t a, b;
};

static void sum(bench &d, int mistake)
{
    LAUNCH(k_sum, 2, 128, 0, d.a, d.out, d.x, mistake);
}

static void sum_sound(bench &d)
{
    sum(d, 0);
}

static void sum_unsynced(bench &d)
{
    sum(d, 1);
}

static void transpose_sound(bench &d)
{
    LAUNCH(k_transpose, 1, 32, 0, d.a, d.out, d.x, 1);
}

static void transpose_unsynced(bench &d)
{
    LAUNCH(k_transpose, 1, 32, 0, d.a, d.out, d.x, 0);
}

static void between_sound(bench &d)
{
    cudaMemset(d.out, 0, 4);
    LAUNCH(k_between, 64, 32, 0, d.a, d.out, 1);
}

static void between_racy(bench &d)
{
    cudaMemset(d.out, 0, 4);
    LAUNCH(k_between, 64, 1, 0, d.a, d.out, 0);
}

/* Twice, for what the first one leaves. */
static void last(bench &d, int mistake)
{
    cudaMemset(d.y, 0, 4);
    cudaMemset(d.out + 1024, 0, 1024);
    for (int i = 0; i < 2; i++) {
        cudaMemset(d.out, 0, 4);
        cudaMemset(d.x, 0, 1024);
        LAUNCH(k_last, 8, 32, 0, d.a, d.out, d.x, d.out + 1024,
               (unsigned *)d.y, mistake);
        cudaDeviceSynchronize();
    }
}

static void last_sound(bench &d)
{
    last(d, LAST_SOUND);
}

static void last_unfenced(bench &d)
{
    last(d, NO_FENCE);
}

static void last_unfenced_after(bench &d)
{
    last(d, NO_FENCE_AFTER);
}

static void last_unsynced(bench &d)
{
    last(d, NO_BARRIER);
}

static void last_early(bench &d)
{
    last(d, TOO_EARLY);
}

static void last_but_one(bench &d)
{
    last(d, LAST_BUT_ONE);
}

static void last_not_reset(bench &d)
{
    last(d, NOT_RESET);
}

static void copy_sound(bench &d)
{
    LAUNCH(k_copy, 1, 32, 0, d.a, d.out, d.x, 1);
}

static void copy_unwaited(bench &d)
{
    LAUNCH(k_copy, 1, 32, 0, d.a, d.out, d.x, 0);
}

static void streams_sound(bench &d)
{
    cudaEvent_t e;

    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    LAUNCH(k_add, 1, 256, 0, d.a, d.y, d.x);
    cudaEventRecord(e, d.a);
    cudaStreamWaitEvent(d.b, e, 0);
    LAUNCH(k_add, 1, 256, 0, d.b, d.out, d.y);
}

static void streams_unordered(bench &d)
{
    cudaMemset(d.y, 0, 1024);
    LAUNCH(k_add, 1, 256, 0, d.a, d.y, d.x);
    LAUNCH(k_add, 1, 256, 0, d.b, d.out, d.y);
}

/* y = x + 1 is captured, and done by the graph alone: each launch of it works
 * on what x is by then. */
static void graph_sound(bench &d)
{
    cudaGraphExec_t x;
    cudaGraph_t g;

    cudaMemset(d.out, 0, 1024);
    cudaStreamBeginCapture(d.a, cudaStreamCaptureModeThreadLocal);
    LAUNCH(k_add, 1, 256, 0, d.a, d.out, d.out);
    cudaStreamEndCapture(d.a, &g);
    if (cudaGraphInstantiate(&x, g, 0))
        return;
    cudaGraphDestroy(g);
    for (int i = 0; i < 3; i++)
        cudaGraphLaunch(x, d.a);
    cudaGraphExecDestroy(x);
}

/* A stream that nobody captures has no graph to give. */
static void graph_refused(bench &d)
{
    cudaGraph_t g;
    int good;

    setenv("CUSIM_GRAPHS", "0", 1);
    good = cudaStreamBeginCapture(d.a, cudaStreamCaptureModeThreadLocal) ==
               cudaErrorStreamCaptureUnsupported &&
           cudaStreamEndCapture(d.a, &g) == cudaErrorIllegalState;
    cudaMemset(d.out, 0, 1024);
    for (int i = 0; i < good; i++)
        LAUNCH(k_add, 1, 256, 0, d.a, d.out, d.out);
}

static void graph_waits(bench &d)
{
    cudaStreamBeginCapture(d.a, cudaStreamCaptureModeThreadLocal);
    cudaStreamSynchronize(d.b);
}

static void graph_allocates(bench &d)
{
    void *p;

    cudaStreamBeginCapture(d.a, cudaStreamCaptureModeThreadLocal);
    cudaMalloc(&p, 64);
}

static void graph_event(bench &d)
{
    cudaEvent_t e;

    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    cudaStreamBeginCapture(d.a, cudaStreamCaptureModeThreadLocal);
    cudaEventRecord(e, d.a);
}

static void returned(bench &d)
{
    LAUNCH(k_returns, 1, 32, 0, d.a, d.out);
}

static void divergent(bench &d)
{
    LAUNCH(k_divergent, 1, 32, 0, d.a, d.out);
}

static void stuck(bench &d)
{
    LAUNCH(k_stuck, 1, 32, 0, d.a, d.out);
}

static void misaligned(bench &d)
{
    LAUNCH(k_aligned, 1, 32, 0, d.a, d.x);
}

static void uninitialised(bench &d)
{
    LAUNCH(k_uninit, 1, 32, 0, d.a, d.out);
}

static void out_of_bounds(bench &d)
{
    LAUNCH(k_bounds, 1, 32, 0, d.a, d.out, 4096 - 31);
}

static void host_memory(bench &d)
{
    LAUNCH(k_bounds, 1, 32, 0, d.a, (int *)malloc(4096), 0);
}

/* SOUND: the sum of the first n results with every seed; FOUND: a finding at
 * once; CHECKED: a finding at once in the checked build, the only one that can
 * see it; SEEDS: another result with some seed. */
enum expect { SOUND, FOUND, CHECKED, SEEDS };

static const struct {
    const char *name;
    enum expect expect;
    void (*run)(bench &d);
    size_t n;
    long sum;
} cases[] = {
    { "a block sum", SOUND, sum_sound, 2, 255 * 128 },
    { "a transpose with a syncwarp", SOUND, transpose_sound, 32, 31 * 16 },
    { "an atomic sum over blocks", SOUND, between_sound, 1, 2048 },
    { "a sum by the last block", SOUND, last_sound, 1, 28 * 32 },
    { "an asynchronous copy", SOUND, copy_sound, 128, 127 * 64 },
    { "two streams and an event", SOUND, streams_sound, 256, 255 * 128 + 512 },
    { "three launches of a graph", SOUND, graph_sound, 256, 3 * 256 },
    { "a stream that is not captured", SOUND, graph_refused, 256, 256 },
    { "threads that return early", SOUND, returned, 32, 58 },
    { "a divergent barrier", FOUND, divergent, 0, 0 },
    { "a collective that lanes never reach", FOUND, stuck, 0, 0 },
    { "a wait while a stream is captured", FOUND, graph_waits, 0, 0 },
    { "memory while a stream is captured", FOUND, graph_allocates, 0, 0 },
    { "an event of a captured stream", FOUND, graph_event, 0, 0 },
    { "a misaligned load", FOUND, misaligned, 0, 0 },
    { "a sum without a barrier", CHECKED, sum_unsynced, 0, 0 },
    { "a transpose with a shuffle alone", CHECKED, transpose_unsynced, 0, 0 },
    { "a load of uninitialised memory", CHECKED, uninitialised, 0, 0 },
    { "a store out of bounds", CHECKED, out_of_bounds, 0, 0 },
    { "a plain sum over blocks", CHECKED, between_racy, 0, 0 },
    { "a last block without a fence", CHECKED, last_unfenced, 0, 0 },
    { "a last block without a fence of its own", CHECKED,
      last_unfenced_after, 0, 0 },
    { "a block that counts before all have written", CHECKED, last_unsynced,
      0, 0 },
    { "a last block that reads before it counts", CHECKED, last_early, 0, 0 },
    { "host memory in a kernel", CHECKED, host_memory, 0, 0 },
    { "a copy without a wait", SEEDS, copy_unwaited, 128, 127 * 64 },
    { "a last block that is the last but one", SEEDS, last_but_one, 1,
      28 * 32 },
    { "a counter that is not reset", SEEDS, last_not_reset, 1, 28 * 32 },
    { "two streams without an event", SEEDS, streams_unordered, 256,
      255 * 128 + 512 },
};
#define N_CASES (sizeof(cases) / sizeof(*cases))

/* In a child: exit 0 if the results have the sum, 1 if not, 86 on a finding. */
static void run_case(size_t c)
{
    bench d = { device(4096, 0), device(256, 1), device(256, 1), nullptr,
                nullptr };
    int h[4096];
    long s = 0;

    cudaStreamCreateWithFlags(&d.a, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&d.b, cudaStreamNonBlocking);
    cases[c].run(d);
    cudaDeviceSynchronize();
    cudaMemcpy(h, d.out, sizeof(h), cudaMemcpyDeviceToHost);
    for (size_t i = 0; i < cases[c].n; i++)
        s += h[i];
    _exit(s != cases[c].sum);
}

/* 0, or the status of the first of `seeds` runs that has another. */
static int status(size_t c, int seeds)
{
    for (int s = 0; s < seeds; s++) {
        pid_t p = fork();
        int st = 0;

        if (p == 0) {
            char seed[20], index[20];

            snprintf(seed, sizeof(seed), "%d", s);
            snprintf(index, sizeof(index), "%zu", c);
            setenv("CUSIM_SEED", seed, 1);
            dup2(open("/dev/null", O_WRONLY), 2);
            execl("/proc/self/exe", "t_cuda_device", index, (char *)nullptr);
            _exit(127);
        }
        waitpid(p, &st, 0);
        st = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
        if (st)
            return st;
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool checked = __tsan_read4 != nullptr;

    if (argc > 1 && (size_t)atoi(argv[1]) < N_CASES)
        run_case((size_t)atoi(argv[1]));
    for (size_t c = 0; c < N_CASES; c++)
        switch (cases[c].expect) {
        case SOUND:
            ok(status(c, 20) == 0, "passes with 20 seeds: %s", cases[c].name);
            break;
        case FOUND:
            ok(status(c, 1) == 86, "finds %s", cases[c].name);
            break;
        case CHECKED:
            if (checked)
                ok(status(c, 1) == 86, "finds %s", cases[c].name);
            break;
        case SEEDS:
            ok(status(c, 50) != 0, "shows %s with some seed", cases[c].name);
            break;
        }
    return done();
}
