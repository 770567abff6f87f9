/*
 * What the files of the levels "avx2" and "avxvnni" share.  Included first: all
 * that follows is compiled for AVX2, or for what AVX2_TARGET names instead.
 *
 * The functions here are element by element in the operations of x1.h, eight
 * elements at a time, each operation rounded once; none fuses a product and a
 * sum, since the level does not ask for FMA.  What is left of a row is the
 * business of their callers: masked loads and stores, or a scalar tail.
 */
#ifndef APUS_KERNELS_X86_AVX2_H
#define APUS_KERNELS_X86_AVX2_H

#if defined(__x86_64__) && defined(__GNUC__)

#ifndef AVX2_TARGET
#define AVX2_TARGET "avx2"
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target(AVX2_TARGET))), \
                             apply_to = function)
#else
#pragma GCC target("avx2")
#endif

#include <immintrin.h>
#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/x1.h"

#define INLINE static inline __attribute__((always_inline))
#define BITS(x) _mm256_castsi256_ps(_mm256_set1_epi32((int)(x)))

/* The greatest size of n elements, as its bits. */
uint32_t avx2_amax_bits(const float *x, size_t n);

/* kernels.h has their contracts; blocks are as pages.h has them. */
void avx2_quantise_kv(unsigned char *block, size_t at, const float *k,
                      const float *v, size_t hd, int32_t fault[2]);
size_t avx2_attention_bytes(size_t n, size_t hd);
void avx2_attention(struct x1_query *query, size_t m, struct x1_scoring c,
                    const struct x1_blocks *kv, size_t hd, void *scratch);

/* Eight elements as integers: rint(x * r), exact as x1_round. */
INLINE __m256i round8(const float *x, __m256 r)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), r));
}

/* s += the products of four int16 at a, and two times four quads of weights.
 * As one statement: left alone, gcc adds the products of several quads first
 * and spills, at half the speed. */
INLINE void add_products(__m256i s[2], const void *a, __m256i w0, __m256i w1)
{
    __m256i x, t;

    __asm__("vpbroadcastq %4, %2\n\t"
            "vpmaddwd %5, %2, %3\n\t"
            "vpaddd %3, %0, %0\n\t"
            "vpmaddwd %6, %2, %2\n\t"
            "vpaddd %2, %1, %1"
            : "+x"(s[0]), "+x"(s[1]), "=&x"(x), "=&x"(t)
            : "m"(*(const uint64_t (*)[1])a), "x"(w0), "x"(w1));
}

/* x1_exp32 of eight elements, in the same operations.  `n` is the integer
 * nearest to x / ln 2, taken from the low bits that adding 1.5 * 2^23 leaves;
 * r = x - n ln 2 in two steps; the polynomial by Horner; times 2^n, whose bits
 * are made from those of t.  No instruction contracts: the build forbids it,
 * and AVX2 alone has no fma.  Below -87 the result is +0. */
INLINE __m256 exp8(__m256 x)
{
    const __m256 magic = _mm256_set1_ps(12582912.0f);
    const __m256 least = _mm256_set1_ps(-87.0f);
    __m256 below = _mm256_cmp_ps(x, least, _CMP_LT_OQ);
    __m256 c = _mm256_blendv_ps(x, least, below);
    __m256 t = _mm256_add_ps(_mm256_mul_ps(c, BITS(0x3fb8aa3bu)), magic);
    __m256 n = _mm256_sub_ps(t, magic);
    __m256 r = _mm256_sub_ps(
        _mm256_sub_ps(c, _mm256_mul_ps(n, BITS(0x3f318000u))),
        _mm256_mul_ps(n, BITS(0xb95e8083u)));
    __m256 p = BITS(0x39506967u);
    __m256i two_n = _mm256_slli_epi32(
        _mm256_sub_epi32(_mm256_castps_si256(t),
                         _mm256_set1_epi32(0x4b400000 - 127)), 23);

    p = _mm256_add_ps(_mm256_mul_ps(p, r), BITS(0x3ab743ceu));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), BITS(0x3c088908u));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), BITS(0x3d2aa9c1u));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), BITS(0x3e2aaaaau));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), BITS(0x3f000000u));
    p = _mm256_add_ps(_mm256_mul_ps(p, _mm256_mul_ps(r, r)), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(two_n));
    return _mm256_andnot_ps(below, p);
}

/* x1_silu of eight elements, in the same operations.  min(-g, 88) has -g first:
 * vminps gives its second operand where one is NaN, as the reference does. */
INLINE __m256 silu8(__m256 g)
{
    __m256 x = _mm256_min_ps(_mm256_xor_ps(g, BITS(0x80000000u)),
                             _mm256_set1_ps(88.0f));

    return _mm256_div_ps(g, _mm256_add_ps(_mm256_set1_ps(1.0f), exp8(x)));
}

/* What the products of rows and a matrix are for (numerics.md, Linear).  All
 * is borrowed for one call of linear, or for half of a swiglu: the gate goes
 * first, to y, and what goes up meets it there. */
struct avx2_target {
    float *y;      /* rows of w->rows floats .. */
    size_t stride; /* .. so many floats apart */
    const struct x1_weights *w;
    const float *b;    /* a bias, or NULL */
    bool add;          /* to what y has */
    bool gated;        /* y has the gate's outputs: h = silu(y) * these */
    const float *step; /* of the rows */
    int64_t *sums;     /* not NULL: the sums themselves go here, rows `stride`
                          apart, and nothing to y */
};

/* Outputs n .. n + 7 of a row as sums: k * high + low. */
static inline void put_sums8(const struct avx2_target *t, size_t row, size_t n,
                             const int32_t *high, const int32_t *low, int64_t k)
{
    size_t left = t->w->rows - n;
    int64_t *to = t->sums + row * t->stride + n;

    for (size_t i = 0; i < 8 && i < left; i++)
        to[i] = k * high[i] + (low ? low[i] : 0);
}

/* f32(k * high + low) of eight sums: exact in binary64, rounded once.  The sums
 * are below 2^31 and k is at most 2^16, so what is added is below 2^48, and a
 * binary64 holds 53 bits. */
INLINE __m256 whole(__m256i high, __m256i low, double k)
{
    const __m256d f = _mm256_set1_pd(k);
    __m256d a = _mm256_add_pd(
        _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_castsi256_si128(high)), f),
        _mm256_cvtepi32_pd(_mm256_castsi256_si128(low)));
    __m256d b = _mm256_add_pd(
        _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_extracti128_si256(high, 1)),
                      f),
        _mm256_cvtepi32_pd(_mm256_extracti128_si256(low, 1)));

    return _mm256_set_m128(_mm256_cvtpd_ps(b), _mm256_cvtpd_ps(a));
}

/* Outputs n .. n + 7 of a row, from their integer sums, rounded once to floats:
 * the products with scale and step as x1_scale_acc has them, so: scale, step,
 * bias, residual or gate, each rounded, in this order.  n is below w->rows and
 * a multiple of 8; outputs past the last are masked out. */
INLINE void put_outputs(const struct avx2_target *t, size_t row, size_t n,
                        __m256 sums)
{
    int left = t->w->rows - n < 8 ? (int)(t->w->rows - n) : 8;
    __m256i mask = _mm256_cmpgt_epi32(
        _mm256_set1_epi32(left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256 v = _mm256_mul_ps(
        _mm256_mul_ps(sums, _mm256_maskload_ps(t->w->scale + n, mask)),
        _mm256_set1_ps(t->step[row]));
    float *y = t->y + row * t->stride + n;

    if (t->b)
        v = _mm256_add_ps(v, _mm256_maskload_ps(t->b + n, mask));
    if (t->add)
        v = _mm256_add_ps(_mm256_maskload_ps(y, mask), v);
    if (t->gated)
        v = _mm256_mul_ps(silu8(_mm256_maskload_ps(y, mask)), v);
    _mm256_maskstore_ps(y, mask, v);
}

#endif

#endif
