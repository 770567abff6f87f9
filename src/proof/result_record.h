/*
 * The result record (proof.md section 5): what was answered to one request,
 * and the root of a batch of them.
 *
 * A request that asks for n choices has n of them.  An error is a result, too,
 * if every machine comes to the same one; a request that is refused before the
 * engine sees it has none (store/refusals.h).
 */
#ifndef APUS_PROOF_RESULT_RECORD_H
#define APUS_PROOF_RESULT_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;

#define RESULT_RECORD_SIZE 240
#define RESULT_HEAD 0xffffffffu /* layer of an error in the head */

/* How an answer ended.  From 16 on: errors, which are answers too. */
enum result_finish {
    RESULT_EOS = 0, RESULT_LENGTH = 1, RESULT_STOP = 2, RESULT_CONTEXT = 3,
    RESULT_RANGE = 16, /* activation out of range */
    RESULT_LONG = 17,  /* prompt longer than the context */
    RESULT_PROMPT = 18 /* prompt empty or not UTF-8 */
};

/* Its word, such as "end_of_text", "unknown" for an invalid number; and
 * the k-th of them in the order of the numbers, NULL past the last. */
const char *result_finish_name(uint32_t finish);
const char *result_finish_word(size_t k, uint32_t *finish);

struct result_record {
    struct id request;         /* id of its line or message */
    struct id job;             /* job_record_id */
    struct id model;           /* model_record_id */
    struct id trace;           /* mth over n leaves (trace.h) */
    uint32_t n;                /* positions: leaves of the trace */
    uint32_t n_out;            /* output tokens, an end-of-text too */
    struct id output;          /* blob of the output ids */
    struct id text;            /* H of the output text */
    uint32_t finish;           /* enum result_finish */
    uint32_t level;            /* 0, or 1: the trace is deep */
    uint32_t choice;
    /* Where RESULT_RANGE was met, else zeros: the least place in the order of
     * doc/numerics.md, so that all machines name the same one. */
    uint32_t error_position, error_layer, error_op, error_row, error_index;
};

/* Fill n_out and output from ids (fewer than 2^32); fill text from bytes. */
void result_record_output(struct result_record *r, const uint32_t *id,
                          size_t n);
void result_record_text(struct result_record *r, const void *text, size_t n);

/* n, n_out, trace, output and text of nothing: RESULT_LONG, RESULT_PROMPT. */
void result_record_nothing(struct result_record *r);

void result_record_pack(unsigned char out[RESULT_RECORD_SIZE],
                        const struct result_record *r);
/* -1 if the magic is wrong or there is a place of an error but none to have
 * one; other values are not judged here. */
int result_record_unpack(struct result_record *r,
                         const unsigned char in[RESULT_RECORD_SIZE]);

/* The id: H of the packed record. */
void result_record_id(struct id *id, const struct result_record *r);

/* What of a result its batch needs. */
struct result_leaf {
    struct id request;
    uint32_t choice;
    struct id hash; /* the leaf of the batch's tree */
};

/* What is kept of a packed record to make the batch's tree of it. */
void result_leaf(struct result_leaf *out, const struct result_record *r);

/* The order of leaves in a batch, for qsort and bsearch: by request id (as
 * bytes), then choice. */
int result_leaf_compare(const void *a, const void *b);

/* Sort the leaves by result_leaf_compare and write the batch root; the hashes,
 * in this order, are what a path is made from.  Two results for one request
 * and choice are ERR_INPUT; root is then untouched. */
int result_batch(struct id *root, struct result_leaf *leaf, size_t n,
                 struct err *err);

#endif
