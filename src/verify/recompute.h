/*
 * Recomputes a finished request from its record and compares the two, position
 * by position and at the end (doc/proof.md section 7).  It needs nothing else
 * from the node that answered, and prints nothing.
 */
#ifndef APUS_VERIFY_RECOMPUTE_H
#define APUS_VERIFY_RECOMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct backend;
struct prompt_model;
struct record;
struct recompute;
struct topk;

/* A recomputed position, and whether the record agrees. */
struct recompute_step {
    uint32_t position, token;
    uint32_t next;     /* the id drawn here, UINT32_MAX if none */
    bool kv, fin, all; /* of the leaf: its hashes, and all of it */
    bool compared;     /* there is a leaf; else kv and fin tell nothing */
};

struct recompute_options {
    size_t max_rows;    /* positions computed at once; 0: 64 */
    size_t max_records; /* .. and records; 0: 1 */
    uint64_t kv_bytes; /* ceiling for the KV cache of one request; 0: none */
    bool hidden;       /* rows of /hidden can be compared: the backend has to
                          offer residual rows */
    bool one_by_one;   /* as the answer was made: each token is drawn before
                          the next position is computed; slow */
    /* Called for each position of a record in order, up to the first that
     * differs; may be NULL.  It does not say which record. */
    void (*step)(void *user, const struct recompute_step *s);
    /* Called when another record of recompute_records is over, with how many
     * are; may be NULL. */
    void (*computed)(void *user, size_t n);
    void *user;
};

/* The outcome: no difference, or the first one.  Its part is one of record the
 * record contradicts itself (record_check) job, prompt values that no answer
 * can have order, token, kv, deep, fin, next that field of the position's leaf
 * output the output id drawn at the position finish the answer ends otherwise,
 * or elsewhere error the place of `activation out of range` text the output
 * text last the last residual row topk the likeliest tokens of a step, their
 * logits or bytes hidden, logits a row of the position trace its root, where
 * the record has no leaves result anything else of the result record and
 * position the one where it shows: the last one computed for what is compared
 * at the end, 0 where there is none. */
struct recompute_verdict {
    bool same;
    uint32_t position;
    const char *part;   /* static; "" if it is the same */
    char text[256];     /* a sentence about it, without a full stop */
    uint64_t positions; /* computed and compared */
};

/* What a checkpoint can store about an answer besides its record.  NULL members
 * are not compared. */
struct recompute_tensors {
    const unsigned char *last;   /* x_L of the last position, dim f32
                                    little-endian, as all here; zeros if
                                    nothing was drawn there */
    const struct topk *likely;   /* of each output token; or n is 0 */
    const unsigned char *hidden; /* x_0 .. x_L of each position; only with the
                                    option hidden */
    const unsigned char *logits; /* n_vocab of each output token */
};

/* Model (with its tokenizer) and backend are borrowed; until recompute_free
 * nothing else may use the backend. */
int recompute_new(struct recompute **out, const struct prompt_model *m,
                  struct backend *b, const struct recompute_options *o,
                  struct err *err);
void recompute_free(struct recompute *r);

/* Compute the request of a record, and compare.  A record without leaves
 * (rec->leaf NULL, n_leaves as in its result) is compared by its output ids
 * and, at the end, by the root of its trace.  `also` may be NULL.  Return 0 if
 * it was computed; *v has the outcome.  Return -1 and leave *v unchanged if it
 * was not: ERR_INPUT for another model, other numerics, unknown flags, or a KV
 * cache over the ceiling. */
int recompute_record(struct recompute *r, const struct record *rec,
                     const struct recompute_tensors *also,
                     struct recompute_verdict *v, struct err *err);

/* A record among several. */
struct recompute_task {
    const struct record *rec;
    const struct recompute_tensors *also; /* may be NULL */
    bool failed;                /* it was not computed: err says why .. */
    struct err err;
    struct recompute_verdict v; /* .. else the outcome */
};

/* The same for n records, max_records of them side by side: short answers fill
 * steps together.  The outcome of each is what recompute_record would say.  -1:
 * the engine failed, and what has no outcome yet gets none. */
int recompute_records(struct recompute *r, struct recompute_task *t, size_t n,
                      struct err *err);

/* What callers gather for it, with these options: at most so many records, and
 * until they have so many positions or bytes. */
#define RECOMPUTE_RECORDS 64
#define RECOMPUTE_ROWS 256
#define RECOMPUTE_POSITIONS 4096
#define RECOMPUTE_BYTES ((size_t)16 << 20)
static inline bool recompute_is_enough(size_t n_records, uint64_t n_positions,
                                       size_t nbytes)
{
    return n_records >= RECOMPUTE_RECORDS ||
           n_positions >= RECOMPUTE_POSITIONS || nbytes >= RECOMPUTE_BYTES;
}

#endif
