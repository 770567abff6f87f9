/*
 * src/store/rows: the rows of a batch of several parts, and of none at all;
 * skipping, beginning again; a part that is missing or another than
 * checkpoint.json names; one part by itself.
 */
#include <config.h>

#include "base/buf.h"
#include "base/found.h"
#include "base/id.h"
#include "proof/line_ids.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/rows.h"
#include "store/seal.h"
#include "tests/batch_util.h"
#include "tests/helper_path.h"
#include "tests/record_util.h"

#define DIM 4 /* of the last row in record_util.h */

static struct batch_info info;
static struct seal_info sealed;
static struct err err;

static void put_answer(struct worklog *w, uint32_t line)
{
    struct record r;
    struct made m;
    struct buf b;

    made_init(&m);
    line_id_by_file(&m.r.request, info.file, line);
    made_commit(&m);
    made_record(&m, &r);
    buf_init(&b, 1u << 16);
    record_put(&b, &r);
    log_frame(w, FRAME_RECORD, line, 0, b.data, b.len);
    buf_clear(&b);
}

/* A batch of n lines, a part each, which has answers to these lines; the
 * others are given up. */
static void make(unsigned n, const char *answers)
{
    struct seal_options o = { .part_size = 1, .n_vocab = 32000,
                              .n_layers = 2, .dim = DIM };
    char *lines = lines_of(LINE, n), refused[4] = "g0";
    struct worklog *w;

    batch_make(&info, "batch", lines);
    free(lines);
    for (unsigned i = 0; i < n; i++) {
        if (strchr(answers, '0' + (int)i))
            continue;
        refused[1] = (char)('0' + i);
        log_make(&info, i, 1, refused);
    }
    w = log_begin(&info, 0, 0);
    for (; *answers; answers++)
        put_answer(w, (uint32_t)(*answers - '0'));
    log_end(w);
    must(seal_batch(info.source, &info, &o, 0, 1, true, &err), &err);
    must(seal_info_read(&sealed, info.source, &err), &err);
}

static void drop(void)
{
    seal_info_clear(&sealed);
    batch_info_clear(&info);
}

/* What is left, as "PART.ROW:LINE ..", and how it ended if not well. */
static const char *walk(struct rows *r)
{
    static char text[200];
    uint32_t line, choice;
    size_t n = 0;
    enum found rc;

    text[0] = '\0';
    err = (struct err)ERR_INIT;
    while ((rc = rows_next(r, &err)) == FOUND_ONE && n < 150) {
        must(checkpoint_place(rows_part(r), rows_number(r), &line, &choice,
                              &err), &err);
        n += (size_t)snprintf(text + n, 40, "%s%zu.%d:%u", n ? " " : "",
                              rows_part_number(r), (int)rows_number(r),
                              (unsigned)line);
    }
    if (rc == FOUND_FAILED)
        snprintf(text + n, 40, " failed");
    return text;
}

static bool gives(const char *want)
{
    struct rows *r = rows_open(info.source, &sealed);
    bool same = strcmp(walk(r), want) == 0;

    if (!same)
        printf("# %s, wanted: %s\n", walk(r), want);
    rows_close(r);
    return same;
}

static void test_walk(void)
{
    struct rows *r;

    make(4, "0123");
    ok(sealed.n_parts == 4 && gives("0.0:0 1.0:1 2.0:2 3.0:3"),
       "all rows of all parts");
    r = rows_open(info.source, &sealed);
    ok(rows_next(r, &err) == FOUND_ONE && rows_skip(r, 2, &err) == 0 &&
       strcmp(walk(r), "3.0:3") == 0, "two rows are passed over");
    ok(rows_next(r, &err) == FOUND_NONE, "and the end stays the end");
    rows_rewind(r);
    ok(strcmp(walk(r), "0.0:0 1.0:1 2.0:2 3.0:3") == 0, "once more");
    rows_rewind(r);
    ok(rows_skip(r, 4, &err) == 0 && rows_next(r, &err) == FOUND_NONE,
       "as many are skipped as there are");
    rows_rewind(r);
    ok(rows_skip(r, 5, &err) == -1 && err.code == ERR_INPUT, "%s", err.text);
    rows_rewind(r);
    ok(rows_next_part(r, &err) == FOUND_ONE &&
       rows_next_part(r, &err) == FOUND_ONE &&
       rows_part_number(r) == 1 && strcmp(walk(r), "1.0:1 2.0:2 3.0:3") == 0,
       "the second part");
    ok(rows_next_part(r, &err) == FOUND_NONE, "there is no fifth");
    rows_close(r);
    rows_close(NULL);
    drop();
    make(3, "");
    ok(gives(""), "a batch without answers");
    drop();
}

static void test_other_part(void)
{
    const char *second;

    make(3, "012");
    second = at("batch/part-0001.h5");
    sealed.batch.b[0] ^= 1;
    ok(gives(" failed") && err.code == ERR_INPUT &&
       strstr(err.text, "not the part that"), "another batch: %s", err.text);
    sealed.batch.b[0] ^= 1;
    sealed.model.b[31] ^= 1;
    ok(gives(" failed") && err.code == ERR_INPUT, "another model");
    sealed.model.b[31] ^= 1;
    sealed.part[1].root.b[7] ^= 1;
    ok(gives("0.0:0 failed") && strstr(err.text, "part-0001.h5"),
       "another root: %s", err.text);
    sealed.part[1].root.b[7] ^= 1;
    must(rename(at("batch/part-0002.h5"), second), &err);
    ok(gives("0.0:0 failed") && err.code == ERR_INPUT,
       "the third in place of the second");
    unlink(second);
    ok(gives("0.0:0 failed") && err.code == ERR_INPUT, "%s", err.text);
    drop();
}

static void test_one_part(void)
{
    struct part_file *f;
    struct rows *r;

    make(2, "01");
    must(part_file_open(&f, at("batch/part-0001.h5"), &err), &err);
    must(rows_open_part(&r, f, &err), &err);
    ok(strcmp(walk(r), "0.0:1") == 0, "one part by itself");
    rows_rewind(r);
    ok(strcmp(walk(r), "0.0:1") == 0, "once more");
    rows_close(r);
    part_file_close(f);
    must(part_file_open(&f, at("batch/requests.jsonl"), &err), &err);
    ok(rows_open_part(&r, f, &err) == -1 && err.code == ERR_INPUT, "%s",
       err.text);
    part_file_close(f);
    drop();
}

int main(void)
{
    test_walk();
    test_other_part();
    test_one_part();
    all_remove();
    return done();
}
