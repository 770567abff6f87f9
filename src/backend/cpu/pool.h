/*
 * Threads that compute one job after the other for the thread that owns them.
 *
 * A job is n items, of which each thread, the owner included, has a run of its
 * own; who is done early takes from the others' ends, and the call returns when
 * all are done.  Which thread takes which items never matters to the result: a
 * job writes its items and nothing else.  A thread that the system has not let
 * run in time finds nothing left, and nobody waits for it.  Between jobs
 * threads spin for a moment, then sleep.
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
 * A thread is in one call at a time, so that room a thread is enough. */
typedef void pool_fn(void *self, size_t from, size_t to, size_t thread);

/* `threads` in all, at least 1.  Fewer if the system makes no more. */
struct pool *pool_new(size_t threads);

/* NULL is accepted.  Ends the threads. */
void pool_free(struct pool *p);

/* How many there are, the owner included. */
size_t pool_threads(const struct pool *p);

/* Do items [0, n).  A call gets at least `least` of them, 1 or more, and a
 * multiple of it unless they are the last.  Only the owner calls it, and not
 * from a job. */
void pool_run(struct pool *p, pool_fn *fn, void *self, size_t n,
              size_t least);

/* One thread at a time between them, for what jobs seldom write. */
void pool_lock(struct pool *p);
void pool_unlock(struct pool *p);

#endif
