/*
 * A pretended libnccl.so.2 on emulated devices, for members that are threads of
 * this process: the six functions that backend/cuda/nccl.cu looks for, the same
 * numbers, the same refusals, and calls that wait for other members as long as
 * the library's do.  It is there with CUSIM_NCCL=1; else NVIDIA's is looked
 * for, as in a program for real devices.
 *
 * cusim_nccl lets calls fail: no other member can go on then, and the clock
 * (cusim_clock_s) runs ahead for those that wait with a deadline.
 */
#include "backend/cuda/library.h"
#include "tests/cusim/internal.h"

#include <condition_variable>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <vector>

namespace pretended
{
enum { SUCCESS, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, REMOTE_ERROR = 6 };

struct nccl_unique { /* ncclUniqueId */
    unsigned char b[128];
};

/* What the members' calls of one number exchange. */
struct nccl_meeting {
    std::vector<void *> at; /* a member each; NULL: it has not come so far */
    size_t n;
    int type, op, here, left;
};
struct nccl_world {
    int size, here, left;
    bool dead; /* a test is over: nothing of it is waited for */
    std::map<uint64_t, nccl_meeting> open;
};
struct nccl_member {
    nccl_world *w;
    int rank;
    uint64_t calls, met; /* exchanges that it launched; that are over */
    bool aborted;
};

static std::mutex lock;
static std::condition_variable wake;
static std::map<uint64_t, nccl_world *> worlds;
static uint64_t n_ids;

/* ---- failures ------------------------------------------------------------ */

static struct {
    const char *call; /* this function fails, or NULL, .. */
    long in_calls;    /* .. after so many calls, .. */
    int how;          /* .. in this way */
} fails[2];
static unsigned reset; /* how often they were set anew */

/* Whether this call fails in that way. */
static bool is_to(const char *call, int way)
{
    for (auto &f : fails)
        if (f.call && strcmp(f.call, call) == 0 && f.how == way &&
            f.in_calls-- == 0)
            return true;
    return false;
}

/* What a call returns at once; it may not return for long. */
static int failure(const char *call, std::unique_lock<std::mutex> &l)
{
    unsigned now = reset;

    if (is_to(call, CUSIM_NCCL_FAILS)) {
        cusim::partner_lost = true;
        return SYSTEM_ERROR;
    }
    if (is_to(call, CUSIM_NCCL_NEVER)) {
        cusim::partner_lost = true;
        wake.wait(l, [now] { return reset != now; });
        return REMOTE_ERROR;
    }
    return SUCCESS;
}

/* ---- functions ----------------------------------------------------------- */

static int get_id(nccl_unique *out)
{
    std::unique_lock<std::mutex> l(lock);

    *out = {};
    n_ids++;
    memcpy(out->b, &n_ids, sizeof(n_ids));
    return failure("ncclGetUniqueId", l);
}

static int init(void **comm, int size, nccl_unique of, int rank)
{
    std::unique_lock<std::mutex> l(lock);
    int e = failure("ncclCommInitRank", l);
    uint64_t number;
    unsigned now = reset;

    if (e)
        return e;
    memcpy(&number, of.b, sizeof(number));
    nccl_world *&w = worlds[number];
    if (!w)
        w = new nccl_world{ size, 0, 0, false, {} };
    if (size != w->size || rank < 0 || rank >= size)
        return INVALID_ARGUMENT;
    w->here++;
    wake.notify_all();
    wake.wait(l, [=] { return w->here == size || reset != now; });
    *comm = new nccl_member{ w, rank, 0, 0, false };
    return reset == now ? SUCCESS : REMOTE_ERROR;
}

static size_t width(int type, int op)
{
    return type == 2 && op == 0 ? 4 : type == 3 && op == 2 ? 4
           : type == 5 && op == 2 ? 8 : 0;
}

template <typename T> static void greatest(T *to, const T *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] > to[i] ? from[i] : to[i];
}

static void join(const nccl_meeting &e, void *to, const void *from)
{
    if (e.type == 5)
        greatest((uint64_t *)to, (const uint64_t *)from, e.n);
    else if (e.type == 3)
        greatest((uint32_t *)to, (const uint32_t *)from, e.n);
    else
        for (size_t i = 0; i < e.n; i++)
            ((uint32_t *)to)[i] += ((const uint32_t *)from)[i];
}

static void give_all(const nccl_meeting &e)
{
    size_t bytes = e.n * width(e.type, e.op);
    std::vector<uint64_t> sum(bytes / 8 + 1);

    memcpy(sum.data(), e.at[0], bytes);
    for (size_t i = 1; i < e.at.size(); i++)
        join(e, sum.data(), e.at[i]);
    sum[0] += is_to("ncclAllReduce", CUSIM_NCCL_WRONG);
    for (void *to : e.at) {
        memcpy(to, sum.data(), bytes);
        if (cusim::mark_written)
            cusim::mark_written(to, bytes);
    }
}

/* A member's stream has come to its call of this number: whether it may pass,
 * once for each. */
static bool meet(nccl_member *m, uint64_t at, const nccl_meeting &mine, void *x)
{
    std::lock_guard<std::mutex> l(lock);
    nccl_world *w = m->w;

    if (w->dead || m->aborted)
        return true;
    nccl_meeting &e = w->open.try_emplace(at, mine).first->second;
    if (e.n != mine.n || e.type != mine.type || e.op != mine.op)
        cusim::finding("members exchange different things");
    if (!e.at[m->rank]) {
        e.at[m->rank] = x;
        if (++e.here == w->size)
            give_all(e);
    }
    if (e.here < w->size)
        return false;
    m->met++;
    if (++e.left == w->size)
        w->open.erase(at);
    return true;
}

static int all_reduce(const void *from, void *to, size_t n, int type, int op,
                      void *comm, cudaStream_t stream)
{
    nccl_member *m = (nccl_member *)comm;
    size_t bytes = n * width(type, op);
    uint64_t at = m->calls++;
    std::vector<void *> nobody((size_t)m->w->size);
    nccl_meeting mine = { nobody, n, type, op, 0, 0 };

    {
        std::unique_lock<std::mutex> l(lock);

        if (int e = failure("ncclAllReduce", l))
            return e;
    }
    if (from != to || bytes == 0)
        return INVALID_ARGUMENT;
    if (cusim::inside(to) < bytes)
        cusim::finding("an exchange of %zu bytes at %s", bytes,
                       cusim::place(to));
    cusim::submit_when(stream, [=] { return meet(m, at, mine, to); });
    return SUCCESS;
}

/* Communicators stay: streams may still have calls of theirs. */
static int destroy(void *comm)
{
    std::unique_lock<std::mutex> l(lock);
    nccl_member *m = (nccl_member *)comm;
    nccl_world *w = m->w;
    int e = failure("ncclCommDestroy", l);

    if (m->met < m->calls && !w->dead)
        cusim::finding("a communicator is destroyed while it exchanges");

    w->left++;
    wake.notify_all();
    wake.wait(l, [w] { return w->left == w->size || w->dead; });
    return e;
}

static int abort(void *comm)
{
    std::unique_lock<std::mutex> l(lock);
    nccl_member *m = (nccl_member *)comm;

    m->aborted = true;
    m->w->left++;
    wake.notify_all();
    return failure("ncclCommAbort", l);
}

static const char *say(int result)
{
    return result == SYSTEM_ERROR       ? "unhandled system error"
           : result == INVALID_ARGUMENT ? "invalid argument"
                                        : "remote process exited";
}

/* ---- as a library -------------------------------------------------------- */

static int library;

static void *open(const char *name, const char *dirs)
{
    const char *there = getenv("CUSIM_NCCL");

    return there && *there == '1' ? &library : library_open(name, dirs);
}

static bool find(void *of, void *to, const char *name)
{
    const struct {
        const char *name;
        void *is;
    } all[] = { { "ncclGetUniqueId", (void *)get_id },
                { "ncclCommInitRank", (void *)init },
                { "ncclAllReduce", (void *)all_reduce },
                { "ncclCommDestroy", (void *)destroy },
                { "ncclCommAbort", (void *)abort },
                { "ncclGetErrorString", (void *)say } };
    std::lock_guard<std::mutex> l(lock);

    if (of != &library)
        return library_find(of, to, name);
    for (auto &f : all) {
        if (strcmp(f.name, name) || is_to(name, CUSIM_NCCL_LACKS))
            continue;
        memcpy(to, &f.is, sizeof(f.is));
        return true;
    }
    return false;
}

static int close(void *of)
{
    return of == &library ? 0 : dlclose(of);
}
} // namespace pretended

void cusim_nccl_also(const char *call, long n, int way)
{
    std::lock_guard<std::mutex> l(pretended::lock);

    pretended::fails[1] = { call, n, way };
}

void cusim_nccl(const char *call, long n, int way)
{
    std::lock_guard<std::mutex> l(pretended::lock);

    pretended::fails[0] = { call, n, way };
    pretended::fails[1] = {};
    pretended::reset++;
    cusim::partner_lost = false;
    for (auto &w : pretended::worlds)
        w.second->dead = true;
    pretended::wake.notify_all();
}
