/*
 * Threads that compute one job after the other for the thread that owns them.
 *
 * A job is n items, handed out in chunks to whoever is free, the owner
 * included; the call returns when all are done.  Which thread takes which chunk
 * never matters to the result: a job writes its items and nothing else.  A
 * thread that the system has not let run in time finds no chunks left, and
 * nobody waits for it.  Between jobs threads spin for a moment, then sleep.
 *
 * Threads take the affinity of the one that makes the pool.  Built with
 * APUS_ONE_THREAD the owner does everything, without threads.
 */
#ifndef APUS_BACKEND_CPU_POOL_H
#define APUS_BACKEND_CPU_POOL_H

#include <stddef.h>

struct err;
struct pool;

/* Items [from, to) of a job, by this thread: 0, the owner, to threads - 1.
 * Items of one thread come one chunk after the other, so that room a thread is
 * enough. */
typedef void pool_fn(void *self, size_t from, size_t to, size_t thread);

/* `threads` in all, at least 1.  Fewer if the system makes no more. */
struct pool *pool_new(size_t threads);

/* NULL is accepted.  Ends the threads. */
void pool_free(struct pool *p);

/* How many there are, the owner included. */
size_t pool_threads(const struct pool *p);

/* Do items [0, n) in chunks of `chunk`, the last one shorter.  Only the owner
 * calls it, and not from a job. */
void pool_run(struct pool *p, pool_fn *fn, void *self, size_t n,
              size_t chunk);

/* A chunk for n items that gives each thread several, a multiple of `unit`. */
size_t pool_chunk(const struct pool *p, size_t n, size_t unit);

/* One thread at a time between them, for what jobs seldom write. */
void pool_lock(struct pool *p);
void pool_unlock(struct pool *p);

#endif
