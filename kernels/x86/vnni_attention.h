/*
 * What attention of the levels "vnni" and "amx" shares: a tile of queries, its
 * scores, weights and outputs.  The levels differ in how slices of queries meet
 * keys, and slices of weights meet values.  Included first, as vnni.h is.
 *
 * Positions that a query does not attend to are computed with the others of
 * their block and left out by masks: no maximum, no Z, and u = 0.  They may
 * hold anything.
 */
#ifndef APUS_KERNELS_X86_VNNI_ATTENTION_H
#define APUS_KERNELS_X86_VNNI_ATTENTION_H

#include "kernels/x86/vnni.h"

#include "kernels/x86/pages.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define TILE 16u /* queries at a time */
#define Q_SLICES 2u /* of a query, high and low */
#define U_SLICES 3u /* of a weight, seven bits each */
#define U_ROW (U_SLICES * X1_BLOCK) /* bytes of a query */
#define U_BYTES (TILE * U_ROW)      /* .. and of a block */

/* A tile while it is computed, on the stack of vnni_attend: some 40 KB.  Scores
 * and slices of weights lie in the caller's scratch. */
struct vnni_tile {
    struct page_tile in;
    float *score;       /* [query][pages * X1_BLOCK] */
    unsigned char *u;   /* [page][query][slice][X1_BLOCK] */
    __m512 max[TILE];   /* of the scores, so far */
    float factor[TILE]; /* step * c */
    int32_t start[TILE][Q_SLICES]; /* -128 * the sum of a slice */
    int64_t z[TILE];
    int exponent[TILE]; /* of the values (x1_value_exponent) */
    int8_t q[TILE][Q_SLICES][X1_MAX_HEAD_DIM]; /* zeros up to 16 */
};

/* All scores of a tile by put_scores; all of its outputs by put_output.  What
 * is between them, the maximum, Z and the weights u, is vnni_attend's, which
 * calls each once. */
typedef void vnni_tile_fn(struct vnni_tile *t);

/* A tile: slices of the queries, scores, weights, outputs.  scratch: as
 * vnni_attention_bytes has it. */
void vnni_attend(const struct page_tile *in, struct x1_scoring c, void *scratch,
                 vnni_tile_fn *score_all, vnni_tile_fn *mix_all);

/* Which of the sixteen positions from `at` of a page on query i attends to: a
 * window begins and a causal mask ends anywhere in a page. */
INLINE __mmask16 attended(const struct vnni_tile *t, size_t i, size_t page,
                          size_t at)
{
    size_t p = (t->in.first + page) * X1_BLOCK + at;
    size_t from = t->in.query[i].from, to = t->in.query[i].to;

    return lanes(to > p ? to - p : 0) &
           (__mmask16)~lanes(from > p ? from - p : 0);
}

/* Sixteen scores of query i, from position `at` of the page on, and their
 * maximum: (f32(256 high + low) * s_k) * (step * c), the integer exact in 32
 * bits up to a head_dim of 1024 (numerics.md, Attention). */
INLINE void put_scores(struct vnni_tile *t, size_t i, size_t page, size_t at,
                       const float *s_k, __m512i high, __m512i low)
{
    __mmask16 m = attended(t, i, page, at);
    __m512 d = _mm512_cvtepi32_ps(
        _mm512_add_epi32(_mm512_slli_epi32(high, 8), low));
    __m512 v = _mm512_mul_ps(
        _mm512_mul_ps(d, _mm512_maskz_loadu_ps(m, s_k + at)),
        _mm512_set1_ps(t->factor[i]));

    _mm512_storeu_ps(t->score + (i * t->in.pages + page) * X1_BLOCK + at, v);
    t->max[i] = _mm512_mask_max_ps(t->max[i], m, t->max[i], v);
}

INLINE __m512d eight(const int32_t *c)
{
    return _mm512_cvtepi32_pd(_mm256_load_si256((const void *)c));
}

INLINE __m256 joined(const int32_t *c2, const int32_t *c1, const int32_t *c0)
{
    __m512d a = _mm512_mul_pd(eight(c2), _mm512_set1_pd(16384));
    __m512d b = _mm512_mul_pd(eight(c1), _mm512_set1_pd(128));

    return _mm512_cvtpd_ps(_mm512_add_pd(_mm512_add_pd(a, b), eight(c0)));
}

/* Elements d .. d + 15 of query i's output, from the sums of the three slices
 * of its weights: c2 * 2^14 + c1 * 2^7 + c0 is exact in binary64 and rounded
 * once; then one product with 2^(ev - 21) / (Z / 2^24). */
INLINE void put_output(struct vnni_tile *t, size_t i, size_t d,
                       const int32_t *c2, const int32_t *c1,
                       const int32_t *c0)
{
    float f = x1_pow2(t->exponent[i] - 21) / ((float)t->z[i] * 0x1p-24f);
    __m256 a = joined(c2, c1, c0), b = joined(c2 + 8, c1 + 8, c0 + 8);

    _mm512_mask_storeu_ps(
        t->in.query[i].o + d, lanes(t->in.hd - d),
        _mm512_mul_ps(_mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1),
                      _mm512_set1_ps(f)));
}

#endif

#endif
