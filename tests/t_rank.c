/*
 * mpi/rank: a rank's side without MPI.  A batch that cannot be begun, payloads
 * that make no sense, signs of life, and how long rank 0 may be silent.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "mpi/dispatch.h"
#include "mpi/comm.h"
#include "mpi/rank.h"
#include "tests/tap.h"

#define LOST_S 10

/* ---- the clock and the link ---------------------------------------------- */

static double seconds = 1000;

/* What clock_s is in the sources of this test (Makefile.am). */
double test_clock_s(void);
double test_clock_s(void)
{
    return seconds;
}

struct comm {
    int rank, last; /* tag that was sent last */
    unsigned char data[512];
    size_t n;
};
static struct comm net;

int comm_rank(const struct comm *l)
{
    return l->rank;
}

void comm_send(struct comm *l, int to, int tag, const void *data, size_t n)
{
    if (to != 0 || n > sizeof(l->data))
        abort();
    l->last = tag;
    l->n = n;
    memcpy(l->data, data, n);
}

/* ---- a rank -------------------------------------------------------------- */

static struct rank_side *rank;

static void begin(int number)
{
    const struct rank_options o = {
        .models = tap_missing("models"), .kernel = "reference",
        .max_sequences = 1, .seal = { .part_size = 1u << 20 },
        .lost_s = LOST_S,
    };

    net = (struct comm){ .rank = number };
    rank = rank_new(&net, &o);
}

static void hear(int tag, const void *data, size_t n)
{
    struct payload p = { 0, tag, data, n };

    rank_take(rank, &p);
}

static void wait_s(double s)
{
    seconds += s;
    rank_tick(rank);
}

static bool quits(int *status)
{
    return rank_quits(rank, status);
}

static void test_quit(void)
{
    int status = 0;

    begin(1);
    ok(!quits(&status), "a rank that continues");
    hear(TAG_QUIT, "\7\0\0", 4);
    ok(quits(&status) && status == 7, "asked to leave, with a status");
    rank_free(rank);
    begin(1);
    hear(TAG_QUIT, "", 0);
    ok(quits(&status) && status == 1, "without one");
    rank_free(rank);
    rank_free(NULL);
}

static void test_silence(void)
{
    char start[4200] = { 0 };
    int status = 0;

    begin(1);
    wait_s(BEAT_S);
    ok(net.last == TAG_BEAT, "it gives a sign of life");
    wait_s(LOST_S * START_FACTOR - BEAT_S - 1);
    ok(!quits(&status), "before a batch rank 0 may be silent for long");
    wait_s(2);
    ok(quits(&status) && status == 75, "not for ever: saved");
    rank_free(rank);

    begin(1);
    snprintf(start + 4, sizeof(start) - 4, "%s", tap_missing("batch"));
    hear(TAG_START, start, 4 + strlen(start + 4));
    ok(net.last == TAG_LEFT && net.data[0] != 0,
       "a batch that is not there: %.*s", (int)net.n - 1, net.data + 1);
    wait_s(LOST_S + 1);
    ok(!quits(&status), "who has left a batch waits for the next as long");
    hear(TAG_PULSE, "", 0);
    wait_s(LOST_S * START_FACTOR - 1);
    ok(!quits(&status), "a sign of life begins it anew");
    rank_free(rank);

    begin(0);
    wait_s(LOST_S * START_FACTOR + 1);
    ok(!quits(&status), "rank 0 does not lose itself");
    rank_free(rank);
}

static void test_nonsense(void)
{
    unsigned char shard[WORK_BYTES] = { 0 };
    int status = 0;

    begin(2);
    hear(TAG_START, "", 0);
    hear(TAG_SHARD, shard, sizeof(shard));
    hear(TAG_SHARD, shard, 3);
    hear(TAG_SAVE, "", 0);
    hear(9, "", 0);
    ok(net.last == 0 && !quits(&status), "without a batch nothing is done");
    hear(TAG_SEAL, "\0\0\0\0\1\0\0\0\1", 9);
    ok(net.last == TAG_SEALED && net.data[0] == ERR_FATAL,
       "nor sealed: %.*s", (int)net.n - 1, net.data + 1);
    rank_signalled(rank);
    ok(net.last == TAG_SIGNAL, "a signal is passed on");
    rank_free(rank);
}

int main(void)
{
    log_init("t_rank", LOG_LEVEL_ERROR);
    test_quit();
    test_silence();
    test_nonsense();
    return done();
}
