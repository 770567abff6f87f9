/*
 * The rotation of A8R models (doc/numerics.md, Rotation): a fixed orthogonal
 * matrix R of the residual stream, folded into the weights when a model is
 * converted.  It spreads a channel that is far larger than the others over b
 * of them, so that 8 bits are enough for a row, and changes no function.
 */
#ifndef APUS_MODEL_ROTATE_H
#define APUS_MODEL_ROTATE_H

#include <stddef.h>

/* The matrix of one width, with room for the work. */
struct rotation {
    size_t d, block;         /* width, b */
    double factor;           /* 1 / sqrt(b) */
    unsigned char *negative; /* d: 1 where the sign changes */
    double *scratch;
};

/* b: the largest power of two, at most 1024, that divides the width d. */
size_t rotate_block(size_t d);

void rotate_init(struct rotation *r, size_t d);
void rotate_clear(struct rotation *r); /* one of zeros is allowed */

/* x[0..d) = rot(x, g), g the gains of a norm or NULL.  What linears that read
 * the residual stream become, row by row, and the embedding. */
void rotate_row(struct rotation *r, float *x, const float *g);

/* rot of each column of a matrix of d rows, one block of rows at a time: x has
 * b rows of `cols` floats, of which the first is row `first`, a multiple of b.
 * What linears that write to the residual stream become. */
void rotate_columns(struct rotation *r, float *x, size_t first, size_t cols);

#endif
