/*
 * Attention of the level "vnni", over blocks as pages.h has them: up to 16
 * queries of one KV head at a time, whatever positions each attends to.
 *
 * Scores: keys + 128 as unsigned bytes times the two slices of q, signed; a sum
 * begins at -128 times the sum of the slices.  Values: u (21 bits) in three
 * slices of 7 bits, unsigned, times values; 127 * 127 * 131072 < 2^31, so a sum
 * holds all positions, and c2 * 2^14 + c1 * 2^7 + c0 is exact in binary64.
 */
#include <config.h>

#include "kernels/x86/vnni_attention.h"

#include "kernels/pack.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define ROWS 4u /* queries in registers at a time */
#define AHEAD 2u /* pages from the one that is read to the one fetched */
#define LINE 64u /* bytes */
/* What is fetched for the values while weights are computed stays in the
 * second cache until it is read. */
#define VALUES_KEPT ((size_t)512 << 10)

/* Query i as two rows of slices; zeros, with a step of 0, if it has a
 * fault. */
static void slice_query(struct vnni_tile *t, size_t i, float c)
{
    const float *x = t->in.query[i].q;
    float step, r = pack_factor(&step, &t->in.query[i].fault, x, t->in.hd,
                                amax_bits16(x, t->in.hd), false);
    __m512i sum[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };

    t->factor[i] = step * c;
    for (size_t k = 0; k < t->in.hd; k += 16) {
        __m512i q = round16(x + k, r != 0 ? lanes(t->in.hd - k) : 0,
                            _mm512_set1_ps(r));
        __m128i high = high16(q), low = low16(q);

        _mm_storeu_si128((void *)(t->q[i][0] + k), high);
        _mm_storeu_si128((void *)(t->q[i][1] + k), low);
        sum[0] = _mm512_add_epi32(sum[0], _mm512_cvtepi8_epi32(high));
        sum[1] = _mm512_add_epi32(sum[1], _mm512_cvtepi8_epi32(low));
    }
    for (int s = 0; s < 2; s++)
        t->start[i][s] = -128 * _mm512_reduce_add_epi32(sum[s]);
    t->max[i] = _mm512_set1_ps(-__builtin_inff());
}

INLINE __m512i four_bytes(const void *a)
{
    int32_t quad;

    memcpy(&quad, a, sizeof(quad));
    return _mm512_set1_epi32(quad);
}

/* ---- fetched ahead ------------------------------------------------------- */

/* Blocks lie apart in memory, so no CPU foresees the next one: while a page is
 * read, the first group of queries fetches a later one line by line.  After the
 * last page there is nothing to fetch but itself, which is there. */
INLINE struct page page_ahead(const struct vnni_tile *t, size_t page)
{
    return page_at(&t->in,
                   page + AHEAD < t->in.pages ? page + AHEAD : page);
}

INLINE void fetch_line(const void *p, size_t line)
{
    _mm_prefetch((const char *)p + line * LINE, _MM_HINT_T0);
}

/* Scales of a page's keys and values. */
INLINE void fetch_scales(const struct page *p)
{
    for (size_t i = 0; i < X1_BLOCK * sizeof(float) / LINE; i++) {
        fetch_line(p->s_k, i);
        fetch_line(p->s_v, i);
    }
}

/* Query i's part of a page's values, for `mix`. */
INLINE void fetch_values(const struct vnni_tile *t, size_t i,
                         const struct page *p)
{
    size_t lines = t->in.hd * X1_BLOCK / LINE;

    for (size_t at = i * lines / t->in.m; at < (i + 1) * lines / t->in.m; at++)
        _mm_prefetch((const char *)p->v + at * LINE, _MM_HINT_T1);
}

/* ---- scores -------------------------------------------------------------- */

/* Queries i .. i + rows - 1 times `blocks` blocks of 16 keys, from block b0
 * on. */
INLINE void score(const unsigned rows, const unsigned blocks,
                  struct vnni_tile *t, size_t i, size_t page, size_t b0)
{
    const __m512i bias = _mm512_set1_epi8((char)-128);
    size_t n = page_quads(t->in.hd);
    struct page p = page_at(&t->in, page), ahead = page_ahead(t, page);
    const int8_t *k = p.k + b0 * n * 64, *next = ahead.k + b0 * n * 64;
    __m512i high[ROWS][4], low[ROWS][4], w[4];

#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (unsigned b = 0; b < blocks; b++) {
            high[r][b] = _mm512_set1_epi32(t->start[i + r][0]);
            low[r][b] = _mm512_set1_epi32(t->start[i + r][1]);
        }
    if (i == 0 && b0 == 0)
        fetch_scales(&ahead);
    for (size_t q = 0; q < n; q++) {
#pragma GCC unroll 4
        for (unsigned b = 0; b < blocks && i == 0; b++)
            fetch_line(next, b * n + q);
#pragma GCC unroll 4
        for (unsigned b = 0; b < blocks; b++)
            w[b] = _mm512_xor_si512(
                _mm512_load_si512(k + (b * n + q) * 64), bias);
#pragma GCC unroll 4
        for (unsigned r = 0; r < rows; r++) {
            __m512i h = four_bytes(t->q[i + r][0] + 4 * q);
            __m512i l = four_bytes(t->q[i + r][1] + 4 * q);

#pragma GCC unroll 4
            for (unsigned b = 0; b < blocks; b++) {
                high[r][b] = _mm512_dpbusd_epi32(high[r][b], w[b], h);
                low[r][b] = _mm512_dpbusd_epi32(low[r][b], w[b], l);
            }
        }
    }
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (unsigned b = 0; b < blocks; b++)
            put_scores(t, i + r, page, (b0 + b) * 16, p.s_k, high[r][b],
                       low[r][b]);
}

/* All of a page: four blocks at a time while the sums fit in the registers. */
static void score_1(struct vnni_tile *t, size_t i, size_t page)
{
    score(1, 4, t, i, page, 0);
}

static void score_2(struct vnni_tile *t, size_t i, size_t page)
{
    score(2, 4, t, i, page, 0);
}

static void score_3(struct vnni_tile *t, size_t i, size_t page)
{
    score(3, 2, t, i, page, 0);
    score(3, 2, t, i, page, 2);
}

static void score_4(struct vnni_tile *t, size_t i, size_t page)
{
    score(4, 2, t, i, page, 0);
    score(4, 2, t, i, page, 2);
}

static void (*const scores[ROWS + 1])(struct vnni_tile *, size_t, size_t) = {
    NULL, score_1, score_2, score_3, score_4
};

/* Soft caps of the scores of query i, and the maximum of those. */
static void cap_query(struct vnni_tile *t, size_t i, float cap)
{
    const __m512i sign = _mm512_set1_epi32((int)0x80000000u);
    const __m512 slope = _mm512_set1_ps(-(2.0f / cap)), one = _mm512_set1_ps(1);
    float *score = t->score + i * t->in.pages * X1_BLOCK;

    t->max[i] = _mm512_set1_ps(-__builtin_inff());
    for (size_t n = 0; n < t->in.pages * X1_BLOCK; n += 16) {
        __m512i x = _mm512_loadu_si512(score + n);
        __m512 size = _mm512_castsi512_ps(_mm512_andnot_si512(sign, x));
        __m512 e = exp16(_mm512_mul_ps(size, slope));
        __m512 y = _mm512_mul_ps(
            _mm512_set1_ps(cap),
            _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e)));

        y = _mm512_castsi512_ps(_mm512_or_si512(
            _mm512_castps_si512(y), _mm512_and_si512(sign, x)));
        _mm512_storeu_ps(score + n, y);
        t->max[i] = _mm512_mask_max_ps(
            t->max[i], attended(t, i, n / X1_BLOCK, n % X1_BLOCK), t->max[i],
            y);
    }
}

/* ---- weights ------------------------------------------------------------- */

/* The exponent of the greatest s_v that query i meets. */
static int value_exponent(const struct vnni_tile *t, size_t i)
{
    __m512i most = _mm512_setzero_si512();

    for (size_t page = 0; page < t->in.pages; page++) {
        const float *s_v = page_at(&t->in, page).s_v;

        for (size_t at = 0; at < X1_BLOCK; at += 16) {
            __m512 s = _mm512_maskz_loadu_ps(attended(t, i, page, at),
                                             s_v + at);

            most = _mm512_max_epi32(
                most, _mm512_and_si512(_mm512_castps_si512(s),
                                       _mm512_set1_epi32(0x7fffffff)));
        }
    }
    return x1_value_exponent((uint32_t)_mm512_reduce_max_epi32(most));
}

/* The weights u of query i for sixteen positions, and what they add to Z. */
INLINE __m512i weigh(struct vnni_tile *t, size_t i, size_t page, size_t at,
                     const float *s_v, __m512 max, __m512 scale)
{
    __mmask16 m = attended(t, i, page, at);
    const float *score = t->score + (i * t->in.pages + page) * X1_BLOCK + at;
    unsigned char *u = t->u + page * U_BYTES + i * U_ROW + at;
    __m512 p = _mm512_maskz_mov_ps(
        m, exp16(_mm512_sub_ps(_mm512_loadu_ps(score), max)));
    __m512i w = _mm512_cvtps_epi32(_mm512_mul_ps(
        _mm512_mul_ps(p, _mm512_maskz_loadu_ps(m, s_v + at)), scale));

    w = _mm512_min_epi32(w, _mm512_set1_epi32(2097151));
    for (unsigned s = 0; s < U_SLICES; s++)
        _mm_storeu_si128(
            (void *)(u + s * X1_BLOCK),
            _mm512_cvtepi32_epi8(_mm512_and_si512(
                _mm512_srl_epi32(w, _mm_cvtsi32_si128(14 - 7 * (int)s)),
                _mm512_set1_epi32(127))));
    return _mm512_cvtps_epi32(_mm512_mul_ps(p, _mm512_set1_ps(16777216.0f)));
}

/* A page adds at most 4 * 2^24 to a lane of Z. */
static void weigh_query(struct vnni_tile *t, size_t i)
{
    __m512 max = _mm512_set1_ps(_mm512_reduce_max_ps(t->max[i]) + 0.0f);
    bool fetch = t->in.pages * t->in.hd * X1_BLOCK <= VALUES_KEPT;
    __m512i z = _mm512_setzero_si512();
    __m512 scale;

    t->exponent[i] = value_exponent(t, i);
    scale = _mm512_set1_ps(x1_pow2(21 - t->exponent[i]));
    for (size_t page = 0; page < t->in.pages; page++) {
        struct page p = page_at(&t->in, page);
        const float *s_v = p.s_v;
        __m512i sum = weigh(t, i, page, 0, s_v, max, scale);

        if (fetch)
            fetch_values(t, i, &p);

        for (size_t at = 16; at < X1_BLOCK; at += 16)
            sum = _mm512_add_epi32(
                sum, weigh(t, i, page, at, s_v, max, scale));
        z = _mm512_add_epi64(
            z, _mm512_add_epi64(
                   _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum)),
                   _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1))));
    }
    t->z[i] = _mm512_reduce_add_epi64(z);
}

/* ---- values -------------------------------------------------------------- */

/* s += the slices of u of a page times its values; `next`: those that are
 * fetched, or NULL. */
INLINE void mix_page(const unsigned rows, const unsigned blocks,
                     __m512i (*s)[2], const unsigned char *u, const int8_t *v,
                     const int8_t *next)
{
    for (size_t q = 0; q < X1_BLOCK / 4; q++) {
        __m512i w[2];

#pragma GCC unroll 2
        for (unsigned b = 0; b < blocks && next; b++)
            fetch_line(next, b * 16 + q);

#pragma GCC unroll 2
        for (unsigned b = 0; b < blocks; b++)
            w[b] = _mm512_load_si512(v + (b * 16 + q) * 64);
#pragma GCC unroll 12
        for (unsigned r = 0; r < 3 * rows; r++) {
            __m512i x = four_bytes(u + r * X1_BLOCK + 4 * q);

#pragma GCC unroll 2
            for (unsigned b = 0; b < blocks; b++)
                s[r][b] = _mm512_dpbusd_epi32(s[r][b], x, w[b]);
        }
    }
}

/* Outputs of queries i .. i + rows - 1: `blocks` blocks of 16 elements from
 * element d on. */
INLINE void mix(const unsigned rows, const unsigned blocks,
                struct vnni_tile *t, size_t i, size_t d)
{
    /* stored before they are used: an array that is indexed by a variable
     * would be kept in memory during the loop */
    int32_t c[3 * ROWS][2][16] __attribute__((aligned(64)));
    __m512i s[3 * ROWS][2];

#pragma GCC unroll 12
    for (unsigned r = 0; r < 3 * rows; r++)
        s[r][0] = s[r][1] = _mm512_setzero_si512();
    for (size_t page = 0; page < t->in.pages; page++)
        mix_page(rows, blocks, s, t->u + page * U_BYTES + i * U_ROW,
                 page_at(&t->in, page).v + d * X1_BLOCK,
                 i == 0 ? page_ahead(t, page).v + d * X1_BLOCK : NULL);
#pragma GCC unroll 12
    for (unsigned r = 0; r < 3 * rows; r++)
#pragma GCC unroll 2
        for (unsigned b = 0; b < blocks; b++)
            _mm512_store_si512(c[r][b], s[r][b]);
    for (unsigned r = 0; r < rows; r++)
        for (unsigned b = 0; b < blocks; b++)
            put_output(t, i + r, d + 16 * b, c[3 * r][b], c[3 * r + 1][b],
                       c[3 * r + 2][b]);
}

#define MIX(rows)                                                            \
    static void mix_##rows(struct vnni_tile *t, size_t i)                    \
    {                                                                        \
        size_t d = 0;                                                        \
                                                                             \
        for (; d + 16 < t->in.hd; d += 32)                                   \
            mix(rows, 2, t, i, d);                                           \
        if (d < t->in.hd)                                                    \
            mix(rows, 1, t, i, d);                                           \
    }
MIX(1) MIX(2) MIX(3) MIX(4)
static void (*const mixes[ROWS + 1])(struct vnni_tile *, size_t) = {
    NULL, mix_1, mix_2, mix_3, mix_4
};

/* ---- a tile -------------------------------------------------------------- */

size_t vnni_attention_bytes(size_t n, size_t hd)
{
    (void)hd;
    return page_most(n) * (TILE * X1_BLOCK * sizeof(float) + U_BYTES);
}

void vnni_attend(const struct page_tile *in, struct x1_scoring c, void *scratch,
                 vnni_tile_fn *score_all, vnni_tile_fn *mix_all)
{
    struct vnni_tile t; /* too large to clear for each call */

    t.in = *in;
    t.u = scratch;
    t.score = (float *)(void *)(t.u + in->pages * U_BYTES);
    for (size_t i = 0; i < in->m; i++)
        slice_query(&t, i, c.scale);
    score_all(&t);
    for (size_t i = 0; c.cap > 0 && i < in->m; i++)
        cap_query(&t, i, c.cap);
    for (size_t i = 0; i < in->m; i++)
        weigh_query(&t, i);
    mix_all(&t);
}

static void score_pages(struct vnni_tile *t)
{
    size_t m = t->in.m;

    for (size_t page = 0; page < t->in.pages; page++)
        for (size_t i = 0; i < m; i += ROWS)
            scores[m - i < ROWS ? m - i : ROWS](t, i, page);
}

static void mix_pages(struct vnni_tile *t)
{
    size_t m = t->in.m;

    for (size_t i = 0; i < m; i += ROWS)
        mixes[m - i < ROWS ? m - i : ROWS](t, i);
}

static void attend(const struct page_tile *in, struct x1_scoring c,
                   void *scratch)
{
    vnni_attend(in, c, scratch, score_pages, mix_pages);
}

void vnni_attention(struct x1_query *query, size_t m, struct x1_scoring c,
                    const struct x1_blocks *kv, size_t hd, void *scratch)
{
    page_attention(attend, TILE, query, m, c, kv, hd, scratch);
}

/* hd quantised elements, and zeros up to 16; returns their scale. */
static float quantise_a8(int8_t *q, const float *x, size_t hd, int32_t *fault)
{
    float s, r = pack_factor(&s, fault, x, hd, amax_bits16(x, hd), true);

    for (size_t i = 0; i < hd; i += 16)
        _mm_storeu_si128((void *)(q + i),
                         low16(round16(x + i, r != 0 ? lanes(hd - i) : 0,
                                       _mm512_set1_ps(r))));
    return s;
}

/* A byte of each of sixteen words is an element of the value. */
static void put_value(int8_t *line, size_t at, const int8_t *v)
{
    const __mmask64 first = 0x1111111111111111u;
    __m512i word = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)v));

    word = _mm512_sll_epi32(word, _mm_cvtsi32_si128(8 * (int)at));
    _mm512_mask_storeu_epi8(line, first << at, word);
}

void vnni_quantise_kv(unsigned char *block, size_t at, const float *k,
                      const float *v, size_t hd, int32_t fault[2])
{
    struct page p = page_of(block, hd);
    size_t quads = page_quads(hd);
    int8_t *key = p.k + at / 16 * quads * 64 + at % 16 * 4;
    int8_t q[X1_MAX_HEAD_DIM];

    p.s_k[at] = quantise_a8(q, k, hd, &fault[0]);
    for (size_t i = 0; i < quads; i++)
        memcpy(key + i * 64, q + 4 * i, 4);
    p.s_v[at] = quantise_a8(q, v, hd, &fault[1]);
    for (size_t i = 0; i < hd; i += 16)
        put_value(p.v + (i + at / 4) * 64, at % 4, q + i);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
