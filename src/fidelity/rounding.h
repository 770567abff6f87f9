/*
 * Weights that err where the model does not look: rows of a matrix are rounded
 * so that the error of what the matrix gives, over the inputs it was shown, is
 * small (doc/quality.md, Fitted weights).  Channels are taken in blocks; the
 * error of each rounding is carried to the channels of its block that follow.
 *
 * Everything is in f64, in the order that is written here, without libm but
 * sqrt: the same bits from every compiler and on every machine.
 */
#ifndef APUS_FIDELITY_ROUNDING_H
#define APUS_FIDELITY_ROUNDING_H

#include <stddef.h>
#include <stdint.h>

#define ROUNDING_BLOCK 128

/* How the inputs of one kind (k channels) are rounded for. */
struct rounding {
    size_t k, n_blocks;
    uint32_t *order; /* k channels: block b has order[128 b ..] */
    double *v;       /* n_blocks of 128 x 128: what errors are carried by */
    size_t singular; /* blocks that could not be factored: nearest there */
};

/* energy[i]: the sum of squares of channel i, scaled.  Channels go by it, the
 * largest first, of equal ones the lower number. */
void rounding_init(struct rounding *r, const double *energy, size_t k);
void rounding_clear(struct rounding *r); /* one of zeros is allowed */

/* How many channels block b has. */
size_t rounding_width(const struct rounding *r, size_t b);

/* Block b from its sums of products g[i * 128 + j] of channels i <= j of the
 * block, which are overwritten: `damping` is added to the diagonal, then
 * G = U D U^T with U unit upper triangular, V = U^-1.  Blocks may be made by
 * several threads at once; returns -1 if G has no such form, and then the block
 * rounds to nearest, which the caller counts. */
int rounding_factor(struct rounding *r, size_t b, double *g, double damping);

/* Round a row of k numbers, which are overwritten, to w and *scale; an infinite
 * scale says that one is beyond f32. */
void rounding_row(const struct rounding *r, double *row, int8_t *w,
                  float *scale);

/* d^(1/8), by square roots. */
double rounding_eighth(double d);

#endif
