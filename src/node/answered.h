/*
 * An answer that somebody gave, as a party of its dispute needs it: the two
 * records, and the ids of prompt and output.  Found in the batches of a spool,
 * or taken from what was published.
 */
#ifndef APUS_NODE_ANSWERED_H
#define APUS_NODE_ANSWERED_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "dispute/execution.h"
#include "dispute/explain.h"
#include "proof/job_record.h"
#include "proof/merkle_path.h"
#include "proof/result_record.h"

struct err;
struct judge;
struct judge_file;
struct model;
struct record;
struct spool;

/* Of an answer to a line of a file: what is shown of its place in it. */
struct answered_file {
    struct execution_file x;
    unsigned char line[8 + 32 * MERKLE_PATH_MAX];
    unsigned char after[RESULT_RECORD_SIZE + 32 * MERKLE_PATH_MAX];
};

struct answered {
    unsigned char job[JOB_RECORD_SIZE], result[RESULT_RECORD_SIZE];
    struct result_record r;
    uint32_t *prompt, *output;
    size_t n_prompt, n_out;
    struct answered_file *file; /* NULL: to a request alone */
};

/* Copy a record of an answer with a trace.  ERR_INPUT if it has none: it
 * ended as an error.  Nothing is to be cleared after a failure. */
int answered_take(struct answered *a, const struct record *r, struct err *err);
void answered_clear(struct answered *a);

/* Find the answer to a request from AO in the sealed batches of a spool: 1, 0
 * if none has it, -1.  Of a file, whose root it has (count 0: none), the
 * result of its index. */
int answered_find(struct answered *a, const struct spool *s, struct id request,
                  const struct judge_file *file, struct err *err);

/* Compute it with the model, whose matrices are in memory, and keep what the
 * judge asks for where the dispute stands.  `alter` may be NULL. */
int answered_compute(struct execution **x, const struct answered *a,
                     const struct model *m, const struct judge *g,
                     explain_alter_fn *alter, void *self, struct err *err);

#endif
