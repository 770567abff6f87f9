/*
 * The file of jobs beside a part: made of it, read back, and every way in
 * which it can be none.
 */
#include <config.h>

#include "base/bytes.h"
#include "base/found.h"
#include "base/id.h"
#include "store/checkpoint.h"
#include "store/jobs_file.h"
#include "tests/helper_path.h"
#include "tests/spool_util.h"

#define HEAD 80
#define ENTRY 36

static struct err err;

/* A file of n entries, whose jobs are so many bytes of their number. */
static size_t make(unsigned char *p, uint32_t n)
{
    memset(p, 0, HEAD + n * ENTRY);
    memcpy(p, "APUSJOBS", 8);
    set_u32(p + 8, 1);
    set_u32(p + 12, n);
    memset(p + 16, 'm', 32);
    memset(p + 48, 'r', 32);
    for (uint32_t i = 0; i < n; i++) {
        p[HEAD + i * ENTRY] = (unsigned char)(i >> 8);
        p[HEAD + i * ENTRY + 31] = (unsigned char)i;
        set_u32(p + HEAD + i * ENTRY + 32, n - 1 - i);
    }
    return HEAD + n * ENTRY;
}

/* How many are read; -1 it is not opened, -2 it fails later. */
static int read_all(const unsigned char *p, size_t n)
{
    struct id job;
    struct jobs_file *f;
    uint32_t row;
    enum found rc;
    int got = 0;

    if (file_write(at("jobs"), p, n, &err) ||
        jobs_file_open(&f, at("jobs"), &err))
        return -1;
    while ((rc = jobs_file_next(f, &job, &row, &err)) == FOUND_ONE)
        got++;
    if (rc == FOUND_NONE && got &&
        (jobs_file_model(f).b[31] != 'm' || jobs_file_root(f).b[0] != 'r' ||
         row != 0))
        got = -3;
    jobs_file_close(f);
    return rc < 0 ? -2 : got;
}

static void test_read(void)
{
    unsigned char *p = xcalloc(1, HEAD + 3000 * ENTRY);
    size_t n = make(p, 3000);

    ok(read_all(p, n) == 3000, "many jobs");
    set_u32(p + HEAD + 2999 * ENTRY + 32, 3000);
    ok(read_all(p, n) == -2 && err.code == ERR_INPUT, "%s", err.text);
    n = make(p, 3);
    ok(read_all(p, n) == 3, "three of them");
    ok(read_all(p, n - 1) == -1 && err.code == ERR_INPUT, "%s", err.text);
    ok(read_all(p, n + 1) == -1, "a byte more");
    ok(read_all(p, HEAD - 1) == -1, "%s", err.text);
    ok(read_all(p, 0) == -1, "no bytes");
    memcpy(p + HEAD + ENTRY, p + HEAD, ENTRY);
    ok(read_all(p, n) == -2, "one twice: %s", err.text);
    make(p, 3);
    p[HEAD] = 1;
    ok(read_all(p, n) == -2, "out of order");
    make(p, 3);
    set_u32(p + 8, 2);
    ok(read_all(p, n) == -1 && strstr(err.text, "version 2"), "%s",
       err.text);
    make(p, 3);
    set_u32(p + 12, UINT32_MAX);
    ok(read_all(p, n) == -1, "an invalid length");
    make(p, 3);
    p[0] = 'a';
    ok(read_all(p, n) == -1, "another magic");
    ok(read_all(p, make(p, 0)) == 0, "a part of no rows");
    free(p);
}

/* The rows of a part that was published, in the order of their jobs. */
static void test_write(const char *part)
{
    struct id job, before = { 0 };
    struct checkpoint *c = NULL;
    struct jobs_file *f = NULL;
    uint32_t row, n = 0;
    uint64_t seen = 0;
    int rc = -1;

    if (!ok(jobs_file_write(at("part.jobs"), part, &err) == 0 &&
                checkpoint_open(&c, part, &err) == 0 &&
                jobs_file_open(&f, at("part.jobs"), &err) == 0,
            "made of a part %s", err.text))
        return;
    while ((rc = jobs_file_next(f, &job, &row, &err)) == FOUND_ONE) {
        const unsigned char *result;

        n += checkpoint_result(c, row, &result, &err) == 0 &&
             id_equal(id_at(result + 40), job) && id_compare(before, job) <= 0;
        seen |= (uint64_t)1 << row;
        before = job;
    }
    ok(rc == 0 && n == checkpoint_head(c)->n_rows &&
           seen == ((uint64_t)1 << n) - 1, "each row by its job, in order");
    ok(id_equal(jobs_file_root(f), checkpoint_head(c)->part_root) &&
           id_equal(jobs_file_model(f), checkpoint_head(c)->model),
       "its model and root");
    jobs_file_close(f);
    checkpoint_close(c);
    ok(jobs_file_write(at("none.jobs"), at("jobs"), &err) == -1 &&
           !file_exists(at("none.jobs")), "%s", err.text);
}

int main(void)
{
    const char *src = getenv("top_srcdir");
    char *part = xasprintf("%s/tests/data/part-1-kinds.h5", src ? src : ".");

    test_read();
    test_write(part);
    free(part);
    all_remove();
    return done();
}
