/*
 * Shared by the files of the statements: a proof being read, and its numbers.
 *
 * `fault` is set when the node committed to an impossible number.  The node has
 * then lost; zeros replace the number, so that the remaining proof can still be
 * read.
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

/* Return a committed f32; a value beyond the limit is a fault. */
float proof_float(struct proof *p, uint32_t bits, float limit);

/* Return element i of n f32 under a root, from an opening of its piece. */
float proof_element(struct proof *p, uint32_t role, struct id root, size_t n,
                    size_t i, float limit);

/* Read bytes [from, to) of a blob of n bytes, from openings of their pieces. */
void proof_bytes(struct proof *p, uint32_t role, struct id root, size_t n,
                 size_t from, size_t to, unsigned char *out);

/* Return id i of a blob of n ids. */
uint32_t proof_id(struct proof *p, uint32_t role, struct id root, size_t n,
                  size_t i);

/* Return whether an id ends the text of this answer. */
bool proof_ends_text(const struct judge *g, uint32_t id);

/* Return whether an answer can end as its record says with a last id that ends
 * the text, or does not.  Stop strings are left to statement 17. */
bool proof_last_good(const struct judge *g, bool ends);

/* Read floats [from, from + n) of a vector of the model: its tensor record,
 * then its pieces. */
void proof_values(struct proof *p, uint32_t tensor, size_t from, size_t n,
                  float *out);

/* Root of tensor `tensor`, from its record. */
struct id proof_tensor(struct proof *p, uint32_t tensor);

/* Scale, and root of the weights, of row i of a matrix. */
float proof_scale(struct proof *p, uint32_t tensor, size_t i,
                  struct id *weights);

/* Return element j of the row that an exponent belongs to, before
 * quantisation. */
float proof_source(struct proof *p, enum entry exponent, size_t j);

/* Return the root of a vector of the table, or of the row x that the table
 * starts from. */
struct id proof_root(const struct proof *p, enum entry e);

/* Return an A14 exponent of the table; one outside the possible range is a
 * fault. */
int32_t proof_exponent(const struct proof *p, enum entry e);
int32_t proof_clamp(uint32_t e, int32_t low);

/* Return the exponent entry that belongs to a quantised row. */
enum entry proof_exponent_of(enum entry row);

/* Write the proof of g->place with the openings that a source supplies. */
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
bool proof_stops(struct proof *p);

/* The shown sum of the picked term, and the sum of all that are shown. */
int64_t proof_term(const struct proof *p);
int64_t proof_total(const struct proof *p);
/* The shown element as its little-endian integer. */
uint32_t proof_claimed(const struct proof *p);

#endif
