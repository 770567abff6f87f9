/*
 * From what the engine reports to what is committed: the observer's side of
 * the trace (proof.md sections 3 to 5).  One struct commit for each sequence;
 * the worker records with it, recomputing it compares with it.
 */
#ifndef APUS_ANSWER_COMMIT_H
#define APUS_ANSWER_COMMIT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/id.h"
#include "proof/merkle.h"

struct answer;
struct err;
struct job_record;
struct model;
struct position;
struct result_record;
struct sequence;

struct commit {
    const struct model *model; /* borrowed */
    struct merkle trace;       /* over the leaves so far */
    struct buf leaves;         /* their bytes, 112 each */
};

void commit_init(struct commit *c, const struct model *m);
void commit_clear(struct commit *c);

/* The leaf of the next position, for observer.position. */
void commit_position(struct commit *c, const struct position *p);

/* The job record of a sequence; stop strings in any order.  ERR_INPUT if they
 * are too many or too long. */
int commit_job(struct job_record *j, const struct model *m,
               const struct sequence *s, struct err *err);

/* The result record of a finished sequence: `text` is what is published, with
 * ill-formed bytes replaced. */
void commit_result(struct result_record *r, const struct commit *c,
                   struct id request, const struct job_record *j,
                   const struct answer *a, const char *text, size_t n_text);

#endif
