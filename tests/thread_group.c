/*
 * Members meet twice in an exchange: when all have shown their arrays, and
 * when all have read the others'.  Between the two each makes its result in
 * memory of its own; after the second it is copied to the array.
 */
#include <config.h>

#include "tests/thread_group.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* What a member's view points to. */
struct thread_member {
    struct thread_group *group;
    uint32_t rank;
    void *shown;          /* its array, in an exchange */
    size_t n_shown;       /* bytes */
    unsigned char *result;
    size_t cap;
    bool left;
};

struct thread_group {
    uint32_t size;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    uint32_t here;     /* members that wait at the meeting */
    size_t meeting;    /* how many there were */
    bool accused;
    bool left;         /* a member is gone .. */
    struct err why;    /* .. and said this */
    struct thread_member *member;
};

enum exchange { MAX_U32, SUM_I32, SUM_I64, FIRST };

/* Wait for all members.  Once an exchange has begun nobody leaves it, since
 * others read what it has shown. */
static int meet(struct thread_group *g, bool begins, struct err *err)
{
    size_t meeting;
    bool met;

    pthread_mutex_lock(&g->lock);
    meeting = g->meeting;
    if (!(begins && g->left) && ++g->here == g->size) {
        g->here = 0;
        g->meeting++;
        pthread_cond_broadcast(&g->wake);
    }
    while (g->meeting == meeting && !(begins && g->left))
        pthread_cond_wait(&g->wake, &g->lock);
    met = g->meeting != meeting;
    if (!met)
        err_copy(err, &g->why);
    pthread_mutex_unlock(&g->lock);
    return met ? 0 : -1;
}

/* to = to and from, by element. */
static void join(enum exchange what, void *to, const void *from, size_t n)
{
    const uint32_t *u = from;
    const int64_t *l = from;

    switch (what) {
    case MAX_U32:
        for (size_t i = 0; i < n / 4; i++)
            if (u[i] > ((uint32_t *)to)[i])
                ((uint32_t *)to)[i] = u[i];
        break;
    case SUM_I32:
        for (size_t i = 0; i < n / 4; i++)
            ((uint32_t *)to)[i] += u[i];
        break;
    case SUM_I64:
        for (size_t i = 0; i < n / 8; i++)
            ((int64_t *)to)[i] += l[i];
        break;
    case FIRST:
        break;
    }
}

static int exchange(struct thread_member *m, enum exchange what, void *data,
                    size_t n, struct err *err)
{
    struct thread_group *g = m->group;

    m->shown = data;
    m->n_shown = n;
    if (n > m->cap) {
        m->cap = n;
        m->result = xrealloc(m->result, n);
    }
    if (meet(g, true, err))
        return -1;
    for (uint32_t i = 0; i < g->size; i++) {
        if (g->member[i].n_shown != n)
            abort(); /* members do not do the same */
        if (n > 0 && i == 0)
            memcpy(m->result, g->member[i].shown, n);
        else
            join(what, m->result, g->member[i].shown, n);
    }
    if (meet(g, false, err))
        return -1;
    if (n > 0)
        memcpy(data, m->result, n);
    return 0;
}

static int max_u32(void *self, uint32_t *x, size_t n, struct err *err)
{
    return exchange(self, MAX_U32, x, n * sizeof(*x), err);
}

static int sum_i32(void *self, int32_t *x, size_t n, struct err *err)
{
    return exchange(self, SUM_I32, x, n * sizeof(*x), err);
}

static int sum_i64(void *self, int64_t *x, size_t n, struct err *err)
{
    return exchange(self, SUM_I64, x, n * sizeof(*x), err);
}

static int barrier(void *self, struct err *err)
{
    return exchange(self, FIRST, NULL, 0, err);
}

static int broadcast(void *self, void *data, size_t n, struct err *err)
{
    return exchange(self, FIRST, data, n, err);
}

static void leave(void *self, const struct err *why)
{
    struct thread_member *m = self;
    struct thread_group *g = m->group;

    pthread_mutex_lock(&g->lock);
    if (!g->left) {
        g->why = *why;
        err_prefix(&g->why, "member %u", m->rank);
    }
    g->left = m->left = true;
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

static void accuse(void *self)
{
    struct thread_member *m = self;

    pthread_mutex_lock(&m->group->lock);
    m->group->accused = true;
    pthread_mutex_unlock(&m->group->lock);
}

static bool accused(void *self)
{
    struct thread_group *g = ((struct thread_member *)self)->group;
    bool is;

    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 1; i < g->size; i++)
        while (!g->member[i].left)
            pthread_cond_wait(&g->wake, &g->lock);
    is = g->accused;
    pthread_mutex_unlock(&g->lock);
    return is;
}

static int whole(void *self, struct err *err)
{
    struct thread_group *g = ((struct thread_member *)self)->group;
    int rc = 0;

    pthread_mutex_lock(&g->lock);
    if (g->left)
        rc = err_copy(err, &g->why);
    pthread_mutex_unlock(&g->lock);
    return rc;
}

struct thread_group *thread_group_new(uint32_t size)
{
    struct thread_group *g = xcalloc(1, sizeof(*g));

    g->size = size;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->wake, NULL);
    g->member = xcalloc(size, sizeof(*g->member));
    for (uint32_t i = 0; i < size; i++)
        g->member[i] = (struct thread_member){ .group = g, .rank = i };
    return g;
}

void thread_group_free(struct thread_group *g)
{
    for (uint32_t i = 0; i < g->size; i++)
        free(g->member[i].result);
    free(g->member);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

struct group thread_group_member(struct thread_group *g, uint32_t rank)
{
    static const struct group_ops ops = { max_u32, sum_i32, sum_i64, barrier,
                                          broadcast, leave, accuse, accused,
                                          whole };

    return (struct group){ .rank = rank, .size = g->size, .ops = &ops,
                            .self = &g->member[rank] };
}

size_t thread_group_calls(struct thread_group *g)
{
    size_t n;

    pthread_mutex_lock(&g->lock);
    n = g->meeting / 2;
    pthread_mutex_unlock(&g->lock);
    return n;
}
