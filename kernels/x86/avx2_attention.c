/*
 * Attention of the level "avx2", over blocks in the reference's form: keys,
 * values, s_k and s_v of the positions, one after the other.  Loads of 16
 * bytes reach past the end of a row, never past that of a block; what they
 * find there is multiplied by zero or thrown away.
 *
 * Scores: q as int16 times four keys at a time.  Values: two keys at a time,
 * their elements in turn, times u (21 bits) as 10 high and 11 low bits; sums of
 * one block stay below 64 * 2047 * 127 < 2^24.
 */
#include <config.h>

#include "kernels/x86/avx2.h"

#if defined(__x86_64__) && defined(__GNUC__)

/* A run of positions in one block. */
struct keys {
    size_t n;
    const int8_t *k;
    const int8_t *v;
    const float *s_k;
    const float *s_v;
};

static struct keys keys_at(const struct x1_blocks *kv, size_t hd, size_t from,
                           size_t to)
{
    const unsigned char *b = kv->block[from / X1_BLOCK] + kv->offset;
    const float *s = (const float *)(const void *)(b + 2 * X1_BLOCK * hd);
    size_t at = from % X1_BLOCK, n = X1_BLOCK - at;

    return (struct keys){ to - from < n ? to - from : n,
                          (const int8_t *)b + at * hd,
                          (const int8_t *)b + (X1_BLOCK + at) * hd, s + at,
                          s + X1_BLOCK + at };
}

/* Products of q, n elements and zeros up to a multiple of 16, and four keys
 * that are `stride` apart. */
INLINE __m128i four_keys(const int16_t *q, const int8_t *k, size_t stride,
                         size_t n)
{
    __m256i s[4], x;

    for (int t = 0; t < 4; t++)
        s[t] = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 16) {
        x = _mm256_load_si256((const void *)(q + i));
#pragma GCC unroll 4
        for (int t = 0; t < 4; t++)
            s[t] = _mm256_add_epi32(
                s[t],
                _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(_mm_loadu_si128(
                                         (const void *)(k + (size_t)t * stride +
                                                        i)))));
    }
    x = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]),
                          _mm256_hadd_epi32(s[2], s[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(x),
                         _mm256_extracti128_si256(x, 1));
}

/* Scores of n keys, in order. */
static void score_keys(float *score, const int16_t *q, float c,
                       const struct keys *s, size_t hd)
{
    float d[4];
    size_t t = 0;

    for (; t + 4 <= s->n; t += 4) {
        _mm_storeu_ps(d, _mm_cvtepi32_ps(
                             four_keys(q, s->k + t * hd, hd, hd)));
        for (size_t i = 0; i < 4; i++)
            score[t + i] = (d[i] * s->s_k[t + i]) * c;
    }
    for (; t < s->n; t++) { /* one key, four times */
        _mm_storeu_ps(d, _mm_cvtepi32_ps(
                             four_keys(q, s->k + t * hd, 0, hd)));
        score[t] = (d[0] * s->s_k[t]) * c;
    }
}

/* Scores of all keys in order, and their greatest, -0 being 0. */
static float scores(float *score, const int16_t *q, float c,
                    const struct x1_blocks *kv, size_t hd, size_t from,
                    size_t to)
{
    const float *at = score;
    struct keys s;
    float m, v;

    for (; from < to; from += s.n) {
        s = keys_at(kv, hd, from, to);
        score_keys(score, q, c, &s, hd);
        score += s.n;
    }
    m = *at + 0.0f;
    while (++at < score) {
        v = *at + 0.0f;
        m = v > m ? v : m;
    }
    return m;
}

/* The weights u of n keys, high and low parts, a zero after an odd number of
 * them; returns what its keys add to Z. */
static int64_t weights(int16_t *high, int16_t *low, const float *score,
                       float m, float scale, const struct keys *s)
{
    int64_t z = 0;
    size_t t = 0;

    for (; t + 8 <= s->n; t += 8) {
        __m256 p = exp8(
            _mm256_sub_ps(_mm256_loadu_ps(score + t), _mm256_set1_ps(m)));
        __m256i terms = _mm256_cvtps_epi32(
            _mm256_mul_ps(p, _mm256_set1_ps(16777216.0f)));
        __m256i u = _mm256_cvtps_epi32(_mm256_mul_ps(
            _mm256_mul_ps(p, _mm256_loadu_ps(s->s_v + t)),
            _mm256_set1_ps(scale)));
        int32_t part[8];

        u = _mm256_min_epi32(u, _mm256_set1_epi32(2097151));
        _mm256_storeu_si256((void *)part, terms);
        for (int i = 0; i < 8; i++)
            z += part[i];
        _mm256_storeu_si256((void *)part, u);
        for (int i = 0; i < 8; i++) {
            high[t + (size_t)i] = (int16_t)(part[i] >> 11);
            low[t + (size_t)i] = (int16_t)(part[i] & 2047);
        }
    }
    for (; t < s->n; t++) {
        float p = x1_exp32(score[t] - m);
        int32_t u = x1_u_term(p, s->s_v[t], scale);

        z += x1_z_term(p);
        high[t] = (int16_t)(u >> 11);
        low[t] = (int16_t)(u & 2047);
    }
    if (t % 2 == 1)
        high[t] = low[t] = 0;
    return z;
}

INLINE __m256i pair_of(const int16_t *u)
{
    int32_t both;

    memcpy(&both, u, sizeof(both));
    return _mm256_set1_epi32(both);
}

/* num[0..16) += u * v for elements `at` to `at` + 16 of n keys. */
INLINE void mix16(int64_t *num, const int16_t *high, const int16_t *low,
                  const int8_t *v, size_t n, size_t hd, size_t left)
{
    __m256i h0 = _mm256_setzero_si256(), h1 = h0, l0 = h0, l1 = h0;
    int32_t sums[4][8];

    for (size_t t = 0; t < n; t += 2, v += 2 * hd) {
        __m128i a = _mm_loadu_si128((const void *)v);
        /* an odd key at the end: itself again, times zero */
        __m128i b = _mm_loadu_si128((const void *)(t + 1 < n ? v + hd : v));
        __m256i x = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b));
        __m256i y = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b));
        __m256i uh = pair_of(high + t), ul = pair_of(low + t);

        h0 = _mm256_add_epi32(h0, _mm256_madd_epi16(x, uh));
        h1 = _mm256_add_epi32(h1, _mm256_madd_epi16(y, uh));
        l0 = _mm256_add_epi32(l0, _mm256_madd_epi16(x, ul));
        l1 = _mm256_add_epi32(l1, _mm256_madd_epi16(y, ul));
    }
    _mm256_storeu_si256((void *)sums[0], h0);
    _mm256_storeu_si256((void *)sums[1], h1);
    _mm256_storeu_si256((void *)sums[2], l0);
    _mm256_storeu_si256((void *)sums[3], l1);
    for (size_t i = 0; i < left; i++)
        num[i] += (int64_t)sums[i / 8][i % 8] * 2048 + sums[2 + i / 8][i % 8];
}

/* The exponent of the greatest s_v that a query meets. */
static int value_exponent(const struct x1_query *query,
                          const struct x1_blocks *kv, size_t hd)
{
    uint32_t most = 0, bits;
    struct keys s;

    for (size_t t = query->from; t < query->to; t += s.n) {
        s = keys_at(kv, hd, t, query->to);
        bits = avx2_amax_bits(s.s_v, s.n);
        most = bits > most ? bits : most;
    }
    return x1_value_exponent(most);
}

static void attend(struct x1_query *query, const int16_t *q, float c,
                   const struct x1_blocks *kv, size_t hd, int64_t *num,
                   float *score)
{
    float m = scores(score, q, c, kv, hd, query->from, query->to), f;
    int16_t high[X1_BLOCK + 2], low[X1_BLOCK + 2];
    int e = value_exponent(query, kv, hd);
    struct keys s;
    int64_t z = 0;

    memset(num, 0, hd * sizeof(*num));
    for (size_t t = query->from; t < query->to; t += s.n, score += s.n) {
        s = keys_at(kv, hd, t, query->to);
        z += weights(high, low, score, m, x1_pow2(21 - e), &s);
        for (size_t i = 0; i < hd; i += 16)
            mix16(num + i, high, low, s.v + i, s.n, hd,
                  hd - i < 16 ? hd - i : 16);
    }
    f = x1_pow2(e - 21) / ((float)z * 0x1p-24f);
    for (size_t i = 0; i < hd; i++)
        query->o[i] = (float)num[i] * f;
}

/* A query as A14, padded with zeros to a multiple of 16. */
static int32_t quantise_query(int16_t *q, float *step, const float *x,
                              size_t hd)
{
    uint32_t amax = avx2_amax_bits(x, hd);
    int e = x1_a14_exponent(amax);
    float r = x1_pow2(14 - e);

    memset(q, 0, (hd + 15) / 16 * 16 * sizeof(*q));
    *step = 0;
    if (amax >= X1_LIMIT_BITS)
        return x1_fault(x, hd);
    for (size_t i = 0; i < hd; i++)
        q[i] = (int16_t)x1_round(x[i] * r);
    *step = x1_pow2(e - 14);
    return -1;
}

void avx2_attention(struct x1_query *query, size_t m, float c,
                    const struct x1_blocks *kv, size_t hd, void *scratch)
{
    int16_t q[X1_MAX_HEAD_DIM] __attribute__((aligned(32)));
    int64_t *num = scratch;
    float step;

    for (size_t i = 0; i < m; i++) {
        query[i].fault = quantise_query(q, &step, query[i].q, hd);
        attend(&query[i], q, step * c, kv, hd, num, (float *)(num + hd));
    }
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
