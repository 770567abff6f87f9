/*
 * Sums over the rows that a linear was shown, in f64 and in the order of the
 * rows, so that threads never change a bit: products of two f32 are exact.
 */
#ifndef APUS_FIDELITY_SUMS_H
#define APUS_FIDELITY_SUMS_H

#include <stddef.h>
#include <stdint.h>

struct pool;

/* d[i] = sum over n rows of x[t * k + i]^2, i in [0, k). */
void sums_energy(double *d, const float *x, size_t n, size_t k,
                 struct pool *pool);

/* g[i * 128 + j] = sum over rows of x_i x_j for i <= j, both of the `width`
 * channels at order[0..width), divided by c_i c_j.  By one thread. */
void sums_products(double *g, const float *x, size_t n, size_t k,
                   const uint32_t *order, size_t width, const double *c);

#endif
