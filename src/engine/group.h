/*
 * A group: processes, or threads of one, that compute one model together,
 * each a part of it.  Between two roundings they exchange integers and
 * nothing else, so that what they compute has the same bits in a group of any
 * size.  Who implements the exchange is open: ranks of a job
 * (mpi/rank_group.h), or threads of one process (tests/thread_group.h).
 *
 * All members call the same functions in the same order, with arrays of one
 * length; a call returns when this member has its result.  Arrays are host
 * memory, borrowed for the call and changed in place.  The first member, rank
 * 0, is the one that has an engine; the others do what it says.
 *
 * A member that leaves, or is silent for longer than the implementation
 * waits, ends the group: from then on every call fails, of all members, with
 * an error of ERR_RETRY, or the one for which the member left, and what arrays
 * have is undefined.  A group that has ended stays so.
 */
#ifndef APUS_ENGINE_GROUP_H
#define APUS_ENGINE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define GROUP_MAX 64 /* members */

/* Every function has the implementation's `self` first. */
struct group_ops {
    /* x[i] = the greatest x[i] of all members, i < n. */
    int (*max_u32)(void *self, uint32_t *x, size_t n, struct err *err);

    /* x[i] = the sum of x[i] over all members; it fits. */
    int (*sum_i32)(void *self, int32_t *x, size_t n, struct err *err);
    int (*sum_i64)(void *self, int64_t *x, size_t n, struct err *err);

    /* Wait until all members are here, which have read a model meanwhile and
     * took differently long. */
    int (*barrier)(void *self, struct err *err);

    /* n bytes of the first member become everybody's.  The others may wait
     * for it without end, as long as the first member lives: it may have
     * nothing to do. */
    int (*broadcast)(void *self, void *data, size_t n, struct err *err);

    /* This member makes no more calls, and why: those of the others, which may
     * wait for it, fail with that error, after its name.  Nothing happens if
     * the group has ended. */
    void (*leave)(void *self, const struct err *why);

    /* This member has found that what it computed is wrong, before it leaves.
     * The others need not be in a call. */
    void (*accuse)(void *self);

    /* Of the first member, after a call has failed: whether any other has said
     * so.  Waits until all have left, or been silent for as long as the
     * implementation waits: the one that found it may know of it later than
     * this one of the end. */
    bool (*accused)(void *self);

    /* Whether the group is whole, as far as this member knows: -1 and the
     * reason if another one has left, or this one has.  It does not wait, and
     * exchanges nothing. */
    int (*whole)(void *self, struct err *err);
};

/* One member's view.  Held by value; ops and self are the implementation's
 * and outlive whoever computes. */
struct group {
    uint32_t rank, size; /* rank < size <= GROUP_MAX; size 1: nobody else */
    const struct group_ops *ops;
    void *self;
    const char *name;    /* of this member in messages; NULL: its rank */
};

#endif
