/*
 * The job record (proof.md section 3): everything that determines an answer.
 * job = H(record); the request's id is not in it.
 *
 * Two requests with one job have one answer, of the same tokens and the same
 * trace, on every machine and in every batch.  So nothing is in it that a
 * machine decides: no kernel, no device, no time.  Defaults are filled in
 * before (the parser of requests), and text is token ids by then.
 */
#ifndef APUS_PROOF_JOB_RECORD_H
#define APUS_PROOF_JOB_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;

#define JOB_RECORD_SIZE 152
#define JOB_MAX_STOPS 16
#define JOB_MAX_STOP 64 /* bytes of one */

/* Flags: continue after an end-of-text token as after any other. */
enum { JOB_IGNORE_EOS = 1 };

struct job_record {
    struct id model;         /* model id */
    uint32_t numerics;       /* 1 */
    uint32_t choice;         /* 0, 1 .. of several answers */
    uint32_t n_prompt;
    struct id prompt; /* blob of the ids */
    uint32_t max_tokens;     /* at least 1 */
    uint32_t temperature;    /* millionths, 0 greedy */
    uint32_t top_p;          /* millionths, 1000000 off */
    uint32_t top_k;          /* 0 off */
    uint32_t flags;          /* JOB_... */
    uint64_t seed;           /* key of the sampler's Philox */
    uint32_t n_stops;        /* 0 to JOB_MAX_STOPS, none twice */
    struct id stops; /* mth of them, sorted and unique */
};

/* A stop string: raw bytes, not NUL-terminated, borrowed.  It is looked for in
 * the bytes of the answer, across the borders of tokens. */
struct job_stop {
    const void *text;
    size_t n; /* 1 to JOB_MAX_STOP */
};

/* Fill n_prompt and prompt.  n is below 2^32. */
void job_record_prompt(struct job_record *r, const uint32_t *id, size_t n);

/* Fill n_stops and stops from strings in any order; one that is there twice
 * counts once.  ERR_INPUT, and r as it was, if there are more than
 * JOB_MAX_STOPS or one has not 1 to JOB_MAX_STOP bytes. */
int job_record_stops(struct job_record *r, const struct job_stop *stop,
                     size_t n, struct err *err);

void job_record_pack(unsigned char out[JOB_RECORD_SIZE],
                     const struct job_record *r);
/* -1 if the magic or a zero field is wrong; values are not judged here. */
int job_record_unpack(struct job_record *r,
                      const unsigned char in[JOB_RECORD_SIZE]);

/* The id: H of the packed record. */
void job_record_id(struct id *id, const struct job_record *r);

#endif
