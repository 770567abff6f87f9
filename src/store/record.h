/*
 * The record of a finished request (checkpoint.md, Log): all the bytes its
 * commitments are made of.  Payload of a `record` frame: job record, prompt
 * ids, stop strings, trace leaves, output ids, text, result record, each
 * after its length (u64).  Stop strings are each u32 length and bytes.
 */
#ifndef APUS_STORE_RECORD_H
#define APUS_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct job_record;
struct result_record;

#define RECORD_JOB 152
#define RECORD_LEAF 112
#define RECORD_RESULT 240

/* Borrowed bytes, as they lie in the payload (little-endian, unaligned). */
struct record {
    const unsigned char *job;    /* RECORD_JOB */
    const unsigned char *prompt; /* n_prompt u32 */
    size_t n_prompt;
    const unsigned char *stops;  /* as in the payload */
    size_t stops_size;
    const unsigned char *leaf;   /* n_leaves * RECORD_LEAF; or NULL: they are
                                  * not at hand, and n_leaves is the result's */
    size_t n_leaves;
    const unsigned char *output; /* n_output u32 */
    size_t n_output;
    const unsigned char *text;
    size_t text_size;
    const unsigned char *result; /* RECORD_RESULT */
};

/* Leaves that are not at hand are none in the payload. */
void record_put(struct buf *out, const struct record *r);

/* View a payload.  ERR_INPUT if a length is wrong, past the end, or anything
 * follows.  Nothing is hashed. */
int record_get(struct record *r, const void *payload, size_t n,
               struct err *err);

/* Rebuild every commitment from the parts and compare: prompt and stops with
 * the job record, job, model, trace, n, output, text and finish with the
 * result record.  ERR_INPUT names the first that differs.  A trace whose leaves
 * are not at hand is not looked at. */
int record_check(const struct record *r, struct err *err);

/* The same of one whose leaves are not at hand (r->leaf is not looked at,
 * n_leaves is the result's): all but the trace. */
int record_check_untraced(const struct record *r, struct err *err);

/* Compare the last residual row (dim f32, or NULL) with the trace: it is the
 * row that the trace commits to; it differs or is missing; the trace commits
 * to no row (a checkpoint has zeros then); the leaves are not at hand. */
enum record_last {
    RECORD_LAST_FITS, RECORD_LAST_DIFFERS, RECORD_LAST_NONE,
    RECORD_LAST_UNKNOWN
};
enum record_last record_last(const struct record *r,
                             const unsigned char *last, size_t dim);

/* Whether an answer can end so with these counts; a text of no bytes is told
 * by text_size. */
bool record_finish_fits(const struct result_record *res,
                        const struct job_record *job, size_t text_size);

#endif
