/*
 * Shared by explain.c and explain_head.c.
 */
#ifndef APUS_DISPUTE_EXPLAIN_INTERNAL_H
#define APUS_DISPUTE_EXPLAIN_INTERNAL_H

#include <stdint.h>

#include "dispute/explain.h"
#include "kernels/kernels.h"

struct x1_matrix;

struct explain {
    const struct model *m;
    struct x1_kernels k;
    explain_alter_fn *alter;
    void *alter_self;
    uint32_t position, layer; /* that are being computed */
    float *f[ENTRIES];        /* vectors of floats; of a quantised row, what
                                 it was before */
    const float *x;           /* the row that was explained */
    int16_t *row;             /* integers of the last quantised row */
    struct x1_rows in;        /* .. and what the next linear reads */
    struct x1_rows heads;     /* queries, quantised */
    int32_t *fault;           /* a head each */
    unsigned char **block;    /* keys and values of one KV head */
    size_t n_blocks;
    void *scratch;            /* of attention .. */
    size_t positions;         /* .. for so many */
    uint32_t *weight;         /* of a draw: n_vocab */
    struct explained out;
};

/* Let the caller's alter function change a number. */
void explain_changed(struct explain *e, enum entry entry, void *value,
                     size_t n);

void explain_scalar(struct explain *e, enum entry entry, uint64_t value);

/* A vector of floats is complete: let the alter function change it, and keep
 * it. */
void explain_floats(struct explain *e, enum entry entry);

/* The norm of a row of dim floats with gains g: entries from `first` (an
 * exponent, a witness, the sum, inv), and the quantised row of them, from
 * `second`: exponent, witness, row. */
void explain_norm(struct explain *e, const float *x, const float *g,
                  enum entry first, enum entry second);

/* A row of n as the next linear reads it: entries from `first`. */
void explain_quantised(struct explain *e, const float *x, size_t n,
                       enum entry first);

/* y = w in + b, added to what y has if `add`. */
int explain_linear(struct explain *e, float *y, const struct x1_matrix *w,
                   const float *b, bool add, struct err *err);

#endif
