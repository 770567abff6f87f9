/*
 * mpi/dispatch: rank 0's side of a batch without MPI.  The link is made here:
 * what is sent is kept, what ranks say is put in by hand, and the clock stands
 * until it is moved.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "mpi/comm.h"
#include "mpi/dispatch.h"
#include "mpi/queue.h"
#include "mpi/ranks.h"
#include "tests/batch_util.h"

enum { LOST_S = 10, RANKS = 3 };

/* ---- the clock and the link ---------------------------------------------- */

static double seconds = 1000;

/* What clock_s is in the sources of this test (Makefile.am). */
double test_clock_s(void);
double test_clock_s(void)
{
    return seconds;
}

struct parcel {
    int to, tag;
    size_t n;
    unsigned char data[4096];
};

struct comm {
    struct parcel p[4096];
    size_t n;
};
static struct comm net;

void comm_send(struct comm *l, int to, int tag, const void *data, size_t n)
{
    struct parcel *p = &l->p[l->n];

    if (tag == TAG_PULSE)
        return;
    if (l->n == sizeof(l->p) / sizeof(l->p[0]) || n > sizeof(p->data))
        abort();
    *p = (struct parcel){ .to = to, .tag = tag, .n = n };
    memcpy(p->data, data, n);
    l->n++;
}

void comm_mute(struct comm *l, int rank)
{
    (void)l;
    (void)rank;
}

/* The next that was sent to a rank, which is then forgotten, or NULL. */
static const struct parcel *next_of(int to)
{
    static struct parcel got;

    for (size_t i = 0; i < net.n; i++) {
        if (net.p[i].to != to)
            continue;
        got = net.p[i];
        memmove(&net.p[i], &net.p[i + 1],
                (--net.n - i) * sizeof(net.p[0]));
        return &got;
    }
    return NULL;
}

/* What was sent to a rank, as a text: tags, and of shards the lines, an `a`
 * behind those that run alone, a `g` behind those to be given up. */
static const char *told(int to)
{
    static const char *const name[] = {
        "?", "start", "shard", "save", "seal", "quit", "pulse"
    };
    static char text[400];
    const struct parcel *p;
    size_t n = 0;

    text[0] = '\0';
    while ((p = next_of(to)) != NULL && n < sizeof(text) - 100) {
        n += (size_t)snprintf(text + n, 30, "%s%s", n ? " " : "",
                              name[p->tag]);
        for (size_t i = 0; p->tag == TAG_SHARD && i < p->n && n < 300;
             i += WORK_BYTES)
            n += (size_t)snprintf(text + n, 30, " %u%.1s",
                                  (unsigned)get_u32(p->data + i),
                                  &"  a g "[2 * p->data[i + 17]]);
        if (p->tag == TAG_SEAL)
            n += (size_t)snprintf(text + n, 60, " %u/%u%s",
                                  (unsigned)get_u32(p->data),
                                  (unsigned)get_u32(p->data + 4),
                                  p->data[8] ? " finish" : "");
    }
    for (n = 0; text[n]; n++) /* "3  4 " is "3 4" */
        while (text[n] == ' ' && (text[n + 1] == ' ' || !text[n + 1]))
            memmove(text + n, text + n + 1, strlen(text + n));
    return text;
}

/* ---- a batch ------------------------------------------------------------- */

static struct batch_info info;
static struct ranks *ranks;
static struct dispatch *d;
static uint64_t part_size;
static uint32_t start;

static bool is(const char *a, const char *b)
{
    if (strcmp(a, b) != 0)
        printf("# \"%s\" and not \"%s\"\n", a, b);
    return strcmp(a, b) == 0;
}

static int begin_with(struct ranks *r, struct err *err)
{
    struct dispatch_options o = {
        .batch_path = info.source, .info = &info, .start = start,
        .lost_s = LOST_S, .part_size = part_size,
    };

    net.n = 0;
    return dispatch_new(&d, &net, r, &o, err);
}

/* A batch of n lines, whose earlier starts were made already. */
static void begin(void)
{
    struct err err = ERR_INIT;

    ranks = ranks_new(RANKS);
    must(begin_with(ranks, &err), &err);
}

static void make(size_t n)
{
    char *lines = lines_of(LINE, n);

    batch_make(&info, "batch", lines);
    free(lines);
    part_size = (uint64_t)1 << 30;
    start = 0;
}

static void end(void)
{
    dispatch_free(d);
    ranks_free(ranks);
    batch_info_clear(&info);
}

/* ---- what ranks say ------------------------------------------------------ */

static void say(int from, int tag, const void *data, size_t n)
{
    struct payload p = { from, tag, data, n };

    dispatch_take(d, &p);
}

static void ready(int from)
{
    say(from, TAG_READY, "host", 4);
    say(from, TAG_WANT, "", 0);
}

static void all_ready(void)
{
    for (int i = 0; i < RANKS; i++)
        ready(i);
}

/* Given up, or choice 0 has its record. */
static void report_done(int from, uint32_t line, bool given_up)
{
    unsigned char b[8 + DONE_BYTES] = { 1 };

    set_u32(b + 8, line);
    b[13] = given_up;
    say(from, TAG_DONE, b, sizeof(b));
}

static void ended(int from, int tag, enum err_code code, const char *why)
{
    unsigned char b[400];
    size_t n = strlen(why);

    b[0] = (unsigned char)code;
    memcpy(b + 1, why, n);
    say(from, tag, b, n + 1);
}

static void left(int from, enum err_code code)
{
    ended(from, TAG_LEFT, code, code ? "it broke" : "");
}

static void sealed(int from, enum err_code code, bool finished)
{
    if (code)
        ended(from, TAG_SEALED, code, "no seal");
    else
        say(from, TAG_SEALED, finished ? "\0\1" : "\0\0", 2);
}

static void all_left(void)
{
    for (int i = 0; i < RANKS; i++)
        left(i, ERR_NONE);
}

/* Let time go by; who is in `alive` gives signs of life. */
static void wait_s(double s, const char *alive)
{
    static const unsigned char tokens[8];

    for (double until = seconds + s; seconds < until;) {
        seconds += 1;
        for (const char *p = alive; *p; p++)
            say(*p - '0', TAG_BEAT, tokens, 8);
        dispatch_tick(d);
    }
}

static bool phase_is(enum dispatch_phase phase)
{
    if (dispatch_phase(d) != phase)
        printf("# phase %d and not %d\n", dispatch_phase(d), phase);
    return dispatch_phase(d) == phase;
}

static bool error_is(enum err_code code, const char *text)
{
    struct err err = ERR_INIT;

    dispatch_error(d, &err);
    if (err.code != code)
        printf("# code %d: %s\n", err.code, err.text);
    return err.code == code && is(err.text, text);
}

/* ---- a batch as it should be --------------------------------------------- */

static void test_plain(void)
{
    make(3);
    begin();
    ok(is(told(0), "start") && is(told(1), "start") && is(told(2), "start"),
       "all ranks are asked to start");
    say(0, TAG_WANT, "", 0);
    ok(is(told(0), ""), "who is not ready gets nothing");
    say(0, TAG_READY, "host", 4);
    ready(1);
    ready(2);
    ok(is(told(0), "shard 0") && is(told(1), "shard 1") &&
           is(told(2), "shard 2"), "each gets a line");
    say(0, TAG_WANT, "", 0);
    report_done(0, 0, false);
    ok(is(told(0), ""), "nothing more to hand out");
    report_done(1, 1, false);
    report_done(2, 2, true);
    ok(phase_is(DISPATCH_CLOSING) && is(told(0), "save") &&
           is(told(1), "save") && is(told(2), "save"),
       "all is done, one given up: they are asked to save");
    left(0, ERR_NONE);
    left(1, ERR_NONE);
    ok(phase_is(DISPATCH_CLOSING), "one has not left");
    left(2, ERR_NONE);
    ok(phase_is(DISPATCH_SEALING) && is(told(0), "seal 0/1 finish") &&
           is(told(1), ""), "rank 0 seals a small batch alone");
    sealed(0, ERR_NONE, true);
    ok(phase_is(DISPATCH_DONE) && error_is(ERR_NONE, ""), "done");
    end();
}

static void test_shards(void)
{
    const struct parcel *p;

    make(4000);
    begin();
    ok(is(told(1), "start"), "a batch of 4000");
    ready(1);
    p = next_of(1);
    ok(p && p->n == SHARD_MAX * WORK_BYTES, "a shard is 64 lines at most");
    for (uint32_t i = 0; i < 3900; i++)
        report_done(1, i, false);
    told(1);
    say(1, TAG_WANT, "", 0);
    ok(told(1)[0], "and it gets more");
    end();
    make(48);
    begin();
    told(1);
    ready(1);
    ok(is(told(1), "shard 0 1"), "1/(8 x ranks) of what is left");
    end();
}

static void test_empty(void)
{
    make(0);
    begin();
    dispatch_tick(d);
    ok(phase_is(DISPATCH_CLOSING) && is(told(1), "start save"),
       "an empty batch is done at once");
    ready(1);
    ok(is(told(1), "save"), "who is ready late is asked to save");
    all_left();
    ok(phase_is(DISPATCH_SEALING), "and sealed");
    sealed(0, ERR_NONE, true);
    ok(phase_is(DISPATCH_DONE), "done");
    end();
}

/* What is not a payload of ours. */
static void test_nonsense(void)
{
    unsigned char b[8 + DONE_BYTES] = { 0 };

    make(2);
    begin();
    all_ready();
    set_u32(b + 8, 2);
    say(1, TAG_DONE, b, sizeof(b));
    set_u32(b + 8, 1);
    b[12] = 8;
    say(1, TAG_DONE, b, sizeof(b));
    say(1, TAG_DONE, b, 8 + DONE_BYTES - 1);
    say(1, TAG_DONE, b, 3);
    say(1, TAG_LEFT, b, 0);
    say(1, TAG_SEALED, "\0\1", 2);
    say(1, 99, b, 1);
    ok(phase_is(DISPATCH_ANSWERING), "payloads that make no sense");
    report_done(1, 0, false);
    report_done(1, 0, false);
    report_done(2, 0, false);
    ok(phase_is(DISPATCH_ANSWERING), "a line counts once");
    end();
}

/* ---- ranks that are lost ------------------------------------------------- */

static void test_lost(void)
{
    make(3);
    begin();
    all_ready();
    for (int i = 0; i < RANKS; i++)
        told(i);
    log_make(&info, 0, 1, "o1");
    report_done(0, 0, false);
    say(0, TAG_WANT, "", 0);
    seconds += 100 * LOST_S; /* a disk held rank 0 up: it did not listen */
    dispatch_tick(d);
    wait_s(LOST_S - 1, "02");
    ok(is(told(0), ""), "rank 1 is silent, not long enough");
    wait_s(2, "02");
    ok(is(told(0), "shard 1") && is(told(1), ""),
       "silent too long: its line goes to another");
    report_done(0, 1, false);
    report_done(2, 2, false);
    ok(is(told(1), "") && is(told(2), "save"),
       "who is lost is told nothing");
    left(0, ERR_NONE);
    left(2, ERR_NONE);
    ok(is(told(0), "save seal 0/1 finish"), "and not waited for");
    end();
}

/* What its log has counts. */
static void test_lost_log(void)
{
    make(4);
    log_make(&info, 0, 0, "o1");
    start = 1;
    begin();
    told(0);
    ready(1);
    say(1, TAG_WANT, "", 0);
    say(1, TAG_WANT, "", 0);
    ok(is(told(1), "start shard 0 shard 1 shard 2"), "rank 1 has three lines");
    log_make(&info, 1, 1, "o0 o1 r0");
    ready(0);
    report_done(0, 3, false);
    say(0, TAG_WANT, "", 0);
    wait_s(LOST_S + 1, "02");
    ok(is(told(0), "shard 3 shard 2"),
       "recorded or twice open in a log that ends: not with others");
    report_done(0, 2, false);
    say(0, TAG_WANT, "", 0);
    ok(is(told(0), "shard 1a"), "the latter alone");
    say(0, TAG_WANT, "", 0);
    ready(2);
    ok(phase_is(DISPATCH_ANSWERING) && is(told(2), "start"), "nothing else");
    report_done(0, 1, false);
    ok(phase_is(DISPATCH_CLOSING), "all is done");
    end();
}

/* It wakes up when its lines have gone back: what it has done is done. */
static void test_wakes_up(void)
{
    make(4);
    log_make(&info, 0, 0, "o3");
    log_make(&info, 1, 0, "o3");
    start = 2;
    begin();
    ready(1);
    say(1, TAG_WANT, "", 0);
    ok(is(told(1), "start shard 0 shard 1"), "rank 1 has two lines");
    wait_s(LOST_S + 1, "02");
    report_done(1, 0, false);
    say(1, TAG_WANT, "", 0);
    ok(is(told(1), ""), "it wakes up, and gets no more work");
    ready(0);
    told(0);
    say(0, TAG_WANT, "", 0);
    report_done(0, 1, false);
    report_done(0, 2, false);
    say(0, TAG_WANT, "", 0);
    ok(strstr(told(0), "shard 3a") != NULL,
       "what it did is not done again, and what is left runs alone");
    report_done(0, 3, false);
    ok(phase_is(DISPATCH_CLOSING), "all is done");
    end();
}

static void test_starting(void)
{
    struct payload hello = { 1, TAG_HELLO, (const unsigned char *)"n7", 2 };
    struct buf b;

    make(1);
    begin();
    for (; hello.from < RANKS; hello.from++)
        ranks_hello(ranks, &hello);
    wait_s(LOST_S + 1, "");
    ready(0);
    told(0);
    report_done(0, 0, false);
    ok(is(told(1), "start save"), "who reads a model is not lost yet");
    left(0, ERR_NONE);
    left(1, ERR_NONE);
    ok(phase_is(DISPATCH_CLOSING), "and waited for");
    wait_s(LOST_S * START_FACTOR, "01");
    ok(phase_is(DISPATCH_SEALING), "not for ever");
    buf_init(&b, 1 << 20);
    ok(progress_read(info.source, &b, NULL) == 0 && b.len > 0 &&
       strstr(b.data, "2,\"host\":\"n7\",\"state\":\"lost"), "it has a node");
    buf_clear(&b);
    ready(2);
    ok(is(told(2), "start save"), "later nothing is told to it");
    end();
}

/* All but rank 0 are lost: it goes on. */
static void test_last_one(void)
{
    make(6);
    begin();
    all_ready();
    for (int i = 0; i < RANKS; i++)
        told(i);
    report_done(0, 0, false);
    wait_s(LOST_S + 1, "0");
    for (int i = 0; i < 6; i++) {
        const struct parcel *p;

        say(0, TAG_WANT, "", 0);
        while ((p = next_of(0)) != NULL)
            if (p->tag == TAG_SHARD)
                report_done(0, get_u32(p->data), false);
    }
    ok(phase_is(DISPATCH_CLOSING), "rank 0 alone does the rest");
    end();
}

/* Lost in one batch, it speaks of it in the next. */
static void test_next_batch(void)
{
    struct err err = ERR_INIT;

    make(2);
    begin();
    all_ready();
    wait_s(LOST_S + 1, "02");
    dispatch_free(d);
    must(begin_with(ranks, &err), &err);
    ok(is(told(0), "start") && is(told(1), ""),
       "who is lost gets nothing of the next batch");
    report_done(1, 0, false);
    report_done(1, 1, false);
    ok(phase_is(DISPATCH_ANSWERING),
       "and what it says of the last is not taken for it");
    say(1, TAG_SIGNAL, "", 0);
    ok(phase_is(DISPATCH_ANSWERING), "nor its signals");
    end();
}

/* ---- saving -------------------------------------------------------------- */

static void test_save(void)
{
    struct err err = ERR_INIT;

    make(3);
    must(file_mkdirs(at("batch/a000"), &err), &err);
    begin();
    ok(!file_exists(at("batch/a000/saved")), "nothing says that it saved");
    dispatch_save(d);
    ok(phase_is(DISPATCH_CLOSING) && is(told(2), "start save"),
       "saved while they start");
    ok(file_exists(at("batch/a000/saved")), "the start is marked as saved");
    ready(2);
    say(2, TAG_WANT, "", 0);
    ok(is(told(2), "save"), "one that is ready gets no work");
    dispatch_save(d);
    all_left();
    ok(phase_is(DISPATCH_SAVED), "saved");
    end();

    make(3);
    begin();
    all_ready();
    report_done(0, 0, false);
    say(2, TAG_SIGNAL, "", 0);
    ok(phase_is(DISPATCH_CLOSING), "saved while they work, by a rank's signal");
    report_done(1, 1, false);
    left(0, ERR_NONE);
    left(2, ERR_NONE);
    wait_s(LOST_S + 1, "02");
    ok(phase_is(DISPATCH_SAVED) && error_is(ERR_NONE, ""),
       "saved, though one was lost meanwhile");
    end();

    make(1);
    begin();
    all_ready();
    report_done(0, 0, false);
    dispatch_save(d);
    all_left();
    ok(phase_is(DISPATCH_SEALING), "too late to save: all is done");
    dispatch_save(d);
    sealed(0, ERR_NONE, true);
    ok(phase_is(DISPATCH_DONE), "nor while it is sealed");
    end();
}

/* ---- ranks that fail ----------------------------------------------------- */

static void test_fail(void)
{
    make(2);
    begin();
    left(1, ERR_FATAL);
    ready(0);
    ok(phase_is(DISPATCH_ANSWERING), "one fails at its start: others go on");
    report_done(0, 0, false);
    report_done(0, 1, false);
    left(0, ERR_NONE);
    left(2, ERR_NONE);
    sealed(0, ERR_NONE, true);
    ok(phase_is(DISPATCH_DONE), "and the batch is done");
    end();

    make(2);
    begin();
    left(1, ERR_FATAL);
    left(0, ERR_RETRY);
    left(2, ERR_RETRY);
    ok(phase_is(DISPATCH_FAILED) &&
           error_is(ERR_FATAL, "rank 1: it broke"),
       "all fail: the first one says why");
    end();

    make(2);
    begin();
    all_ready();
    left(1, ERR_RETRY);
    left(0, ERR_RETRY);
    left(2, ERR_RETRY);
    ok(phase_is(DISPATCH_SAVED), "all disks are full: another time");
    end();

    make(2);
    begin();
    all_ready();
    for (int i = 0; i < RANKS; i++)
        told(i);
    left(0, ERR_RETRY);
    ok(is(told(2), "shard 0"), "what a rank had that failed goes to another");
    end();

    make(2);
    begin();
    left(1, ERR_FATAL);
    ready(0);
    ready(2);
    dispatch_save(d);
    left(0, ERR_NONE);
    left(2, ERR_NONE);
    ok(phase_is(DISPATCH_SAVED),
       "one failed, the others were asked to save: it is saved");
    end();
}

static void test_idle(void)
{
    struct err err = ERR_INIT;

    make(2);
    log_make(&info, 0, 0, "");
    log_make(&info, 1, 0, "");
    start = 2;
    begin();
    ok(phase_is(DISPATCH_ANSWERING), "two starts that did nothing");
    end();
    make(2);
    for (uint32_t i = 0; i < 3; i++)
        log_make(&info, i, 0, "");
    start = 3;
    ranks = ranks_new(RANKS);
    d = NULL;
    ok(begin_with(ranks, &err) == -1 && err.code == ERR_FATAL && net.n == 0,
       "three: %s", err.text);
    end();
    make(2);
    log_make(&info, 0, 0, "r0 r1");
    for (uint32_t i = 1; i < 4; i++)
        log_make(&info, i, 0, "");
    start = 4;
    begin();
    ok(phase_is(DISPATCH_ANSWERING), "but not where only a seal is missing");
    end();
}

static void test_give_up(void)
{
    make(2);
    log_make(&info, 0, 0, "o0");
    log_make(&info, 1, 0, "o0");
    for (uint32_t i = 2; i < 5; i++)
        log_make(&info, i, 0, "a0");
    start = 5;
    begin();
    all_ready();
    ok(strstr(told(0), "shard 1") && is(told(1), "start shard 0g"),
       "five deaths: it is to be given up");
    report_done(1, 0, true);
    report_done(0, 1, false);
    ok(phase_is(DISPATCH_CLOSING), "and that is all");
    end();
}

/* ---- sealing together ---------------------------------------------------- */

/* All is done, and large. */
static void begin_large(void)
{
    make(2);
    part_size = 4096;
    begin();
    all_ready();
    report_done(0, 0, false);
    report_done(0, 1, false);
    for (int i = 0; i < RANKS; i++)
        told(i);
}

static void test_seal(void)
{
    begin_large();
    all_left();
    ok(is(told(0), "seal 0/3") && is(told(1), "seal 1/3") &&
           is(told(2), "seal 2/3"), "a large batch is sealed by all");
    sealed(0, ERR_NONE, false);
    sealed(2, ERR_NONE, false);
    ok(phase_is(DISPATCH_SEALING) && is(told(0), ""), "one is missing");
    sealed(1, ERR_NONE, false);
    ok(is(told(0), "seal 0/1 finish"), "rank 0 finishes");
    sealed(0, ERR_NONE, true);
    ok(phase_is(DISPATCH_DONE), "done");
    end();

    begin_large();
    all_left();
    told(0);
    sealed(0, ERR_NONE, false);
    sealed(1, ERR_NONE, false);
    wait_s(LOST_S + 1, "01");
    ok(is(told(0), "seal 0/1 finish"), "one is lost: rank 0 seals the rest");
    sealed(2, ERR_NONE, false);
    ok(phase_is(DISPATCH_SEALING), "if it comes back that is not an end");
    sealed(0, ERR_NONE, true);
    ok(phase_is(DISPATCH_DONE), "done");
    end();

    begin_large();
    wait_s(LOST_S + 1, "02");
    left(0, ERR_NONE);
    left(2, ERR_NONE);
    ok(is(told(0), "seal 0/2") && is(told(2), "seal 1/2") &&
           !strstr(told(1), "seal"), "one was lost before: two seal");
    end();
}

static void test_seal_fails(void)
{
    begin_large();
    all_left();
    told(0);
    sealed(1, ERR_RETRY, false);
    sealed(0, ERR_NONE, false);
    sealed(2, ERR_NONE, false);
    ok(is(told(0), "seal 0/1 finish"), "one cannot: rank 0 tries");
    sealed(0, ERR_INPUT, false);
    ok(phase_is(DISPATCH_FAILED) && error_is(ERR_INPUT, "rank 0: no seal"),
       "why rank 0 cannot decides: failed");
    end();

    begin_large();
    left(1, ERR_FATAL);
    left(0, ERR_NONE);
    left(2, ERR_NONE);
    ok(is(told(0), "seal 0/2") && is(told(1), "") && is(told(2), "seal 1/2"),
       "who failed does not seal");
    sealed(2, ERR_NONE, false);
    sealed(0, ERR_RETRY, false);
    ok(phase_is(DISPATCH_SAVED), "why rank 0 cannot decides: saved");
    end();
}

/* ---- the file `progress` ------------------------------------------------- */

static void test_progress(void)
{
    struct err err = ERR_INIT;
    struct json *root = NULL;
    uint64_t n = 0;
    struct buf b;

    make(2);
    begin();
    say(1, TAG_READY, "h\377\"\n", 4);
    report_done(1, 0, false);
    report_done(1, 1, true);
    wait_s(2, "012");
    buf_init(&b, 1u << 20);
    ok(progress_read(info.source, &b, &err) == 0 && b.len > 0 &&
           json_parse(&root, b.data, b.len, &err) == 0,
       "progress is JSON, whatever a host is called %s", err.text);
    ok(json_u64(json_get(root, "done"), &n) == 0 && n == 2, "two are done");
    ok(json_u64(json_get(root, "refused"), &n) == 0 && n == 1,
       "of which one is refused");
    json_free(root);
    buf_clear(&b);
    end();
}

int main(void)
{
    log_init("t_dispatch", LOG_LEVEL_ERROR);
    if (!freopen("/dev/null", "w", stderr))
        return 1;
    test_plain();
    test_shards();
    test_empty();
    test_nonsense();
    test_lost();
    test_lost_log();
    test_wakes_up();
    test_starting();
    test_last_one();
    test_next_batch();
    test_save();
    test_fail();
    test_idle();
    test_give_up();
    test_seal();
    test_seal_fails();
    test_progress();
    all_remove();
    return done();
}
