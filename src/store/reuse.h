/*
 * Answers that this spool has already: of the batches in done, sending and
 * sent, by the job that they answer.  The same job has the same answer
 * whatever its request is called (doc/proof.md section 3).  What is damaged,
 * removed meanwhile or of another model is passed over.
 */
#ifndef APUS_STORE_REUSE_H
#define APUS_STORE_REUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct checkpoint_row;
struct err;
struct reuse;

/* Rows that are remembered at most, 16 bytes each; those of the newest
 * batches. */
#define REUSE_MAX ((size_t)4 << 20)

struct reuse_options {
    const char *spool;    /* its directory */
    struct id model;
    bool pushed_only;     /* of batches in sending and sent alone */
    size_t max;           /* rows; 0: REUSE_MAX */
};

/* Read the .jobs files of the spool. */
int reuse_open(struct reuse **out, const struct reuse_options *o,
               struct err *err);
void reuse_close(struct reuse *r); /* NULL is allowed */

/* How many rows are remembered. */
size_t reuse_rows(const struct reuse *r);

/* Whether there is an answer to a job, as far as its first 8 bytes tell. */
bool reuse_has(const struct reuse *r, struct id job);

/* What an answer must come with. */
struct reuse_needs {
    bool last;   /* the last residual row, if its trace commits to one */
    bool leaves; /* those of its trace */
    bool topk;   /* the likeliest tokens, if it has any token */
};

/* The answer to a job, all of whose hashes fit: the row is borrowed until the
 * next call. */
bool reuse_find(struct reuse *r, struct id job, struct reuse_needs needs,
                struct checkpoint_row *row);

#endif
