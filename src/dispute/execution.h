/*
 * One answer, recomputed with everything that a party of its dispute opens:
 * leaves, kv rows, residual rows, and any operator table.  It is computed one
 * position at a time, by explain.h.
 */
#ifndef APUS_DISPUTE_EXECUTION_H
#define APUS_DISPUTE_EXECUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dispute/explain.h"
#include "dispute/judge.h"
#include "engine/sampler.h"
#include "proof/job_record.h"
#include "proof/result_record.h"

struct err;
struct execution;
struct buf;
struct tokenizer;

/* The line of a request file that the answer belongs to, and its openings. */
struct execution_file {
    struct judge_file of;
    const unsigned char *line;  /* u64, then the path of its record */
    const unsigned char *after; /* the record after it, then its path; NULL */
    size_t n_line, n_after;
};

/* The inputs of an answer; borrowed for the lifetime of the execution. */
struct execution_input {
    const struct model *model;   /* with its matrices */
    const uint32_t *prompt, *output;
    const unsigned char *job;    /* records, as they are packed */
    const unsigned char *result; /* NULL: of what comes out, execution_seal */
    const unsigned char *stops;  /* each u32 length and bytes, sorted; NULL:
                                    they are not at hand */
    size_t stops_size;
    const struct execution_file *file; /* NULL: a request alone */
    bool deep;
    uint32_t first, n; /* positions whose residual rows are kept; n 0: all */
};

struct execution {
    struct execution_input in;
    struct job_record j;
    size_t n, n_out;           /* positions; output ids */
    struct explain *e;
    unsigned char *leaves;     /* of the trace */
    unsigned char *rows;       /* kv rows: position, layer, KV head */
    float *x;                  /* residual rows that are kept */
    unsigned char result[RESULT_RECORD_SIZE];
    struct tokenizer *tokenizer; /* NULL until it is needed */
    /* the table that was explained last */
    const struct explained *now;
    uint32_t position, layer;
};

/* Compute an answer: n_out output ids, of which the last is not fed back.
 * alter (may be NULL) changes numbers: fault injection for tests.  ERR_FATAL if
 * out of memory, ERR_INPUT if the job record names another model or prompt. */
int execution_new(struct execution **out, const struct execution_input *in,
                  size_t n_out, const struct x1_kernels *k,
                  explain_alter_fn *alter, void *self, struct err *err);
void execution_free(struct execution *x);

/* Make the result record from the computed ids, instead of a given one.  The
 * caller sets finish and text. */
void execution_seal(struct execution *x, struct result_record *r);

/* Return the size in bytes of one kv row, and of all kv rows of a position. */
size_t execution_row_bytes(const struct execution *x);
size_t execution_rows_bytes(const struct execution *x);

/* Return a kept residual row; layer 0 is the embedding. */
const float *execution_x(const struct execution *x, uint32_t position,
                         uint32_t layer);

/* Return whether a token is drawn at this position. */
bool execution_draws(const struct execution *x, uint32_t position);

/* Explain a layer, or the head, at a position whose rows are kept.  The table
 * is x->now. */
int execution_explain(struct execution *x, uint32_t position, uint32_t layer,
                      struct err *err);

#endif
