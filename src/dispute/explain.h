/*
 * Every number of one position in one layer, or in the head: what the operator
 * table (operators.h) has the scalars and the roots of.  A row at a time,
 * computed by a table of kernels; any table gives the same bits.
 *
 * What it starts from is known of a run: the residual row of the position, and
 * the kv rows of the positions that it attends to, which explain_rows makes
 * from residual rows.  Nothing here knows records or proofs.
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
 * operators_width, little-endian.  vector[ENTRY_X] is the row that the layer
 * adds up to. */
struct explained {
    enum operators table;
    uint64_t scalar[ENTRIES];       /* i32, u32 and f32 as their 32 bits */
    unsigned char *vector[ENTRIES]; /* NULL: not in this table */
};

/* Changes a number as it is computed, before others follow from it: for tests
 * that lie.  value is a uint64_t of a scalar; float of a vector of them;
 * int16_t of a quantised row, int8 too; bytes of `heads` and of a kv row, whose
 * n is the KV head. */
typedef void explain_alter_fn(void *self, uint32_t position, uint32_t layer,
                              enum entry e, void *value, size_t n);

/* The model, whose matrices are in memory, is borrowed; the table is copied.
 * ERR_INPUT names what of it has no operator table; ERR_FATAL without
 * memory. */
int explain_new(struct explain **out, const struct model *m,
                const struct x1_kernels *k, struct err *err);
void explain_free(struct explain *e);
void explain_alter(struct explain *e, explain_alter_fn *fn, void *self);

/* Bytes of a kv row of this model: 8 + 2 head_dim. */
size_t explain_row_bytes(const struct explain *e);

/* The embedding of a token at a position: x_0, dim floats; zeros of an id that
 * no token has. */
void explain_embed(struct explain *e, float *x, uint32_t token,
                   uint32_t position);

/* The kv rows of a position in a layer from its residual row x, one KV head
 * after the other.  ERR_FATAL without memory. */
int explain_rows(struct explain *e, unsigned char *out, uint32_t layer,
                 uint32_t position, const float *x, struct err *err);

/* All of a layer at a position: x is its residual row, draws whether a token
 * is drawn there.  rows + i * stride are the kv rows of this layer at position
 * i, up to the position itself.  *out is e's until the next call.  ERR_FATAL
 * without memory. */
int explain_layer(struct explain *e, const struct explained **out,
                  uint32_t layer, uint32_t position, bool draws,
                  const float *x, const unsigned char *rows, size_t stride,
                  struct err *err);

/* .. and of the head at a position whose last row is x: s draws the token of
 * position + 1, which is *next. */
int explain_head(struct explain *e, const struct explained **out,
                 uint32_t position, const float *x, const struct sampling *s,
                 uint32_t *next, struct err *err);

/* Element i of the row that an exponent of that table is of, before it was
 * quantised; of EX, EY and EF, of the row that was normed. */
float explain_source(const struct explain *e, enum entry exponent, size_t i);

/* The table of it: operators_size bytes. */
void explain_table(const struct explain *e, unsigned char *out);

#endif
