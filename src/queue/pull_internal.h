/*
 * What the two halves of a pull share: asking the queue (pull.c), and making
 * the batch of what it said (pull_batch.c).  Not for others.
 */
#ifndef APUS_QUEUE_PULL_INTERNAL_H
#define APUS_QUEUE_PULL_INTERNAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "queue/lease.h"
#include "queue/pull.h"
#include "queue/pull_answer.h"
#include "spool/spool.h"

struct ao_out;
struct ao_result;

#define AO_MAX_KEPT ((size_t)16 << 20) /* of an answer in wire/ */

struct pulling {
    const struct pull *p;
    bool is_left;     /* by one who died: only what is in wire/ */
    struct batch b;   /* path NULL until the first Pull is signed */
    struct pull_answers answers;
    size_t n_answers; /* in wire/ */
    struct releases back;
    bool all_back;    /* nothing of it stays here */
    uint64_t n_requests;
    char why[200];    /* the queue says why it gives nothing */
    uint64_t touched_ms; /* the owner of b */
};

/* Something came in: b stays ours.  Once a minute is enough. */
void pulling_touch(struct pulling *x);

void pulling_note(const struct pulling *x, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Say that a release of n requests (0: of all) failed.  One that was sent may
 * have happened all the same. */
void pulling_note_release(const struct pulling *x, size_t n,
                          const struct err *why);
/* "wire/NNNN.suffix"; the caller frees it. */
char *pulling_wire(size_t k, const char *suffix);
/* The k-th answer as it was kept. */
enum found pulling_answer(const struct pulling *x, size_t k,
                          struct ao_result *r, const struct ao_out **out,
                          struct err *err);

/* The batch from its answers, to todo; PULL_NONE if nothing of it is left. */
enum pull_end pulling_finish(struct pulling *x, struct err *err);

#endif
