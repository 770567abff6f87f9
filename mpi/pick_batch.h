/*
 * Which batch a worker takes, and what has become of those it took.
 */
#ifndef APUS_MPI_PICK_BATCH_H
#define APUS_MPI_PICK_BATCH_H

#include <stddef.h>

#include "base/found.h"
#include "spool/spool.h"

struct err;

/* Find the batch of that name if there is work in it: FOUND_NONE if it is done
 * already, FOUND_FAILED also if it cannot be done, or another works on it (err
 * says who). */
enum found pick_batch_named(const struct spool *s, const char *name,
                            struct batch *b, struct err *err);

/* What a worker without names goes through: the batches that waited when it
 * looked, and those that it was given.  All zeros at first. */
struct pick_batch_list {
    struct batch *todo; /* the oldest first, from `at` on */
    size_t at, n;
    struct id *tried;
    size_t n_tried;
};
void pick_batch_list_clear(struct pick_batch_list *l);

/* The next without a name: one of this Slurm job's own that an earlier run of
 * it left, else the oldest in todo but those that were given before.  todo is
 * read once for all that is in it, and again when that has been given: what
 * comes later comes after it. */
enum found pick_batch_next(struct pick_batch_list *l, const struct spool *s,
                           struct batch *b, struct err *err);

/* Claim it as this Slurm job (if it is one), or go on with it if it is the
 * job's own.  If it is late, too, err says so. */
enum taking pick_batch_claim(const struct spool *s, struct batch *b,
                             struct err *err);

/* What the spool knows of some batches; each value is the status that a worker
 * exits with. */
enum outcome {
    OUTCOME_UNKNOWN = -1,
    OUTCOME_DONE = 0,
    OUTCOME_NOWHERE = 1, /* one of them cannot go on */
    OUTCOME_MORE = 75    /* there is more to do */
};

/* Of these batches, or, without names, of this job's own and of those in todo.
 * Where the starts of one are why it cannot go on, err says so.  `models` is
 * the model store: where it has not the model of a batch there is nothing to
 * come back for, named or not; NULL: it has. */
enum outcome pick_batch_outcome(const struct spool *s, const char *const *name,
                                size_t n, const char *models, struct err *err);

#endif
