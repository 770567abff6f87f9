/*
 * Every member sends its numbers to all others, in pieces, and joins what it
 * gets in the order of ranks.
 */
#include <config.h>

#include "mpi/rank_group.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "mpi/comm.h"
#include "mpi/dispatch.h"
#include "mpi/local_share.h"

#define SPIN_S 0.002 /* then it sleeps between looks */
#define PAUSE_NS 100000

struct rank_group {
    struct group view;
    struct comm *comm;
    int first;              /* rank of the first member in the job */
    unsigned lost_s;
    unsigned char *piece;   /* of another member */
    atomic_bool stopped;    /* by this rank, or since a member is gone */
    atomic_bool accuses;    /* what this member has computed is wrong */
    bool left;              /* the first one knows, and whether it accuses */
    uint32_t silent;        /* a member that is not waited for again; 0: none */
    _Atomic double heard;   /* when, from the first member; 0: never */
    char name[300];         /* of this member */
};

enum kind { KIND_MAX_U32, KIND_SUM_I32, KIND_SUM_I64 };

/* An end is the code of an error and its text. */
static void give_ends(struct rank_group *g, const struct err *why)
{
    unsigned char end[1 + sizeof(why->text)];
    size_t n = strlen(why->text);

    end[0] = (unsigned char)why->code;
    memcpy(end + 1, why->text, n);
    for (uint32_t i = 0; i < g->view.size; i++)
        if (i != g->view.rank)
            comm_give_end(g->comm, g->first + (int)i, end, 1 + n);
}

/* This rank is through with its group, and whoever waits for it need not. */
static int leave(struct rank_group *g, const struct err *why, struct err *err)
{
    if (!atomic_exchange(&g->stopped, true))
        give_ends(g, why);
    return err_copy(err, why);
}

/* What is wrong with member `from`, if anything is. */
static void look_at(struct rank_group *g, uint32_t from, enum comm_got got,
                    double waited, unsigned patience_s, struct err *why)
{
    int rank = g->first + (int)from;
    const unsigned char *end;
    size_t n;

    if (got == COMM_END) {
        end = comm_end(g->comm, rank, &n);
        if (n == 0)
            err_set(why, ERR_RETRY, "rank %d has left its group", rank);
        else
            err_set(why, end[0] ? (enum err_code)end[0] : ERR_RETRY, "%.*s",
                    (int)n - 1, (const char *)end + 1);
    } else if (got == COMM_STRANGE) {
        err_set(why, ERR_RETRY, "rank %d of this group is out of step", rank);
    } else if (patience_s && waited > patience_s) {
        g->silent = from;
        err_set(why, ERR_RETRY, "rank %d of this group is silent for %u s",
                rank, patience_s);
    }
}

/* A piece of member `from`.  patience_s 0: wait as long as it takes. */
static int get_piece(struct rank_group *g, uint32_t from, void *data, size_t n,
                     unsigned patience_s, struct err *err)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    double begun = clock_s(), waited;
    struct err why = ERR_INIT;
    enum comm_got got;

    for (;;) {
        got = comm_get(g->comm, g->first + (int)from, data, n);
        if (got == COMM_GOT)
            return 0;
        waited = clock_s() - begun;
        if (atomic_load(&g->stopped))
            return err_set(err, ERR_RETRY, "this rank has left its group");
        look_at(g, from, got, waited, patience_s, &why);
        if (why.code)
            return leave(g, &why, err);
        if (waited < SPIN_S)
            sched_yield();
        else
            nanosleep(&pause, NULL);
    }
}

static void give_all(struct rank_group *g, const void *data, size_t n)
{
    for (uint32_t i = 0; i < g->view.size; i++)
        if (i != g->view.rank)
            comm_give(g->comm, g->first + (int)i, data, n);
}

static void join(enum kind kind, unsigned char *to, const unsigned char *from,
                 size_t n)
{
    size_t width = kind == KIND_SUM_I64 ? 8 : 4;

    for (size_t at = 0; at < n; at += width) {
        uint32_t a, b;
        int64_t x, y;

        if (width == 8) {
            memcpy(&x, to + at, 8);
            memcpy(&y, from + at, 8);
            x += y;
            memcpy(to + at, &x, 8);
            continue;
        }
        memcpy(&a, to + at, 4);
        memcpy(&b, from + at, 4);
        if (kind == KIND_MAX_U32)
            a = b > a ? b : a;
        else
            a += b;
        memcpy(to + at, &a, 4);
    }
}

static int exchange(struct rank_group *g, enum kind kind, void *data, size_t n,
                    unsigned wait_s, struct err *err)
{
    unsigned char *at = data;

    if (atomic_load(&g->stopped))
        return err_set(err, ERR_RETRY, "this rank has left its group");
    for (size_t done = 0; done < n; done += COMM_PIECE, at += COMM_PIECE) {
        size_t m = n - done < COMM_PIECE ? n - done : COMM_PIECE;

        give_all(g, at, m);
        for (uint32_t i = 0; i < g->view.size; i++) {
            if (i == g->view.rank)
                continue;
            if (get_piece(g, i, g->piece, m, wait_s, err))
                return -1;
            join(kind, at, g->piece, m);
        }
    }
    return 0;
}

static int max_u32(void *self, uint32_t *x, size_t n, struct err *err)
{
    struct rank_group *g = self;

    return exchange(g, KIND_MAX_U32, x, n * sizeof(*x), g->lost_s, err);
}

static int sum_i32(void *self, int32_t *x, size_t n, struct err *err)
{
    struct rank_group *g = self;

    return exchange(g, KIND_SUM_I32, x, n * sizeof(*x), g->lost_s, err);
}

static int sum_i64(void *self, int64_t *x, size_t n, struct err *err)
{
    struct rank_group *g = self;

    return exchange(g, KIND_SUM_I64, x, n * sizeof(*x), g->lost_s, err);
}

/* Longer than packed weights are waited for, and shorter than rank 0 waits for
 * a rank that starts: who is found to be silent is the one that is. */
static int barrier(void *self, struct err *err)
{
    struct rank_group *g = self;
    uint32_t none = 0;

    return exchange(g, KIND_MAX_U32, &none, sizeof(none),
                    START_FACTOR * g->lost_s * 3 / 4, err);
}

/* The first member may have nothing to do for long: that it lives is rank 0's
 * to know.  Where it is lost the others wait until they are stopped. */
static int broadcast(void *self, void *data, size_t n, struct err *err)
{
    struct rank_group *g = self;
    unsigned char *at = data;

    if (atomic_load(&g->stopped))
        return err_set(err, ERR_RETRY, "this rank has left its group");
    for (size_t done = 0; done < n; done += COMM_PIECE, at += COMM_PIECE) {
        size_t m = n - done < COMM_PIECE ? n - done : COMM_PIECE;

        if (g->view.rank == 0)
            give_all(g, at, m);
        else if (get_piece(g, 0, at, m, 0, err))
            return -1;
    }
    atomic_store(&g->heard, clock_s());
    return 0;
}

static void leave_for(void *self, const struct err *why)
{
    rank_group_leave(self, why);
}

static void accuse(void *self)
{
    struct rank_group *g = self;

    atomic_store(&g->accuses, true);
}

/* Who ended the group may be none of those that found something. */
static bool accused(void *self)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    struct rank_group *g = self;
    double begun = clock_s();
    bool any = false;

    for (uint32_t i = 1; i < g->view.size; i++) {
        unsigned char it = 0;

        while (i != g->silent && clock_s() - begun < g->lost_s &&
               comm_get_last(g->comm, g->first + (int)i, &it) == COMM_NOTHING)
            nanosleep(&pause, NULL);
        any = any || it;
    }
    return any;
}

static int whole(void *self, struct err *err)
{
    struct rank_group *g = self;
    struct err why = ERR_INIT;

    if (atomic_load(&g->stopped))
        return err_set(err, ERR_RETRY, "this rank has left its group");
    for (uint32_t i = 0; i < g->view.size && !why.code; i++)
        if (i != g->view.rank &&
            comm_get_end(g->comm, g->first + (int)i) == COMM_END)
            look_at(g, i, COMM_END, 0, 0, &why);
    return why.code ? leave(g, &why, err) : 0;
}

int rank_group_new(struct rank_group **out, struct comm *comm, unsigned tp,
                   unsigned lost_s, struct err *err)
{
    static const struct group_ops ops = { max_u32, sum_i32, sum_i64, barrier,
                                          broadcast, leave_for, accuse,
                                          accused, whole };
    struct rank_group *g;
    char node[256];

    if (comm_size(comm) == 1)
        return err_set(err, ERR_INPUT, "tp = %u needs %u ranks, and there is"
                       " one (no MPI, no mpirun, or --alone): set tp = 1", tp,
                       tp);
    if (tp > GROUP_MAX || comm_size(comm) % (int)tp != 0)
        return err_set(err, ERR_INPUT, "tp = %u does not divide the %d ranks of"
                       " this job: start as many as a multiple of it", tp,
                       comm_size(comm));
    g = xcalloc(1, sizeof(*g));
    local_node(node, sizeof(node));
    snprintf(g->name, sizeof(g->name), "rank %d on %s", comm_rank(comm), node);
    g->view = (struct group){ (uint32_t)comm_rank(comm) % tp, tp, &ops, g,
                              g->name };
    g->comm = comm;
    g->first = comm_rank(comm) - (int)g->view.rank;
    g->lost_s = lost_s;
    g->piece = xmalloc(COMM_PIECE);
    atomic_init(&g->stopped, false);
    atomic_init(&g->accuses, false);
    atomic_init(&g->heard, 0);
    *out = g;
    return 0;
}

void rank_group_free(struct rank_group *g)
{
    if (!g)
        return;
    free(g->piece);
    free(g);
}

const struct group *rank_group_view(const struct rank_group *g)
{
    return &g->view;
}

void rank_group_stop(struct rank_group *g)
{
    atomic_store(&g->stopped, true);
}

void rank_group_leave(struct rank_group *g, const struct err *why)
{
    struct err named = *why;

    err_prefix(&named, "%s", g->name);
    leave(g, &named, NULL);
    if (g->view.rank != 0 && !g->left)
        comm_give_last(g->comm, g->first, atomic_load(&g->accuses));
    g->left = true;
}

bool rank_group_accuses(const struct rank_group *g)
{
    return atomic_load(&g->accuses);
}

double rank_group_heard(const struct rank_group *g)
{
    return atomic_load(&g->heard);
}
