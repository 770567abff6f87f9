/*
 * What is on its way from a rank that does nothing any more holds nobody up,
 * and comes when that rank goes on; a member that leaves its group says why.
 * Started by itself, the program starts itself as the ranks of mpirun.
 */
#include <config.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "mpi/comm.h"
#include "mpi/rank_group.h"
#include "tests/tap.h"

#define LOOK_S 8 /* .. longer than CALL_S, after which a call of MPI is hung */
#define CALL_S 6
#define STATUS 75

enum { TAG_PID = 1, TAG_BIG, TAG_SMALL, TAG_OVER };

static void nap(void)
{
    const struct timespec pause = { .tv_nsec = 2000000 };

    nanosleep(&pause, NULL);
}

/* ---- the ranks ----------------------------------------------------------- */

/* The next payload, within some seconds; 0: none came. */
static int next(struct comm *l, struct payload *p, double seconds)
{
    double begun = clock_s();

    while (clock_s() - begun < seconds) {
        if (comm_poll(l, p))
            return p->tag;
        nap();
    }
    return 0;
}

/* Wait until a process is stopped, without a call of MPI. */
static void until_stopped(long pid)
{
    char path[64], state = 0;

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    while (state != 'T') {
        FILE *f = fopen(path, "r");

        if (!f || fscanf(f, "%*d %*[^)]) %c", &state) != 1)
            abort();
        fclose(f);
        nap();
    }
}

static bool is_full(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != (unsigned char)(i * 7 + 1))
            return false;
    return true;
}

static void fill(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(i * 7 + 1);
}

/* Rank 1 of a piece or payload: it stops with it on its way. */
static void stop_on_the_way(struct comm *l, bool second)
{
    static unsigned char big[COMM_PIECE];
    long pid = getpid();
    struct payload p;

    fill(big, sizeof(big));
    comm_send(l, 0, TAG_PID, &pid, sizeof(pid));
    if (second)
        comm_give(l, 0, big, sizeof(big));
    else
        comm_send(l, 0, TAG_BIG, big, COMM_MAX);
    comm_send(l, 0, TAG_SMALL, "1", 1);
    raise(SIGSTOP);
    while (next(l, &p, 60) != TAG_OVER)
        ;
}

static long stopped_rank(struct comm *l)
{
    struct payload p;
    long pid;

    if (next(l, &p, 60) != TAG_PID)
        abort();
    memcpy(&pid, p.data, sizeof(pid));
    until_stopped(pid);
    return pid;
}

static void piece(struct comm *l)
{
    static unsigned char got[COMM_PIECE];
    enum comm_got g = COMM_NOTHING;
    double begun;
    long pid;

    if (comm_rank(l) == 1)
        stop_on_the_way(l, true);
    if (comm_rank(l) != 0)
        return;
    pid = stopped_rank(l);
    begun = clock_s();
    while (g == COMM_NOTHING && clock_s() - begun < LOOK_S) {
        g = comm_get(l, 1, got, sizeof(got));
        nap();
    }
    printf("%s\n", g == COMM_NOTHING ? "waits" : "came early");
    kill((pid_t)pid, SIGCONT);
    while (g == COMM_NOTHING && clock_s() - begun < 60)
        g = comm_get(l, 1, got, sizeof(got));
    printf("%s\n", g == COMM_GOT && is_full(got, sizeof(got)) ? "came" : "no");
    comm_send(l, 1, TAG_OVER, "", 0);
}

static void payload(struct comm *l)
{
    struct payload p;
    long pid;

    if (comm_rank(l) == 1)
        stop_on_the_way(l, false);
    if (comm_rank(l) == 2 && next(l, &p, 60) == TAG_OVER)
        comm_send(l, 0, TAG_SMALL, "2", 1);
    if (comm_rank(l) != 0)
        return;
    pid = stopped_rank(l);
    comm_send(l, 2, TAG_OVER, "", 0);
    printf("%s\n", next(l, &p, 60) == TAG_SMALL && p.from == 2 ? "other's"
                                                                 : "no");
    printf("%s\n", next(l, &p, LOOK_S) == 0 ? "waits" : "came early");
    kill((pid_t)pid, SIGCONT);
    printf("%s\n", next(l, &p, 60) == TAG_BIG && p.n == COMM_MAX &&
                           is_full(p.data, p.n) ? "came" : "no");
    printf("%s\n", next(l, &p, 60) == TAG_SMALL && p.from == 1 ? "after it"
                                                                 : "no");
    comm_send(l, 1, TAG_OVER, "", 0);
}

/* Seconds until this member knows that another one has left, without a call
 * that waits for it. */
static double learn(const struct group *view, struct err *err)
{
    double begun = clock_s();

    while (view->ops->whole(view->self, err) == 0 && clock_s() - begun < 50)
        usleep(1000);
    return clock_s() - begun;
}

/* Members 0 and 1 exchange something, then 2 leaves, for whom 0 waits, and
 * after which 1 looks. */
static void leaving(struct comm *l)
{
    struct err err = ERR_INIT, why = ERR_INIT;
    const struct group *view;
    struct rank_group *g;
    uint32_t x = (uint32_t)comm_rank(l);
    double begun = clock_s();

    if (rank_group_new(&g, l, 3, 100, &err))
        abort();
    view = rank_group_view(g);
    /* pieces that have come meanwhile are not lost */
    for (int i = 0; view->rank == 1 && i < 300; i++) {
        if (view->ops->whole(view->self, &err))
            printf("somebody has left: %s\n", err.text);
        usleep(1000);
    }
    if (view->ops->max_u32(view->self, &x, 1, &err) || x != 2)
        printf("no exchange: %s\n", err.text);
    err_set(&why, ERR_INPUT, "a reason");
    if (view->rank == 2) {
        comm_give(l, 1, &x, sizeof(x)); /* which is never got */
        rank_group_leave(g, &why);
    } else if (view->rank == 1 && learn(view, &err) < 50)
        printf("rank 1 looks: %s\n", err.text);
    else if (view->ops->max_u32(view->self, &x, 1, &err) == 0)
        printf("an exchange with nobody\n");
    else if (clock_s() - begun < 50 && err.code == ERR_INPUT)
        printf("rank %d learns: %s\n", comm_rank(l), err.text);
    if (view->ops->max_u32(view->self, &x, 1, &err) == 0)
        printf("there is a way back\n");
    fflush(stdout);
    rank_group_free(g);
}

static int be_rank(const char *what)
{
    struct err err = ERR_INIT;
    struct comm *l;

    if (comm_open(&l, false, 60, CALL_S, STATUS, &err) ||
        comm_second(l, 60, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    if (strcmp(what, "piece") == 0)
        piece(l);
    else if (strcmp(what, "payload") == 0)
        payload(l);
    else
        leaving(l);
    fflush(stdout);
    comm_close(l, STATUS);
    return 0;
}

/* ---- the test ------------------------------------------------------------ */

/* What ranks say, sorted; without the memory of other processes, of which a
 * stopped one would not know. */
static void start_ranks(char *out, size_t size, const char *self, int n,
                        const char *what)
{
    char command[4096];
    size_t got;
    FILE *f;

    snprintf(command, sizeof(command),
             "OMPI_MCA_pml=ob1 OMPI_MCA_btl_vader_single_copy_mechanism=none"
             " OMPI_MCA_smsc=^cma,xpmem,knem timeout -k 5 200 mpirun"
             " --oversubscribe -n %d '%s' %s 2>&1 </dev/null", n, self, what);
    f = popen(command, "r");
    if (!f)
        abort();
    got = fread(out, 1, size - 1, f);
    out[got] = '\0';
    pclose(f);
}

static const char *missing(void)
{
#ifndef HAVE_MPI
    return "built without MPI";
#else
    if (system("mpirun --version 2>/dev/null | grep -q 'Open MPI'"))
        return "no mpirun of Open MPI";
    if (geteuid() == 0 && !getenv("OMPI_ALLOW_RUN_AS_ROOT"))
        return "mpirun refuses root without OMPI_ALLOW_RUN_AS_ROOT=1";
    return NULL;
#endif
}

int main(int argc, char **argv)
{
    char out[4096];

    if (argc > 1)
        return be_rank(argv[1]);
    if (missing()) {
        skip("ranks that stop", missing());
        return done();
    }
    start_ranks(out, sizeof(out), argv[0], 2, "piece");
    ok(strcmp(out, "waits\ncame\n") == 0, "a piece of a stopped rank: %s", out);
    start_ranks(out, sizeof(out), argv[0], 3, "payload");
    ok(strcmp(out, "other's\nwaits\ncame\nafter it\n") == 0,
       "a payload of a stopped rank: %s", out);
    start_ranks(out, sizeof(out), argv[0], 3, "leaving");
    ok(strstr(out, "rank 0 learns: rank 2 on ") &&
           strstr(out, "rank 1 looks: rank 2 on ") &&
           strstr(out, ": a reason\n") && !strstr(out, "no exchange") &&
           !strstr(out, "somebody") &&
           !strstr(out, "nobody") && !strstr(out, "way back"),
       "a member that leaves: %s", out);
    return done();
}
