/*
 * Groups over threads: what engine/group.h promises of its five functions.
 */
#include <config.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/tap.h"
#include "tests/thread_group.h"

#define MOST 8
#define N 1000

/* A member's thread. */
struct group_member {
    struct thread_group *all;
    struct group g;
    pthread_t thread;
    bool good, failed;
};

static void start(struct group_member *m, uint32_t size, void *(*run)(void *))
{
    struct thread_group *all = thread_group_new(size);

    for (uint32_t i = 0; i < size; i++) {
        m[i] = (struct group_member){ .all = all,
                                      .g = thread_group_member(all, i) };
        if (pthread_create(&m[i].thread, NULL, run, &m[i]))
            abort();
    }
}

static void end(struct group_member *m, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        pthread_join(m[i].thread, NULL);
    thread_group_free(m[0].all);
}

/* One of each kind; every number differs by member and place. */
static bool exchange_all(const struct group *g)
{
    uint32_t u[N], size = g->size, rank = g->rank;
    int32_t i32[N];
    int64_t i64[N];
    char text[16] = "nothing";
    bool good = true;

    for (uint32_t i = 0; i < N; i++) {
        u[i] = (i + rank) % size == 0 ? 0xffffff00u + i % 7 : rank;
        i32[i] = -(int32_t)(i * rank) + 3;
        i64[i] = ((int64_t)1 << 40) * (int64_t)rank - i;
    }
    if (rank == 0)
        strcpy(text, "of the first");
    if (g->ops->max_u32(g->self, u, N, NULL) ||
        g->ops->sum_i32(g->self, i32, N, NULL) ||
        g->ops->barrier(g->self, NULL) ||
        g->ops->sum_i64(g->self, i64, N, NULL) ||
        g->ops->broadcast(g->self, text, sizeof(text), NULL))
        return false;
    for (uint32_t i = 0; i < N; i++) {
        int32_t ranks = (int32_t)(size * (size - 1) / 2);

        good = good && u[i] == 0xffffff00u + i % 7 &&
               i32[i] == 3 * (int32_t)size - (int32_t)i * ranks &&
               i64[i] == ((int64_t)1 << 40) * ranks - (int64_t)i * size;
    }
    return good && strcmp(text, "of the first") == 0;
}

static void *run_all(void *self)
{
    struct group_member *m = self;

    m->good = true;
    for (int i = 0; i < 50 && m->good; i++)
        m->good = exchange_all(&m->g);
    return NULL;
}

static void test_numbers(uint32_t size)
{
    struct group_member m[MOST];
    bool good = true;

    start(m, size, run_all);
    end(m, size);
    for (uint32_t i = 0; i < size; i++)
        good = good && m[i].good;
    ok(good, "a group of %u agrees on maxima, sums and bytes", size);
}

/* Exchange until it fails; the last member goes after some. */
static void *run_some(void *self)
{
    struct group_member *m = self;
    struct err err = ERR_INIT;
    uint32_t x = 1;

    err_set(&err, ERR_RETRY, "it is gone");
    for (int i = 0; i < 1000 && !m->failed; i++) {
        if (m->g.rank + 1 == m->g.size && i == 10)
            m->g.ops->leave(m->g.self, &err);
        m->failed = m->g.ops->max_u32(m->g.self, &x, 1, &err) != 0;
    }
    m->good = strcmp(err.text, "member 2: it is gone") == 0 &&
              m->g.ops->barrier(m->g.self, NULL) == -1;
    return NULL;
}

static void test_gone(void)
{
    struct group_member m[3];

    start(m, 3, run_some);
    end(m, 3);
    ok(m[0].failed && m[0].good && m[1].failed && m[1].good && m[2].good,
       "a member that leaves ends the group for all, and says why");
}

int main(void)
{
    static const uint32_t sizes[] = { 1, 2, 3, 8 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        test_numbers(sizes[i]);
    test_gone();
    return done();
}
