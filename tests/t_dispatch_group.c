/*
 * mpi/dispatch with groups of ranks, without MPI: what rank 0 asks of members
 * when the first rank of their group is gone, and what it waits for.  The clock
 * stands until it is moved, and of what is sent the tags are counted.
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
    unsigned sent[RANKS][TAGS];
};

void comm_send(struct comm *l, int to, int tag, const void *data, size_t n)
{
    (void)data;
    (void)n;
    l->sent[to][tag]++;
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
        if (tag != TAG_PULSE && tag != TAG_START && l->sent[rank][tag])
            return false;
    return l->sent[rank][TAG_START] == 1;
}

static struct batch_info info;
static struct ranks *ranks;

/* A batch of two lines for two groups of two, whose first ranks answer. */
static void begin(struct comm *net)
{
    struct dispatch_options o = { .lost_s = LOST_S, .tp = 2,
                                  .part_size = (uint64_t)1 << 30 };
    char *lines = lines_of(LINE, 2);
    struct err err = ERR_INIT;

    memset(net, 0, sizeof(*net));
    ranks = ranks_new(RANKS);
    batch_make(&info, "batch", lines);
    free(lines);
    o.batch_path = info.source;
    o.info = &info;
    must(dispatch_new(&d, net, ranks, &o, &err), &err);
    for (int i = 0; i < RANKS; i += 2) {
        say(i, TAG_READY, "host", 4);
        say(i, TAG_WANT, "", 0);
    }
}

static void end(void)
{
    dispatch_free(d);
    ranks_free(ranks);
    batch_info_clear(&info);
}

/* The first group does all that is left. */
static void do_rest(void)
{
    report_done(0, 0);
    report_done(0, 1);
    say(0, TAG_LEFT, "", 1); /* well */
}

/* The first rank of the second group is lost, and its member stays: a rank that
 * ends with more to do ends the job of an mpirun. */
static void test_lost_first(void)
{
    struct comm net;
    unsigned pulses;

    begin(&net);
    ok(net.sent[0][TAG_START] == 1 && net.sent[2][TAG_START] == 1 &&
           is_left_alone(&net, 1) && is_left_alone(&net, 3),
       "first ranks begin, members are told where the batch is");
    wait_s(LOST_S + 1);
    ok(net.sent[3][TAG_SAVE] == 1 && net.sent[3][TAG_QUIT] == 0,
       "a first rank is lost: its member is asked what it has found");
    pulses = net.sent[3][TAG_PULSE];
    say(3, TAG_LEFT, "", 1);
    wait_s(LOST_S);
    ok(net.sent[3][TAG_PULSE] > pulses && net.sent[1][TAG_PULSE] > 0,
       "it hears that rank 0 lives when it has answered, too");
    do_rest();
    ok(net.sent[0][TAG_SEAL] == 1 && net.sent[3][TAG_SAVE] == 1 &&
           net.sent[3][TAG_SEAL] == 0 && is_left_alone(&net, 1),
       "the other group does the rest, and seals it");
    end();
}

/* The group of ranks 2 and 3 is over, as the first one says. */
static void begin_over(struct comm *net)
{
    static const char over[] = { (char)(ERR_RETRY | LEFT_GROUP), 'x' };

    begin(net);
    say(2, TAG_LEFT, over, sizeof(over));
}

static void beat(int from)
{
    static const unsigned char tokens[8];

    say(from, TAG_BEAT, tokens, 8);
}

/* Its member takes its time. */
static void test_late_member(void)
{
    struct comm net;

    begin_over(&net);
    ok(net.sent[3][TAG_SAVE] == 1, "a group is over: its member is asked");
    do_rest();
    for (int i = 0; i < 3; i++) {
        wait_s(LOST_S - 1);
        beat(3);
    }
    ok(net.sent[0][TAG_SEAL] == 0 && dispatch_phase(d) == DISPATCH_CLOSING,
       "nothing is sealed while it may find something");
    say(3, TAG_WITHDRAWN, "\1a product is wrong", 19);
    say(3, TAG_LEFT, "", 1);
    ok(net.sent[0][TAG_SEAL] == 0 && dispatch_phase(d) == DISPATCH_SAVED,
       "what it withdraws is not sealed");
    end();

    begin_over(&net);
    do_rest();
    say(3, TAG_LEFT, "", 1);
    ok(net.sent[0][TAG_SEAL] == 1, "it has found nothing: all is sealed");
    end();
}

/* It is not waited for without end. */
static void test_stuck_member(void)
{
    struct comm net;
    unsigned before;

    begin_over(&net);
    do_rest();
    wait_s(LOST_S - 1);
    ok(net.sent[0][TAG_SEAL] == 0, "it is waited for");
    wait_s(2);
    ok(net.sent[0][TAG_SEAL] == 1, "unless it is silent for as long as others");
    before = net.sent[3][TAG_PULSE];
    wait_s(LOST_S);
    ok(net.sent[3][TAG_PULSE] > before, "and still hears that rank 0 lives");
    end();

    begin_over(&net);
    do_rest();
    for (int i = 0; i <= START_FACTOR * LOST_S; i++) {
        beat(3);
        wait_s(1);
    }
    ok(net.sent[0][TAG_SEAL] == 1, "or is stuck");
    end();

    begin_over(&net);
    do_rest();
    dispatch_save(d);
    ok(dispatch_phase(d) == DISPATCH_SAVED, "or the job is to save");
    end();

    begin_over(&net);
    dispatch_save(d);
    say(0, TAG_LEFT, "", 1);
    ok(dispatch_phase(d) == DISPATCH_SAVED, "a save does not wait for it");
    end();

    begin(&net);
    say(2, TAG_LEFT, "\1a full disk", 12);
    do_rest();
    ok(is_left_alone(&net, 3) && net.sent[0][TAG_SEAL] == 1,
       "the member of a group that goes on is not asked");
    end();
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
    struct dispatch_options o = { .lost_s = LOST_S, .tp = 2 };
    char *lines = lines_of(LINE, 2), *want;
    struct comm net = { .sent = { { 0 } } };
    struct err err = ERR_INIT;

    ranks = ranks_new(RANKS);
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
    struct dispatch_options o = { .lost_s = LOST_S };
    struct payload hello = { 2, TAG_HELLO, (const unsigned char *)"n7", 2 };
    char *lines = lines_of(LINE, 1);
    struct comm net = { .sent = { { 0 } } };
    struct err err = ERR_INIT;

    ranks = ranks_new(3);
    batch_make(&info, "batch", lines);
    o.batch_path = info.source;
    o.info = &info;
    must(dispatch_new(&d, &net, ranks, &o, &err), &err);
    wait_s(LOST_S - 1);
    ranks_hello(ranks, &hello);
    wait_s(2);
    say(0, TAG_READY, "host", 4);
    report_done(0, 0);
    ok(net.sent[1][TAG_SAVE] == 0 && net.sent[2][TAG_SAVE] == 1,
       "who never said hello is lost soon, who said it late is not");
    end();
    free(lines);
}

int main(void)
{
    log_init("t_dispatch_group", LOG_LEVEL_ERROR);
    if (!freopen("/dev/null", "w", stderr))
        return 1;
    test_lost_first();
    test_late_member();
    test_stuck_member();
    test_silent();
    test_withdrawn("\1a product is wrong", false, "a product is wrong");
    test_withdrawn("\1", false, "its group has ended");
    test_withdrawn("\1a product is wrong", true, "a product is wrong");
    all_remove();
    return done();
}
