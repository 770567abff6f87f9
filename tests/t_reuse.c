/*
 * Answers of a spool by their jobs: which batches count, how many are
 * remembered, and what becomes of those that are gone.
 */
#include <config.h>

#include "base/bytes.h"
#include "base/id.h"
#include "store/checkpoint.h"
#include "store/jobs_file.h"
#include "store/reuse.h"
#include "tests/helper_path.h"
#include "tests/spool_util.h"

#define MAX_ROWS 64

static struct err err;
static struct spool *spool;
static struct reuse_options options;
static struct id job[MAX_ROWS];
static uint64_t n_rows;

/* A batch in a state with a copy of the part, changed so long ago. */
static void add_batch(enum spool_state state, const char *begin,
                      const char *part, time_t age_s)
{
    struct batch b = make_batch(spool, state, begin);
    char *h5 = file_join(b.path, "part-0000.h5");
    char *jobs = file_join(b.path, "part-0000.jobs");
    char *cp = xasprintf("cp '%s' '%s'", part, h5);

    if (system(cp) || jobs_file_write(jobs, h5, &err))
        printf("# %s\n", err.text);
    backdate(b.path, age_s);
    free(cp);
    free(h5);
    free(jobs);
    batch_clear(&b);
}

static void read_part(const char *part)
{
    struct checkpoint *c = NULL;
    const unsigned char *result;

    if (checkpoint_open(&c, part, &err)) {
        printf("# %s\n", err.text);
        exit(1);
    }
    n_rows = checkpoint_head(c)->n_rows;
    options.model = checkpoint_head(c)->model;
    for (uint64_t i = 0; i < n_rows && i < MAX_ROWS; i++)
        if (checkpoint_result(c, i, &result, &err) == 0)
            job[i] = id_at(result + 40);
    checkpoint_close(c);
}

static struct reuse *open_index(void)
{
    struct reuse *r = NULL;

    if (reuse_open(&r, &options, &err))
        printf("# %s\n", err.text);
    return r;
}

static const struct reuse_needs leaves = { .leaves = true };

/* Answers that are found. */
static uint64_t found(struct reuse *r)
{
    struct checkpoint_row row;
    uint64_t n = 0;

    for (uint64_t i = 0; i < n_rows; i++)
        n += reuse_has(r, job[i]) && reuse_find(r, job[i], leaves, &row) &&
             id_equal(id_at(row.record.result + 40), job[i]);
    return n;
}

static void has(uint64_t rows, uint64_t answers, const char *name)
{
    struct reuse *r = open_index();
    uint64_t n = found(r);

    if (!ok(reuse_rows(r) == rows && n == answers, "%s", name))
        printf("# %zu rows, %d found\n", reuse_rows(r), (int)n);
    reuse_close(r);
}

static void test_states(const char *part)
{
    struct checkpoint_row row;
    struct reuse *r;

    has(0, 0, "an empty spool");
    add_batch(SPOOL_TODO, "todo", part, 0);
    add_batch(SPOOL_RUNNING, "runs", part, 0);
    add_batch(SPOOL_FAILED, "fail", part, 0);
    has(0, 0, "nothing is done");
    add_batch(SPOOL_DONE, "done", part, 100);
    has(n_rows, n_rows, "a batch that is done");
    r = open_index();
    ok(reuse_find(r, job[0], leaves, &row) &&
           !reuse_find(r, options.model, leaves, &row),
       "a job that none has");
    reuse_close(r);
    options.pushed_only = true;
    has(0, 0, "none was pushed");
    add_batch(SPOOL_SENT, "sent", part, 50);
    has(n_rows, n_rows, "one was");
    options.pushed_only = false;
    has(2 * n_rows, n_rows, "both");
    options.max = 3;
    has(3, 3, "no more than are remembered");
    options.max = 0;
    options.model.b[0] ^= 1;
    has(0, 0, "another model");
    options.model.b[0] ^= 1;
}

/* Batches that go, or change, after they were looked at. */
static void test_gone(void)
{
    struct reuse *r = open_index();
    struct batch b = { .path = NULL };

    ok(spool_find(spool, "sent", &b, &err) == 0 &&
           spool_remove(spool, &b, &err) == 0 && found(r) == n_rows,
       "one is removed: the other has them");
    reuse_close(r);
    batch_clear(&b);
    r = open_index();
    ok(spool_find(spool, "done", &b, &err) == 0 &&
           spool_claim(spool, &b, &err) == 0 && found(r) == n_rows,
       "it is moved: it is found there");
    ok(spool_move(spool, &b, SPOOL_SENT, &err) == 0 &&
           spool_remove(spool, &b, &err) == 0 && found(r) == n_rows,
       "and removed: it is open still");
    reuse_close(r);
    batch_clear(&b);
    has(0, 0, "nothing is left");
}

/* A batch whose jobs are those of another part. */
static void test_stale(const char *part, const char *other)
{
    char *cp;

    add_batch(SPOOL_DONE, "next", part, 0);
    cp = xasprintf("cp '%s' '%s'/spool/done/bnext*/part-0000.h5", other,
                   tap_tmp());
    ok(system(cp) == 0, "another part in its place");
    has(n_rows, 0, "none of its rows is taken");
    free(cp);
}

int main(void)
{
    const char *src = getenv("top_srcdir");
    char *part = xasprintf("%s/tests/data/part-1-nano.h5", src ? src : ".");
    char *other = xasprintf("%s/tests/data/part-1-kinds.h5", src ? src : ".");

    spool = new_spool("spool");
    options.spool = spool_dir(spool);
    read_part(part);
    test_states(part);
    test_gone();
    test_stale(part, other);
    spool_close(spool);
    free(part);
    free(other);
    all_remove();
    return done();
}
