/*
 * src/store/record: the published records go in and come out, every length
 * that can be wrong, every commitment and field changed and named, what each
 * way to finish asks of the counts, stop strings and levels.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "tests/record_util.h"
#include "tests/tap.h"

/* Lengths stand here in the payload of the published record. */
#define AT_JOB 0
#define AT_PROMPT (AT_JOB + 8 + RECORD_JOB)
#define AT_STOPS (AT_PROMPT + 8 + 12)
#define AT_TRACE (AT_STOPS + 8 + 6)
#define AT_OUTPUT (AT_TRACE + 8 + 4 * RECORD_LEAF)
#define AT_TEXT (AT_OUTPUT + 8 + 8)
#define AT_RESULT (AT_TEXT + 8 + 4)
#define AT_END (AT_RESULT + 8 + RECORD_RESULT)

static bool id_is(const unsigned char *record, size_t n, const char *hex)
{
    struct id h;
    char text[65];

    digest(&h, record, n);
    digest_hex(text, h);
    return strcmp(text, hex) == 0;
}

static void test_published(void)
{
    struct err err = ERR_INIT;
    struct record r, back;
    struct made m;
    struct buf b;

    made_init(&m);
    made_commit(&m);
    made_record(&m, &r);
    ok(id_is(r.job, RECORD_JOB, "c029a2a49c2cc69d86691992d0132c5b"
                                "2d7b64c015b62b8c8844dcccd1408d82"),
       "the published job");
    ok(id_is(r.result, RECORD_RESULT, "1ae1d84059645c81e5b3870c719a5841"
                                      "28cc1203d4b17d3af1b7f09ea66db01c"),
       "the published result");
    ok(record_check(&r, &err) == 0, "both follow from their parts %s",
       err.text);
    buf_init(&b, 1u << 16);
    record_put(&b, &r);
    ok(b.len == AT_END && get_u64(b.data + AT_TRACE) == 4 * RECORD_LEAF &&
           memcmp(b.data + AT_RESULT + 8, r.result, RECORD_RESULT) == 0,
       "the payload: parts behind their lengths");
    ok(record_get(&back, b.data, b.len, &err) == 0 &&
           back.n_prompt == 3 && back.n_leaves == 4 && back.n_output == 2 &&
           back.stops_size == 6 && back.text_size == 4 &&
           memcmp(back.leaf, r.leaf, 4 * RECORD_LEAF) == 0 &&
           (const char *)back.text == b.data + AT_TEXT + 8 &&
           record_check(&back, &err) == 0,
       "and back %s", err.text);
    buf_clear(&b);
}

/* Take an exact copy, so that nothing lies behind the end. */
static int get_record(struct record *r, const void *data, size_t n,
                      struct err *err)
{
    unsigned char *copy = malloc(n ? n : 1);
    int rc;

    memcpy(copy, data, n);
    rc = record_get(r, copy, n, err);
    free(copy);
    return rc;
}

static void refused(struct buf *b, size_t n, const char *why)
{
    struct err err = ERR_INIT;
    struct record r = { .n_prompt = 77 };
    int rc = get_record(&r, b->data, n, &err);

    ok(rc == -1 && err.code == ERR_INPUT && strstr(err.text, why) &&
           r.n_prompt == 77,
       "refused: %s (%s)", rc ? err.text : "taken", why);
}

static void test_lengths(void)
{
    static const struct {
        size_t at;
        uint64_t len;
        const char *why;
    } bad[] = {
        { AT_JOB, 151, "job has 151 bytes, not a multiple" },
        { AT_JOB, 0, "job has 0 bytes and must have 152" },
        { AT_JOB, 304, "job has 304 bytes and must have 152" },
        { AT_JOB, UINT64_MAX, "job has 18446744073709551615 bytes and" },
        { AT_PROMPT, 11, "prompt has 11 bytes, not a multiple of 4" },
        { AT_PROMPT, UINT64_MAX - 3, "prompt has 18446744073709551612" },
        { AT_STOPS, 3, "" },
        { AT_STOPS, 1u << 20, "stop strings has 1048576 bytes and" },
        { AT_TRACE, 447, "trace has 447 bytes, not a multiple of 112" },
        { AT_TRACE, (uint64_t)112 << 40, "trace has" },
        { AT_OUTPUT, 9, "output has 9 bytes, not a multiple of 4" },
        { AT_TEXT, 253, "text has 253 bytes and 252 are left" },
        { AT_TEXT, 252, "ends before its result" },
        { AT_RESULT, 239, "result has 239 bytes, not a multiple" },
        { AT_RESULT, 0, "result has 0 bytes and must have 240" },
        { AT_STOPS + 8, 0, "stop string 0 has no length" },
        { AT_STOPS + 8, 1, "stop string 1 has no length" },
        { AT_STOPS + 8, 3, "stop string 0 has no length" },
        { AT_STOPS + 8, UINT32_MAX, "stop string 0 has no length" },
    };
    struct err err = ERR_INIT;
    unsigned char keep[8];
    bool good = true;
    struct record r;
    struct made m;
    struct buf b;

    made_init(&m);
    made_commit(&m);
    made_record(&m, &r);
    buf_init(&b, 1u << 16);
    record_put(&b, &r);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        memcpy(keep, b.data + bad[i].at, 8);
        if (bad[i].at == AT_STOPS + 8)
            set_u32(b.data + bad[i].at, (uint32_t)bad[i].len);
        else
            set_u64(b.data + bad[i].at, bad[i].len);
        refused(&b, b.len, bad[i].why);
        memcpy(b.data + bad[i].at, keep, 8);
    }
    for (size_t n = 0; n < b.len; n++)
        good = get_record(&r, b.data, n, &err) == -1 && good;
    ok(good, "cut at every length it is refused");
    buf_putc(&b, 0);
    refused(&b, b.len, "1 bytes follow the record");
    buf_clear(&b);
}

static void test_stop_lengths(void)
{
    struct err err = ERR_INIT;
    struct record r, back;
    char text[66];
    struct made m;
    struct buf b;

    buf_init(&b, 1u << 16);
    made_init(&m);
    m.stops_size = 0;
    memset(text, 'a', sizeof(text));
    text[64] = '\0';
    made_stop(&m, text);
    made_commit(&m);
    made_record(&m, &r);
    record_put(&b, &r);
    ok(record_get(&back, b.data, b.len, &err) == 0 &&
           record_check(&back, &err) == 0,
       "a stop string of 64 bytes %s", err.text);
    buf_reset(&b);
    text[64] = 'a';
    text[65] = '\0';
    m.stops_size = 0;
    made_stop(&m, text);
    made_record(&m, &r);
    record_put(&b, &r);
    refused(&b, b.len, "stop string 0 has no length of 1 to 64");
    m.stops_size = 0;
    for (int i = 0; i < 17; i++) {
        char one[2] = { (char)('a' + i), '\0' };

        made_stop(&m, one);
        if (i == 15) {
            made_commit(&m);
            made_record(&m, &r);
            ok(record_check(&r, &err) == 0, "16 stop strings %s", err.text);
        }
    }
    buf_reset(&b);
    made_record(&m, &r);
    record_put(&b, &r);
    refused(&b, b.len, "17 stop strings, at most 16");
    buf_clear(&b);
}

static void wrong(const struct record *r, const char *why, const char *what)
{
    struct err err = ERR_INIT;
    int rc = record_check(r, &err);

    ok(rc == -1 && err.code == ERR_INPUT && strstr(err.text, why),
       "%s: %s", what, rc ? err.text : "not found");
}

/* Every byte of a part changed is told by the name of its commitment. */
static void every(struct made *m, unsigned char *part, size_t from, size_t to,
                  const char *why, const char *what)
{
    struct err err = ERR_INIT;
    size_t missed = 0;
    struct record r;

    made_record(m, &r);
    for (size_t i = from; i < to; i++) {
        part[i] ^= 0x10;
        if (record_check(&r, &err) == 0 || err.code != ERR_INPUT ||
            !strstr(err.text, why))
            missed++;
        part[i] ^= 0x10;
    }
    ok(missed == 0 && record_check(&r, &err) == 0, "%s: %s", what, err.text);
}

static void test_changes(void)
{
    static char text[] = " the";
    struct made m;

    made_init(&m);
    m.text = text;
    made_commit(&m);
    every(&m, m.prompt_id, 0, 12, "job record's prompt", "prompt ids");
    every(&m, m.stops, 4, 6, "job record's stop strings", "a stop string");
    every(&m, m.leaf, 0, 4 * RECORD_LEAF, "result record's trace", "leaves");
    every(&m, m.output_id, 0, 8, "result record's output", "output ids");
    every(&m, (unsigned char *)text, 0, 4, "result record's text", "text");

    every(&m, m.job, 0, 8, "the job record is none", "magic of the job");
    every(&m, m.job, 8, 48, "result record's job", "model, numerics, choice");
    every(&m, m.job, 48, 52, "job record's number of prompt ids", "n_prompt");
    every(&m, m.job, 52, 84, "job record's prompt", "blob of the prompt");
    every(&m, m.job, 84, 112, "result record's job", "parameters of the job");
    every(&m, m.job, 112, 116, "the job record is none", "zeros of the job");
    every(&m, m.job, 116, 152, "job record's stop strings", "n_stop, stops");

    every(&m, m.result, 0, 8, "the result record is none", "its magic");
    every(&m, m.result, 40, 72, "result record's job", "job of the result");
    every(&m, m.result, 72, 104, "result record's model", "its model");
    every(&m, m.result, 104, 136, "result record's trace", "its trace");
    every(&m, m.result, 136, 140, "result record's number of positions", "n");
    every(&m, m.result, 140, 144, "result record's number of output ids",
          "n_out");
    every(&m, m.result, 144, 176, "result record's output", "its output");
    every(&m, m.result, 176, 208, "result record's text", "its text");
    every(&m, m.result, 209, 212, "result record's finish", "its finish");
    every(&m, m.result, 212, 216, "result record's level", "its level");
    every(&m, m.result, 216, 220, "result record's choice", "its choice");
    every(&m, m.result, 220, 240, "the result record is none",
          "the place of an invalid error");
}

/* Fewer or more of something, and order. */
static void test_counts(void)
{
    struct err err = ERR_INIT;
    struct record r;
    struct made m;

    made_init(&m);
    made_commit(&m);
    made_record(&m, &r);
    r.n_prompt = 2;
    wrong(&r, "number of prompt ids", "one prompt id less");
    r.n_prompt = 3;
    r.n_leaves = 3;
    wrong(&r, "result record's trace", "one leaf less");
    r.n_leaves = 4;
    r.n_output = 1;
    wrong(&r, "number of output ids", "one output id less");
    r.n_output = 2;
    r.text_size = 3;
    wrong(&r, "result record's text", "one byte of text less");
    r.text_size = 4;
    r.stops_size = 0;
    wrong(&r, "job record's stop strings", "no stop string");
    r.stops_size = 5;
    wrong(&r, "job record's stop strings", "a stop string cut off");
    m.stops_size = 0;
    made_stop(&m, "b");
    made_stop(&m, "a");
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "job record's stop strings", "stop strings out of order");
    m.stops_size = 0;
    made_stop(&m, "a");
    made_stop(&m, "a");
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "job record's stop strings", "one twice");
    m.stops_size = 0;
    made_stop(&m, "a");
    made_stop(&m, "ab");
    made_stop(&m, "\xc3");
    made_commit(&m);
    made_record(&m, &r);
    ok(record_check(&r, &err) == 0, "three in the order of bytes %s",
       err.text);
    m.l[2].flags |= 4;
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "leaf 2 of the trace is none", "an unknown flag");
}

static void test_levels(void)
{
    struct err err = ERR_INIT;
    struct record r;
    struct made m;

    made_init(&m);
    m.r.level = 1;
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "result record's level", "level 1 and no deep leaf");
    for (int i = 0; i < 4; i++) {
        m.l[i].flags |= TRACE_DEEP;
        m.l[i].deep.b[0] = 1;
    }
    made_commit(&m);
    made_record(&m, &r);
    ok(record_check(&r, &err) == 0, "level 1, all leaves deep %s", err.text);
    m.r.level = 0;
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "result record's level", "level 0 and deep leaves");
    m.r.level = 1;
    m.l[3].flags &= ~(uint32_t)TRACE_DEEP;
    m.l[3].deep.b[0] = 0;
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "result record's level", "one leaf that is not deep");
}

/* Finish, leaves, output ids, max_tokens, position of an error: may it be? */
static void test_finish(void)
{
    static const struct {
        uint32_t finish;
        size_t leaves, out;
        uint32_t max, position;
        bool good;
    } t[] = {
        { RESULT_EOS, 4, 2, 2, 0, true },
        { RESULT_EOS, 4, 2, 1, 0, false },
        { RESULT_EOS, 3, 2, 9, 0, false },
        { RESULT_EOS, 5, 2, 9, 0, false },
        { RESULT_EOS, 2, 0, 9, 0, false },
        { RESULT_LENGTH, 4, 2, 2, 0, true },
        { RESULT_LENGTH, 3, 1, 1, 0, true },
        { RESULT_LENGTH, 4, 2, 3, 0, false },
        { RESULT_STOP, 4, 2, 9, 0, true },
        { RESULT_CONTEXT, 4, 2, 3, 0, true },
        { RESULT_CONTEXT, 4, 2, 2, 0, false },
        { 4, 4, 2, 9, 0, false },
        { RESULT_RANGE, 0, 0, 9, 0, true },
        { RESULT_RANGE, 2, 0, 9, 2, true },
        { RESULT_RANGE, 3, 1, 9, 3, true },
        { RESULT_RANGE, 5, 3, 9, 5, true },
        { RESULT_RANGE, 2, 1, 9, 2, false },
        { RESULT_RANGE, 3, 0, 9, 3, false },
        { RESULT_RANGE, 3, 1, 9, 4, false },
        { RESULT_RANGE, 3, 1, 1, 3, false },
        { RESULT_LONG, 0, 0, 9, 0, true },
        { RESULT_LONG, 1, 0, 9, 0, false },
        { RESULT_PROMPT, 0, 0, 9, 0, true },
        { RESULT_PROMPT, 0, 1, 9, 0, false },
        { 19, 0, 0, 9, 0, false },
    };
    struct err err = ERR_INIT;
    struct record r;
    struct made m;

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        made_init(&m);
        for (size_t k = 4; k < MADE_MAX; k++)
            m.l[k] = m.l[0];
        m.r.finish = t[i].finish;
        m.n_leaves = t[i].leaves;
        m.n_output = t[i].out;
        m.j.max_tokens = t[i].max;
        m.r.error_position = t[i].position;
        m.text = t[i].finish >= RESULT_LONG ? "" : " the";
        made_commit(&m);
        made_record(&m, &r);
        if (t[i].good)
            ok(record_check(&r, &err) == 0, "row %zu: finish %u %s", i,
               (unsigned)t[i].finish, err.text);
        else
            wrong(&r, "result record's finish", "counts that it cannot have");
    }
    made_init(&m);
    m.j.flags = JOB_IGNORE_EOS;
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "result record's finish", "end of text, which is ignored");
    made_init(&m);
    m.stops_size = 0;
    m.r.finish = RESULT_STOP;
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "result record's finish", "a stop where there is none");
}

static void test_last(void)
{
    static const float fin[4] = { 1, 2, -0.0f, 4 };
    unsigned char last[16];
    struct record r;
    struct made m;

    memcpy(last, fin, sizeof(last)); /* of made_init */
    made_init(&m);
    made_commit(&m);
    made_record(&m, &r);
    ok(record_last(&r, last, 4) == RECORD_LAST_FITS, "its last row");
    ok(record_last(&r, last, 3) == RECORD_LAST_DIFFERS, "a part of it");
    last[11] = 0; /* 0 for -0 */
    ok(record_last(&r, last, 4) == RECORD_LAST_DIFFERS, "another one");
    ok(record_last(&r, NULL, 4) == RECORD_LAST_DIFFERS, "no row");
    r.leaf = NULL;
    ok(record_last(&r, last, 4) == RECORD_LAST_UNKNOWN, "without leaves");
    r.n_leaves = 0;
    ok(record_last(&r, last, 4) == RECORD_LAST_NONE, "without positions");
    memset(&m.l[m.n_leaves - 1].fin, 0, sizeof(m.l[0].fin));
    made_record(&m, &r);
    ok(record_last(&r, last, 4) == RECORD_LAST_NONE,
       "a trace that commits to no row");
}

/* The second published result: the same request, refused for its length. */
static void test_nothing(void)
{
    struct err err = ERR_INIT;
    struct record r;
    struct made m;

    made_init(&m);
    m.n_leaves = m.n_output = 0;
    m.text = "";
    m.r.finish = RESULT_LONG;
    made_commit(&m);
    made_record(&m, &r);
    ok(id_is(r.result, RECORD_RESULT, "85cab3fe5293de8dbefc4121fa2e1a37"
                                      "6d0af7da1408d20d155d981d42bd6587") &&
           record_check(&r, &err) == 0,
       "the published result of nothing %s", err.text);
    r.text = (const unsigned char *)"x";
    r.text_size = 1;
    wrong(&r, "result record's text", "with a text");
    m.text = "x";
    made_commit(&m);
    made_record(&m, &r);
    wrong(&r, "result record's finish", "with a text of its own");
}

int main(void)
{
    test_published();
    test_lengths();
    test_stop_lengths();
    test_changes();
    test_counts();
    test_levels();
    test_finish();
    test_last();
    test_nothing();
    return done();
}
