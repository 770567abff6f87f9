/*
 * src/store/resume: where a batch stands, from logs made by hand: several
 * starts and ranks, every frame in any order, deaths with others and alone,
 * torn tails and damage, logs that are not logs of this batch, and reasons.
 */
#include <config.h>

#include <errno.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/found.h"
#include "tests/batch_util.h"

#define LINES 6

static struct batch_info info;
static struct resume r;
static char noted[700];

static void note(void *self, bool warning, const char *text)
{
    (void)warning;
    (void)self;
    snprintf(noted, sizeof(noted), "%s", text);
}

static void begin(void)
{
    char *lines = lines_of(LINE, LINES);

    batch_make(&info, "batch", lines);
    free(lines);
    noted[0] = '\0';
}

static const struct caller hearing = { .note = note };

static int look(uint32_t before, struct err *err)
{
    must(resume_init(&r, LINES, &hearing, err), err);
    return resume_starts(&r, info.source, info.id, before, err);
}

static void end(void)
{
    resume_clear(&r);
    batch_info_clear(&info);
}

/* What is known of a line: choices done, deaths with others, alone. */
static bool is(uint32_t line, unsigned done, unsigned dead, unsigned alone)
{
    const struct resume_line *l = &r.line[line];
    bool good = l->done == done && l->dead == dead && l->alone == alone;

    if (!good)
        printf("# line %u: done %u, dead %u, alone %u\n", (unsigned)line,
               l->done, l->dead, l->alone);
    return good;
}

/* The same of a batch with one log. */
static bool gives(const char *log, uint32_t line, unsigned done,
                  unsigned dead, unsigned alone)
{
    struct err err = ERR_INIT;
    bool good;

    begin();
    log_make(&info, 0, 0, log);
    must(look(1, &err), &err);
    good = is(line, done, dead, alone);
    end();
    return good;
}

static void test_frames(void)
{
    ok(gives("", 0, 0, 0, 0), "a log without frames");
    ok(gives("o0", 0, 0, 1, 0), "open at the end: a death");
    ok(gives("a0", 0, 0, 0, 1), "alone: one of the other kind");
    ok(gives("o0 p0", 0, 0, 0, 0), "parked: none");
    ok(gives("o0 r0", 0, 1, 0, 0), "with a record: none");
    ok(gives("o0 t0 r0", 0, 1, 0, 0), "a tensor before it");
    ok(gives("o0 t0", 0, 0, 1, 0), "a tensor is not a record");
    ok(gives("g0", 0, 0, 0, 0), "given up: none");
    ok(gives("o0 O0 g0", 0, 0, 0, 0), "given up is of all choices");
    ok(gives("o0 O0", 0, 0, 1, 0), "two choices open: one death of the line");
    ok(gives("o0 O0 r0", 0, 1, 1, 0), "one of them is done: the other died");
    ok(gives("o0 O0 R0 r0", 0, 3, 0, 0), "both in any order");
    ok(gives("o0 p0 o0", 0, 0, 1, 0), "parked, and open again");
    ok(gives("o1 o0 r1 p0 o2", 2, 0, 1, 0) &&
           gives("o1 o0 r1 p0 o2", 1, 1, 0, 0) &&
           gives("o1 o0 r1 p0 o2", 0, 0, 0, 0), "several lines");
    ok(gives("r0 r0", 0, 1, 0, 0), "a record without its open, twice");
    ok(gives("p0", 0, 0, 0, 0), "parked and never open");
    ok(gives("r0 o0", 0, 1, 1, 0), "open behind its record");
}

static void test_starts(void)
{
    struct err err = ERR_INIT;

    begin();
    log_make(&info, 0, 0, "o0 r0 o1 o2");
    log_make(&info, 0, 1, "o3 p3 o4");
    log_make(&info, 1, 0, "o1 a2");
    log_make(&info, 1, 7, "o4 r4 G5");
    log_make(&info, 2, 0, "r3");
    ok(look(2, &err) == 0 && r.n_starts == 2, "two of three starts");
    ok(is(0, 1, 0, 0) && is(1, 0, 2, 0) && is(2, 0, 1, 1) && is(3, 0, 0, 0) &&
           is(4, 1, 1, 0), "everything adds up over starts and ranks");
    ok(r.line[5].given_up && !r.line[0].given_up, "given up");
    resume_clear(&r);
    ok(look(9, &err) == 0 && r.n_starts == 3 && is(3, 1, 0, 0), "and three");
    end();
}

/* Starts as the logs of one rank each: "-" is one without a frame, and a
 * trailing "S" says that it was told to save. */
static void starts_make(const char *const *start, size_t n)
{
    struct err err = ERR_INIT;

    begin();
    for (uint32_t i = 0; i < n; i++) {
        log_make(&info, i, 0, start[i][0] == '-' ? "" : start[i]);
        if (start[i][strlen(start[i]) - 1] == 'S')
            must(resume_note_saved(info.source, i, &err), &err);
    }
}

/* So many idle and fruitless starts; the message has `text`, or there is
 * none where that is NULL. */
static void starts_give(const char *const *start, size_t n, uint32_t idle,
                        uint32_t fruitless, const char *text,
                        const char *name)
{
    struct err err = ERR_INIT;
    int rc;

    starts_make(start, n);
    must(look(99, &err), &err);
    rc = resume_check(&r, &err);
    ok(r.idle_starts == idle && r.fruitless_starts == fruitless &&
           (text ? rc == -1 && err.code == ERR_FATAL &&
                       strstr(err.text, text) != NULL
                 : rc == 0),
       "%s: %u idle, %u fruitless %s", name, (unsigned)r.idle_starts,
       (unsigned)r.fruitless_starts, err.text);
    end();
}
#define STARTS_GIVE(idle, fruitless, text, name, ...) \
    starts_give((const char *const[]){ __VA_ARGS__ }, \
                sizeof((const char *const[]){ __VA_ARGS__ }) / \
                    sizeof(const char *), idle, fruitless, text, name)

static void test_fruitless(void)
{
    STARTS_GIVE(2, 2, NULL, "two that began nothing", "-", "-");
    STARTS_GIVE(3, 3, "see their messages", "three that began nothing",
                "-", "-", "-");
    STARTS_GIVE(3, 3, "(a smaller --batch)", "three asked to save",
                "o0 o1 p0 p1 S", "o0 p0 S", "o0 p0 S");
    STARTS_GIVE(3, 3, "longer time limit", "asked to save and killed then",
                "o0 S", "o0 o1 S", "o0 o1 S");
    STARTS_GIVE(3, 3, "longer time limit", "one asked to save, two ended",
                "-", "- S", "-");
    STARTS_GIVE(1, 1, NULL, "an answer between them",
                "o0 p0 S", "o0 p0 S", "o0 r0 o1 p1 S", "o1 p1 S");
    STARTS_GIVE(1, 1, NULL, "one given up between them",
                "- S", "-", "g1", "- S");
    STARTS_GIVE(0, 3, NULL, "three deaths with requests open", "o0", "o0",
                "a0");
    STARTS_GIVE(0, 3, NULL, "three that failed and parked what was open",
                "o0 p0", "o0 p0", "o0 p0");
    STARTS_GIVE(1, 4, NULL, "a death with requests open between them",
                "-", "-", "o0", "-");
    STARTS_GIVE(1, 9, NULL, "nine of every kind", "o0", "o0", "a0", "- S",
                "o1", "o1 p1 S", "-", "a1", "-");
    STARTS_GIVE(0, 10, "no request was answered", "ten of every kind", "o0",
                "o0", "a0", "- S", "o1", "o1 p1 S", "-", "a1", "-", "o2");
    STARTS_GIVE(0, 0, NULL, "the tenth answers", "o0", "o0", "a0", "- S",
                "o1", "o1 p1 S", "-", "a1", "-", "o2 r2");
}

static void test_idle(void)
{
    struct err err = ERR_INIT;

    begin();
    ok(look(9, &err) == 0 && r.n_starts == 0 && r.idle_starts == 0,
       "no start");
    resume_clear(&r);
    log_make(&info, 0, 0, "");
    log_make(&info, 1, 0, "");
    log_make(&info, 1, 1, "o0");
    must(file_mkdirs(at("batch/a002"), &err), &err);
    log_make(&info, 3, 0, "");
    ok(look(9, &err) == 0 && r.n_starts == 4 && r.idle_starts == 2,
       "the last two of four starts did nothing");
    resume_clear(&r);
    ok(look(2, &err) == 0 && r.idle_starts == 0 && r.fruitless_starts == 2,
       "one that opened a request is not idle");
    resume_clear(&r);
    must(resume_note_saved(info.source, 1, &err), &err);
    ok(look(9, &err) == 0 && r.idle_starts == 4 && r.idle_saved,
       "asked to save it is");
    resume_clear(&r);
    ok(resume_again(info.source, &err) == 0 &&
           resume_again(info.source, &err) == 0 && look(9, &err) == 0 &&
           r.n_starts == 4 && r.idle_starts == 0 && r.fruitless_starts == 0 &&
           !r.idle_saved, "named again: they are forgiven %s", err.text);
    resume_clear(&r);
    log_make(&info, 4, 0, "");
    ok(look(9, &err) == 0 && r.idle_starts == 1 && r.fruitless_starts == 1,
       "those to come are not");
    end();
    begin();
    ok(resume_again(info.source, &err) == 0 && look(9, &err) == 0 &&
           r.n_starts == 0, "named again before it was begun");
    end();
}

/* ---- answers that had to be left ----------------------------------------- */

/* A start of one rank that saves n tokens, from 1 up, of choice 1 of line 2;
 * `more` are added to the number that the payload says. */
static void log_partial(uint32_t start, struct id job, size_t n, uint32_t more)
{
    struct worklog *w = log_begin(&info, start, 0);
    uint32_t token[8];
    struct buf b;

    for (uint32_t i = 0; i < 8; i++)
        token[i] = i + 1;
    buf_init(&b, 4096);
    partial_pack(&b, job, token, n);
    set_u32((unsigned char *)b.data + 32, (uint32_t)n + more);
    log_frame(w, FRAME_OPEN, 2, 1, "", 1);
    log_frame(w, FRAME_PARTIAL, 2, 1, b.data, b.len);
    log_frame(w, FRAME_PARKED, 2, 1, "", 0);
    log_end(w);
    buf_clear(&b);
    must(resume_note_saved(info.source, start, NULL), NULL);
}

/* A start that saves a token more is not idle, one that saves as many is. */
static void test_partial(void)
{
    struct err err = ERR_INIT;
    const struct partial *p;
    struct id job = info.file;
    uint64_t index = frame_index(2, 1);

    begin();
    log_partial(0, job, 3, 0);
    log_partial(1, job, 3, 0);
    log_partial(2, job, 3, 0);
    ok(look(9, &err) == 0 && r.idle_starts == 2 && r.fruitless_starts == 2 &&
           is(2, 0, 0, 0), "saving the same tokens again does not help");
    resume_clear(&r);
    log_partial(3, job, 4, 0);
    ok(look(9, &err) == 0 && r.idle_starts == 0 && r.fruitless_starts == 0,
       "saving one more is");
    p = partials_find(&r.partials, index);
    ok(p && p->start == 3 && p->rank == 0 && p->n == 4,
       "the newest of a choice is found");
    ok(!partials_find(&r.partials, index + 1) &&
           !partials_find(&r.partials, frame_index(2, 0)),
       "and none of others");
    resume_clear(&r);
    log_partial(4, job, 0, 0);
    ok(look(9, &err) == 0 && r.idle_starts == 1 &&
           (p = partials_find(&r.partials, index)) && p->n == 4,
       "a frame without tokens is none");
    end();
}

static bool reads(const struct partial *p, struct id job, size_t most,
                  uint32_t n_vocab, const char *why)
{
    char *path = start_log_path(info.source, p->start, p->rank);
    struct err err = ERR_INIT;
    uint32_t *token = NULL;
    size_t n = 0;
    bool good;
    int rc = partial_read(&token, &n, path, info.id, p, job, most, n_vocab,
                          &err);

    free(path);
    if (rc)
        return err.code == ERR_INPUT && why && strstr(err.text, why) && !token;
    good = !why && n == 4 && token[0] == 1 && token[3] == 4;
    free(token);
    return good;
}

static void test_partial_read(void)
{
    struct err err = ERR_INIT;
    struct id job = info.file, other = info.id;
    struct partial p;

    begin();
    log_partial(0, job, 4, 0);
    log_partial(1, job, 3, 1);
    log_partial(2, job, 3, UINT32_MAX);
    must(look(1, &err), &err);
    p = *partials_find(&r.partials, frame_index(2, 1));
    ok(reads(&p, job, 4, 5, NULL), "tokens are read");
    ok(reads(&p, other, 4, 5, "another job"), "not of another job");
    ok(reads(&p, job, 3, 5, "another length"), "not more than there may be");
    ok(reads(&p, job, 4, 4, "outside the vocabulary"), "only ids of the model");
    p.index++;
    ok(reads(&p, job, 4, 5, "something else"), "only of the choice");
    p.index--;
    p.at++;
    ok(reads(&p, job, 4, 5, "no whole frame"), "only at a frame");
    p.at = 64;
    ok(reads(&p, job, 4, 5, "something else"), "only of its type");
    p.rank = 7;
    ok(reads(&p, job, 4, 5, "cannot open"), "only from a log that is there");
    resume_clear(&r);
    for (uint32_t i = 2; i < 4; i++) {
        must(look(i, &err), &err);
        p = *partials_find(&r.partials, frame_index(2, 1));
        ok(p.start == i - 1 && reads(&p, job, 4, 5, "another length"),
           "a number that the length belies");
        resume_clear(&r);
    }
    batch_info_clear(&info);
}

static void test_many_deaths(void)
{
    struct err err = ERR_INIT;

    begin();
    for (uint32_t i = 0; i < 300; i++)
        log_make(&info, 0, i, "o0");
    ok(look(1, &err) == 0 && is(0, 0, 255, 0), "deaths end at 255");
    end();
}

/* ---- what is wrong with a log -------------------------------------------- */

static uint64_t size_of(const char *path)
{
    struct err err = ERR_INIT;
    uint64_t n = 0;

    must(file_size(path, &n, &err), &err);
    return n;
}

static void change_byte(const char *path, uint64_t where)
{
    int fd = open(path, O_RDWR);
    char c = 0;

    if (fd < 0 || pread(fd, &c, 1, (off_t)where) != 1)
        abort();
    c ^= 1;
    if (pwrite(fd, &c, 1, (off_t)where) != 1)
        abort();
    close(fd);
}

static void test_torn(void)
{
    struct err err = ERR_INIT;
    const char *path;

    begin();
    path = at("batch/a000/0000.log");
    log_make(&info, 0, 0, "o0 r0 o1 r1");
    if (truncate(path, (off_t)size_of(path) - 1))
        abort();
    ok(look(1, &err) == 0 && is(0, 1, 0, 0) && is(1, 0, 1, 0) && !noted[0],
       "a torn tail: what it tore was not done, nothing is noted");
    resume_clear(&r);
    if (truncate(path, 40))
        abort();
    ok(look(1, &err) == 0 && is(0, 0, 0, 0) && r.idle_starts == 1,
       "shorter than a header: nothing");
    end();
}

static void test_damage(void)
{
    struct err err = ERR_INIT;
    const char *path;

    begin();
    path = at("batch/a000/0000.log");
    log_make(&info, 0, 0, "o0 r0 o1 r1");
    /* the payload of the first record: header, a frame of one byte, head */
    change_byte(path, 64 + 57 + 56);
    ok(look(1, &err) == 0 && is(0, 0, 1, 0) && is(1, 0, 0, 0),
       "damage: what follows counts for nothing");
    ok(strstr(noted, path) && strstr(noted, "at byte 121"), "noted: %s",
       noted);
    end();
}

static void refused(const char *name, const char *text)
{
    struct err err = ERR_INIT;
    int rc = look(9, &err);

    ok(rc == -1 && err.code == ERR_INPUT && strstr(err.text, text),
       "%s: %s", name, err.text);
    end();
}

static void test_strangers(void)
{
    struct worklog *w;

    begin();
    log_make(&info, 0, 0, "o0 r6");
    refused("a line that the batch has not", "of line 7, choice 0");
    begin();
    w = log_begin(&info, 0, 0);
    log_frame(w, FRAME_OPEN, 0, 8, "", 1);
    log_end(w);
    refused("a choice that no line has", "choice 8");
    begin();
    log_make(&info, 0, 0, "o0");
    change_byte(at("batch/a000/0000.log"), 10);
    refused("of another batch", "another batch");
    begin();
    log_make(&info, 0, 0, "o0");
    change_byte(at("batch/a000/0000.log"), 1);
    refused("no log", "not a log");
    begin();
    w = log_begin(&info, 0, 0);
    log_frame(w, 6, 0, 0, "", 0);
    log_frame(w, FRAME_HIDDEN, 0, 0, "x", 1);
    log_end(w);
    ok(look(1, &(struct err)ERR_INIT) == 0 && is(0, 0, 0, 0),
       "frames of a type that is not known are passed over");
    end();
}

/* Names that are none of ours. */
static void test_names(void)
{
    struct err err = ERR_INIT;
    struct start_logs l;

    begin();
    log_make(&info, 11, 3, "o0");
    log_make(&info, 2, 10000, "o0");
    log_make(&info, 2, 9, "o0");
    log_make(&info, 1000, 0, "");
    must(file_mkdirs(at("batch/a01"), &err), &err);
    must(file_mkdirs(at("batch/a0001"), &err), &err);
    must(file_mkdirs(at("batch/a001x"), &err), &err);
    put(at("batch/a002/009.log"), "x");
    put(at("batch/a002/0009.log2"), "x");
    put(at("batch/a002/00009.log"), "x");
    ok(start_logs_find(&l, info.source, &err) == 0 && l.n_starts == 3 &&
           l.n == 4 && l.start[2] == 1000, "four logs in three starts");
    ok(l.n == 4 && l.log[0].rank == 9 && l.log[1].rank == 10000 &&
           l.log[2].start == 11 && l.log[3].start == 1000,
       "by start and rank, as numbers");
    start_logs_clear(&l);
    put(at("batch/a005"), "a file");
    ok(start_logs_find(&l, info.source, &err) == -1, "a file in the place of"
       " a start: %s", err.text);
    batch_info_clear(&info);
}

static void test_one_log(void)
{
    struct err err = ERR_INIT;

    begin();
    log_make(&info, 0, 1, "o0 r0 o1");
    must(resume_init(&r, LINES, &hearing, &err), &err);
    ok(resume_log(&r, info.source, info.id, 0, 1, &err) == FOUND_ONE &&
           is(0, 1, 0, 0) && is(1, 0, 1, 0), "the log of one rank");
    ok(resume_log(&r, info.source, info.id, 0, 2, &err) == FOUND_NONE,
       "a rank that made none");
    end();
}

static void test_reasons(void)
{
    char text[REASON_CODE + REASON_TEXT], long_text[2000];
    struct reason a, b;
    size_t n;

    reason_set(&a, "bad", "it is\nbad");
    n = reason_pack(text, &a);
    reason_unpack(&b, text, n);
    ok(strcmp(b.code, "bad") == 0 && strcmp(b.message, "it is\nbad") == 0,
       "a reason goes in and comes out");
    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    reason_set(&a, long_text, long_text);
    n = reason_pack(text, &a);
    reason_unpack(&b, text, n);
    ok(strlen(b.code) == REASON_CODE - 1 &&
           strlen(b.message) == REASON_TEXT - 1, "what is too long is cut");
    reason_unpack(&b, long_text, sizeof(long_text));
    ok(strlen(b.code) == REASON_CODE - 1 && !b.message[0],
       "a payload without a line");
    reason_unpack(&b, NULL, 0);
    ok(!b.code[0] && !b.message[0], "none at all");
    reason_unpack(&b, "\n", 1);
    ok(!b.code[0] && !b.message[0], "an empty one");
}

int main(void)
{
    test_frames();
    test_starts();
    test_idle();
    test_partial();
    test_partial_read();
    test_fruitless();
    test_many_deaths();
    test_torn();
    test_damage();
    test_strangers();
    test_names();
    test_one_log();
    test_reasons();
    all_remove();
    return done();
}
