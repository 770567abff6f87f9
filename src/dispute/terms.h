/*
 * X1 one element at a time (doc/numerics.md), for checking one number of a run:
 * a single result of a kernel, or an intermediate value.  Plain C over
 * kernels/x1.h; every kernel table gives the same bits.
 *
 * A kv row has 8 + 2 head_dim bytes, as the trace hashes it: s_k and s_v as
 * f32, then K and V, int8 each.
 */
#ifndef APUS_DISPUTE_TERMS_H
#define APUS_DISPUTE_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERMS_HEAD_DIM 1024 /* at most */
#define TERMS_ROW_MAX (8 + 2 * TERMS_HEAD_DIM)
#define TERMS_KEYS 16       /* of a partial sum over keys, at multiples of 16 */

/* Return whether |v| is 2^40 or more, or v is NaN. */
bool terms_out_of_range(float v);

/* Return the A14 exponent of a row whose largest magnitude is |v|, and the
 * integer of v in a row of exponent e. */
int32_t terms_exponent(float v);
int32_t terms_a14(float v, int32_t e);

/* Return the A8 scale of a row whose largest magnitude is |most|, and the
 * integer of v in that row. */
float terms_a8_scale(float most);
int32_t terms_a8(float v, float most);

/* Return the index of the element of largest magnitude, the first of equal
 * ones. */
size_t terms_greatest(const float *x, size_t n);

/* Sum of squares of n elements in A14 of exponent e, and 1/rms from it. */
int64_t terms_squares(const float *x, size_t n, int32_t e);
float terms_inv(int64_t squares, int32_t e, size_t n, float eps);

/* Return an output of a linear from its exact sum; step is the row's scale. */
float terms_linear(int64_t acc, float s_w, float step);
float terms_step(int32_t e);

/* silu(g) * u */
float terms_gated(float g, float u);

/* Apply the norm (if g is not NULL) and rope to a head of q or k.  Return false
 * if a number that is quantised on the way is out of range. */
bool terms_turn(float *x, size_t hd, const float *g, float eps,
                const float *inv_freq, uint32_t position);

/* Write the kv row of a KV head after rope; return false if a number is out of
 * range. */
bool terms_row(unsigned char *out, const float *k, const float *v, size_t hd);

/* The score of a kv row for a query r of exponent er, c being the model's
 * attention scale; and what a key adds to Z, and its weight u, where m is the
 * greatest score and ev the exponent of the greatest s_v. */
float terms_score(const int16_t *r, int32_t er, float c,
                  const unsigned char *row, size_t hd);
float terms_value_scale(const unsigned char *row);
int32_t terms_value_exponent(float s_v);
int32_t terms_z(float score, float m);
int32_t terms_u(float score, float m, float s_v, int32_t ev);

/* Return an output of attention from its exact sums. */
float terms_mixed(int64_t num, int64_t z, int32_t ev);

#endif
