/*
 * Every number of one position in one layer, or in the head.  The operator
 * table (operators.h) holds the scalars and the roots of the vectors.  Rows are
 * computed one at a time with a kernel table; every table gives the same bits.
 *
 * The inputs are the residual row of the position and the kv rows of the
 * positions that it attends to, which explain_rows makes from residual rows.
 * This module does not know records or proofs.
 */
#ifndef APUS_DISPUTE_EXPLAIN_H
#define APUS_DISPUTE_EXPLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "dispute/operators.h"

struct err;
struct explain;
struct model;
struct sampling;
struct x1_kernels;

/* Vectors are bytes as they are hashed: operators_elements times
 * operators_width, little-endian.  vector[ENTRY_X] is the layer's output
 * row. */
struct explained {
    enum operators table;
    uint64_t scalar[ENTRIES];       /* i32, u32 and f32 as their 32 bits */
    unsigned char *vector[ENTRIES]; /* NULL: not in this table */
};

/* Changes a number right after it is computed, before others depend on it:
 * fault injection for tests.  value points to a uint64_t for a scalar, to
 * floats for a vector, to int16_t for a quantised row (also an int8 one), and
 * to bytes for `heads` and for a kv row, where n is the KV head. */
typedef void explain_alter_fn(void *self, uint32_t position, uint32_t layer,
                              enum entry e, void *value, size_t n);

/* The model is borrowed, and its matrices must be in memory; the kernel table
 * is copied.  ERR_INPUT names the feature of the model that operator tables
 * lack; ERR_FATAL if out of memory. */
int explain_new(struct explain **out, const struct model *m,
                const struct x1_kernels *k, struct err *err);
void explain_free(struct explain *e);
void explain_alter(struct explain *e, explain_alter_fn *fn, void *self);

/* Bytes of a kv row of this model: 8 + 2 head_dim. */
size_t explain_row_bytes(const struct explain *e);

/* Write the embedding of a token, x_0: dim floats; zeros for an id outside the
 * vocabulary. */
void explain_embed(struct explain *e, float *x, uint32_t token,
                   uint32_t position);

/* Write the kv rows of a position in a layer, made from its residual row x, one
 * KV head after another.  ERR_FATAL if out of memory. */
int explain_rows(struct explain *e, unsigned char *out, uint32_t layer,
                 uint32_t position, const float *x, struct err *err);

/* Explain a layer at a position: x is its residual row, `draws` says whether a
 * token is drawn there, and rows + i * stride points to the kv rows of this
 * layer at position i, up to the position itself.  *out belongs to e and is
 * valid until the next call.  ERR_FATAL if out of memory. */
int explain_layer(struct explain *e, const struct explained **out,
                  uint32_t layer, uint32_t position, bool draws,
                  const float *x, const unsigned char *rows, size_t stride,
                  struct err *err);

/* Explain the head at a position whose last row is x.  s draws the token for
 * position + 1, which is stored in *next. */
int explain_head(struct explain *e, const struct explained **out,
                 uint32_t position, const float *x, const struct sampling *s,
                 uint32_t *next, struct err *err);

/* Return element i of the row that this exponent belongs to, before
 * quantisation; for EX, EY and EF, of the row that is normalised. */
float explain_source(const struct explain *e, enum entry exponent, size_t i);

/* Write the operator table: operators_size bytes. */
void explain_table(const struct explain *e, unsigned char *out);

#endif
