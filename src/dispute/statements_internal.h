/*
 * What the files of the statements have in common: a proof that is being read,
 * and numbers of it.
 *
 * `fault` is set where a number that the node committed cannot be: then it has
 * lost, and zeros stand for the number, so that the rest of the proof is read
 * all the same.
 */
#ifndef APUS_DISPUTE_STATEMENTS_INTERNAL_H
#define APUS_DISPUTE_STATEMENTS_INTERNAL_H

#include "dispute/judge.h"
#include "dispute/openings.h"

#define ROW_LIMIT 0x1p41f    /* of elements of rows that are checked */
#define VALUE_LIMIT 0x1p105f /* of others */

struct proof {
    const struct judge *g;
    struct openings o;
    bool fault;
};

/* A committed f32; out of the limit it is a fault. */
float proof_float(struct proof *p, uint32_t bits, float limit);

/* Element i of n f32 under a root, in an opening of its piece. */
float proof_element(struct proof *p, uint32_t role, struct id root, size_t n,
                    size_t i, float limit);

/* Bytes [from, to) of a blob of n, in openings of their pieces. */
void proof_bytes(struct proof *p, uint32_t role, struct id root, size_t n,
                 size_t from, size_t to, unsigned char *out);

/* Floats [from, from + n) of a vector of the model: its tensor record, then its
 * pieces. */
void proof_values(struct proof *p, uint32_t tensor, size_t from, size_t n,
                  float *out);

/* Root of tensor `tensor`, from its record. */
struct id proof_tensor(struct proof *p, uint32_t tensor);

/* Scale, and root of the weights, of row i of a matrix. */
float proof_scale(struct proof *p, uint32_t tensor, size_t i,
                  struct id *weights);

/* Element j of the row that an exponent is of, before it was quantised. */
float proof_source(struct proof *p, enum entry exponent, size_t j);

/* Root of a vector of the table, or of the row x that the table is of. */
struct id proof_root(const struct proof *p, enum entry e);

/* A14 exponent of the table: within what can be. */
int32_t proof_exponent(const struct proof *p, enum entry e);
int32_t proof_clamp(uint32_t e, int32_t low);

/* The exponent of the row that an entry is quantised from, or was. */
enum entry proof_exponent_of(enum entry row);

/* Write the proof of g->place, of what a source gives. */
int judge_openings(const struct judge *g, openings_source_fn *source,
                   void *self, struct buf *out, struct err *err);

/* Statements: whether the claim holds. */
bool proof_token(struct proof *p);
bool proof_embed(struct proof *p);
bool proof_maximum(struct proof *p);
bool proof_range(struct proof *p);
bool proof_squares(struct proof *p);
bool proof_quantised(struct proof *p);
bool proof_dot_total(struct proof *p);
bool proof_dot_part(struct proof *p);
bool proof_head(struct proof *p);
bool proof_row(struct proof *p);
bool proof_score_maximum(struct proof *p);
bool proof_value_maximum(struct proof *p);
bool proof_z(struct proof *p);
bool proof_mix(struct proof *p);
bool proof_mixed(struct proof *p);
bool proof_greedy(struct proof *p);
bool proof_sample(struct proof *p);

/* The shown sum of the picked term, and the sum of all that are shown. */
int64_t proof_term(const struct proof *p);
int64_t proof_total(const struct proof *p);
/* The shown element as its little-endian integer. */
uint32_t proof_claimed(const struct proof *p);

#endif
