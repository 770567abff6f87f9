/*
 * libnccl.so.2, as far as nccl.cuh goes, by declarations of our own: no toolkit
 * promises its header.  1004-ptx.t compares the numbers with one; that they are
 * the library's is tried when members have joined (connect.cu).
 *
 * ncclCommInitRank, ncclCommDestroy and ncclCommAbort may wait for the other
 * members as long as it takes.  They are called by a thread of their own, which
 * is left alone when it takes too long.  Once it was called for more than texts
 * the library stays in the process: it may have threads of its own.
 */
#include "backend/cuda/nccl.cuh"

#include <atomic>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern "C" {
#include "backend/cuda/library.h"
#include "base/clock.h"
#include "base/err.h"
}

/* of NCCL 2; success is 0 */
enum { INT32 = 2, UINT32 = 3, UINT64 = 5 };
enum { SUM = 0, MAX = 2 };

#define NAME "libnccl.so.2"
#define JOIN_S 120 /* members start at the same time; others may be slow */
#define CLOSE_S 10
#define CALL_PAUSE_NS 1000000
#define SYSTEM_ERROR 2

struct nccl_id { /* ncclUniqueId, which is passed by value */
    unsigned char b[NCCL_ID];
};

struct nccl {
    void *library;
    void *comm; /* NULL: not joined */
    bool called; /* it may have threads */
    bool stuck;  /* a call has not returned in time */
    int device; /* of this process */
    int (*get_id)(struct nccl_id *id);
    int (*init)(void **comm, int size, struct nccl_id id, int rank);
    int (*all_reduce)(const void *from, void *to, size_t n, int type, int op,
                      void *comm, cudaStream_t stream);
    int (*destroy)(void *comm);
    int (*abort)(void *comm);
    const char *(*say)(int result);
};

/* ---- opening ------------------------------------------------------------- */

/* The name of a function that is missing, or NULL. */
static const char *find_all(struct nccl *n)
{
    const struct {
        void *to;
        const char *name;
    } all[] = {
        { &n->get_id, "ncclGetUniqueId" },
        { &n->init, "ncclCommInitRank" },
        { &n->all_reduce, "ncclAllReduce" },
        { &n->destroy, "ncclCommDestroy" },
        { &n->abort, "ncclCommAbort" },
        { &n->say, "ncclGetErrorString" },
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (!library_find(n->library, all[i].to, all[i].name))
            return all[i].name;
    return NULL;
}

int nccl_open(struct nccl **out, const char *dirs, struct err *err)
{
    struct nccl *n = (struct nccl *)calloc(1, sizeof(*n));
    const char *missing;

    if (!n)
        return err_set(err, ERR_INPUT, "no memory for %s", NAME);
    n->library = library_open(NAME, dirs);
    if (!n->library) {
        free(n);
        return err_set(err, ERR_INPUT, "%s is not found (setting cuda-libs)",
                       NAME);
    }
    missing = find_all(n);
    if (missing) {
        nccl_close(n, false);
        return err_set(err, ERR_INPUT, "%s has no %s", NAME, missing);
    }
    *out = n;
    return 0;
}

/* ---- calls that wait for others ------------------------------------------ */

enum waiting { JOINS, DESTROYS, ABORTS };

/* Such a call.  Whoever is through with it last frees it: it may outlive the
 * caller. */
struct nccl_call {
    const struct nccl *n;
    enum waiting what;
    int rank, size;
    struct nccl_id id;
    void *comm;
    int result;
    std::atomic<bool> done{ false };
    std::atomic<int> users{ 1 };
};

static struct nccl_call *call_new(const struct nccl *n, enum waiting what)
{
    struct nccl_call *c = new nccl_call;

    c->n = n;
    c->what = what;
    c->rank = c->size = 0;
    c->id = {};
    c->comm = n->comm;
    c->result = SYSTEM_ERROR;
    return c;
}

static void call_let_go(struct nccl_call *c)
{
    if (--c->users == 0)
        delete c;
}

static void *make_call(void *arg)
{
    struct nccl_call *c = (struct nccl_call *)arg;
    const struct nccl *n = c->n;

    if (cudaSetDevice(n->device) == cudaSuccess)
        c->result = c->what == JOINS
                        ? n->init(&c->comm, c->size, c->id, c->rank)
                        : (c->what == ABORTS ? n->abort : n->destroy)(c->comm);
    c->done = true;
    call_let_go(c);
    return NULL;
}

/* Whether it has returned by then. */
static bool call_in_time(struct nccl *n, struct nccl_call *c, double most)
{
    const struct timespec pause = { 0, CALL_PAUSE_NS };
    double begun = clock_s();
    pthread_t thread;

    c->users = 2;
    if (pthread_create(&thread, NULL, make_call, c)) {
        c->users = 1;
        return true; /* with its first result */
    }
    pthread_detach(thread);
    while (!c->done && clock_s() - begun < most)
        nanosleep(&pause, NULL);
    n->stuck = n->stuck || !c->done;
    return c->done;
}

static int failed(const struct nccl *n, const char *call, int result,
                  struct err *err)
{
    return err_set(err, ERR_RETRY, "NCCL fails at %s: %s", call,
                   n->say(result));
}

int nccl_make_id(struct nccl *n, unsigned char id[NCCL_ID], struct err *err)
{
    struct nccl_id made;
    int result = n->get_id(&made);

    n->called = true;
    if (result)
        return failed(n, "ncclGetUniqueId", result, err);
    memcpy(id, made.b, NCCL_ID);
    return 0;
}

int nccl_join(struct nccl *n, const unsigned char id[NCCL_ID], uint32_t rank,
              uint32_t size, int device, unsigned wait_s, struct err *err)
{
    unsigned most = wait_s && wait_s < JOIN_S ? wait_s : JOIN_S;
    struct nccl_call *c = call_new(n, JOINS);
    int rc = 0;

    n->called = true;
    n->device = device;
    c->rank = (int)rank;
    c->size = (int)size;
    memcpy(c->id.b, id, NCCL_ID);
    if (!call_in_time(n, c, most))
        rc = err_set(err, ERR_RETRY, "NCCL has not joined the members after"
                     " %u s", most);
    else if (c->result)
        rc = failed(n, "ncclCommInitRank", c->result, err);
    else
        n->comm = c->comm;
    call_let_go(c);
    return rc;
}

int nccl_close(struct nccl *n, bool aborts)
{
    struct nccl_call *c;

    if (!n)
        return 0;
    if (n->comm && !n->stuck) {
        c = call_new(n, aborts ? ABORTS : DESTROYS);
        call_in_time(n, c, CLOSE_S);
        call_let_go(c);
    }
    if (n->stuck) /* its thread reads what is freed here */
        return n->comm ? -1 : 0;
    if (!n->called)
        dlclose(n->library);
    free(n);
    return 0;
}

/* ---- exchanges ----------------------------------------------------------- */

int nccl_exchange(struct nccl *n, enum nccl_kind kind, void *x, size_t count,
                  cudaStream_t stream, struct err *err)
{
    /* by enum nccl_kind */
    static const struct {
        int type, op;
    } of[] = { { UINT32, MAX }, { UINT64, MAX }, { INT32, SUM } };
    int result = n->all_reduce(x, x, count, of[kind].type, of[kind].op,
                               n->comm, stream);

    return result ? failed(n, "ncclAllReduce", result, err) : 0;
}
