/*
 * What the files of the level "vnni" share.  Included first: all that follows
 * is compiled for AVX-512 with VNNI.
 *
 * The functions here are element by element in the operations of x1.h, sixteen
 * elements at a time; masks leave out what lies past the end of a row, so no
 * file of this level has a scalar tail.
 */
#ifndef APUS_KERNELS_X86_VNNI_H
#define APUS_KERNELS_X86_VNNI_H

#if defined(__x86_64__) && defined(__GNUC__)

/* x1_cpu in levels.c asks for the same abilities. */
#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif

#include <immintrin.h>
#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/x1.h"

#define INLINE static inline __attribute__((always_inline))
#define BITS16(x) _mm512_castsi512_ps(_mm512_set1_epi32((int)(x)))

/* kernels.h has the contracts of all these.  Rows are as slices.h has them, in
 * groups of VNNI_SLICES slice rows: 6 rows of A14 or 12 of A8.  Weights are as
 * pack.h has them, blocks as pages.h does.  The level "amx" calls them for few
 * rows, so its rows have this form up to as many. */
#define VNNI_SLICES 12u
void vnni_quantise(struct x1_rows *out, const float *x, size_t stride,
                   int32_t *fault, size_t from, size_t to);
void vnni_integers(int16_t *q, const struct x1_rows *rows, size_t i);
void vnni_linear(float *y, size_t stride, const struct x1_weights *w,
                 const float *b, bool add, const struct x1_rows *in,
                 size_t from, size_t to);
void vnni_swiglu(float *h, size_t stride, const struct x1_weights *g,
                 const struct x1_weights *u, const struct x1_rows *in,
                 size_t from, size_t to);
void vnni_sums(int64_t *acc, size_t stride, const struct x1_weights *w,
               const struct x1_rows *in, size_t from, size_t to);
void vnni_quantise_kv(unsigned char *block, size_t at, const float *k,
                      const float *v, size_t hd, int32_t fault[2]);
size_t vnni_attention_bytes(size_t n, size_t hd);
void vnni_attention(struct x1_query *query, size_t m, struct x1_scoring c,
                    const struct x1_blocks *kv, size_t hd, void *scratch);

/* Lanes 0 .. n - 1, all sixteen if n is more: the mask of what is left of a row
 * from here on. */
INLINE __mmask16 lanes(size_t n)
{
    return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}

/* x1_exp32 of sixteen elements, each operation rounded once: AVX-512 has fused
 * products, and none is used.  Elements below -87 give +0, by the mask. */
INLINE __m512 exp16(__m512 x)
{
    const __m512 magic = _mm512_set1_ps(12582912.0f);
    const __m512 least = _mm512_set1_ps(-87.0f);
    __mmask16 below = _mm512_cmp_ps_mask(x, least, _CMP_LT_OQ);
    __m512 c = _mm512_mask_mov_ps(x, below, least);
    __m512 t = _mm512_add_ps(_mm512_mul_ps(c, BITS16(0x3fb8aa3bu)), magic);
    __m512 n = _mm512_sub_ps(t, magic);
    __m512 r = _mm512_sub_ps(
        _mm512_sub_ps(c, _mm512_mul_ps(n, BITS16(0x3f318000u))),
        _mm512_mul_ps(n, BITS16(0xb95e8083u)));
    __m512 p = BITS16(0x39506967u);
    __m512i two_n = _mm512_slli_epi32(
        _mm512_sub_epi32(_mm512_castps_si512(t),
                         _mm512_set1_epi32(0x4b400000 - 127)), 23);

    p = _mm512_add_ps(_mm512_mul_ps(p, r), BITS16(0x3ab743ceu));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), BITS16(0x3c088908u));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), BITS16(0x3d2aa9c1u));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), BITS16(0x3e2aaaaau));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), BITS16(0x3f000000u));
    p = _mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r);
    p = _mm512_add_ps(p, _mm512_set1_ps(1.0f));
    return _mm512_maskz_mul_ps((__mmask16)~below, p,
                               _mm512_castsi512_ps(two_n));
}

/* x1_silu of sixteen elements; the minimum bounds the exponential for any g, so
 * that no input is out of range. */
INLINE __m512 silu16(__m512 g)
{
    __m512 x = _mm512_min_ps(_mm512_xor_ps(g, BITS16(0x80000000u)),
                             _mm512_set1_ps(88.0f));

    return _mm512_div_ps(g, _mm512_add_ps(_mm512_set1_ps(1.0f), exp16(x)));
}

/* The greatest size of n elements, as its bits: sizes of binary32 compare as
 * their bits do, and those of a NaN or infinity are above X1_LIMIT_BITS. */
INLINE uint32_t amax_bits16(const float *x, size_t n)
{
    const __m512i size = _mm512_set1_epi32(0x7fffffff);
    __m512i most = _mm512_setzero_si512();

    for (size_t i = 0; i < n; i += 16)
        most = _mm512_max_epi32(
            most, _mm512_and_si512(
                      _mm512_castps_si512(
                          _mm512_maskz_loadu_ps(lanes(n - i), x + i)), size));
    return (uint32_t)_mm512_reduce_max_epi32(most);
}

/* rint(x * r) of up to sixteen elements, as x1_round: the conversion rounds to
 * nearest even, too (x1_thread_init).  Masked elements are 0. */
INLINE __m512i round16(const float *x, __mmask16 m, __m512 r)
{
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(m, x), r));
}

/* The slices of sixteen A14 integers, signed bytes in the order of the
 * elements: the high ones, (q + 128) >> 8, and q - 256 * high, whose bits are
 * q's lowest eight.  Flipping the top bit adds 128, for an instruction that
 * takes unsigned bytes. */
INLINE __m128i high16(__m512i q)
{
    return _mm512_cvtepi32_epi8(
        _mm512_srai_epi32(_mm512_add_epi32(q, _mm512_set1_epi32(128)), 8));
}

INLINE __m128i low16(__m512i q)
{
    return _mm512_cvtepi32_epi8(q);
}

INLINE __m128i biased(__m128i slice)
{
    return _mm_xor_si128(slice, _mm_set1_epi8((char)-128));
}

/* ---- what becomes of the sums of a linear -------------------------------- */

/* What the products of rows and a matrix are for (numerics.md, Linear).  All
 * is borrowed for one call of linear or swiglu. */
struct vnni_target {
    float *y;      /* in->m rows of w->rows floats .. */
    size_t stride; /* .. so many floats apart */
    const struct x1_weights *w, *u; /* u: w is a gate and this goes up */
    const float *b;                 /* a bias, or NULL */
    bool add;                       /* to what y has */
    const struct x1_rows *in;
    int64_t *sums; /* not NULL: the sums themselves go here, rows `stride`
                      apart, and nothing to y */
};

/* Outputs n .. n + 15 of a row as sums: of A8 those of its one slice, else
 * 256 high + low. */
static inline void put_sums16(const struct vnni_target *t, size_t row, size_t n,
                              const int32_t *high, const int32_t *low)
{
    size_t left = t->w->rows - n;
    int64_t *to = t->sums + row * t->stride + n;

    for (size_t i = 0; i < 16 && i < left; i++)
        to[i] = low ? (int64_t)256 * high[i] + low[i] : high[i];
}

/* f32(256 high + low) of sixteen sums: exact in binary64, rounded once, as the
 * reference rounds its int64.  Both fit an int32 for every k up to X1_MAX_K. */
INLINE __m512 whole16(__m512i high, __m512i low)
{
    const __m512d k = _mm512_set1_pd(256);
    __m512d a = _mm512_fmadd_pd(
        _mm512_cvtepi32_pd(_mm512_castsi512_si256(high)), k,
        _mm512_cvtepi32_pd(_mm512_castsi512_si256(low)));
    __m512d b = _mm512_fmadd_pd(
        _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(high, 1)), k,
        _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(low, 1)));

    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a)),
                              _mm512_cvtpd_ps(b), 1);
}

/* The same of rows of at most FITS_K elements, of which the sum fits 32 bits:
 * 1032 * 16384 * 127 < 2^31. */
#define FITS_K 1032u

INLINE __m512 fitting16(__m512i high, __m512i low)
{
    return _mm512_cvtepi32_ps(
        _mm512_add_epi32(_mm512_slli_epi32(high, 8), low));
}

/* (sums * scale) * step, of outputs n .. n + 15 of a row: two products, each
 * rounded, as x1_scale_acc has them.  Scales are padded to 16 (pack.h). */
INLINE __m512 scaled16(const struct vnni_target *t,
                       const struct x1_weights *w, size_t row, size_t n,
                       __m512 sums)
{
    return _mm512_mul_ps(_mm512_mul_ps(sums, _mm512_load_ps(w->scale + n)),
                         _mm512_set1_ps(t->in->scale[row]));
}

/* Outputs n .. n + 15 of a row, from the integer sums as floats: the scales,
 * then the bias, then the residual, in this order, each rounded.  n is below
 * w->rows and a multiple of 16; outputs past the last are masked out, so that
 * y and b need no padding. */
INLINE void put16(const struct vnni_target *t, size_t row, size_t n,
                  __m512 sums)
{
    __mmask16 m = lanes(t->w->rows - n);
    __m512 v = scaled16(t, t->w, row, n, sums);
    float *y = t->y + row * t->stride + n;

    if (t->b)
        v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(m, t->b + n));
    if (t->add)
        v = _mm512_add_ps(_mm512_maskz_loadu_ps(m, y), v);
    _mm512_mask_storeu_ps(y, m, v);
}

/* The same of a gate and what goes up: silu(gate) * up, each scaled before, no
 * bias, no residual. */
INLINE void put_gated16(const struct vnni_target *t, size_t row, size_t n,
                        __m512 gate, __m512 up)
{
    __m512 g = scaled16(t, t->w, row, n, gate);
    __m512 u = scaled16(t, t->u, row, n, up);

    _mm512_mask_storeu_ps(t->y + row * t->stride + n, lanes(t->w->rows - n),
                          _mm512_mul_ps(silu16(g), u));
}

#endif

#endif
