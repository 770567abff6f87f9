/*
 * A source as an A8R model has its numbers (man 5 apus-model): the gains of
 * norms in the linears that read them, everything rotated (rotate.h), and not
 * yet rounded.  Of one thread.
 */
#ifndef APUS_MODEL_ROTATED_H
#define APUS_MODEL_ROTATED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/rotate.h"

struct err;
struct import;

struct rotated {
    const struct import *source;
    bool tied;       /* the source has no head of its own */
    struct rotation rotation;
    uint32_t matrix; /* that was begun */
    float *gain;     /* dim: of the norm that it reads .. */
    bool reads_norm; /* .. if it reads one */
    float *block;    /* rows of it, the first of them .. */
    uint64_t first;  /* .. this; UINT64_MAX: none are there */
};

/* The source is borrowed; its record is the model's, so the head is a tensor.
 * tied: the head is read from the embedding.  On failure (memory) there is
 * nothing to clear. */
int rotated_init(struct rotated *r, const struct import *source, bool tied,
                 struct err *err);
void rotated_clear(struct rotated *r); /* one of zeros is allowed */

/* Whether a vector is the gains of a norm before linears, which become 1. */
bool rotated_is_ones(const struct rotated *r, uint32_t tensor);

/* Whether a matrix writes to the residual stream: its columns are rotated, and
 * rows are taken by rotated_written; of others each row is. */
bool rotated_writes(const struct rotated *r, uint32_t tensor);

/* Before the rows of a matrix. */
int rotated_begin(struct rotated *r, uint32_t tensor, struct err *err);

/* x: a row of the matrix that was begun, as the source (for the head of a tied
 * model its embedding) has it; overwritten. */
void rotated_row(struct rotated *r, float *x);

/* x = row n of the matrix that was begun, which writes.  Rows that are asked
 * for in order are read once. */
int rotated_written(struct rotated *r, uint64_t n, float *x, struct err *err);

#endif
