/*
 * Payloads over MPI.  No call waits for another rank once all have begun: a
 * large payload comes in several steps, and of a rank that dies between them
 * the rest never comes, and MPI reports no error.  So a receive is begun
 * (MPI_Imrecv, MPI_Irecv), into memory of this file, and tested until it is
 * done.  Three threads call MPI, that of the rank, that of the pulse and the
 * one that computes for a group (second way), each with the lock of the
 * communicator (MPI_THREAD_SERIALIZED); what goes to this rank itself is the
 * first one's alone.
 */
#include <config.h>

#include "mpi/comm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_MPI
#include <mpi.h>
#endif

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "mpi/watchdog.h"

#define FLUSH_MS 2000
#define END_S 20

/* On the second way. */
enum { TAG_PIECE, TAG_END, TAG_LAST };

/* A payload on its way: to this rank itself, in, or out. */
struct parcel {
    struct parcel *next;
    int peer, tag; /* whom it goes to, or comes from */
    size_t n;
#ifdef HAVE_MPI
    MPI_Request request;
#endif
    unsigned char data[];
};

struct pulse {
    pthread_t thread;
    pthread_cond_t wake;
    bool runs, over;
    bool *mute;         /* of each rank */
    int tag;
    double period_s, patience_s;
};

/* What comes from a rank on the second way.  Whoever waits for it may give up,
 * so that it comes to room of its own, COMM_PIECE bytes. */
struct arrival {
    unsigned char *room;    /* NULL: it never was waited for */
    bool asked, ended;      /* a receive is begun; the end has come: .. */
    unsigned char *end;     /* .. its bytes, .. */
    size_t n;
    bool has_last;
    unsigned char last;     /* .. and the byte after it */
#ifdef HAVE_MPI
    MPI_Request request;
#endif
};

struct comm {
    int rank, size;
    bool mpi, serialized;
    pthread_mutex_t lock;          /* of MPI, and of what other threads see */
    double polled;                 /* when this rank last asked */
    struct pulse pulse;
    struct parcel *own, **own_end; /* to this rank, oldest first */
    struct parcel *out;            /* not sent yet */
    struct parcel *in, **in_end;   /* begun to come, oldest first */
    struct parcel *held;           /* what comm_poll gave last */
    struct arrival *arrival;       /* of each rank; NULL: no second way */
#ifdef HAVE_MPI
    MPI_Comm second;
#endif
    unsigned call_s;               /* the longest that MPI may take, .. */
    int status;                    /* .. or the process ends with it */
};

/* data NULL: it is filled later. */
static struct parcel *parcel_new(int peer, int tag, const void *data, size_t n)
{
    struct parcel *p = xmalloc(sizeof(*p) + n);

    p->next = NULL;
    p->peer = peer;
    p->tag = tag;
    p->n = n;
    if (data && n > 0)
        memcpy(p->data, data, n);
    return p;
}

#ifdef HAVE_MPI

static int start_mpi(struct comm *l, unsigned start_s, struct err *err)
{
    int provided, rc;

    watchdog_start(start_s, l->call_s, l->status);
    rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    watchdog_started();
    if (rc)
        return err_set(err, ERR_FATAL, "MPI does not start");
    if (provided < MPI_THREAD_FUNNELED)
        return err_set(err, ERR_FATAL, "this MPI allows no threads");
    l->serialized = provided >= MPI_THREAD_SERIALIZED;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &l->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &l->size);
    l->mpi = true;
    return 0;
}

/* Free what has left. */
static void collect(struct comm *l)
{
    for (struct parcel **at = &l->out; *at;) {
        struct parcel *p = *at;
        int done = 0;

        if (MPI_Test(&p->request, &done, MPI_STATUS_IGNORE) || done) {
            *at = p->next;
            free(p);
        } else {
            at = &p->next;
        }
    }
}

static void send_on(struct comm *l, struct parcel *p, MPI_Comm way)
{
    int rc;

    watchdog(l->call_s);
    rc = MPI_Isend(p->data, (int)p->n, MPI_BYTE, p->peer, p->tag, way,
                   &p->request);
    watchdog(0);
    if (rc) {
        free(p);
        return;
    }
    p->next = l->out;
    l->out = p;
}

static void send_out(struct comm *l, struct parcel *p)
{
    send_on(l, p, MPI_COMM_WORLD);
}

static void send_second(struct comm *l, struct parcel *p)
{
    send_on(l, p, l->second);
}

/* Whether a receive is over, well or not. */
static bool is_over(MPI_Request *request, MPI_Status *st, bool *well)
{
    int done = 0;

    *well = MPI_Test(request, &done, st) == 0;
    return done || !*well;
}

static void keep_end(struct arrival *a, const void *bytes, int n)
{
    a->ended = true;
    a->n = (size_t)n;
    a->end = xmalloc(a->n + 1);
    memcpy(a->end, bytes, a->n);
}

/* The end, or the byte after it, has come to the room. */
static void take_end(struct arrival *a, const MPI_Status *st)
{
    int got = 0;

    MPI_Get_count(st, MPI_BYTE, &got);
    if (st->MPI_TAG == TAG_LAST) {
        a->ended = a->has_last = true;
        a->last = a->room[0];
    } else if (!a->ended) {
        keep_end(a, a->room, got);
    }
}

static enum comm_got take_arrival(struct arrival *a, const MPI_Status *st,
                                  void *data, size_t n)
{
    int got = 0;

    if (st->MPI_TAG != TAG_PIECE) {
        take_end(a, st);
        return COMM_END;
    }
    MPI_Get_count(st, MPI_BYTE, &got);
    if ((size_t)got != n)
        return COMM_STRANGE;
    memcpy(data, a->room, n);
    return COMM_GOT;
}

/* Into the room of `from`, whatever it is. */
static enum comm_got ask_arrival(struct comm *l, int from, MPI_Status *st)
{
    struct arrival *a = &l->arrival[from];
    bool well;

    if (!a->room)
        a->room = xmalloc(COMM_PIECE);
    if (!a->asked && MPI_Irecv(a->room, (int)COMM_PIECE, MPI_BYTE, from,
                               MPI_ANY_TAG, l->second, &a->request))
        return COMM_STRANGE;
    a->asked = true;
    if (!is_over(&a->request, st, &well))
        return COMM_NOTHING;
    a->asked = false;
    return well ? COMM_GOT : COMM_STRANGE;
}

static enum comm_got receive_second(struct comm *l, int from, void *data,
                                    size_t n)
{
    enum comm_got got;
    MPI_Status st;

    watchdog(l->call_s);
    collect(l);
    got = ask_arrival(l, from, &st);
    watchdog(0);
    return got == COMM_GOT ? take_arrival(&l->arrival[from], &st, data, n)
                           : got;
}

static enum comm_got receive_last(struct comm *l, int from)
{
    struct arrival *a = &l->arrival[from];
    enum comm_got got = COMM_GOT;
    MPI_Status st;

    watchdog(l->call_s);
    collect(l);
    while (!a->has_last && (got = ask_arrival(l, from, &st)) == COMM_GOT)
        if (st.MPI_TAG != TAG_PIECE)
            take_end(a, &st);
    watchdog(0);
    return got;
}

/* An end that nothing waits for yet, behind pieces that stay where they are. */
static void fetch_end(struct comm *l, int from)
{
    unsigned char *bytes;
    MPI_Status st;
    int there = 0, n = 0;

    if (MPI_Iprobe(from, TAG_END, l->second, &there, &st) || !there)
        return;
    MPI_Get_count(&st, MPI_BYTE, &n);
    if (n < 0 || n > (int)COMM_PIECE)
        return;
    bytes = xmalloc((size_t)n + 1);
    if (MPI_Recv(bytes, n, MPI_BYTE, from, TAG_END, l->second, &st) == 0)
        keep_end(&l->arrival[from], bytes, n);
    free(bytes);
}

/* What comes next comes to the receive that is begun, if one is. */
static enum comm_got receive_end(struct comm *l, int from)
{
    struct arrival *a = &l->arrival[from];
    MPI_Status st;
    int there = 0;

    watchdog(l->call_s);
    collect(l);
    if (a->asked && MPI_Request_get_status(a->request, &there, &st))
        there = 0;
    if (!there || st.MPI_TAG == TAG_PIECE)
        fetch_end(l, from);
    else if (ask_arrival(l, from, &st) == COMM_GOT)
        take_end(a, &st);
    watchdog(0);
    return a->ended ? COMM_END : COMM_NOTHING;
}

static int make_second(struct comm *l, unsigned start_s, struct err *err)
{
    int rc;

    if (!l->mpi || !l->serialized)
        return err_set(err, ERR_FATAL, "this MPI does not let several threads"
                       " take turns: set tp = 1");
    watchdog(start_s);
    rc = MPI_Comm_dup(MPI_COMM_WORLD, &l->second);
    watchdog(0);
    if (rc)
        return err_set(err, ERR_FATAL, "MPI gives no second communicator");
    MPI_Comm_set_errhandler(l->second, MPI_ERRORS_RETURN);
    l->arrival = xcalloc((size_t)l->size, sizeof(*l->arrival));
    return 0;
}

/* Begin to receive the next payload, if there is one. */
static void begin_one(struct comm *l)
{
    MPI_Message message;
    struct parcel *p;
    MPI_Status st;
    int flag = 0, n = 0;

    if (MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &flag,
                    &message, &st) || !flag)
        return;
    MPI_Get_count(&st, MPI_BYTE, &n);
    if (n < 0 || n > (int)COMM_MAX)
        n = (int)COMM_MAX; /* nobody sends as much: it fails, and is dropped */
    p = parcel_new(st.MPI_SOURCE, st.MPI_TAG, NULL, (size_t)n);
    if (MPI_Imrecv(p->data, n, MPI_BYTE, &message, &p->request)) {
        free(p);
        return;
    }
    *l->in_end = p;
    l->in_end = &p->next;
}

/* Whether an earlier one of the same rank is not there yet. */
static bool waits_in_line(const struct comm *l, const struct parcel *p)
{
    const struct parcel *before = l->in;

    while (before != p && before->peer != p->peer)
        before = before->next;
    return before != p;
}

/* The oldest that is over.  What a dead rank leaves unfinished stays until the
 * end, and holds up nobody else's. */
static struct parcel *take_in(struct comm *l, bool *well)
{
    for (struct parcel **at = &l->in; *at; at = &(*at)->next) {
        struct parcel *p = *at;
        MPI_Status unused;

        if (waits_in_line(l, p) || !is_over(&p->request, &unused, well))
            continue;
        *at = p->next;
        if (!*at)
            l->in_end = at;
        return p;
    }
    return NULL;
}

static bool receive_now(struct comm *l, struct payload *p)
{
    bool well = true;

    collect(l);
    begin_one(l);
    l->held = take_in(l, &well);
    if (!l->held || !well)
        return false;
    *p = (struct payload){ l->held->peer, l->held->tag, l->held->data,
                           l->held->n };
    return true;
}

static bool receive(struct comm *l, struct payload *p)
{
    bool some;

    watchdog(l->call_s);
    some = receive_now(l, p);
    watchdog(0);
    return some;
}

/* No longer wait for what comes: its memory stays until MPI has ended. */
static void let_go(struct comm *l)
{
    for (struct parcel *p = l->in; p; p = p->next)
        MPI_Request_free(&p->request);
    for (int i = 0; l->arrival && i < l->size; i++) {
        struct arrival *a = &l->arrival[i];

        if (!a->asked)
            continue;
        MPI_Cancel(&a->request);
        MPI_Request_free(&a->request);
    }
}

static void end_mpi(struct comm *l, int status)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    for (int i = 0; l->out && i < FLUSH_MS; i++) {
        collect(l);
        nanosleep(&pause, NULL);
    }
    /* it may wait for ranks that will never come, without harm */
    watchdog_end(END_S, status);
    let_go(l);
    MPI_Finalize();
    watchdog(0);
}

#else

static int start_mpi(struct comm *l, unsigned start_s, struct err *err)
{
    (void)l;
    (void)start_s;
    (void)err;
    return 0;
}

static void collect(struct comm *l)
{
    (void)l;
}

static void send_out(struct comm *l, struct parcel *p)
{
    (void)l;
    free(p);
}

static void send_second(struct comm *l, struct parcel *p)
{
    send_out(l, p);
}

static enum comm_got receive_second(struct comm *l, int from, void *data,
                                    size_t n)
{
    (void)l;
    (void)from;
    (void)data;
    (void)n;
    return COMM_NOTHING;
}

static enum comm_got receive_last(struct comm *l, int from)
{
    (void)l;
    (void)from;
    return COMM_NOTHING;
}

static enum comm_got receive_end(struct comm *l, int from)
{
    return receive_last(l, from);
}

static int make_second(struct comm *l, unsigned start_s, struct err *err)
{
    (void)l;
    (void)start_s;
    return err_set(err, ERR_FATAL, "this apus-worker was built without MPI:"
                   " set tp = 1");
}

static bool receive(struct comm *l, struct payload *p)
{
    (void)l;
    (void)p;
    return false;
}

static void end_mpi(struct comm *l, int status)
{
    (void)l;
    (void)status;
}

#endif

/* ---- the pulse ----------------------------------------------------------- */

static bool is_on_its_way(const struct comm *l, int to, int tag)
{
    const struct parcel *p = l->out;

    while (p && (p->peer != to || p->tag != tag))
        p = p->next;
    return p != NULL;
}

/* Whether this rank does something else, and not for too long. */
static bool is_away(const struct comm *l)
{
    double gone = clock_s() - l->polled;

    return gone >= l->pulse.period_s && gone < l->pulse.patience_s;
}

static void *beat(void *self)
{
    struct comm *l = self;
    struct pulse *p = &l->pulse;

    pthread_mutex_lock(&l->lock);
    while (!p->over) {
        clock_wait(&p->wake, &l->lock, (uint64_t)(p->period_s * 1000));
        if (p->over || !is_away(l))
            continue;
        collect(l);
        for (int i = 0; i < l->size; i++)
            if (i != l->rank && !p->mute[i] && !is_on_its_way(l, i, p->tag))
                send_out(l, parcel_new(i, p->tag, "", 0));
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

void comm_pulse(struct comm *l, int tag, double period_s, double patience_s)
{
    struct pulse *p = &l->pulse;
    sigset_t most, before;

    if (!l->serialized || l->size < 2 || p->runs)
        return;
    p->tag = tag;
    p->period_s = period_s;
    p->patience_s = patience_s;
    p->mute = xcalloc((size_t)l->size, sizeof(*p->mute));
    l->polled = clock_s();
    clock_cond_init(&p->wake);
    /* signals are for the rank, but for the one that ends a call of MPI */
    sigfillset(&most);
    sigdelset(&most, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &most, &before);
    p->runs = pthread_create(&p->thread, NULL, beat, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void comm_mute(struct comm *l, int rank)
{
    pthread_mutex_lock(&l->lock);
    if (l->pulse.mute)
        l->pulse.mute[rank] = true;
    pthread_mutex_unlock(&l->lock);
}

static void pulse_stop(struct comm *l)
{
    struct pulse *p = &l->pulse;

    if (!p->mute)
        return;
    pthread_mutex_lock(&l->lock);
    p->over = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&l->lock);
    if (p->runs)
        pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->wake);
    free(p->mute);
}

/* ---- the link ------------------------------------------------------------ */

int comm_open(struct comm **out, bool alone, unsigned start_s,
              unsigned call_s, int status, struct err *err)
{
    struct comm *l = xcalloc(1, sizeof(*l));

    l->size = 1;
    l->own_end = &l->own;
    l->in_end = &l->in;
    l->call_s = call_s;
    pthread_mutex_init(&l->lock, NULL);
    l->status = status;
    if (!alone && start_mpi(l, start_s, err)) {
        pthread_mutex_destroy(&l->lock);
        free(l);
        return -1;
    }
    *out = l;
    return 0;
}

int comm_rank(const struct comm *l)
{
    return l->rank;
}

int comm_size(const struct comm *l)
{
    return l->size;
}

void comm_send(struct comm *l, int to, int tag, const void *data, size_t n)
{
    struct parcel *p = parcel_new(to, tag, data, n);

    sys_crash_point();
    if (to == l->rank) {
        *l->own_end = p;
        l->own_end = &p->next;
        return;
    }
    pthread_mutex_lock(&l->lock);
    send_out(l, p);
    pthread_mutex_unlock(&l->lock);
}

int comm_second(struct comm *l, unsigned start_s, struct err *err)
{
    return make_second(l, start_s, err);
}

static void give(struct comm *l, int to, int tag, const void *data, size_t n)
{
    struct parcel *p = parcel_new(to, tag, data, n);

    sys_crash_point();
    pthread_mutex_lock(&l->lock);
    send_second(l, p);
    pthread_mutex_unlock(&l->lock);
}

void comm_give(struct comm *l, int to, const void *data, size_t n)
{
    give(l, to, TAG_PIECE, data, n);
}

void comm_give_end(struct comm *l, int to, const void *data, size_t n)
{
    give(l, to, TAG_END, data, n < COMM_PIECE ? n : COMM_PIECE);
}

enum comm_got comm_get(struct comm *l, int from, void *data, size_t n)
{
    enum comm_got got = COMM_END;

    pthread_mutex_lock(&l->lock);
    if (!l->arrival || !l->arrival[from].ended)
        got = receive_second(l, from, data, n);
    pthread_mutex_unlock(&l->lock);
    return got;
}

void comm_give_last(struct comm *l, int to, unsigned char byte)
{
    give(l, to, TAG_LAST, &byte, 1);
}

enum comm_got comm_get_last(struct comm *l, int from, unsigned char *byte)
{
    enum comm_got got = COMM_STRANGE;

    pthread_mutex_lock(&l->lock);
    if (l->arrival)
        got = receive_last(l, from);
    if (got == COMM_GOT)
        *byte = l->arrival[from].last;
    pthread_mutex_unlock(&l->lock);
    return got;
}

enum comm_got comm_get_end(struct comm *l, int from)
{
    enum comm_got got = COMM_END;

    pthread_mutex_lock(&l->lock);
    if (!l->arrival || !l->arrival[from].ended)
        got = l->arrival ? receive_end(l, from) : COMM_NOTHING;
    pthread_mutex_unlock(&l->lock);
    return got;
}

const unsigned char *comm_end(const struct comm *l, int from, size_t *n)
{
    *n = l->arrival[from].n;
    return l->arrival[from].end;
}

bool comm_poll(struct comm *l, struct payload *p)
{
    bool some;

    free(l->held);
    l->held = NULL;
    if (l->own) {
        l->held = l->own;
        l->own = l->own->next;
        if (!l->own)
            l->own_end = &l->own;
        p->from = l->rank;
        p->tag = l->held->tag;
        p->data = l->held->data;
        p->n = l->held->n;
        return true;
    }
    if (!l->mpi)
        return false;
    pthread_mutex_lock(&l->lock);
    l->polled = clock_s();
    some = receive(l, p);
    pthread_mutex_unlock(&l->lock);
    return some;
}

static void parcels_free(struct parcel *p)
{
    while (p) {
        struct parcel *next = p->next;

        free(p);
        p = next;
    }
}

void comm_close(struct comm *l, int status)
{
    if (!l)
        return;
    pulse_stop(l);
    if (l->mpi)
        end_mpi(l, status);
    free(l->held);
    parcels_free(l->own);
    parcels_free(l->in);
    parcels_free(l->out);
    for (int i = 0; l->arrival && i < l->size; i++) {
        free(l->arrival[i].room);
        free(l->arrival[i].end);
    }
    free(l->arrival);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
