/*
 * Payloads over MPI.  Receiving asks first (MPI_Iprobe): a receive that waits
 * for a rank that is dead never returns, and no error is ever told.  Two
 * threads call MPI, that of the rank and that of the pulse, each with the lock
 * of the communicator (MPI_THREAD_SERIALIZED); what goes to this rank itself is
 * the former's alone.
 */
#include <config.h>

#include "mpi/comm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_MPI
#include <mpi.h>
#endif

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"

#define FLUSH_MS 2000
#define END_S 20

/* A payload on its way: to this rank itself, or out. */
struct parcel {
    struct parcel *next;
    int to, tag;
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

struct comm {
    int rank, size;
    bool mpi, serialized;
    pthread_mutex_t lock;          /* of MPI, of `out`, of the pulse */
    double polled;                 /* when this rank last asked */
    struct pulse pulse;
    struct parcel *own, **own_end; /* to this rank, oldest first */
    struct parcel *out;            /* not sent yet */
    struct parcel *held;           /* what comm_poll gave last */
#ifdef HAVE_MPI
    MPI_Comm second;
#endif
    unsigned call_s;               /* the longest that MPI may take */
};

static struct parcel *parcel_new(int to, int tag, const void *data, size_t n)
{
    struct parcel *p = xmalloc(sizeof(*p) + n);

    p->next = NULL;
    p->to = to;
    p->tag = tag;
    p->n = n;
    if (n > 0)
        memcpy(p->data, data, n);
    return p;
}

#ifdef HAVE_MPI

/* A watchdog around what MPI does.  A rank that hangs in a call is of no use
 * to anybody, and holds its job up. */
static int hung_status;

static char hung_text[512];

/* Written by a signal's handler, so it is made before. */
static void set_hung_text(const char *what)
{
    const char *nodes = getenv("SLURM_STEP_NODELIST");

    snprintf(hung_text, sizeof(hung_text), "apus-worker: error: MPI does not"
             " %s: other ranks are gone%s%.300s\n", what, nodes ? ", of "
             : "", nodes ? nodes : "");
}

static void on_alarm(int signo)
{
    (void)signo;
    if (write(STDERR_FILENO, hung_text, strlen(hung_text)) < 0)
        _exit(hung_status);
    _exit(hung_status);
}

static void watch(unsigned seconds)
{
    alarm(seconds);
}

static int start_mpi(struct comm *l, unsigned start_s, struct err *err)
{
    struct sigaction sa = { .sa_handler = on_alarm };
    int provided, rc;

    sigaction(SIGALRM, &sa, NULL);
    set_hung_text("start");
    watch(start_s);
    rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    watch(0);
    set_hung_text("return");
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

    watch(l->call_s);
    rc = MPI_Isend(p->data, (int)p->n, MPI_BYTE, p->to, p->tag, way,
                   &p->request);
    watch(0);
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

/* As receive_now: it asks first. */
static bool receive_second(struct comm *l, int from, void *data, size_t n)
{
    int flag = 0;

    watch(l->call_s);
    collect(l);
    if (MPI_Iprobe(from, 0, l->second, &flag, MPI_STATUS_IGNORE) || !flag)
        flag = 0;
    else
        flag = MPI_Recv(data, (int)n, MPI_BYTE, from, 0, l->second,
                        MPI_STATUS_IGNORE) == 0;
    watch(0);
    return flag;
}

static int make_second(struct comm *l, unsigned start_s, struct err *err)
{
    int rc;

    if (!l->mpi || !l->serialized)
        return err_set(err, ERR_FATAL, "this MPI does not let several threads"
                       " take turns: set tp = 1");
    watch(start_s);
    rc = MPI_Comm_dup(MPI_COMM_WORLD, &l->second);
    watch(0);
    if (rc)
        return err_set(err, ERR_FATAL, "MPI gives no second communicator");
    MPI_Comm_set_errhandler(l->second, MPI_ERRORS_RETURN);
    return 0;
}

static bool receive_now(struct comm *l, struct payload *p)
{
    MPI_Status st;
    int flag = 0, n = 0;

    collect(l);
    if (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &flag, &st) ||
        !flag)
        return false;
    MPI_Get_count(&st, MPI_BYTE, &n);
    if (n < 0 || n > (int)COMM_MAX)
        n = (int)COMM_MAX; /* it is cut, and refused by whoever reads it */
    l->held = xmalloc(sizeof(*l->held) + (size_t)n);
    if (MPI_Recv(l->held->data, n, MPI_BYTE, st.MPI_SOURCE, st.MPI_TAG,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE))
        return false;
    p->from = st.MPI_SOURCE;
    p->tag = st.MPI_TAG;
    p->data = l->held->data;
    p->n = (size_t)n;
    return true;
}

static bool receive(struct comm *l, struct payload *p)
{
    bool some;

    watch(l->call_s);
    some = receive_now(l, p);
    watch(0);
    return some;
}

/* MPI_Finalize may wait for ranks that will never come, without harm. */
static void give_up(int signo)
{
    (void)signo;
    _exit(hung_status);
}

static void end_mpi(struct comm *l, int status)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    struct sigaction sa = { .sa_handler = give_up };

    for (int i = 0; l->out && i < FLUSH_MS; i++) {
        collect(l);
        nanosleep(&pause, NULL);
    }
    hung_status = status;
    sigaction(SIGALRM, &sa, NULL);
    alarm(END_S);
    MPI_Finalize();
    alarm(0);
}

#else

static int hung_status;

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

static bool receive_second(struct comm *l, int from, void *data, size_t n)
{
    (void)l;
    (void)from;
    (void)data;
    (void)n;
    return false;
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

    while (p && (p->to != to || p->tag != tag))
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
    l->call_s = call_s;
    pthread_mutex_init(&l->lock, NULL);
    hung_status = status;
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

void comm_give(struct comm *l, int to, const void *data, size_t n)
{
    struct parcel *p = parcel_new(to, 0, data, n);

    sys_crash_point();
    pthread_mutex_lock(&l->lock);
    send_second(l, p);
    pthread_mutex_unlock(&l->lock);
}

bool comm_get(struct comm *l, int from, void *data, size_t n)
{
    bool some;

    pthread_mutex_lock(&l->lock);
    some = receive_second(l, from, data, n);
    pthread_mutex_unlock(&l->lock);
    return some;
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

void comm_close(struct comm *l, int status)
{
    if (!l)
        return;
    pulse_stop(l);
    if (l->mpi)
        end_mpi(l, status);
    free(l->held);
    while (l->own) {
        struct parcel *p = l->own;

        l->own = p->next;
        free(p);
    }
    while (l->out) {
        struct parcel *p = l->out;

        l->out = p->next;
        free(p);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}
