/*
 * Attention of the level "avx2", over blocks as pages.h has them: up to 16
 * queries of one KV head at a time, whatever positions each attends to, in
 * 16-bit products.
 *
 * Scores: q as int16 times eight keys, a quad of head_dim at a time; 16384 *
 * 127 * 1024 < 2^31.  Values: u (21 bits) as 11 low and 10 high bits, two rows
 * of int16, times eight elements of head_dim; 128 blocks of 64 * 2047 * 127
 * stay below 2^31, then the sums go to binary64, where all are exact.
 *
 * Positions that a query does not attend to are computed with the others of
 * their block and left out by masks.  They may hold anything.
 */
#include <config.h>

#include "kernels/x86/avx2.h"

#include "kernels/pack.h"
#include "kernels/x86/pages.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define TILE 16u /* queries at a time */
#define ROWS 6u  /* rows of int16 in registers at a time */
#define QUAD_BYTES (TILE * 8)          /* of q */
#define U_QUAD_BYTES (TILE * 16)       /* of u, low and high */
#define U_BYTES (X1_BLOCK / 4 * U_QUAD_BYTES)
#define DRAIN 128u /* blocks */

struct tile {
    struct page_tile in;
    float *score;       /* [query][pages * X1_BLOCK] */
    unsigned char *u;   /* [page][quad of positions][query][low, high][4] */
    __m256 max[TILE];   /* of the scores, so far */
    float factor[TILE]; /* step * c */
    int64_t z[TILE];
    int exponent[TILE]; /* of the values (x1_value_exponent) */
    int16_t q[X1_MAX_HEAD_DIM / 4][TILE][4]; /* zeros up to a quad */
};

/* Which of the eight positions from `at` of a page on query i attends to. */
INLINE __m256i attended(const struct tile *t, size_t i, size_t page,
                        size_t at)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    int p = (int)((t->in.first + page) * X1_BLOCK + at);
    __m256i x = _mm256_add_epi32(lane, _mm256_set1_epi32(p));
    int from = (int)t->in.query[i].from, to = (int)t->in.query[i].to;

    return _mm256_and_si256(
        _mm256_cmpgt_epi32(x, _mm256_set1_epi32(from - 1)),
        _mm256_cmpgt_epi32(_mm256_set1_epi32(to), x));
}

/* Query i as A14; zeros, with a step of 0, if it has a fault. */
static void quantise_query(struct tile *t, size_t i, float c)
{
    const float *x = t->in.query[i].q;
    float step, r = pack_factor(&step, &t->in.query[i].fault, x, t->in.hd,
                                avx2_amax_bits(x, t->in.hd), false);

    t->factor[i] = step * c;
    for (size_t k = 0; k < page_quads(t->in.hd) * 4; k++)
        t->q[k / 4][i][k % 4] =
            r != 0 && k < t->in.hd ? (int16_t)x1_round(x[k] * r) : 0;
    t->max[i] = _mm256_set1_ps(-__builtin_inff());
}

/* ---- products ------------------------------------------------------------ */

/* s[row] += rows of int16 times 8 of 64 bytes, over n quads; rows are 8 bytes
 * apart, quads of them `stride`. */
INLINE void dot(const unsigned rows, __m256i (*s)[2], const void *rows_at,
                size_t stride, const int8_t *b, size_t n)
{
    const unsigned char *a = rows_at;

    for (size_t i = 0; i < n; i++, a += stride, b += 64) {
        __m256i w0 = _mm256_cvtepi8_epi16(_mm_load_si128((const void *)b));
        __m256i w1 = _mm256_cvtepi8_epi16(
            _mm_load_si128((const void *)(b + 16)));

#pragma GCC unroll 6
        for (unsigned r = 0; r < rows; r++)
            add_products(s[r], a + r * 8, w0, w1);
    }
}

/* The eight sums of a row, in order. */
INLINE __m256i eight(const __m256i s[2])
{
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(s[0], s[1]), 0xd8);
}

/* d[row] = the products of rows i .. of queries and eight keys. */
INLINE void multiply_keys(const unsigned rows, const struct tile *t, size_t i,
                          int32_t (*d)[8], const int8_t *k)
{
    __m256i s[ROWS][2];

#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++)
        s[r][0] = s[r][1] = _mm256_setzero_si256();
    dot(rows, s, t->q[0][i], QUAD_BYTES, k, page_quads(t->in.hd));
#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++)
        _mm256_store_si256((void *)d[r], eight(s[r]));
}

/* num[row] += the products of rows of u, from that of query i on, and eight
 * elements, over at most DRAIN blocks. */
INLINE void multiply_values(const unsigned rows, const struct tile *t,
                            size_t i, double (*num)[8], size_t at,
                            size_t page, size_t end)
{
    __m256i s[ROWS][2];

#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++)
        s[r][0] = s[r][1] = _mm256_setzero_si256();
    for (; page < end; page++)
        dot(rows, s, t->u + page * U_BYTES + i * 16, U_QUAD_BYTES,
            page_at(&t->in, page).v + at, X1_BLOCK / 4);
#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++) {
        __m256i x = eight(s[r]);
        __m256d low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(x));
        __m256d high = _mm256_cvtepi32_pd(_mm256_extracti128_si256(x, 1));

        _mm256_storeu_pd(num[r], _mm256_add_pd(_mm256_loadu_pd(num[r]), low));
        _mm256_storeu_pd(num[r] + 4,
                         _mm256_add_pd(_mm256_loadu_pd(num[r] + 4), high));
    }
}

typedef void keys_fn(const struct tile *t, size_t i, int32_t (*d)[8],
                     const int8_t *k);
typedef void values_fn(const struct tile *t, size_t i, double (*num)[8],
                       size_t at, size_t page, size_t end);
#define MULTIPLY(rows)                                                      \
    static void keys_##rows(const struct tile *t, size_t i,                 \
                            int32_t (*d)[8], const int8_t *k)               \
    {                                                                       \
        multiply_keys(rows, t, i, d, k);                                    \
    }                                                                       \
    static void values_##rows(const struct tile *t, size_t i,               \
                              double (*num)[8], size_t at, size_t page,     \
                              size_t end)                                   \
    {                                                                       \
        multiply_values(rows, t, i, num, at, page, end);                    \
    }
MULTIPLY(1) MULTIPLY(2) MULTIPLY(3) MULTIPLY(4) MULTIPLY(5) MULTIPLY(6)
static keys_fn *const keys[ROWS + 1] = { NULL, keys_1, keys_2, keys_3, keys_4,
                                         keys_5, keys_6 };
static values_fn *const values[ROWS + 1] = { NULL, values_1, values_2,
                                             values_3, values_4, values_5,
                                             values_6 };

/* ---- scores -------------------------------------------------------------- */

/* Eight scores of query i, from position `at` of the page on. */
static void put_scores(struct tile *t, size_t i, size_t page, size_t at,
                       const float *s_k, const int32_t *d)
{
    __m256i m = attended(t, i, page, at);
    __m256 v = _mm256_mul_ps(
        _mm256_mul_ps(
            _mm256_cvtepi32_ps(_mm256_load_si256((const void *)d)),
            _mm256_maskload_ps(s_k + at, m)),
        _mm256_set1_ps(t->factor[i]));

    _mm256_storeu_ps(t->score + (i * t->in.pages + page) * X1_BLOCK + at, v);
    v = _mm256_blendv_ps(t->max[i], v, _mm256_castsi256_ps(m));
    t->max[i] = _mm256_max_ps(t->max[i], v);
}

static void score_page(struct tile *t, size_t page)
{
    int32_t d[ROWS][8] __attribute__((aligned(32)));
    struct page p = page_at(&t->in, page);

    for (size_t at = 0; at < X1_BLOCK; at += 8) {
        const int8_t *k = p.k + at / 16 * page_quads(t->in.hd) * 64 +
                          at % 16 * 4;

        for (size_t i = 0; i < t->in.m; i += ROWS) {
            size_t n = t->in.m - i < ROWS ? t->in.m - i : ROWS;

            keys[n](t, i, d, k);
            for (size_t r = 0; r < n; r++)
                put_scores(t, i + r, page, at, p.s_k, d[r]);
        }
    }
}

/* Soft caps of the scores of query i, and the maximum of those. */
static void cap_query(struct tile *t, size_t i, float cap)
{
    const __m256 sign = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1);
    const __m256 slope = _mm256_set1_ps(-(2.0f / cap));
    float *score = t->score + i * t->in.pages * X1_BLOCK;

    t->max[i] = _mm256_set1_ps(-__builtin_inff());
    for (size_t n = 0; n < t->in.pages * X1_BLOCK; n += 8) {
        __m256 x = _mm256_loadu_ps(score + n);
        __m256 e = exp8(_mm256_mul_ps(_mm256_andnot_ps(sign, x), slope));
        __m256 y = _mm256_mul_ps(
            _mm256_set1_ps(cap),
            _mm256_div_ps(_mm256_sub_ps(one, e), _mm256_add_ps(one, e)));
        __m256i m = attended(t, i, n / X1_BLOCK, n % X1_BLOCK);

        y = _mm256_or_ps(y, _mm256_and_ps(sign, x));
        _mm256_storeu_ps(score + n, y);
        y = _mm256_blendv_ps(t->max[i], y, _mm256_castsi256_ps(m));
        t->max[i] = _mm256_max_ps(t->max[i], y);
    }
}

/* ---- weights ------------------------------------------------------------- */

static uint32_t largest(__m256i v)
{
    uint32_t lane[8], most = 0;

    _mm256_storeu_si256((void *)lane, v);
    for (int i = 0; i < 8; i++)
        most = lane[i] > most ? lane[i] : most;
    return most;
}

/* The exponent of the greatest s_v that query i meets. */
static int value_exponent(const struct tile *t, size_t i)
{
    const __m256i size = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();

    for (size_t page = 0; page < t->in.pages; page++) {
        const float *s_v = page_at(&t->in, page).s_v;

        for (size_t at = 0; at < X1_BLOCK; at += 8) {
            __m256 s = _mm256_maskload_ps(s_v + at,
                                          attended(t, i, page, at));

            most = _mm256_max_epi32(
                most, _mm256_and_si256(_mm256_castps_si256(s), size));
        }
    }
    return x1_value_exponent(largest(most));
}

/* The weights u of query i for eight positions, and what they add to Z. */
INLINE __m256i weigh(struct tile *t, size_t i, size_t page, size_t at,
                     const float *s_v, __m256 max, __m256 scale)
{
    __m256i m = attended(t, i, page, at), w, high, low, both;
    const float *score = t->score + (i * t->in.pages + page) * X1_BLOCK + at;
    unsigned char *u = t->u + page * U_BYTES + at / 4 * U_QUAD_BYTES + i * 16;
    __m256 p = _mm256_and_ps(
        exp8(_mm256_sub_ps(_mm256_loadu_ps(score), max)),
        _mm256_castsi256_ps(m));

    w = _mm256_cvtps_epi32(_mm256_mul_ps(
        _mm256_mul_ps(p, _mm256_maskload_ps(s_v + at, m)), scale));
    w = _mm256_min_epi32(w, _mm256_set1_epi32(2097151));
    low = _mm256_and_si256(w, _mm256_set1_epi32(2047));
    high = _mm256_srli_epi32(w, 11);
    /* low and high of positions 0 .. 3, then of 4 .. 7 */
    both = _mm256_packs_epi32(low, high);
    _mm_storeu_si128((void *)u, _mm256_castsi256_si128(both));
    _mm_storeu_si128((void *)(u + U_QUAD_BYTES),
                     _mm256_extracti128_si256(both, 1));
    return _mm256_cvtps_epi32(_mm256_mul_ps(p, _mm256_set1_ps(16777216.0f)));
}

/* A page adds at most 8 * 2^24 to a lane of Z. */
static void weigh_query(struct tile *t, size_t i)
{
    float lane[8], m;
    __m256 max, scale;
    int32_t part[8];

    _mm256_storeu_ps(lane, t->max[i]);
    m = lane[0];
    for (int j = 1; j < 8; j++)
        m = lane[j] > m ? lane[j] : m;
    max = _mm256_set1_ps(m + 0.0f);
    t->exponent[i] = value_exponent(t, i);
    scale = _mm256_set1_ps(x1_pow2(21 - t->exponent[i]));
    t->z[i] = 0;
    for (size_t page = 0; page < t->in.pages; page++) {
        const float *s_v = page_at(&t->in, page).s_v;
        __m256i sum = weigh(t, i, page, 0, s_v, max, scale);

        for (size_t at = 8; at < X1_BLOCK; at += 8)
            sum = _mm256_add_epi32(
                sum, weigh(t, i, page, at, s_v, max, scale));
        _mm256_storeu_si256((void *)part, sum);
        for (int j = 0; j < 8; j++)
            t->z[i] += part[j];
    }
}

/* ---- values -------------------------------------------------------------- */

/* Elements d .. d + 7 of query i's output, from low and high sums. */
static void put_output(struct tile *t, size_t i, size_t d,
                       const double num[2][8])
{
    float f = x1_pow2(t->exponent[i] - 21) / ((float)t->z[i] * 0x1p-24f);

    for (size_t j = 0; j < 8 && d + j < t->in.hd; j++)
        t->in.query[i].o[d + j] = (float)(num[1][j] * 2048 + num[0][j]) * f;
}

static void mix(struct tile *t)
{
    double num[ROWS][8];

    for (size_t d = 0; d < t->in.hd; d += 8) {
        size_t at = d / 16 * 16 * X1_BLOCK + d % 16 * 4, n;

        for (size_t i = 0; i < t->in.m; i += n) {
            n = t->in.m - i < ROWS / 2 ? t->in.m - i : ROWS / 2;
            memset(num, 0, sizeof(num));
            for (size_t page = 0; page < t->in.pages; page += DRAIN)
                values[2 * n](t, i, num, at, page,
                              t->in.pages - page < DRAIN ? t->in.pages
                                                      : page + DRAIN);
            for (size_t r = 0; r < n; r++)
                put_output(t, i + r, d, (const double (*)[8])num + 2 * r);
        }
    }
}

/* ---- a tile -------------------------------------------------------------- */

size_t avx2_attention_bytes(size_t n, size_t hd)
{
    (void)hd;
    return page_most(n) * (TILE * X1_BLOCK * sizeof(float) + U_BYTES);
}

static void attend(const struct page_tile *in, struct x1_scoring c,
                   void *scratch)
{
    struct tile t; /* too large to clear for each call */

    t.in = *in;
    t.u = scratch;
    t.score = (float *)(void *)(t.u + in->pages * U_BYTES);
    for (size_t i = 0; i < in->m; i++)
        quantise_query(&t, i, c.scale);
    for (size_t page = 0; page < in->pages; page++)
        score_page(&t, page);
    for (size_t i = 0; c.cap > 0 && i < in->m; i++)
        cap_query(&t, i, c.cap);
    for (size_t i = 0; i < in->m; i++)
        weigh_query(&t, i);
    mix(&t);
}

void avx2_attention(struct x1_query *query, size_t m, struct x1_scoring c,
                    const struct x1_blocks *kv, size_t hd, void *scratch)
{
    page_attention(attend, TILE, query, m, c, kv, hd, scratch);
}

void avx2_quantise_kv(unsigned char *block, size_t at, const float *k,
                      const float *v, size_t hd, int32_t fault[2])
{
    int8_t q[2][X1_MAX_HEAD_DIM];
    float s[2];

    for (int i = 0; i < 2; i++) {
        const float *x = i == 0 ? k : v;
        float r = pack_factor(&s[i], &fault[i], x, hd,
                              avx2_amax_bits(x, hd), true);

        memset(q[i], 0, hd);
        for (size_t j = 0; r != 0 && j < hd; j++)
            q[i][j] = (int8_t)x1_round(x[j] * r);
    }
    page_put(block, at, q[0], q[1], s[0], s[1], hd);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
