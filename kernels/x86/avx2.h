/*
 * What the files of the level "avx2" share.  Included first: all that
 * follows is compiled for AVX2.
 */
#ifndef APUS_KERNELS_X86_AVX2_H
#define APUS_KERNELS_X86_AVX2_H

#if defined(__x86_64__) && defined(__GNUC__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), \
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
void avx2_store(unsigned char *block, size_t at, const float *k,
                const float *v, size_t hd, int32_t fault[2]);
size_t avx2_attention_bytes(size_t n, size_t hd);
void avx2_attention(struct x1_query *query, size_t m, float c,
                    const struct x1_blocks *kv, size_t hd, void *scratch);

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

/* x1_exp32 of eight elements, in the same operations. */
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

#endif

#endif
