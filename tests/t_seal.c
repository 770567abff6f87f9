/*
 * src/store/seal: from logs made by hand to a checkpoint: any order, answers
 * that come twice, are missing or damaged, parts, reasons, sealing again.
 */
#include <config.h>

#include <inttypes.h>

#include "base/buf.h"
#include "base/id.h"
#include "proof/line_ids.h"
#include "store/checkpoint.h"
#include "store/export.h"
#include "store/part_file.h"
#include "store/refusals.h"
#include "store/seal.h"
#include "store/scan.h"
#include "tests/batch_util.h"
#include "tests/helper_path.h"
#include "tests/record_util.h"

#define DIM 4 /* of the last row in record_util.h */
#define LARGE ((uint64_t)1 << 30)

static struct batch_info info;
static char noted[700];
static struct err err;

static void note(void *self, bool warning, const char *text)
{
    (void)self, (void)warning;
    snprintf(noted, sizeof(noted), "%s", text);
}

static void begin(const char *lines)
{
    batch_make(&info, "batch", lines);
    noted[0] = '\0';
}

static void end(void)
{
    batch_info_clear(&info);
}

static bool is_there(const char *name)
{
    return file_exists(at("batch/%s", name));
}

/* The record of a choice, with this text. */
static void put_text(struct worklog *w, uint32_t line, uint32_t choice,
                     const char *text)
{
    struct record r;
    struct made m;
    struct buf b;

    made_init(&m);
    m.j.choice = choice;
    m.text = text;
    line_id_by_file(&m.r.request, info.file, line);
    made_commit(&m);
    made_record(&m, &r);
    buf_init(&b, 1u << 16);
    record_put(&b, &r);
    log_frame(w, FRAME_RECORD, line, choice, b.data, b.len);
    buf_clear(&b);
}

/* What its trace commits to, in record_util.h. */
static void put_last(struct worklog *w, uint32_t line, uint32_t choice)
{
    static const float fin[DIM] = { 1, 2, -0.0f, 4 };
    struct buf b;

    buf_init(&b, 64);
    for (int i = 0; i < DIM; i++)
        buf_put_f32(&b, fin[i]);
    log_frame(w, FRAME_LAST, line, choice, b.data, b.len);
    buf_clear(&b);
}

static void put_answer(struct worklog *w, uint32_t line, uint32_t choice)
{
    char text[16];

    snprintf(text, sizeof(text), " %u.%u", (unsigned)line, (unsigned)choice);
    put_last(w, line, choice);
    put_text(w, line, choice, text);
}

/* All these lines, in one log. */
static void log_answers(uint32_t start, uint32_t rank, const char *lines)
{
    struct worklog *w = log_begin(&info, start, rank);

    for (; *lines; lines++)
        put_answer(w, (uint32_t)(*lines - '0'), 0);
    log_end(w);
}

static struct seal_options options(uint64_t part_size)
{
    return (struct seal_options){
        .part_size = part_size, .with_last = true, .n_vocab = 32000,
        .n_layers = 2, .dim = DIM, .caller = { .note = note },
    };
}

static int seal(uint64_t part_size)
{
    struct seal_options o = options(part_size);

    err = (struct err)ERR_INIT;
    return seal_batch(info.source, &info, &o, 0, 1, true, &err);
}

static int seal_shard(uint64_t part_size, size_t k, size_t of)
{
    struct seal_options o = options(part_size);

    err = (struct err)ERR_INIT;
    return seal_batch(info.source, &info, &o, k, of, false, &err);
}

/* The answers' texts, in the order of the file, after export. */
static int add_text(void *self, const char *line, size_t n, struct err *e)
{
    const char *p = strstr(line, "\"text\":\"");
    struct buf *b = self;

    (void)e;
    if (!p)
        p = strstr(line, "\"code\":\"");
    (void)n;
    for (p = p ? p + 8 : "\""; *p != '"'; p++)
        buf_putc(b, *p);
    buf_putc(b, ';');
    return 0;
}

static bool exports(const char *want)
{
    struct export_counts n;
    bool good;
    struct buf b;
    int rc;

    buf_init(&b, 1u << 16);
    rc = export_batch(info.source, NULL, add_text, &b, &n, &err);
    good = rc == 0 && b.len == strlen(want) &&
           memcmp(b.len ? b.data : "", want, b.len) == 0;
    if (!good)
        printf("# %.*s %s\n", (int)b.len, b.len ? b.data : "", err.text);
    buf_clear(&b);
    return good;
}

/* Digest of a file of the batch. */
static const char *sum(const char *name)
{
    static char text[8][65];
    static int next;
    struct id h;
    struct err e = ERR_INIT;
    struct buf b;

    buf_init(&b, 1u << 24);
    if (file_read(&b, at("batch/%s", name), &e))
        return e.text[0] ? "none" : "";
    digest(&h, b.len ? b.data : "", b.len);
    buf_clear(&b);
    next = (next + 1) % 8;
    digest_hex(text[next], h);
    return text[next];
}

/* ---- a batch as it should be --------------------------------------------- */

static void test_plain(void)
{
    const char *part, *json;
    char want[2][65];

    begin(LINE LINE LINE LINE_OF_TWO);
    log_make(&info, 0, 0, "o0 o2 p2 t1");
    log_answers(0, 1, "20");
    log_make(&info, 1, 0, "");
    {
        struct worklog *w = log_begin(&info, 1, 5);

        put_answer(w, 3, 1);
        put_answer(w, 1, 0);
        put_answer(w, 3, 0);
        log_end(w);
    }
    ok(!seal_is_done(info.source), "not sealed");
    ok(seal(LARGE) == 0, "answers of several starts and ranks %s", err.text);
    ok(seal_is_done(info.source) && is_there("part-0000.h5") &&
           is_there("part-0000.idx") && is_there("refused.jsonl") &&
           !is_there("part-0001.h5"), "one part, its index, reasons, the end");
    ok(exports(" 0.0; 1.0; 2.0; 3.0;"), "in the order of the requests");
    snprintf(want[0], 65, "%s", sum("part-0000.h5"));
    snprintf(want[1], 65, "%s", sum("checkpoint.json"));
    ok(seal(LARGE) == 0 && strcmp(sum("part-0000.h5"), want[0]) == 0 &&
           strcmp(sum("checkpoint.json"), want[1]) == 0,
       "sealed twice: the same %s", err.text);
    put(at("batch/part-0007.h5.tmp"), "half");
    ok(seal_tidy(info.source, &err) == 0 && !is_there("a000") &&
           !is_there("a001") && !is_there("part-0007.h5.tmp") &&
           is_there("part-0000.h5"), "tidied: logs and halves are gone");
    ok(seal_tidy(info.source, &err) == 0, "and once more");
    end();

    begin(LINE LINE LINE LINE_OF_TWO);
    {
        struct worklog *w = log_begin(&info, 0, 0);

        for (uint32_t i = 0; i < 4; i++)
            put_answer(w, i, 0);
        put_answer(w, 3, 1);
        log_end(w);
    }
    must(seal(LARGE), &err);
    part = sum("part-0000.h5");
    json = sum("checkpoint.json");
    ok(strcmp(part, want[0]) == 0 && strcmp(json, want[1]) == 0,
       "from one log: the same bytes");
    end();
}

static void test_empty(void)
{
    struct seal_info i;

    begin("");
    ok(seal(LARGE) == 0 && exports(""), "an empty batch %s", err.text);
    ok(seal_info_read(&i, info.source, &err) == 0 && i.n_parts == 1 &&
           i.part[0].count == 0 && i.n_rows == 0, "has a part of nothing");
    seal_info_clear(&i);
    end();
}

/* ---- answers that are missing, twice, or damaged ------------------------- */

static void refused_with(enum err_code code, const char *text,
                         const char *name)
{
    int rc = seal(LARGE);

    ok(rc == -1 && err.code == code && strstr(err.text, text) &&
           !seal_is_done(info.source), "%s: %s", name, err.text);
}

static void test_missing(void)
{
    struct worklog *w;
    const char *path;

    begin(LINE LINE LINE);
    refused_with(ERR_RETRY, "3 of 3", "no log");
    log_answers(0, 0, "02");
    refused_with(ERR_RETRY, "1 of 3", "an answer is missing");
    ok(!is_there("part-0000.h5"), "and there is no part");
    ok(seal_tidy(info.source, &err) == -1 && is_there("a000/0000.log"),
       "its logs stay: %s", err.text);
    log_answers(1, 0, "1");
    path = at("batch/a001/0000.log");
    if (truncate(path, 700))
        abort();
    refused_with(ERR_RETRY, "1 of 3", "it is there, and torn");
    ok(!noted[0], "which is not damage");
    end();

    begin(LINE_OF_TWO);
    w = log_begin(&info, 0, 0);
    put_answer(w, 0, 1);
    log_end(w);
    refused_with(ERR_RETRY, "1 of 1", "one of two choices");
    end();

    begin(LINE);
    log_make(&info, 0, 0, "o1");
    refused_with(ERR_INPUT, "of line 2", "a line that the batch has not");
    end();
    begin(LINE);
    log_make(&info, 0, 0, "r0");
    refused_with(ERR_INPUT, "byte 64", "an invalid record");
    end();
}

static void test_damage(void)
{
    char *path;
    int fd;

    begin(LINE LINE);
    log_answers(0, 0, "01");
    path = start_log_path(info.source, 0, 0);
    fd = open(path, O_WRONLY);
    if (fd < 0 || pwrite(fd, "x", 1, 64 + 56 + 16 + 60) != 1)
        abort();
    close(fd);
    free(path);
    refused_with(ERR_RETRY, "2 of 2", "damage in the middle");
    ok(strstr(noted, "damaged at byte 136") != NULL, "is noted: %s", noted);
    log_answers(1, 0, "10");
    ok(seal(LARGE) == 0 && exports(" 0.0; 1.0;"), "computed again: sealed");
    end();
}

static void test_twice(void)
{
    struct worklog *w;

    begin(LINE LINE);
    log_answers(0, 0, "010");
    log_answers(0, 1, "1");
    log_answers(3, 0, "10");
    ok(seal(LARGE) == 0 && exports(" 0.0; 1.0;"),
       "the same answers, five times %s", err.text);
    end();

    begin(LINE LINE);
    log_answers(0, 0, "01");
    w = log_begin(&info, 2, 3);
    put_text(w, 1, 0, "another");
    log_end(w);
    refused_with(ERR_INPUT, "two different answers", "another answer");
    ok(strstr(err.text, "a000/0000.log") && strstr(err.text, "a002/0003.log"),
       "both logs are named");
    end();
}

/* A version that reads a request in another way asked for more choices. */
static void test_more_choices(void)
{
    struct worklog *w;

    begin(LINE LINE);
    log_answers(0, 0, "01");
    w = log_begin(&info, 0, 1);
    put_answer(w, 0, 2);
    log_end(w);
    ok(seal(LARGE) == 0 && exports(" 0.0; 1.0;"),
       "an unrequested choice is left out %s", err.text);
    end();
}

/* ---- reasons ------------------------------------------------------------- */

/* Read a file of one reason that begins so; want is the line from 0, or -1
 * where it is to be refused. */
static void read_refused(const char *begin, int want, const char *name)
{
    struct refused *f = NULL;
    struct reason why;
    uint32_t line = 7;
    char text[100];
    int rc;

    snprintf(text, sizeof(text), "%s\"code\":\"c\",\"message\":\"m\"}\n",
             begin);
    put(at("batch/refused.jsonl"), text);
    rc = refused_open(&f, info.source, &err) ||
         refused_next(f, &line, &why, &err) == FOUND_FAILED ? -1 : (int)line;
    ok(rc == want, "%s", name);
    refused_close(f);
}

static void seal_refused(void)
{
    struct worklog *w;

    begin(LINE LINE LINE LINE_OF_TWO LINE);
    w = log_begin(&info, 0, 0);
    log_frame(w, FRAME_GIVEN_UP, 4, 0, "", 0);
    log_frame(w, FRAME_GIVEN_UP, 3, 0, "x\na \"\nb", 7);
    put_answer(w, 3, 1);
    log_frame(w, FRAME_GIVEN_UP, 2, 0, "x\nno", 4);
    put_answer(w, 0, 0);
    log_end(w);
    w = log_begin(&info, 1, 0);
    log_frame(w, FRAME_GIVEN_UP, 1, 0, "bad\nit is bad", 13);
    log_frame(w, FRAME_GIVEN_UP, 1, 0, "bad\nin other words", 18);
    put_answer(w, 2, 0);
    log_end(w);
    ok(seal(LARGE) == 0, "given up, and an answer after all %s", err.text);
}

static void test_refused(void)
{
    static const char *const text = "{\"format\":2,\"line\":2,"
        "\"code\":\"bad\",\"message\":\"it is bad\"}\n{\"format\":2,"
        "\"line\":4,\"code\":\"x\",\"message\":\"a \\\"\\nb\"}\n"
        "{\"format\":2,\"line\":5,\"code\":\"\",\"message\":\"\"}\n";
    static const char *const wrong[] = {
        "", "[]", "{\"requests\":5,\"refused\":2,\"line\":2,\"code\":\"\","
        "\"message\":\"\"}",
        "{\"requests\":4,\"refused\":3,\"line\":9,\"code\":\"\","
        "\"message\":\"\"}",
        "{\"requests\":5,\"refused\":3,\"line\":0,\"code\":\"\","
        "\"message\":\"\"}"
    };
    char said[REFUSALS_TEXT];
    struct refusals no;
    struct refused *f = NULL;
    struct reason why;
    uint32_t line = 0;

    seal_refused();
    put(at("batch/want"), text);
    ok(strcmp(sum("refused.jsonl"), sum("want")) == 0,
       "refused.jsonl has what has no answer, in order");
    ok(exports(" 0.0;bad; 2.0;x;;"), "and so has the export");
    for (int quick = 0; quick < 4; quick++) {
        memset(&no, 0, sizeof(no));
        ok(refusals_read(&no, info.source, quick & 1, &err) == 0 &&
               no.n_requests == 5 && no.n == 3 && no.line == 2 &&
               strcmp(no.why.message, "it is bad") == 0,
           "three are refused, the first is line 2");
        if (quick == 1)
            unlink(at("batch/refusals.json"));
    }
    refusals_text(said, &no);
    ok(strcmp(said, "3 refused, the first is line 2: it is bad") == 0,
       "in words: %s", said);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put(at("batch/refusals.json"), wrong[i]);
        ok(refusals_read(&no, info.source, true, &err) == 0 && no.n == 3 &&
               no.line == 2, "counted again: %s", wrong[i]);
    }
    ok(refused_open(&f, info.source, &err) == 0 &&
           refused_next(f, &line, &why, &err) == FOUND_ONE && line == 1 &&
           strcmp(why.message, "it is bad") == 0 &&
           refused_next(f, &line, &why, &err) == FOUND_ONE &&
           strcmp(why.message, "a \"\nb") == 0 &&
           refused_next(f, &line, &why, &err) == FOUND_ONE && line == 4 &&
           refused_next(f, &line, &why, &err) == FOUND_NONE, "it is read back");
    refused_close(f);
    put(at("batch/refused.jsonl"), "{\"line\":4294967296,\"code\":\"\","
        "\"message\":\"\"}\n");
    ok(refused_open(&f, info.source, &err) == 0 &&
           refused_next(f, &line, &why, &err) == FOUND_FAILED &&
           err.code == ERR_INPUT, "a line past the last: %s", err.text);
    refused_close(f);
    read_refused("{\"line\":1,", 1, "format 1 counts lines from 0");
    read_refused("{\"format\":2,\"line\":1,", 0, "format 2 counts from 1");
    read_refused("{\"format\":2,\"line\":0,", -1, "line 0 of format 2");
    read_refused("{\"format\":3,\"line\":1,", -1, "an unknown format");
    end();
}

/* Bytes that are not text. */
static void test_refused_bytes(void)
{
    struct refused *f = NULL;
    struct worklog *w;
    struct reason why;
    uint32_t line;

    begin(LINE);
    w = log_begin(&info, 0, 0);
    log_frame(w, FRAME_GIVEN_UP, 0, 0, "c\377\na\200b", 6);
    log_end(w);
    ok(seal(LARGE) == 0 && refused_open(&f, info.source, &err) == 0 &&
           refused_next(f, &line, &why, &err) == FOUND_ONE,
       "a reason that is not UTF-8 %s", err.text);
    refused_close(f);
    end();
}

/* ---- parts --------------------------------------------------------------- */

/* Bytes of contents of an answer here: seal.c, row_bytes. */
#define ROW (RECORD_JOB + RECORD_RESULT + 4 * 3 + 4 * RECORD_LEAF + 4 * 2 + \
             4 + 2 + 4 * DIM)

/* "first+count ..", as checkpoint.json says. */
static const char *cut(void)
{
    static char text[256];
    struct seal_info i;
    size_t n = 0;

    text[0] = '\0';
    if (seal_info_read(&i, info.source, &err))
        return err.text;
    for (size_t p = 0; p < i.n_parts && n < 200; p++)
        n += (size_t)snprintf(text + n, 40, "%s%" PRIu64 "+%" PRIu64,
                              p ? " " : "", i.part[p].first,
                              i.part[p].count);
    seal_info_clear(&i);
    return text;
}

static bool cuts(uint64_t part_size, const char *lines, const char *answers,
                 const char *want)
{
    bool good;

    begin(lines);
    log_answers(0, 0, answers);
    good = seal(part_size) == 0 && strcmp(cut(), want) == 0;
    if (!good)
        printf("# %s %s\n", cut(), err.text);
    end();
    return good;
}

static void test_cut(void)
{
    ok(cuts(5 * ROW, LINE LINE LINE LINE LINE, "01234", "0+5"),
       "five requests that fill a part");
    ok(cuts(5 * ROW - 1, LINE LINE LINE LINE LINE, "01234", "0+4 4+1"),
       "one byte less: the last begins another");
    ok(cuts(2 * ROW, LINE LINE LINE LINE LINE, "43210", "0+2 2+2 4+1"),
       "parts of two");
    ok(cuts(1, LINE LINE LINE, "012", "0+1 1+1 2+1"),
       "each is larger than a part may be");
    begin(LINE LINE LINE LINE LINE);
    log_make(&info, 0, 0, "g0 g2 g4");
    log_answers(0, 1, "13");
    ok(seal(ROW) == 0 && strcmp(cut(), "0+3 3+2") == 0 &&
           exports("why; 1.0;why; 3.0;why;"),
       "what was refused belongs to the part that it lies in: %s", cut());
    end();
    begin(LINE LINE LINE LINE LINE);
    log_answers(0, 0, "01234");
    must(seal(2 * ROW), &err);
    ok(exports(" 0.0; 1.0; 2.0; 3.0; 4.0;"), "exported over three parts");
    end();
}

static void test_shards(void)
{
    char want[3][65];

    begin(LINE LINE LINE LINE LINE);
    log_answers(0, 0, "01234");
    must(seal(2 * ROW), &err);
    snprintf(want[0], 65, "%s", sum("part-0000.h5"));
    snprintf(want[1], 65, "%s", sum("part-0001.idx"));
    snprintf(want[2], 65, "%s", sum("checkpoint.json"));
    end();
    begin(LINE LINE LINE LINE LINE);
    log_answers(0, 0, "43210");
    ok(seal_shard(2 * ROW, 1, 2) == 0 && is_there("part-0001.h5") &&
           !is_there("part-0000.h5") && !is_there("part-0002.h5") &&
           !seal_is_done(info.source), "the second of two shards");
    ok(seal_shard(2 * ROW, 7, 9) == 0, "a shard of nothing");
    ok(seal(2 * ROW) == 0 && strcmp(sum("part-0000.h5"), want[0]) == 0 &&
           strcmp(sum("part-0001.idx"), want[1]) == 0 &&
           strcmp(sum("checkpoint.json"), want[2]) == 0,
       "what is missing is sealed, and the end: the same bytes");
    unlink(at("batch/part-0001.idx"));
    unlink(at("batch/checkpoint.json"));
    ok(seal(2 * ROW) == 0 && strcmp(sum("part-0001.idx"), want[1]) == 0 &&
           strcmp(sum("checkpoint.json"), want[2]) == 0,
       "an index that was not written yet");
    end();
}

/* A part that is there already, and is not what would be written. */
static void test_other_cut(void)
{
    struct seal_options o;

    begin(LINE LINE LINE LINE);
    log_answers(0, 0, "0123");
    must(seal_shard(2 * ROW, 0, 1), &err);
    refused_with(ERR_INPUT, "in another way", "parts of another size");
    unlink(at("batch/part-0000.h5"));
    unlink(at("batch/part-0001.h5"));
    ok(seal(LARGE) == 0 && exports(" 0.0; 1.0; 2.0; 3.0;"),
       "removed, and sealed again");
    ok(strcmp(cut(), "0+4") == 0, "in one part");
    {
        char stale[65];

        snprintf(stale, sizeof(stale), "%s", sum("part-0000.idx"));
        unlink(at("batch/part-0000.idx"));
        unlink(at("batch/checkpoint.json"));
        must(seal(LARGE), &err);
        ok(strcmp(stale, sum("part-0000.idx")) == 0,
           "its index is that of the new one");
    }
    end();

    begin(LINE LINE);
    log_answers(0, 0, "01");
    o = options(LARGE);
    o.with_last = false;
    must(seal_batch(info.source, &info, &o, 0, 1, false, &err), &err);
    refused_with(ERR_INPUT, "in another way", "a part without the last rows");
    end();
    begin(LINE LINE);
    log_answers(0, 0, "01");
    put(at("batch/part-0000.h5"), "not HDF5");
    ok(seal(LARGE) == -1 && err.code == ERR_INPUT && !seal_is_done(info.source),
       "an invalid part: %s", err.text);
    end();
}

/* Whether row i of the part is called so; NULL: none of it has a name. */
static bool is_called(uint64_t i, const char *name)
{
    struct checkpoint_row row;
    struct checkpoint *c;
    bool good;

    if (checkpoint_open(&c, at("batch/part-0000.h5"), &err))
        return false;
    good = checkpoint_row(c, i, &row, &err) == 0;
    if (name)
        good = good && row.custom_id_size == strlen(name) &&
               memcmp(row.custom_id, name, row.custom_id_size) == 0;
    else
        good = good && checkpoint_head(c)->custom_id_size == 0;
    checkpoint_close(c);
    return good;
}

static void test_names(void)
{
    static const char longer[] =
        "{\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":"
        "{\"prompt\":\"x\",\"max_tokens\":2},\"custom_id\":"
        "\"l\\u00e4nger\"}\n";
    struct seal_options o = options(LARGE);
    char *lines = xasprintf("%s%s%s", LINE_OF_TWO, LINE, longer);
    struct worklog *w;

    err = (struct err)ERR_INIT;
    o.custom_ids = true;
    begin(lines);
    free(lines);
    w = log_begin(&info, 0, 0);
    log_frame(w, FRAME_GIVEN_UP, 1, 0, "no\nno", 5);
    for (uint32_t i = 0; i < 2; i++)
        put_answer(w, 0, i);
    put_answer(w, 2, 0);
    log_end(w);
    ok(seal_batch(info.source, &info, &o, 0, 1, true, &err) == 0 &&
           is_called(0, "b") && is_called(1, "b") &&
           is_called(2, "l\303\244nger"),
       "answers have what their requests are called %s", err.text);
    unlink(at("batch/part-0000.h5"));
    unlink(at("batch/checkpoint.json"));
    ok(seal(LARGE) == 0 && is_called(0, NULL), "or not %s", err.text);
    end();
}

/* An earlier version began to seal: its part stays, the others follow. */
static void test_half_of_version_1(void)
{
    const char *top = getenv("top_srcdir");
    char *from = xasprintf("%s/tests/data/part-1-first.h5", top ? top : ".");
    struct checkpoint *c = NULL;
    struct id sha256;
    struct buf part;

    if (!file_exists(from)) {
        ok(1, "a part of version 1 # SKIP no \"%s\"", from);
        free(from);
        return;
    }
    begin(LINE LINE LINE);
    log_answers(0, 0, "012");
    buf_init(&part, 1u << 20);
    must(file_read(&part, from, &err), &err);
    digest(&sha256, part.data, part.len);
    must(file_write(at("batch/part-0000.h5"), part.data, part.len, &err),
         &err);
    buf_clear(&part);
    ok(seal(1) == 0 && strcmp(cut(), "0+1 1+1 2+1") == 0,
       "what version 1 began to seal is sealed on: %s %s", cut(), err.text);
    {
        struct seal_info i;

        must(seal_info_read(&i, info.source, &err), &err);
        ok(id_equal(i.part[0].sha256, sha256),
           "its part is the one that was there");
        seal_info_clear(&i);
    }
    ok(checkpoint_open(&c, at("batch/part-0001.h5"), &err) == 0 &&
           checkpoint_head(c)->version == 2, "the next is of version 2");
    checkpoint_close(c);
    end();
    free(from);
}

/* ---- last rows ----------------------------------------------------------- */

/* Whether the part has last rows, and that of row 0 is as its trace says. */
static bool has_last(bool want)
{
    static const unsigned char one[4] = { 0, 0, 0x80, 0x3f };
    struct checkpoint_row row;
    struct checkpoint *c;
    bool good;

    must(checkpoint_open(&c, at("batch/part-0000.h5"), &err), &err);
    must(checkpoint_row(c, 0, &row, &err), &err);
    good = checkpoint_head(c)->with_last == want &&
           (want ? row.last && memcmp(row.last, one, 4) == 0 : !row.last);
    checkpoint_close(c);
    return good;
}

static void test_last(void)
{
    struct worklog *w;

    begin(LINE LINE);
    w = log_begin(&info, 0, 0);
    put_text(w, 0, 0, " 0.0");
    put_answer(w, 1, 0);
    log_end(w);
    ok(seal(LARGE) == 0 && has_last(false) && strstr(noted, "line 1"),
       "an answer without its last row: none has one: %s", noted);
    log_answers(1, 0, "0");
    unlink(at("batch/part-0000.h5"));
    noted[0] = '\0';
    ok(seal(LARGE) == 0 && has_last(true) && !noted[0],
       "another log has it %s", err.text);
    end();

    begin(LINE);
    w = log_begin(&info, 0, 0);
    log_frame(w, FRAME_LAST, 0, 0, "short", 5);
    put_text(w, 0, 0, "x");
    log_end(w);
    refused_with(ERR_INPUT, "last row of 5 bytes", "an invalid last row");
    end();
}

/* ---- checkpoint.json ----------------------------------------------------- */

static void test_info(void)
{
    static const char *const bad[] = {
        "", "{}", "[]", "{\"format\":\"apus-checkpoint-3\"}",
        "{\"format\":\"apus-checkpoint-1\",\"rows\":1,\"refused\":0,"
        "\"parts\":[]}",
        "{\"format\":\"apus-checkpoint-1\",\"rows\":-1,\"refused\":0,"
        "\"parts\":[{}]}",
        "{\"format\":\"apus-checkpoint-1\",\"rows\":1,\"refused\":0,"
        "\"parts\":[{\"first\":0,\"count\":1,\"size\":\"x\"}]}",
    };
    struct part_file *f;
    struct seal_info i;

    begin(LINE);
    ok(seal_info_read(&i, info.source, &err) == -1 && err.code == ERR_INPUT,
       "no checkpoint.json: %s", err.text);
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        put(at("batch/checkpoint.json"), bad[k]);
        ok(seal_info_read(&i, info.source, &err) == -1 &&
               err.code == ERR_INPUT, "one that is none: %s", err.text);
    }
    unlink(at("batch/checkpoint.json"));
    log_answers(0, 0, "0");
    must(seal(LARGE), &err);
    must(seal_info_read(&i, info.source, &err), &err);
    must(part_file_open(&f, at("batch/part-0000.h5"), &err), &err);
    ok(seal_file_check(&i.part[0], f, &err) == 0, "the part is what it says");
    i.part[0].sha256.b[0] ^= 1;
    ok(seal_file_check(&i.part[0], f, &err) == -1, "other bytes: %s",
       err.text);
    i.part[0].size++;
    ok(seal_file_check(&i.part[0], f, &err) == -1, "another size: %s",
       err.text);
    part_file_close(f);
    seal_info_clear(&i);
    end();
}

int main(void)
{
    test_plain();
    test_empty();
    test_missing();
    test_damage();
    test_twice();
    test_more_choices();
    test_refused();
    test_refused_bytes();
    test_cut();
    test_shards();
    test_other_cut();
    test_names();
    test_half_of_version_1();
    test_last();
    test_info();
    all_remove();
    return done();
}
