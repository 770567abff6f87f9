/*
 * The pool: every item once, whatever the sizes, over many jobs in a row, and
 * a thread's room is its own.
 */
#include <config.h>

#include <stdbool.h>
#include <unistd.h>

#include "backend/cpu/pool.h"
#include "tests/tap.h"

#define ITEMS 1000
#define THREADS 8

struct job {
    unsigned char count[ITEMS];
    size_t items[THREADS]; /* items that a thread did */
    size_t seen;          /* under the lock */
    struct pool *pool;
    size_t n, least;
    bool good;            /* ranges are as asked for; under the lock */
};

static void count_items(void *self, size_t from, size_t to, size_t thread)
{
    struct job *j = self;

    for (size_t i = from; i < to; i++)
        j->count[i]++;
    j->items[thread] += to - from;
    pool_lock(j->pool);
    j->seen += to - from;
    j->good &= from < to && from % j->least == 0 &&
               (to % j->least == 0 || to == j->n);
    pool_unlock(j->pool);
}

/* Each of n items was done once, and counted by one thread. */
static bool done_once(const struct job *j, size_t n)
{
    size_t sum = 0;
    bool good = j->seen == n;

    for (size_t i = 0; i < ITEMS; i++)
        good &= j->count[i] == (i < n);
    for (size_t t = 0; t < THREADS; t++)
        sum += j->items[t];
    return good && sum == n;
}

static bool jobs_of(struct pool *p, size_t many)
{
    static const size_t sizes[] = { 0, 1, 2, 15, 16, 17, 999, 1000 };
    static const size_t least[] = { 1, 3, 16, 1000, 5000 };
    bool good = true;

    for (size_t i = 0; i < many; i++) {
        struct job j = { .pool = p, .n = sizes[i % 8], .least = least[i % 5],
                         .good = true };

        pool_run(p, count_items, &j, j.n, j.least);
        good &= done_once(&j, j.n) && j.good;
    }
    return good;
}

static void test_threads(size_t threads)
{
    struct pool *p = pool_new(threads);

    ok(pool_threads(p) >= 1 && pool_threads(p) <= threads,
       "%zu threads: has as many or fewer", threads);
    ok(jobs_of(p, 4000), "%zu threads: every item once, jobs in a row",
       threads);
    usleep(20000); /* threads sleep by now */
    ok(jobs_of(p, 40), "%zu threads: once more after a pause", threads);
    pool_free(p);
}

/* More items than a run has numbers for. */
static void count_many(void *self, size_t from, size_t to, size_t thread)
{
    struct job *j = self;

    pool_lock(j->pool);
    j->items[thread] += to - from;
    j->good &= from % j->least == 0;
    pool_unlock(j->pool);
}

static void test_many(void)
{
    struct pool *p = pool_new(3);
    struct job j = { .pool = p, .n = 1000003, .least = 3, .good = true };
    size_t sum = 0;

    pool_run(p, count_many, &j, j.n, j.least);
    for (size_t t = 0; t < THREADS; t++)
        sum += j.items[t];
    ok(sum == j.n && j.good, "a million items in threes: each once");
    pool_free(p);
    pool_free(NULL);
}

int main(void)
{
    for (size_t threads = 1; threads <= THREADS; threads *= 2)
        test_threads(threads);
    test_many();
    return done();
}
