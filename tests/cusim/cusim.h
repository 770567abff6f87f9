/*
 * A device on the host: CUDA kernels compiled as C++ and run on the CPU, for
 * tests.  A thread of a block is a fiber, a warp collective is a meeting of
 * its lanes, blocks run one after another in an order drawn from a seed.
 * Only the part of CUDA that our kernels use.  It is not fast and models no
 * time; it finds wrong bits, wrong indices, missing barriers and races.
 *
 * Environment: CUSIM_SEED (0: threads and blocks in order; else random
 * order, streams interleaved at random), CUSIM_MEM (bytes of the device) and
 * CUSIM_TAKEN (so many of them are another program's),
 * CUSIM_SHARED (bytes of shared memory a block: 232448; sm_80 166912, sm_89
 * 101376), CUSIM_DEVICES (1; 0: there is none), CUSIM_MIG (each is cut into so
 * many slices, of which a process sees one with its part of the memory: what
 * CUDA_VISIBLE_DEVICES names first; they have the UUID of the whole, which a
 * real one need not have), CUSIM_FAIL (the n-th allocation fails, from 0),
 * CUSIM_LOSE and CUSIM_HANG (the n-th launch, from 1, ends in an error that
 * stays, 719 or the one in "n:700", or never), CUSIM_STOP (while the process
 * asks whether the n-th has ended it is stopped for an hour), CUSIM_WRONG (each
 * product of tensor cores from the n-th on, from 1, adds a bit too many to its
 * sums), CUSIM_BLAS (0: there is no library of large products), CUSIM_NCCL (1:
 * one is pretended for exchanges of members that are threads of a process),
 * CUSIM_DRIVER (12040: a driver that is too old; 0: none), CUSIM_GRAPHS (0: no
 * stream is captured), CUSIM_CAPTURE (of the calls by which graphs are made the
 * n-th fails, from 1), CUSIM_SKIP (kernels with this in their name do nothing),
 * CUSIM_AFTER (what fails is counted once so many streams are destroyed).
 *
 * While a stream is captured its launches, copies and fills wait for the graph;
 * what a real device refuses then is a finding: to wait, to get or give back
 * memory, to ask a stream or an event; and so are events of a captured stream,
 * which need not be emulated.
 *
 * With the kernels compiled under -fsanitize=thread and hooks.cpp linked
 * (never libtsan), every load and store is seen: out of bounds, misaligned,
 * uninitialised, host memory in a kernel, races within and between blocks.
 * A finding prints what, where and who, and ends the process with status 86.
 */
#ifndef APUS_TESTS_CUSIM_CUSIM_H
#define APUS_TESTS_CUSIM_CUSIM_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define CUSIM_QUIET __attribute__((no_sanitize_thread, noinline))
#define __global__ static __attribute__((noinline))
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c)
    {
    }
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
static inline uint4 make_uint4(unsigned a, unsigned b, unsigned c, unsigned d)
{
    return uint4{ a, b, c, d };
}

/* The host's side. */
#define CUDART_VERSION 13000
typedef int cudaError_t;
enum {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorDevicesUnavailable = 46,
    cudaErrorNoDevice = 100,
    cudaErrorECCUncorrectable = 214,
    cudaErrorUnknown = 999,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorIllegalInstruction = 715,
    cudaErrorMisalignedAddress = 716,
    cudaErrorInvalidAddressSpace = 717,
    cudaErrorInvalidPc = 718,
    cudaErrorLaunchFailure = 719,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorIllegalState = 401,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901
};
enum {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4
};
enum { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
enum { cudaStreamCaptureModeThreadLocal = 1 };
typedef struct cusim_stream *cudaStream_t;
typedef struct cusim_event *cudaEvent_t;
typedef struct cusim_graph *cudaGraph_t;
typedef struct cusim_graph *cudaGraphExec_t;

enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrL2CacheSize = 38,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76
};
/* What is read of it. */
struct cudaDeviceProp {
    char name[256];
    struct {
        char bytes[16];
    } uuid;
    int major, minor;
};
cudaError_t cudaDriverGetVersion(int *v);
cudaError_t cudaRuntimeGetVersion(int *v);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int d);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr a, int d);
cudaError_t cudaSetDevice(int d);
cudaError_t cudaGetLastError(void);
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaMalloc(void **p, size_t n);
cudaError_t cudaFree(void *p);
cudaError_t cudaMallocHost(void **p, size_t n);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaMemcpy(void *to, const void *from, size_t n, int kind);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, int kind,
                            cudaStream_t s);
cudaError_t cudaMemset(void *p, int v, size_t n);
cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t s);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags,
                                         int priority);
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaStreamQuery(cudaStream_t s);
cudaError_t cudaDeviceSynchronize(void);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventQuery(cudaEvent_t e);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned f);
cudaError_t cudaStreamBeginCapture(cudaStream_t s, int mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *x, cudaGraph_t g,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t g);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x);
/* From here on the n-th allocation fails, from 0; -1: none does. */
extern "C" void cusim_fail(long n);
/* From here on the device has so many bytes. */
extern "C" void cusim_memory(size_t n);
/* Graphs that were launched so far, and those that are there now. */
extern "C" unsigned long cusim_graph_launches(void);
extern "C" long cusim_graphs(void);
/* Kernels that ran so far, those of graphs, too. */
extern "C" unsigned long cusim_launches(void);
/* From here on the n-th call by which a graph is made fails, from 1; 0: none
 * does.  With cudaErrorInvalidConfiguration the stream is captured as before,
 * with any other error nothing comes of it, and cudaErrorLaunchFailure is of
 * the device, and stays. */
extern "C" void cusim_capture_fail(long n, int error);
/* From here on kernels of this name do nothing; NULL: all work. */
extern "C" void cusim_skip(const char *name);
/* The device is lost now, whatever it does; calls say so from here on. */
extern "C" void cusim_lose(void);
/* From here on the n-th call of this function of NCCL, from 0, fails in this
 * way; NULL: all work.  What was begun before is over. */
enum {
    CUSIM_NCCL_FAILS, /* it returns an error; other members wait for ever */
    CUSIM_NCCL_NEVER, /* it does not return */
    CUSIM_NCCL_WRONG, /* it gives wrong numbers */
    CUSIM_NCCL_LACKS  /* the library does not have it */
};
extern "C" void cusim_nccl(const char *call, long n, int way);
/* .. and beside that this one. */
extern "C" void cusim_nccl_also(const char *call, long n, int way);
/* The next launch has no end. */
extern "C" void cusim_hang(void);
/* base/clock.h's clock_s, an hour later once the device hangs, or the process
 * was stopped, and fifty times as fast while members wait for one that is gone:
 * waits with a deadline end soon. */
extern "C" double cusim_clock_s(void);
cudaError_t cusim_attribute(const void *kernel, int what, int value);
template <typename F> cudaError_t cudaFuncSetAttribute(F *f, int w, int v)
{
    return cusim_attribute((const void *)f, w, v);
}

namespace cusim
{
struct block;

struct fiber {
    dim3 tid;
    unsigned n, warp, lane; /* linear index, warp, lane */
    block *b;
};

struct block {
    dim3 idx, dim, grid;
};

extern fiber *self; /* the thread that runs */

/* call(arg) runs the kernel for one thread; arg holds its parameters. */
void launch_call(const char *name, const void *kernel, dim3 grid, dim3 dim,
                 size_t dynamic, cudaStream_t s, void (*call)(const void *),
                 const void *arg, size_t n_arg);

template <typename F> CUSIM_QUIET static void call(const void *f)
{
    (*(const F *)f)();
}

template <typename F>
static inline void launch(const char *name, const void *kernel, dim3 grid,
                          dim3 dim, size_t dynamic, cudaStream_t s, F f)
{
    static_assert(std::is_trivially_copyable<F>::value, "kernel parameters");
    launch_call(name, kernel, grid, dim, dynamic, s, call<F>, &f, sizeof(f));
}

/* What this product adds to its sums too much. */
uint32_t wrong_bits(void);

/* Memory of the block: the same array for all its threads; poisoned. */
void *shared(const void *key, const char *name, size_t n, size_t align);
void *shared_dynamic(void);

/* Meetings.  site is "file:line" of the call. */
enum { PLAIN, COUNT, AND, OR };
int sync_block(const char *site, int kind, int value);
void sync_warp(const char *site, unsigned mask = 0xffffffffu);

/* The lanes of mask meet; the last one runs f over their arguments. */
typedef void (*meet_fn)(void *const arg[32], unsigned mask);
void meet(const char *site, unsigned mask, meet_fn f, void *arg);

/* cp.async: what is copied is seen only after the wait of its group. */
void copy_async(void *to, const void *from, size_t n, size_t n_src);
void copy_commit(void);
void copy_wait(unsigned pending);

/* A read-modify-write is one step; the fiber may be set aside before. */
void atomic_access(const char *site, void *p, size_t n, const void *pc);
void fence(void);
/* A load or store made by the emulation itself (ldmatrix, cp.async). */
void touch(const void *p, size_t n, bool write);
[[noreturn]] void finding(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
} // namespace cusim

#define threadIdx (cusim::self->tid)
#define blockIdx (cusim::self->b->idx)
#define blockDim (cusim::self->b->dim)
#define gridDim (cusim::self->b->grid)
#define warpSize 32

#define CUSIM_STR2(x) #x
#define CUSIM_STR(x) CUSIM_STR2(x)
#define CUSIM_SITE __FILE__ ":" CUSIM_STR(__LINE__)

#define __syncthreads() (void)cusim::sync_block(CUSIM_SITE, cusim::PLAIN, 0)
#define __syncthreads_count(v) cusim::sync_block(CUSIM_SITE, cusim::COUNT, v)
#define __syncthreads_and(v) cusim::sync_block(CUSIM_SITE, cusim::AND, v)
#define __syncthreads_or(v) cusim::sync_block(CUSIM_SITE, cusim::OR, v)
#define __syncwarp(...) cusim::sync_warp(CUSIM_SITE __VA_OPT__(, ) __VA_ARGS__)
#define __threadfence() cusim::fence()
#define __threadfence_block() ((void)0)

/* Shuffles and votes. */
namespace cusim
{
struct lane_word {
    uint64_t in, out;
    int src; /* the lane to read */
};

CUSIM_QUIET static void shuffle(void *const a[32], unsigned mask)
{
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1) {
            lane_word *w = (lane_word *)a[i];

            if (!(mask >> w->src & 1))
                finding("shuffle from lane %d, which takes no part", w->src);
            w->out = ((lane_word *)a[w->src])->in;
        }
}

template <typename T>
static inline T shfl(const char *site, unsigned mask, T v, int src)
{
    lane_word w = { 0, 0, src };
    T r;

    static_assert(sizeof(T) <= 8, "shuffle of at most 64 bits");
    memcpy(&w.in, &v, sizeof(v));
    meet(site, mask, shuffle, &w);
    memcpy(&r, &w.out, sizeof(r));
    return r;
}

static inline int lane_xor(int x, int width)
{
    int l = (int)self->lane, s = l ^ x;

    return s / width > l / width ? l : s;
}

static inline int lane_down(int d, int width)
{
    int l = (int)self->lane;

    return l % width + d < width ? l + d : l;
}

static inline int lane_up(int d, int width)
{
    int l = (int)self->lane;

    return l % width >= d ? l - d : l;
}

static inline int lane_at(int s, int width)
{
    return (int)self->lane / width * width + (s & (width - 1));
}

enum vote { BALLOT, ADD, MAXU, MAXS, MINU, MINS, ORB, ANDB };
struct vote_word {
    uint32_t in, out;
    enum vote kind;
};

CUSIM_QUIET static void vote_all(void *const a[32], unsigned mask)
{
    uint32_t r = 0;
    bool first = true;
    enum vote kind = BALLOT;

    for (int i = 0; i < 32; i++) {
        if (!(mask >> i & 1))
            continue;
        vote_word *w = (vote_word *)a[i];

        if (first && w->kind != BALLOT) {
            r = w->in;
        } else {
            switch (w->kind) {
            case BALLOT:
                r |= (uint32_t)(w->in != 0) << i;
                break;
            case ADD:
                r += w->in;
                break;
            case MAXU:
                r = w->in > r ? w->in : r;
                break;
            case MAXS:
                r = (int32_t)w->in > (int32_t)r ? w->in : r;
                break;
            case MINU:
                r = w->in < r ? w->in : r;
                break;
            case MINS:
                r = (int32_t)w->in < (int32_t)r ? w->in : r;
                break;
            case ORB:
                r |= w->in;
                break;
            case ANDB:
                r &= w->in;
                break;
            }
        }
        if (!first && w->kind != kind)
            finding("lanes meet in different reductions");
        kind = w->kind;
        first = false;
    }
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1)
            ((vote_word *)a[i])->out = r;
}

static inline uint32_t vote(const char *site, unsigned mask, uint32_t v,
                            enum vote kind)
{
    vote_word w = { v, 0, kind };

    meet(site, mask, vote_all, &w);
    return w.out;
}
} // namespace cusim

#define CUSIM_WIDTH(unused, w, ...) w
#define __shfl_sync(m, v, s) \
    cusim::shfl(CUSIM_SITE, m, v, cusim::lane_at(s, 32))
#define __shfl_xor_sync(m, v, x) \
    cusim::shfl(CUSIM_SITE, m, v, cusim::lane_xor(x, 32))
#define __shfl_down_sync(m, v, d) \
    cusim::shfl(CUSIM_SITE, m, v, cusim::lane_down(d, 32))
#define __shfl_up_sync(m, v, d) \
    cusim::shfl(CUSIM_SITE, m, v, cusim::lane_up(d, 32))
#define __ballot_sync(m, v) cusim::vote(CUSIM_SITE, m, (v) != 0, cusim::BALLOT)
#define __any_sync(m, v) (__ballot_sync(m, v) != 0)
#define __all_sync(m, v) (__ballot_sync(m, v) == (unsigned)(m))
/* one name for signed and unsigned, as in CUDA */
namespace cusim
{
static inline unsigned red_max(const char *s, unsigned m, unsigned v)
{
    return vote(s, m, v, MAXU);
}
static inline int red_max(const char *s, unsigned m, int v)
{
    return (int)vote(s, m, (uint32_t)v, MAXS);
}
static inline unsigned red_min(const char *s, unsigned m, unsigned v)
{
    return vote(s, m, v, MINU);
}
static inline int red_min(const char *s, unsigned m, int v)
{
    return (int)vote(s, m, (uint32_t)v, MINS);
}
} // namespace cusim
#define __reduce_max_sync(m, v) cusim::red_max(CUSIM_SITE, m, v)
#define __reduce_min_sync(m, v) cusim::red_min(CUSIM_SITE, m, v)
#define __reduce_add_sync(m, v) \
    ((decltype(v))cusim::vote(CUSIM_SITE, m, (uint32_t)(v), cusim::ADD))
#define __reduce_or_sync(m, v) cusim::vote(CUSIM_SITE, m, v, cusim::ORB)

/* Atomics: integers only, on purpose. */
namespace cusim
{
template <typename T, typename F>
CUSIM_QUIET static T rmw(const char *site, T *p, F f)
{
    T old;

    atomic_access(site, p, sizeof(T), __builtin_return_address(0));
    memcpy(&old, p, sizeof(T));
    T v = f(old);
    __builtin_memcpy(p, &v, sizeof(T));
    return old;
}
} // namespace cusim
typedef unsigned long long cusim_u64;
template <typename T> __forceinline__ T cusim_add(const char *s, T *p, T v)
{
    static_assert((T)0.5f == (T)0, "no float atomics");
    return cusim::rmw(s, p, [v](T o) { return (T)(o + v); });
}
template <typename T> __forceinline__ T cusim_max(const char *s, T *p, T v)
{
    static_assert((T)0.5f == (T)0, "no float atomics");
    return cusim::rmw(s, p, [v](T o) { return o > v ? o : v; });
}
template <typename T> __forceinline__ T cusim_min(const char *s, T *p, T v)
{
    static_assert((T)0.5f == (T)0, "no float atomics");
    return cusim::rmw(s, p, [v](T o) { return o < v ? o : v; });
}
template <typename T> __forceinline__ T cusim_exch(const char *s, T *p, T v)
{
    return cusim::rmw(s, p, [v](T) { return v; });
}
template <typename T> __forceinline__ T cusim_cas(const char *s, T *p, T c, T v)
{
    return cusim::rmw(s, p, [c, v](T o) { return o == c ? v : o; });
}
#define atomicAdd(p, v) cusim_add(CUSIM_SITE, p, v)
#define atomicMax(p, v) cusim_max(CUSIM_SITE, p, v)
#define atomicMin(p, v) cusim_min(CUSIM_SITE, p, v)
#define atomicExch(p, v) cusim_exch(CUSIM_SITE, p, v)
#define atomicCAS(p, c, v) cusim_cas(CUSIM_SITE, p, c, v)

/* Arithmetic.  The build forbids contraction: plain operators are _rn. */
static inline float __fadd_rn(float a, float b)
{
    return a + b;
}
static inline float __fsub_rn(float a, float b)
{
    return a - b;
}
static inline float __fmul_rn(float a, float b)
{
    return a * b;
}
static inline float __fdiv_rn(float a, float b)
{
    return a / b;
}
static inline float __fsqrt_rn(float a)
{
    return __builtin_sqrtf(a);
}
static inline double __dadd_rn(double a, double b)
{
    return a + b;
}
static inline double __dsub_rn(double a, double b)
{
    return a - b;
}
static inline double __dmul_rn(double a, double b)
{
    return a * b;
}
static inline double __ddiv_rn(double a, double b)
{
    return a / b;
}
static inline double __dsqrt_rn(double a)
{
    return __builtin_sqrt(a);
}
static inline float __ll2float_rn(long long a)
{
    return (float)a;
}
static inline float __int2float_rn(int a)
{
    return (float)a;
}
static inline double __ll2double_rn(long long a)
{
    return (double)a;
}
static inline float __double2float_rn(double a)
{
    return (float)a;
}
static inline unsigned __float_as_uint(float a)
{
    unsigned u;
    memcpy(&u, &a, 4);
    return u;
}
static inline float __uint_as_float(unsigned a)
{
    float f;
    memcpy(&f, &a, 4);
    return f;
}
static inline int __clz(int a)
{
    return a ? __builtin_clz((unsigned)a) : 32;
}
static inline int __popc(unsigned a)
{
    return __builtin_popcount(a);
}
static inline int __ffs(int a)
{
    return __builtin_ffs(a);
}
static inline int __dp4a(int a, int b, int c)
{
    uint32_t s = (uint32_t)c;

    for (int i = 0; i < 32; i += 8)
        s += (uint32_t)((int)(int8_t)(a >> i) * (int)(int8_t)(b >> i));
    return (int)s;
}
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned sel)
{
    uint64_t v = (uint64_t)b << 32 | a;
    unsigned r = 0;

    for (int i = 0; i < 4; i++) {
        unsigned n = sel >> (4 * i) & 15,
                 x = (unsigned)(v >> (8 * (n & 7))) & 255;

        r |= (n & 8 ? (x & 128 ? 255u : 0u) : x) << (8 * i);
    }
    return r;
}

#endif
