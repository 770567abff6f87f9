/*
 * mpi/dispatch with groups of ranks, without MPI: what rank 0 tells members
 * when the first rank of their group is lost.  The clock stands until it is
 * moved, and of what is sent the tags are counted.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "mpi/comm.h"
#include "mpi/dispatch.h"
#include "mpi/ranks.h"
#include "tests/batch_util.h"

enum { LOST_S = 10, RANKS = 4, TAGS = 32 };

static double seconds = 1000;

/* What clock_s is in the sources of this test (tests.mk). */
double test_clock_s(void);
double test_clock_s(void)
{
    return seconds;
}

struct comm {
    unsigned told[RANKS][TAGS];
};

void comm_send(struct comm *l, int to, int tag, const void *data, size_t n)
{
    (void)data;
    (void)n;
    l->told[to][tag]++;
}

void comm_mute(struct comm *l, int rank)
{
    (void)l;
    (void)rank;
}

static struct dispatch *d;

static void say(int from, int tag, const void *data, size_t n)
{
    struct payload p = { from, tag, data, n };

    dispatch_take(d, &p);
}

/* Rank 0 alone gives signs of life. */
static void wait_s(unsigned s)
{
    static const unsigned char tokens[8];

    for (; s > 0; s--) {
        seconds += 1;
        say(0, TAG_BEAT, tokens, 8);
        dispatch_tick(d);
    }
}

static void report_done(int from, unsigned char line)
{
    unsigned char b[8 + DONE_BYTES] = { 1 };

    b[8] = line;
    say(from, TAG_DONE, b, sizeof(b));
}

/* Whether a rank was told nothing but that rank 0 lives, and once, where the
 * batch is. */
static bool is_left_alone(const struct comm *l, int rank)
{
    for (int tag = 0; tag < TAGS; tag++)
        if (tag != TAG_PULSE && tag != TAG_START && l->told[rank][tag])
            return false;
    return l->told[rank][TAG_START] == 1;
}

/* Two groups of two.  The first rank of the second one is lost, and its member
 * stays: a rank that ends with more to do ends the job of an mpirun. */
static void test_lost_first(void)
{
    struct batch_info info;
    struct dispatch_options o = { .lost_s = LOST_S, .tp = 2,
                                  .part_size = (uint64_t)1 << 30 };
    struct ranks *ranks = ranks_new(RANKS);
    struct err err = ERR_INIT;
    char *lines = lines_of(LINE, 2);
    struct comm net = { .told = { { 0 } } };
    unsigned pulses;

    batch_make(&info, "batch", lines);
    o.batch_path = info.source;
    o.info = &info;
    must(dispatch_new(&d, &net, ranks, &o, &err), &err);
    ok(net.told[0][TAG_START] == 1 && net.told[2][TAG_START] == 1 &&
           is_left_alone(&net, 1) && is_left_alone(&net, 3),
       "first ranks begin, members are told where the batch is");
    for (int i = 0; i < RANKS; i += 2) {
        say(i, TAG_READY, "host", 4);
        say(i, TAG_WANT, "", 0);
    }
    wait_s(LOST_S + 1);
    pulses = net.told[3][TAG_PULSE];
    wait_s(LOST_S);
    ok(is_left_alone(&net, 3), "nor when the first rank of theirs is lost");
    ok(net.told[3][TAG_PULSE] > pulses && net.told[1][TAG_PULSE] > 0,
       "but that rank 0 lives");
    report_done(0, 0);
    report_done(0, 1);
    say(0, TAG_LEFT, "", 1); /* well */
    ok(net.told[0][TAG_SEAL] == 1 && is_left_alone(&net, 1) &&
           is_left_alone(&net, 3),
       "the other group does the rest");
    dispatch_free(d);
    ranks_free(ranks);
    batch_info_clear(&info);
    free(lines);
}

/* run.jsonl of a batch is one line with this in it. */
static bool one_line_has(const char *batch, const char *text)
{
    char *path = file_join(batch, "run.jsonl"), line[1000] = "";
    FILE *f = fopen(path, "r");
    bool good = f && fgets(line, sizeof(line), f) && strstr(line, text);

    good = good && fgetc(f) == EOF;
    if (f)
        fclose(f);
    free(path);
    return good;
}

/* What a group answered is withdrawn since its second rank was wrong, which
 * that one says, with its reason or none, before the first one fails, or
 * after. */
static void test_withdrawn(const char *own, bool late, const char *why)
{
    static const char failed[] = "\4its group has ended";
    struct batch_info info;
    struct dispatch_options o = { .lost_s = LOST_S, .tp = 2 };
    struct ranks *ranks = ranks_new(RANKS);
    char *lines = lines_of(LINE, 2), *want;
    struct comm net = { .told = { { 0 } } };
    struct err err = ERR_INIT;

    for (int i = 0; i < RANKS; i++) {
        char name[] = { 'n', (char)('0' + i) };
        struct payload p = { i, TAG_HELLO, (unsigned char *)name, 2 };

        ranks_hello(ranks, &p);
    }
    batch_make(&info, "batch", lines);
    o.batch_path = info.source;
    o.info = &info;
    must(dispatch_new(&d, &net, ranks, &o, &err), &err);
    if (!late)
        say(3, TAG_WITHDRAWN, own, strlen(own));
    say(2, TAG_WITHDRAWN, "\0", 1);
    say(2, TAG_LEFT, failed, strlen(failed));
    if (late)
        say(3, TAG_WITHDRAWN, own, strlen(own));
    say(0, TAG_LEFT, "", 1);
    dispatch_free(d);
    want = xasprintf("\"withdrawn\":2,\"host\":\"n3\",\"why\":\"%s\"", why);
    ok(one_line_has(info.source, want), "run.jsonl: %s", want);
    free(want);
    ranks_free(ranks);
    batch_info_clear(&info);
    free(lines);
}

/* One that has not even said hello reads no model. */
static void test_silent(void)
{
    struct batch_info info;
    struct dispatch_options o = { .lost_s = LOST_S };
    struct payload hello = { 2, TAG_HELLO, (const unsigned char *)"n7", 2 };
    struct ranks *ranks = ranks_new(3);
    char *lines = lines_of(LINE, 1);
    struct comm net = { .told = { { 0 } } };
    struct err err = ERR_INIT;

    batch_make(&info, "batch", lines);
    o.batch_path = info.source;
    o.info = &info;
    must(dispatch_new(&d, &net, ranks, &o, &err), &err);
    wait_s(LOST_S - 1);
    ranks_hello(ranks, &hello);
    wait_s(2);
    say(0, TAG_READY, "host", 4);
    report_done(0, 0);
    ok(net.told[1][TAG_SAVE] == 0 && net.told[2][TAG_SAVE] == 1,
       "who never said hello is lost soon, who said it late is not");
    dispatch_free(d);
    ranks_free(ranks);
    batch_info_clear(&info);
    free(lines);
}

int main(void)
{
    log_init("t_dispatch_group", LOG_LEVEL_ERROR);
    if (!freopen("/dev/null", "w", stderr))
        return 1;
    test_lost_first();
    test_silent();
    test_withdrawn("\1a product is wrong", false, "a product is wrong");
    test_withdrawn("\1", false, "its group has ended");
    test_withdrawn("\1a product is wrong", true, "a product is wrong");
    all_remove();
    return done();
}
