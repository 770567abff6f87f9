/*
 * The host's side: streams, launches, events, graphs, copies.
 */
#include "tests/cusim/internal.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sched.h>
#include <unistd.h>

namespace cusim
{
uint32_t launch_number;
uint32_t first_run = 1;
std::atomic<bool> partner_lost;

static size_t used;
static unsigned long n_graph_launches;
static long n_graphs;     /* that are there */
static std::recursive_mutex lock;
static bool hung_seen; /* the host has asked since */
static std::map<const void *, int> attribute;
static thread_local cudaError_t last_error;
static thread_local int current; /* device of this thread, .. */
static thread_local bool chosen; /* .. which it has set; .. */
static std::atomic<bool> any;    /* .. as some thread has */

struct op {
    std::function<void()> f;
    std::function<bool()> ready; /* or none: it is */
    cusim_event *wait = nullptr, *set = nullptr;
    uint64_t ticket = 0;
};
} // namespace cusim

using namespace cusim;

struct cusim_event {
    uint64_t asked = 0, done = 0;
};
struct cusim_graph {
    std::vector<op> ops;
    bool spoilt = false; /* while it is captured: a call has failed */
    cusim_graph()
    {
        n_graphs++;
    }
    cusim_graph(const cusim_graph &g) : ops(g.ops)
    {
        n_graphs++;
    }
    ~cusim_graph()
    {
        n_graphs--;
    }
};
struct cusim_stream {
    std::deque<op> queue;
    cusim_graph *capture = nullptr;
    int device = 0;
};

namespace cusim
{
static cusim_stream null_stream;
static std::vector<cusim_stream *> streams = { &null_stream };

uint32_t wrong_bits(void)
{
    static long n;

    return settings.wrong_at && ++n >= settings.wrong_at ? 1u << 9 : 0;
}

static bool step(cusim_stream *s)
{
    if (s->queue.empty() || hung)
        return false;
    op &o = s->queue.front();

    if (o.wait && o.wait->done < o.ticket)
        return false;
    if (o.ready && !sticky && !o.ready())
        return false;
    if (o.f && !sticky)
        o.f();
    if (hung)
        return true;
    if (o.set)
        o.set->done = o.ticket;
    s->queue.pop_front();
    return true;
}

/* Whether a stream waits for other threads. */
static bool waits_for_others(void)
{
    for (cusim_stream *s : streams)
        if (!s->queue.empty() && s->queue.front().ready)
            return true;
    return false;
}

/* Run until it is enough, or only other threads can go on, in an order of our
 * choice. */
static void drain(const std::function<bool()> &enough)
{
    while (!hung && !enough()) {
        size_t n = streams.size(), at = settings.seed ? draw() % n : 0, i;

        for (i = 0; i < n; i++)
            if (step(streams[(at + i) % n]))
                break;
        if (i == n && waits_for_others())
            return;
        if (i == n && !hung)
            finding("streams wait for events that nobody records");
    }
}

static void drain_all(void)
{
    drain([] {
        for (cusim_stream *t : streams)
            if (!t->queue.empty())
                return false;
        return true;
    });
}

/* The same for a call that waits without a deadline, and has the lock once. */
static void drain_fully(const std::function<bool()> &enough)
{
    for (drain(enough); !hung && !enough(); drain(enough)) {
        if (partner_lost)
            finding("the host waits for ever");
        lock.unlock();
        sched_yield();
        lock.lock();
    }
}

/* Of the streams of this thread's device. */
static void drain_own(void)
{
    drain_fully([] {
        for (cusim_stream *t : streams)
            if (t->device == current && !t->queue.empty())
                return false;
        return true;
    });
}

/* A thread that sets none would use device 0, beside those that do. */
static void on_device_set(const char *what)
{
    if (any && !chosen)
        finding("%s of a thread that has set no device", what);
}

/* Before what waits for the device, or for memory. */
static void not_in_capture(const char *what)
{
    on_device_set(what);
    for (cusim_stream *s : streams)
        if (s->capture)
            finding("%s while a stream is captured", what);
}

/* A stream is used by threads whose current device is its own. */
static bool is_foreign(cudaStream_t s)
{
    return s && s->device != current;
}

/* Whether this call, by which a graph is made, is the one that fails. */
static cudaError_t graph_call(void)
{
    if (!settings.capture_at || ++n_graph_calls != settings.capture_at)
        return cudaSuccess;
    if (settings.capture_error == cudaErrorLaunchFailure)
        sticky = settings.capture_error;
    return last_error = settings.capture_error;
}

/* After a call that fails a capture takes nothing more, unless the call itself
 * was wrong. */
static cudaError_t record(cusim_graph *g, op o)
{
    cudaError_t e = graph_call();

    g->spoilt |= e && e != cudaErrorInvalidConfiguration;
    if (g->spoilt && !e)
        e = last_error = cudaErrorStreamCaptureInvalidated;
    if (!e)
        g->ops.push_back(std::move(o));
    return e;
}

/* A stream holds so many launches and copies; who makes one more waits without
 * a deadline. */
#define QUEUE_MOST 1024
static cudaError_t submit(cudaStream_t s, op o)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    on_device_set("a copy, a launch or an event");
    if (!s)
        s = &null_stream;
    if (s->capture && (o.wait || o.set))
        finding("an event of a stream that is captured");
    if (s->capture)
        return record(s->capture, std::move(o));
    s->queue.push_back(std::move(o));
    if (!settings.seed)
        drain_all();
    drain_fully([s] { return s->queue.size() < QUEUE_MOST; });
    if (s->queue.size() >= QUEUE_MOST)
        finding("a launch waits for ever");
    return cudaSuccess;
}

void submit_when(cudaStream_t s, std::function<bool()> ready)
{
    op o;

    o.ready = std::move(ready);
    submit(s, std::move(o));
}

void launch_call(const char *name, const void *kernel, dim3 grid, dim3 dim,
                 size_t dynamic, cudaStream_t s, void (*call)(const void *),
                 const void *arg, size_t n_arg)
{
    std::unique_lock<std::recursive_mutex> l(lock);
    size_t n = (size_t)dim.x * dim.y * dim.z;
    auto a = attribute.find(kernel);
    size_t most = a == attribute.end() ? 48 * 1024 : (size_t)a->second;

    if (n == 0 || n > 1024 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
        grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535 ||
        dim.z > 64 || dynamic > most) {
        last_error = cudaErrorInvalidConfiguration;
        return;
    }
    if (is_foreign(s)) {
        last_error = cudaErrorInvalidResourceHandle;
        return;
    }
    std::shared_ptr<uint4> own(new uint4[n_arg / sizeof(uint4) + 1],
                               std::default_delete<uint4[]>());
    op o;

    memcpy(own.get(), arg, n_arg);
    o.f = [=] {
        size_t blocks = (size_t)grid.x * grid.y * grid.z;
        std::vector<uint32_t> order(blocks);
        static run_block b;

        for (size_t i = 0; i < blocks; i++)
            order[i] = (uint32_t)i;
        for (size_t i = blocks; settings.seed && i > 1; i--)
            std::swap(order[i - 1], order[draw() % i]);
        launch_number++;
        if ((long)launch_number == settings.hang_at)
            hung = true;
        if ((long)launch_number == settings.stop_at)
            stops = true;
        if ((long)launch_number == settings.lose_at)
            sticky = settings.lose_error;
        if (hung || sticky)
            return;
        if (settings.skip && strstr(name, settings.skip))
            return;
        launch_name = name;
        b.dim = dim;
        b.grid = grid;
        for (uint32_t i : order) {
            b.number = i;
            b.idx = dim3(i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y);
            run(&b, dynamic, call, own.get());
        }
        launch_name = "";
        first_run += (uint32_t)blocks;
    };
    l.unlock(); /* as that may wait */
    submit(s, std::move(o));
}

} // namespace cusim

/* -- the host's API -----------------------------------------------------------
 */

cudaError_t cusim_attribute(const void *kernel, int what, int value)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    if (what != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        (size_t)value > settings.shared)
        return last_error = cudaErrorInvalidValue;
    attribute[kernel] = value;
    return cudaSuccess;
}

/* What a call returns after the device is lost; a call that waits without a
 * deadline for one that hangs is a finding. */
static cudaError_t waited(void)
{
    if (hung)
        finding("the host waits for ever");
    if (sticky)
        last_error = sticky;
    return sticky;
}

void cusim_fail(long n)
{
    settings.fail_at = n < 0 ? -1 : n_alloc + n;
}

void cusim_memory(size_t n)
{
    settings.memory = n;
}

void cusim_capture_fail(long n, int error)
{
    n_graph_calls = 0;
    settings.capture_at = n;
    settings.capture_error = error;
}

void cusim_lose(void)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    sticky = cudaErrorLaunchFailure;
}

void cusim_hang(void)
{
    settings.hang_at = (long)launch_number + 1;
}

void cusim_skip(const char *name)
{
    settings.skip = name;
}

double cusim_clock_s(void)
{
    static std::mutex own;
    static double ahead, last; /* of the real time, at the last look */
    static bool runs;
    std::lock_guard<std::mutex> l(own);
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    ahead += runs ? 49 * (now - last) : 0;
    last = now;
    runs = partner_lost;
    return now + ahead + (hung_seen || stopped ? 3600 : 0);
}

/* What a question for the state of all work is answered: of what ends while
 * the process is stopped, what was true before. */
static cudaError_t answered(void)
{
    bool now = stops && !stopped;

    stopped |= now;
    hung_seen |= hung;
    return hung || now ? cudaErrorNotReady : waited();
}

static int devices(void)
{
    const char *v = getenv("CUSIM_DEVICES");

    return v ? atoi(v) : 1;
}
/* Of a device; 1: it is not cut. */
static size_t slices(void)
{
    const char *v = getenv("CUSIM_MIG");

    return v && atoi(v) > 1 ? (size_t)atoi(v) : 1;
}
/* 0: there is no driver where there is no device. */
cudaError_t cudaDriverGetVersion(int *v)
{
    const char *driver = getenv("CUSIM_DRIVER");

    *v = devices() < 1 ? 0 : driver ? atoi(driver) : CUDART_VERSION;
    return cudaSuccess;
}
static bool old_driver(void)
{
    int v = 0;

    cudaDriverGetVersion(&v);
    return getenv("CUSIM_DRIVER") && v < CUDART_VERSION;
}
cudaError_t cudaRuntimeGetVersion(int *v)
{
    *v = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *n)
{
    *n = devices();
    if (slices() > 1 && *n > 1)
        *n = 1;
    if (old_driver())
        return cudaErrorInsufficientDriver;
    return *n > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int d)
{
    if (d < 0 || d >= devices())
        return last_error = cudaErrorInvalidValue;
    *p = {};
    snprintf(p->name, sizeof(p->name), "emulated device%s",
             slices() > 1 ? " MIG" : "");
    /* those of another job are others */
    *(int *)p->uuid.bytes = (int)getppid();
    p->uuid.bytes[15] = (char)d;
    p->major = 9;
    return cudaSuccess;
}
/* A small device, whose L2 has room for few sums; one with less shared memory
 * than 9.0 has is an older one. */
cudaError_t cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr a, int)
{
    const char *n = getenv("CUSIM_PROCESSORS");

    *v = a == cudaDevAttrMultiProcessorCount      ? n ? atoi(n) : 4
         : a == cudaDevAttrL2CacheSize            ? 96 << 10
         : a == cudaDevAttrComputeCapabilityMajor
               ? (settings.shared < 232448 ? 8 : 9)
               : 0;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int d)
{
    if (d < 0 || d >= devices())
        return last_error = cudaErrorInvalidValue;
    current = d;
    any = chosen = true;
    if (sticky)
        return last_error = sticky;
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void)
{
    cudaError_t e = last_error;

    last_error = sticky;
    return e;
}
const char *cudaGetErrorString(cudaError_t e)
{
    static const std::map<cudaError_t, const char *> text = {
        { cudaSuccess, "no error" },
        { cudaErrorMemoryAllocation, "out of memory" },
        { cudaErrorInvalidConfiguration, "invalid configuration" },
        { cudaErrorInsufficientDriver, "the driver is too old" },
        { cudaErrorDevicesUnavailable, "devices are busy or unavailable" },
        { cudaErrorNoDevice, "no device is detected" },
        { cudaErrorECCUncorrectable, "uncorrectable ECC error" },
        { cudaErrorInvalidResourceHandle, "invalid resource handle" },
        { cudaErrorIllegalAddress, "illegal memory access" },
        { cudaErrorIllegalInstruction, "illegal instruction" },
        { cudaErrorMisalignedAddress, "misaligned address" },
        { cudaErrorInvalidAddressSpace,
          "operation not supported on global/shared address space" },
        { cudaErrorInvalidPc, "invalid program counter" },
        { cudaErrorLaunchFailure, "unspecified launch failure" },
        { cudaErrorStreamCaptureInvalidated, "the capture is invalid" },
    };
    auto at = text.find(e);

    return at == text.end() ? "invalid value" : at->second;
}
/* Bytes of what this process sees, and those of them that no other has. */
static size_t memory(void)
{
    return settings.memory / slices();
}
static size_t not_taken(void)
{
    return memory() > settings.taken ? memory() - settings.taken : 0;
}
cudaError_t cudaMalloc(void **p, size_t n)
{
    std::lock_guard<std::recursive_mutex> l(lock);
    char name[40];

    not_in_capture("cudaMalloc");
    if (sticky)
        return last_error = sticky;
    if (n_alloc++ == settings.fail_at || used + n > not_taken())
        return last_error = cudaErrorMemoryAllocation;
    snprintf(name, sizeof(name), "cudaMalloc #%ld", n_alloc);
    *p = take(n, name);
    used += n;
    return cudaSuccess;
}
cudaError_t cudaFree(void *p)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    on_device_set("cudaFree");
    if (!p)
        return cudaSuccess;
    not_in_capture("cudaFree");
    drain_own();
    used -= inside(p);
    give((char *)p);
    return waited();
}
cudaError_t cudaMallocHost(void **p, size_t n)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    not_in_capture("cudaMallocHost");
    if (n_alloc++ == settings.fail_at || !(*p = malloc(n)))
        return last_error = cudaErrorMemoryAllocation;
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void *p)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    not_in_capture("cudaFreeHost");
    drain_own();
    free(p);
    return waited();
}
cudaError_t cudaMemGetInfo(size_t *f, size_t *t)
{
    on_device_set("cudaMemGetInfo");
    *t = memory();
    *f = not_taken() > used ? not_taken() - used : 0;
    return 0;
}

static void copy_now(void *to, const void *from, size_t n)
{
    if (to >= arena && to < arena_end && inside(to) < n)
        finding("cudaMemcpy of %zu bytes to %s", n, place(to));
    if (from >= arena && from < arena_end && inside(from) < n)
        finding("cudaMemcpy of %zu bytes from %s", n, place(from));
    memmove(to, from, n);
    if (mark_written && to >= arena && to < arena_end)
        mark_written(to, n);
}
static bool on_device(const void *p)
{
    return p >= arena && p < arena_end;
}
static bool kind_wrong(void *to, const void *from, int kind)
{
    return kind != cudaMemcpyDefault &&
           (on_device(to) != (kind == cudaMemcpyHostToDevice ||
                              kind == cudaMemcpyDeviceToDevice) ||
            on_device(from) != (kind == cudaMemcpyDeviceToHost ||
                                kind == cudaMemcpyDeviceToDevice));
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, int kind,
                            cudaStream_t s)
{
    op o;

    if (n && kind_wrong(to, from, kind))
        return last_error = cudaErrorInvalidValue;
    o.f = [=] { copy_now(to, from, n); };
    if (cudaError_t e = submit(s, std::move(o)))
        return e;
    return sticky;
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t n, int kind)
{
    cudaError_t e = cudaMemcpyAsync(to, from, n, kind, nullptr);

    return e ? e : cudaStreamSynchronize(nullptr);
}
cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t s)
{
    op o;

    o.f = [=] {
        if (inside(p) < n)
            finding("cudaMemset of %zu bytes at %s", n, place(p));
        memset(p, v, n);
        if (mark_written)
            mark_written(p, n);
    };
    return submit(s, std::move(o));
}
cudaError_t cudaMemset(void *p, int v, size_t n)
{
    cudaMemsetAsync(p, v, n, nullptr);
    return cudaStreamSynchronize(nullptr);
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    on_device_set("cudaStreamCreate");
    streams.push_back(*s = new cusim_stream());
    (*s)->device = current;
    return 0;
}
/* Priorities are of time, and there is none. */
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags, int)
{
    return cudaStreamCreateWithFlags(s, flags);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    if (!s)
        s = &null_stream;
    not_in_capture("cudaStreamSynchronize");
    drain_fully([s] { return s->queue.empty(); });
    return waited();
}
cudaError_t cudaStreamQuery(cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    not_in_capture("cudaStreamQuery");
    drain([s] { return s->queue.empty(); });
    return s->queue.empty() || hung ? answered() : cudaErrorNotReady;
}
cudaError_t cudaDeviceSynchronize(void)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    not_in_capture("cudaDeviceSynchronize");
    drain_own();
    return waited();
}
cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    cudaStreamSynchronize(s);

    std::lock_guard<std::recursive_mutex> l(lock);
    for (size_t i = 0; i < streams.size(); i++)
        if (streams[i] == s)
            streams.erase(streams.begin() + (long)i);
    stream_gone();
    delete s;
    return 0;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    on_device_set("cudaEventCreate");
    *e = new cusim_event();
    return 0;
}
cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    std::lock_guard<std::recursive_mutex> l(lock);

    on_device_set("cudaEventDestroy");
    drain_own();
    delete e;
    return 0;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    std::unique_lock<std::recursive_mutex> l(lock);
    op o;

    o.set = e;
    o.ticket = ++e->asked;
    l.unlock();
    submit(s, std::move(o));
    return 0;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    std::lock_guard<std::recursive_mutex> l(lock);
    uint64_t t = e->asked;

    not_in_capture("cudaEventSynchronize");
    drain_fully([e, t] { return e->done >= t; });
    return waited();
}
cudaError_t cudaEventQuery(cudaEvent_t e)
{
    std::lock_guard<std::recursive_mutex> l(lock);
    uint64_t t = e->asked;

    not_in_capture("cudaEventQuery");
    drain([e, t] { return e->done >= t; });
    return e->done >= t || hung ? answered() : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
    std::unique_lock<std::recursive_mutex> l(lock);
    op o;

    o.wait = e;
    o.ticket = e->asked;
    l.unlock();
    submit(s, std::move(o));
    return 0;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t s, int)
{
    const char *v = getenv("CUSIM_GRAPHS");

    if (sticky)
        return last_error = sticky;
    if (!s || s->capture || (v && strcmp(v, "0") == 0))
        return last_error = cudaErrorStreamCaptureUnsupported;
    if (cudaError_t e = graph_call())
        return e;
    s->capture = new cusim_graph();
    return 0;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g)
{
    cusim_graph *made = s->capture;

    if (!made)
        return last_error = cudaErrorIllegalState;
    s->capture = nullptr;
    cudaError_t e = graph_call();
    if (!e && made->spoilt)
        e = last_error = cudaErrorStreamCaptureInvalidated;
    if (e) {
        delete made;
        made = nullptr;
    }
    *g = made;
    return e;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *x, cudaGraph_t g,
                                 unsigned long long)
{
    if (n_alloc++ == settings.fail_at)
        return last_error = cudaErrorMemoryAllocation;
    if (cudaError_t e = graph_call())
        return e;
    *x = new cusim_graph(*g);
    return 0;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s)
{
    n_graph_launches++;
    for (op &o : x->ops)
        submit(s, o);
    return sticky;
}
unsigned long cusim_launches(void)
{
    return launch_number;
}
unsigned long cusim_graph_launches(void)
{
    return n_graph_launches;
}
long cusim_graphs(void)
{
    return n_graphs;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    delete g;
    return 0;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x)
{
    drain_all();
    delete x;
    return 0;
}
