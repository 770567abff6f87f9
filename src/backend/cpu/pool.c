/*
 * A job is cut into pieces, and each thread has a run of pieces that follow one
 * another: what it fetches ahead at the end of one piece is the next one's.  It
 * takes a third of what its run has left, so that the last pieces are small,
 * and, when its run is empty, as much from the end of the longest other run.
 *
 * A run is one word: the number of the job, and the pieces [from, to).  A
 * thread takes pieces by changing the word, which fails if the job has changed;
 * then the fields of the job are stable, since the owner waits for every piece
 * that was taken.
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

#define SPINS 2000   /* turns before a thread sleeps: some 30 us */
#define RUN_BITS 16  /* of a piece's number */
#define RUN_MASK 65535u
#define SHARE 3      /* a thread takes the third part of a run */

struct pool_thread {
    struct pool *pool;
    pthread_t id;
    size_t number;
    /* job << 32 | from << 16 | to */
    _Alignas(64) atomic_uint_fast64_t run;
};

struct pool {
    struct pool_thread *worker; /* the owner's is the first */
    size_t threads;
    /* the job; written by the owner while no piece is left or taken */
    pool_fn *fn;
    void *self;
    size_t n, piece, pieces;
    _Alignas(64) atomic_uint_fast32_t job;  /* its number */
    _Alignas(64) atomic_size_t done;        /* pieces of this job */
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

/* ---- pieces -------------------------------------------------------------- */

static void wake_owner(struct pool *p)
{
    if (!atomic_load(&p->waiting))
        return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_signal(&p->all_done);
    pthread_mutex_unlock(&p->mutex);
}

static uint_fast64_t run_word(uint_fast64_t job, size_t from, size_t to)
{
    return job << 2 * RUN_BITS | (uint_fast64_t)from << RUN_BITS | to;
}

static size_t run_from(uint_fast64_t run)
{
    return (size_t)(run >> RUN_BITS) & RUN_MASK;
}

static size_t run_to(uint_fast64_t run)
{
    return (size_t)run & RUN_MASK;
}

static size_t run_left(uint_fast64_t run)
{
    return run_to(run) - run_from(run);
}

/* The thread whose run is the longest, `thread` itself as long as it has any;
 * NULL if all are empty. */
static struct pool_thread *find_run(struct pool *p, size_t thread)
{
    struct pool_thread *best = NULL;
    size_t most = 0;

    if (run_left(atomic_load(&p->worker[thread].run)) > 0)
        return &p->worker[thread];
    for (size_t i = 0; i < p->threads; i++) {
        size_t left = run_left(atomic_load(&p->worker[i].run));

        if (left > most) {
            most = left;
            best = &p->worker[i];
        }
    }
    return best;
}

/* Pieces [*from, *to) of a run, from its beginning if it is this thread's own,
 * else from its end.  false: it has changed. */
static bool take_pieces(struct pool_thread *w, bool own, size_t *from,
                        size_t *to)
{
    uint_fast64_t run = atomic_load(&w->run), job = run >> 2 * RUN_BITS;
    size_t n = (run_left(run) + SHARE - 1) / SHARE;

    *from = own ? run_from(run) : run_to(run) - n;
    *to = *from + n;
    return n > 0 && atomic_compare_exchange_strong(
                        &w->run, &run,
                        own ? run_word(job, *to, run_to(run))
                            : run_word(job, run_from(run), *from));
}

/* Take pieces of whatever job there is until none is left. */
static void work(struct pool *p, size_t thread)
{
    struct pool_thread *w;

    while ((w = find_run(p, thread))) {
        size_t a, b, to, pieces;

        if (!take_pieces(w, w->number == thread, &a, &b))
            continue;
        pieces = p->pieces;
        to = b * p->piece;
        p->fn(p->self, a * p->piece, to < p->n ? to : p->n, thread);
        if (atomic_fetch_add(&p->done, b - a) + (b - a) == pieces)
            wake_owner(p);
    }
}

/* ---- threads ------------------------------------------------------------- */

static bool idle(struct pool *p, uint_fast32_t seen)
{
    return atomic_load(&p->job) == seen && !atomic_load(&p->end);
}

static void sleep_until_job(struct pool *p, uint_fast32_t seen)
{
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleeping, 1);
    while (idle(p, seen))
        pthread_cond_wait(&p->work, &p->mutex);
    atomic_fetch_sub(&p->sleeping, 1);
    pthread_mutex_unlock(&p->mutex);
}

/* The pool is complete when there is a first job, and no sooner looked at. */
static void *run_worker(void *arg)
{
    struct pool_thread *w = arg;
    struct pool *p = w->pool;
    uint_fast32_t seen = 0;

    x1_thread_init();
    for (;;) {
        for (int i = 0; i < SPINS && idle(p, seen); i++)
            relax();
        if (idle(p, seen))
            sleep_until_job(p, seen);
        if (atomic_load(&p->end))
            return NULL;
        seen = atomic_load(&p->job);
        work(p, w->number);
    }
}

static void *aligned_room(size_t n)
{
    void *room = aligned_alloc(64, (n + 63) / 64 * 64);

    if (!room)
        abort();
    return room;
}

/* Signals are the owner's affair. */
static void start(struct pool *p, size_t threads)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    p->worker = aligned_room(threads * sizeof(*p->worker));
    for (size_t i = 0; i < threads; i++)
        p->worker[i] = (struct pool_thread){ .pool = p, .number = i };
    for (p->threads = 1; p->threads < threads; p->threads++) {
        struct pool_thread *w = &p->worker[p->threads];

        if (pthread_create(&w->id, NULL, run_worker, w))
            break;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct pool *pool_new(size_t threads)
{
    struct pool *p = aligned_room(sizeof(*p));

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
    for (int i = 0; i < SPINS && atomic_load(&p->done) < p->pieces; i++)
        relax();
    if (atomic_load(&p->done) == p->pieces)
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->done) < p->pieces)
        pthread_cond_wait(&p->all_done, &p->mutex);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->mutex);
}

/* Give each thread its run of the job's pieces, and say so. */
static void begin_job(struct pool *p)
{
    uint_fast32_t job = (uint_fast32_t)(uint32_t)(atomic_load(&p->job) + 1);

    atomic_store(&p->done, 0);
    for (size_t i = 0; i < p->threads; i++)
        atomic_store(&p->worker[i].run,
                     run_word(job, p->pieces * i / p->threads,
                              p->pieces * (i + 1) / p->threads));
    atomic_store(&p->job, job);
    wake_workers(p);
}

void pool_run(struct pool *p, pool_fn *fn, void *self, size_t n,
              size_t least)
{
    size_t units = (n + least - 1) / least;

    if (n == 0)
        return;
    if (p->threads == 1 || units == 1) {
        fn(self, 0, n, 0);
        return;
    }
    p->fn = fn;
    p->self = self;
    p->n = n;
    p->piece = least * ((units + RUN_MASK - 1) / RUN_MASK);
    p->pieces = (n + p->piece - 1) / p->piece;
    begin_job(p);
    work(p, 0);
    wait_done(p);
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
              size_t least)
{
    (void)p;
    (void)least;
    if (n > 0)
        fn(self, 0, n, 0);
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
