/*
 * An answer as a party of its dispute needs it: the two records, the ids of
 * prompt and output, and the stop strings.  It comes from the batches of a
 * spool or from published items.
 */
#ifndef APUS_NODE_ANSWERED_H
#define APUS_NODE_ANSWERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"
#include "dispute/execution.h"
#include "dispute/explain.h"
#include "proof/job_record.h"
#include "proof/merkle_path.h"
#include "proof/result_record.h"

struct batch;
struct batch_info;
struct err;
struct judge;
struct judge_file;
struct model;
struct record;
struct spool;

/* For an answer to a line of a file: the proof of its place in the file. */
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
    unsigned char *stops;       /* as a record has them */
    size_t stops_size;
    struct answered_file *file; /* NULL: to a request alone */
    char *batch;                /* directory it was found in, or NULL */
};

/* Copy the record of an answer with a trace.  ERR_INPUT if it has no trace
 * because it ended as an error.  After a failure there is nothing to clear. */
int answered_take(struct answered *a, const struct record *r, struct err *err);
void answered_clear(struct answered *a);

/* Find the answer to a request from AO in the sealed batches of a spool.  With
 * a file (count 0: none), find the result at its
 * index in the batch that has its root. */
enum found answered_find(struct answered *a, const struct spool *s,
                         struct id request, const struct judge_file *file,
                         struct err *err);

/* Return whether a batch is the one with a request from AO, be it a request or
 * a file of them; false also where its requests cannot be read. */
bool answered_has(const struct batch *b, const struct batch_info *info,
                  struct id request);

/* Keep the batch it was found in from lending its answers to other requests
 * (store/reuse.h): one of them was proven wrong. */
void answered_distrust(const struct answered *a);

/* Find the line of a file that has this request's id.  ERR_INPUT: none has. */
int answered_line(uint64_t *line, const struct judge_file *of,
                  struct id request, struct err *err);

/* Recompute the answer and keep what the judge asks for at this stage of the
 * dispute.  The matrices of the model must be in memory; `alter` may be
 * NULL. */
int answered_compute(struct execution **x, const struct answered *a,
                     const struct model *m, const struct judge *g,
                     explain_alter_fn *alter, void *self, struct err *err);

#endif
