/*
 * Payloads over MPI.  Receiving asks first (MPI_Iprobe): a receive that waits
 * for a rank that is dead never returns, and no error is ever told.
 */
#include <config.h>

#include "mpi/link.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_MPI
#include <mpi.h>
#endif

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"

#define FLUSH_MS 2000
#define END_S 20

/* A payload on its way: to this rank itself, or out. */
struct parcel {
    struct parcel *next;
    int tag;
    size_t n;
#ifdef HAVE_MPI
    MPI_Request request;
#endif
    unsigned char data[];
};

struct link {
    int rank, size;
    bool mpi;
    struct parcel *own, **own_end; /* to this rank, oldest first */
    struct parcel *out;            /* not sent yet */
    struct parcel *held;           /* what link_poll gave last */
    unsigned call_s;               /* the longest that MPI may take */
};

static struct parcel *parcel_new(int tag, const void *data, size_t n)
{
    struct parcel *p = xmalloc(sizeof(*p) + n);

    p->next = NULL;
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

static void on_alarm(int signo)
{
    static const char text[] = "apus-worker: error: MPI does not return:"
                               " other ranks are gone\n";

    (void)signo;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        _exit(hung_status);
    _exit(hung_status);
}

static void watch(unsigned seconds)
{
    alarm(seconds);
}

static int start_mpi(struct link *l, unsigned start_s, struct err *err)
{
    struct sigaction sa = { .sa_handler = on_alarm };
    int provided, rc;

    sigaction(SIGALRM, &sa, NULL);
    watch(start_s);
    rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    watch(0);
    if (rc)
        return err_set(err, ERR_FATAL, "MPI does not start");
    if (provided < MPI_THREAD_FUNNELED)
        return err_set(err, ERR_FATAL, "this MPI allows no threads");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &l->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &l->size);
    l->mpi = true;
    return 0;
}

/* Free what has left. */
static void sweep(struct link *l)
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

static void send_out(struct link *l, int to, struct parcel *p)
{
    int rc;

    watch(l->call_s);
    rc = MPI_Isend(p->data, (int)p->n, MPI_BYTE, to, p->tag, MPI_COMM_WORLD,
                   &p->request);
    watch(0);
    if (rc) {
        free(p);
        return;
    }
    p->next = l->out;
    l->out = p;
}

static bool receive_now(struct link *l, struct payload *p)
{
    MPI_Status st;
    int flag = 0, n = 0;

    sweep(l);
    if (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &flag, &st) ||
        !flag)
        return false;
    MPI_Get_count(&st, MPI_BYTE, &n);
    if (n < 0 || n > (int)LINK_MAX)
        n = (int)LINK_MAX; /* it is cut, and refused by whoever reads it */
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

static bool receive(struct link *l, struct payload *p)
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

static void end_mpi(struct link *l, int status)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    struct sigaction sa = { .sa_handler = give_up };

    for (int i = 0; l->out && i < FLUSH_MS; i++) {
        sweep(l);
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

static int start_mpi(struct link *l, unsigned start_s, struct err *err)
{
    (void)l;
    (void)start_s;
    (void)err;
    return 0;
}

static void send_out(struct link *l, int to, struct parcel *p)
{
    (void)l;
    (void)to;
    free(p);
}

static bool receive(struct link *l, struct payload *p)
{
    (void)l;
    (void)p;
    return false;
}

static void end_mpi(struct link *l, int status)
{
    (void)l;
    (void)status;
}

#endif

int link_open(struct link **out, bool alone, unsigned start_s,
              unsigned call_s, int status, struct err *err)
{
    struct link *l = xcalloc(1, sizeof(*l));

    l->size = 1;
    l->own_end = &l->own;
    l->call_s = call_s;
    hung_status = status;
    if (!alone && start_mpi(l, start_s, err)) {
        free(l);
        return -1;
    }
    *out = l;
    return 0;
}

int link_rank(const struct link *l)
{
    return l->rank;
}

int link_size(const struct link *l)
{
    return l->size;
}

void link_send(struct link *l, int to, int tag, const void *data, size_t n)
{
    struct parcel *p = parcel_new(tag, data, n);

    sys_crash_point();
    if (to == l->rank) {
        *l->own_end = p;
        l->own_end = &p->next;
    } else {
        send_out(l, to, p);
    }
}

bool link_poll(struct link *l, struct payload *p)
{
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
    return l->mpi && receive(l, p);
}

void link_close(struct link *l, int status)
{
    if (!l)
        return;
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
    free(l);
}
