/*
 * One word says what there is to do: the number of the job, and how many of
 * its chunks are left.  A thread takes a chunk by taking one off, which fails
 * if the job has changed; then the fields of the job are stable, since the
 * owner waits for every chunk that was taken.
 */
#include <config.h>

#include "backend/cpu/pool.h"

#include <stdlib.h>

#include "base/mem.h"
#include "kernels/kernels.h"

#ifndef APUS_ONE_THREAD

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SPINS 2000         /* turns before a thread sleeps: some 30 us */
#define CHUNKS 4           /* a thread */
#define LEFT_BITS 32
#define LEFT_MASK UINT32_MAX

struct pool_thread {
    struct pool *pool;
    pthread_t id;
    size_t number;
};

struct pool {
    struct pool_thread *worker;
    size_t threads;
    /* the job; written by the owner while no chunk is left or taken */
    pool_fn *fn;
    void *self;
    size_t n, chunk, chunks;
    _Alignas(64) atomic_uint_fast64_t word; /* number << 32 | chunks left */
    _Alignas(64) atomic_size_t done;        /* chunks of this job */
    _Alignas(64) atomic_uint sleeping;      /* workers */
    atomic_bool waiting;                    /* the owner sleeps */
    atomic_bool end;
    pthread_mutex_t mutex;                  /* of both conditions */
    pthread_cond_t work, all_done;
    pthread_mutex_t lock;                   /* of pool_lock */
};

static void relax(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ volatile("yield");
#endif
}

/* ---- chunks -------------------------------------------------------------- */

static void wake_owner(struct pool *p)
{
    if (!atomic_load(&p->waiting))
        return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_signal(&p->all_done);
    pthread_mutex_unlock(&p->mutex);
}

/* Take chunks of whatever job there is until none is left. */
static void work(struct pool *p, size_t thread)
{
    uint_fast64_t word = atomic_load(&p->word);

    while (word & LEFT_MASK) {
        size_t i, from, to, chunks;

        if (!atomic_compare_exchange_weak(&p->word, &word, word - 1))
            continue;
        chunks = p->chunks;
        i = chunks - (size_t)(word & LEFT_MASK);
        from = i * p->chunk;
        to = p->n - from < p->chunk ? p->n : from + p->chunk;
        p->fn(p->self, from, to, thread);
        if (atomic_fetch_add(&p->done, 1) + 1 == chunks)
            wake_owner(p);
        word = atomic_load(&p->word);
    }
}

/* ---- threads ------------------------------------------------------------- */

static bool idle(struct pool *p)
{
    return (atomic_load(&p->word) & LEFT_MASK) == 0 && !atomic_load(&p->end);
}

static void *run_worker(void *arg)
{
    struct pool_thread *w = arg;
    struct pool *p = w->pool;

    x1_thread_init();
    while (!atomic_load(&p->end)) {
        work(p, w->number);
        for (int i = 0; i < SPINS && idle(p); i++)
            relax();
        if (!idle(p))
            continue;
        pthread_mutex_lock(&p->mutex);
        atomic_fetch_add(&p->sleeping, 1);
        while (idle(p))
            pthread_cond_wait(&p->work, &p->mutex);
        atomic_fetch_sub(&p->sleeping, 1);
        pthread_mutex_unlock(&p->mutex);
    }
    return NULL;
}

/* Signals are the owner's affair. */
static void start(struct pool *p, size_t threads)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    p->worker = xcalloc(threads, sizeof(*p->worker));
    for (p->threads = 1; p->threads < threads; p->threads++) {
        struct pool_thread *w = &p->worker[p->threads];

        *w = (struct pool_thread){ .pool = p, .number = p->threads };
        if (pthread_create(&w->id, NULL, run_worker, w))
            break;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct pool *pool_new(size_t threads)
{
    void *memory = aligned_alloc(64, (sizeof(struct pool) + 63) / 64 * 64);
    struct pool *p = memory;

    if (!p)
        abort();
    *p = (struct pool){ .threads = 1 };
    pthread_mutex_init(&p->mutex, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->all_done, NULL);
    start(p, threads);
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->end, true);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (size_t i = 1; i < p->threads; i++)
        pthread_join(p->worker[i].id, NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->all_done);
    pthread_mutex_destroy(&p->mutex);
    pthread_mutex_destroy(&p->lock);
    free(p->worker);
    free(p);
}

size_t pool_threads(const struct pool *p)
{
    return p->threads;
}

/* ---- jobs ---------------------------------------------------------------- */

static void wake_workers(struct pool *p)
{
    if (atomic_load(&p->sleeping) == 0)
        return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
}

static void wait_done(struct pool *p)
{
    for (int i = 0; i < SPINS && atomic_load(&p->done) < p->chunks; i++)
        relax();
    if (atomic_load(&p->done) == p->chunks)
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->done) < p->chunks)
        pthread_cond_wait(&p->all_done, &p->mutex);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->mutex);
}

void pool_run(struct pool *p, pool_fn *fn, void *self, size_t n,
              size_t chunk)
{
    uint_fast64_t number = (atomic_load(&p->word) >> LEFT_BITS) + 1;

    if (n == 0)
        return;
    if (p->threads == 1 || n <= chunk) {
        fn(self, 0, n, 0);
        return;
    }
    p->fn = fn;
    p->self = self;
    p->n = n;
    p->chunk = chunk;
    p->chunks = (n + chunk - 1) / chunk;
    atomic_store(&p->done, 0);
    atomic_store(&p->word, number << LEFT_BITS | p->chunks);
    wake_workers(p);
    work(p, 0);
    wait_done(p);
}

size_t pool_chunk(const struct pool *p, size_t n, size_t unit)
{
    size_t chunk = p->threads == 1 ? n : n / (p->threads * CHUNKS);

    chunk = (chunk + unit - 1) / unit * unit;
    return chunk ? chunk : unit;
}

void pool_lock(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
}

void pool_unlock(struct pool *p)
{
    pthread_mutex_unlock(&p->lock);
}

#else

struct pool {
    char none;
};

struct pool *pool_new(size_t threads)
{
    (void)threads;
    return xcalloc(1, sizeof(struct pool));
}

void pool_free(struct pool *p)
{
    free(p);
}

size_t pool_threads(const struct pool *p)
{
    (void)p;
    return 1;
}

void pool_run(struct pool *p, pool_fn *fn, void *self, size_t n,
              size_t chunk)
{
    (void)p;
    (void)chunk;
    if (n > 0)
        fn(self, 0, n, 0);
}

size_t pool_chunk(const struct pool *p, size_t n, size_t unit)
{
    (void)p;
    return n ? n : unit;
}

void pool_lock(struct pool *p)
{
    (void)p;
}

void pool_unlock(struct pool *p)
{
    (void)p;
}

#endif
