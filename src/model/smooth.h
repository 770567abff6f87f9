/*
 * Smoothing of keys (man 5 apus-model): channels of a key row that are far
 * larger than the others leave them too few of eight bits.  Powers of two
 * move from the key's side to the query's, which changes no score.
 */
#ifndef APUS_MODEL_SMOOTH_H
#define APUS_MODEL_SMOOTH_H

#include <stdbool.h>
#include <stddef.h>

#define SMOOTH_MAX 12 /* the largest power */

/* |b| + 3 sqrt(sum of (w[k] g[k])^2): about how large a channel gets. */
double smooth_size(const float *w, const float *g, size_t n, float b);

/* power[i] of each pair of one head from the sizes m[0..n), n at least 1; all
 * zero, and false, unless some m is over 16 medians. */
bool smooth_powers(unsigned char *power, const double *m, size_t n);

/* x[0..n) times 2^power, which may be negative. */
void smooth_scale(float *x, size_t n, int power);

#endif
