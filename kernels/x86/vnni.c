/*
 * The level "vnni": linear, gate and what makes their rows, with vpdpbusd of
 * AVX-512; exponentials, sixteen at a time.  Whatever it leaves is avx2's.
 *
 * Weights: as pack.h has them.
 *
 * Rows: as slices.h has them.  A group has at most 12 slice rows: times two
 * blocks of 16 outputs they are 24 sums in registers, which stay there for all
 * of k, while a pair of blocks stays in the L2 cache until every group has met
 * it.  Up to four slice rows are bound by memory instead: one block at a time,
 * one stream.
 *
 * Exactness: vpdpbusd takes unsigned times signed bytes, so a sum begins at
 * -128 times the sum of the weights.  Intermediate sums may wrap, results fit:
 * a low slice is at most 128 in size, 128 * 127 * 131072 < 2^31.  256 hi + lo
 * is exact in binary64 and rounded once, as the reference rounds its int64.
 */
#include <config.h>

#include "kernels/x86/vnni.h"

#include "kernels/levels.h"
#include "kernels/pack.h"
#include "kernels/x86/pages.h"
#include "kernels/x86/pick.h"
#include "kernels/x86/slices.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define SLICES VNNI_SLICES
#define STREAM 4u   /* slice rows up to which memory is the bound */
#define NEAR 4096   /* bytes that a stream is fetched ahead */
#define PASS_BYTES (400u << 10) /* of rows, to stay in the L2 cache */
#define STEP_BYTES 256u /* of a block: a step is 4 quads of 64 bytes */

/* ---- rows ---------------------------------------------------------------- */

/* Four quads of a row. */
INLINE void put_a14(unsigned char *to, size_t stride, __m512i q)
{
    __m128i high = biased(high16(q)), low = biased(low16(q));
    __m128d a = _mm_castsi128_pd(_mm_unpacklo_epi32(high, low));
    __m128d b = _mm_castsi128_pd(_mm_unpackhi_epi32(high, low));

    _mm_storel_pd((void *)to, a);
    _mm_storeh_pd((void *)(to + stride), a);
    _mm_storel_pd((void *)(to + 2 * stride), b);
    _mm_storeh_pd((void *)(to + 3 * stride), b);
}

INLINE void put_a8(unsigned char *to, size_t stride, __m512i q)
{
    unsigned char quad[16];

    _mm_storeu_si128((void *)quad, biased(low16(q)));
    for (size_t i = 0; i < 4; i++)
        memcpy(to + i * stride, quad + 4 * i, 4);
}

/* Row i of rint(x * r); zeros where r is 0. */
static void put_row(struct x1_rows *out, size_t i, const float *x, float r)
{
    size_t padded = pack_tiles(out->k) * PACK_TILE_K, stride;
    unsigned char *to = slice_row(out, i, SLICES, &stride);
    __m512 factor = _mm512_set1_ps(r);

    for (size_t k = 0; k < padded; k += 16, to += 4 * stride) {
        __mmask16 m = r != 0 && k < out->k ? lanes(out->k - k) : 0;
        __m512i q = round16(x + (m ? k : 0), m, factor);

        if (out->a8)
            put_a8(to, stride, q);
        else
            put_a14(to, stride, q);
    }
}

void vnni_quantise(struct x1_rows *out, const float *x, size_t stride,
                   int32_t *fault, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const float *row = x + i * stride;

        put_row(out, i, row, pack_factor(&out->scale[i], &fault[i], row,
                                         out->k, amax_bits16(row, out->k),
                                         out->a8));
    }
}

void vnni_integers(int16_t *q, const struct x1_rows *rows, size_t i)
{
    slice_integers(q, rows, i, SLICES);
}

/* ---- products ------------------------------------------------------------ */

/* A pair of blocks, and what to fetch of the next pair meanwhile: from `ahead`
 * on, `share` bytes of each block in a step. */
struct vnni_pair {
    const int8_t *block[2];
    const int32_t *sum[2];
    const int8_t *ahead[2];
    size_t share;
};

INLINE __m512i start_of(const int32_t *sum)
{
    return _mm512_sub_epi32(_mm512_setzero_si512(),
                            _mm512_slli_epi32(_mm512_load_si512(sum), 7));
}

INLINE __m512i four_bytes(const unsigned char *a)
{
    int32_t quad;

    memcpy(&quad, a, sizeof(quad));
    return _mm512_set1_epi32(quad);
}

/* c[slice row][block of the pair] = the products of `rows` slice rows and two
 * blocks over n steps.  Lines are fetched `fetches` times a step, 1 or 4. */
INLINE void product(const unsigned rows, const unsigned fetches,
                    int32_t (*c)[2][16], const struct vnni_pair *p,
                    const unsigned char *a, size_t n)
{
    const int8_t *b0 = p->block[0], *b1 = p->block[1];
    const char *next0 = (const char *)p->ahead[0];
    const char *next1 = (const char *)p->ahead[1];
    const size_t share = p->share / fetches;
    __m512i s[SLICES][2];

#pragma GCC unroll 12
    for (unsigned r = 0; r < rows; r++) {
        s[r][0] = start_of(p->sum[0]);
        s[r][1] = start_of(p->sum[1]);
    }
    for (size_t i = 0; i < n; i++, a += 16 * rows) {
#pragma GCC unroll 4
        for (unsigned q = 0; q < 4; q++) {
            __m512i w0 = _mm512_load_si512(b0 + i * STEP_BYTES + q * 64);
            __m512i w1 = _mm512_load_si512(b1 + i * STEP_BYTES + q * 64);

            if (q < fetches) {
                _mm_prefetch(next0, _MM_HINT_T1);
                _mm_prefetch(next1, _MM_HINT_T1);
                next0 += share;
                next1 += share;
            }
#pragma GCC unroll 12
            for (unsigned r = 0; r < rows; r++) {
                __m512i x = four_bytes(a + (q * rows + r) * 4);

                s[r][0] = _mm512_dpbusd_epi32(s[r][0], x, w0);
                s[r][1] = _mm512_dpbusd_epi32(s[r][1], x, w1);
            }
        }
    }
#pragma GCC unroll 12
    for (unsigned r = 0; r < rows; r++) {
        _mm512_store_si512(c[r][0], s[r][0]);
        _mm512_store_si512(c[r][1], s[r][1]);
    }
}

/* c[slice row][half] = the products of `rows` slice rows and one block, as one
 * stream from memory; quads go to `sets` sets of sums in turn. */
INLINE void stream(const unsigned rows, const unsigned sets,
                   int32_t (*c)[2][16], size_t half, const int32_t *sum,
                   const int8_t *b, const unsigned char *a, size_t n)
{
    __m512i s[SLICES][4];

#pragma GCC unroll 12
    for (unsigned r = 0; r < rows; r++) {
        s[r][0] = start_of(sum);
#pragma GCC unroll 4
        for (unsigned v = 1; v < sets; v++)
            s[r][v] = _mm512_setzero_si512();
    }
    for (size_t i = 0; i < n; i++, b += STEP_BYTES, a += 16 * rows) {
#pragma GCC unroll 4
        for (unsigned q = 0; q < 4; q++) {
            __m512i w = _mm512_load_si512(b + q * 64);

            _mm_prefetch((const char *)b + q * 64 + NEAR, _MM_HINT_T0);
#pragma GCC unroll 12
            for (unsigned r = 0; r < rows; r++)
                s[r][q % sets] = _mm512_dpbusd_epi32(
                    s[r][q % sets], four_bytes(a + (q * rows + r) * 4), w);
        }
    }
#pragma GCC unroll 12
    for (unsigned r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (unsigned v = 1; v < sets; v++)
            s[r][0] = _mm512_add_epi32(s[r][0], s[r][v]);
        _mm512_store_si512(c[r][half], s[r][0]);
    }
}

typedef void product_fn(int32_t (*c)[2][16], const struct vnni_pair *p,
                        const unsigned char *a, size_t n);
typedef void stream_fn(int32_t (*c)[2][16], size_t half, const int32_t *sum,
                       const int8_t *b, const unsigned char *a, size_t n);
#define PRODUCT(rows)                                                         \
    static void product_##rows(int32_t(*c)[2][16], const struct vnni_pair *p, \
                               const unsigned char *a, size_t n)              \
    {                                                                         \
        product(rows, 1, c, p, a, n);                                         \
    }                                                                         \
    static void fetching_##rows(int32_t(*c)[2][16],                           \
                                const struct vnni_pair *p,                    \
                                const unsigned char *a, size_t n)             \
    {                                                                         \
        product(rows, 4, c, p, a, n);                                         \
    }                                                                         \
    static void stream_##rows(int32_t(*c)[2][16], size_t half,                \
                              const int32_t *sum, const int8_t *b,            \
                              const unsigned char *a, size_t n)               \
    {                                                                         \
        stream(rows, (rows) <= 6 ? 4 : 2, c, half, sum, b, a, n);             \
    }
PRODUCT(1) PRODUCT(2) PRODUCT(3) PRODUCT(4) PRODUCT(5) PRODUCT(6)
PRODUCT(7) PRODUCT(8) PRODUCT(9) PRODUCT(10) PRODUCT(11) PRODUCT(12)
#define ALL(kind)                                                           \
    { NULL, kind##_1, kind##_2, kind##_3, kind##_4, kind##_5, kind##_6,     \
      kind##_7, kind##_8, kind##_9, kind##_10, kind##_11, kind##_12 }
static product_fn *const products[SLICES + 1] = ALL(product);
static product_fn *const fetching[SLICES + 1] = ALL(fetching);
static stream_fn *const streams[SLICES + 1] = ALL(stream);

/* ---- what becomes of the sums -------------------------------------------- */

/* What the sums of a row are made of: one slice, two, or two whose whole fits
 * 32 bits. */
enum form { FORM_A8, FORM_A14, FORM_FITS };

/* The sums of a row and one half, as floats. */
INLINE __m512 sums_of(const enum form form, int32_t (*c)[2][16], size_t half)
{
    __m512i high = _mm512_load_si512(c[0][half]);

    if (form == FORM_A8)
        return _mm512_cvtepi32_ps(high);
    if (form == FORM_FITS)
        return fitting16(high, _mm512_load_si512(c[1][half]));
    return whole16(high, _mm512_load_si512(c[1][half]));
}

/* Rows `row` on, block nb and, if there are two, the next one; or block nb of
 * gate and up. */
INLINE void finish_sums(const enum form form, const struct vnni_target *t,
                        int32_t (*c)[2][16], size_t row, size_t rows, size_t nb,
                        size_t blocks)
{
    size_t n = nb * PACK_OUTS;

    for (size_t i = row; i < row + rows; i++, c += form == FORM_A8 ? 1 : 2) {
        if (t->u) {
            put_gated16(t, i, n, sums_of(form, c, 0), sums_of(form, c, 1));
            continue;
        }
        for (size_t half = 0; half < blocks; half++)
            put16(t, i, n + half * PACK_OUTS, sums_of(form, c, half));
    }
}

/* The sums as they are. */
static void keep_sums(const struct vnni_target *t, int32_t (*c)[2][16],
                      size_t row, size_t rows, size_t nb, size_t blocks)
{
    size_t slices = slices_of(t->in);

    for (size_t i = 0; i < rows; i++, c += slices)
        for (size_t half = 0; half < blocks; half++)
            put_sums16(t, row + i, (nb + half) * PACK_OUTS, c[0][half],
                       slices == 2 ? c[1][half] : NULL);
}

static void finish_rows(const struct vnni_target *t, int32_t (*c)[2][16],
                        size_t row, size_t rows, size_t nb, size_t blocks)
{
    if (t->sums)
        keep_sums(t, c, row, rows, nb, blocks);
    else if (t->in->a8)
        finish_sums(FORM_A8, t, c, row, rows, nb, blocks);
    else if (t->in->k <= FITS_K)
        finish_sums(FORM_FITS, t, c, row, rows, nb, blocks);
    else
        finish_sums(FORM_A14, t, c, row, rows, nb, blocks);
}

/* ---- a matrix ------------------------------------------------------------ */

static void fetch_line(const void *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

/* The pair that begins at block nb: two blocks of w, or one of each.  Scales
 * and sums of the next pair are fetched. */
static void pair_at(struct vnni_pair *p, const struct vnni_target *t, size_t nb,
                    size_t kt)
{
    const struct x1_weights *second = t->u ? t->u : t->w;
    size_t next = t->u ? nb : nb + 1, step = t->u ? 1 : 2;

    p->block[0] = pack_block(t->w, nb, kt);
    p->block[1] = pack_block(second, next, kt);
    p->sum[0] = pack_sums(t->w) + nb * PACK_OUTS;
    p->sum[1] = pack_sums(second) + next * PACK_OUTS;
    p->ahead[0] = p->block[0] + step * kt * PACK_TILE_BYTES;
    p->ahead[1] = p->block[1] + step * kt * PACK_TILE_BYTES;
    fetch_line(p->sum[0] + step * PACK_OUTS);
    fetch_line(p->sum[1] + step * PACK_OUTS);
    fetch_line(t->w->scale + (nb + step) * PACK_OUTS);
    fetch_line(second->scale + (next + step) * PACK_OUTS);
}

/* Rows `row` on of the pair at nb; `blocks` 1: only the first of it. */
static void multiply_group(const struct vnni_target *t,
                           const struct vnni_pair *p, size_t row, size_t rows,
                           size_t nb, size_t blocks)
{
    int32_t c[SLICES][2][16] __attribute__((aligned(64)));
    size_t kt = pack_tiles(t->in->k), slices = slices_of(t->in);
    size_t n = rows * slices;
    const unsigned char *a = (const unsigned char *)t->in->q +
                             row * kt * PACK_TILE_K * slices;

    if (blocks == 2 && t->in->m * slices > STREAM) {
        (p->share > 64 ? fetching : products)[n](c, p, a, kt * 4);
    } else {
        for (size_t half = 0; half < blocks; half++)
            streams[n](c, half, p->sum[half], p->block[half], a, kt * 4);
    }
    finish_rows(t, c, row, rows, nb, blocks);
}

/* Groups [g0, g1) of n and outputs [from, to): pair by pair.  Each group
 * fetches its share of the next pair, so that memory is never idle. */
static void multiply_pass(const struct vnni_target *t, size_t g0, size_t g1,
                          size_t n, size_t from, size_t to)
{
    size_t kt = pack_tiles(t->in->k), m = t->in->m, groups = g1 - g0;
    size_t last = (to + PACK_OUTS - 1) / PACK_OUTS;

    for (size_t nb = from / PACK_OUTS; nb < last; nb += t->u ? 1 : 2) {
        size_t blocks = t->u || nb + 1 < last ? 2 : 1;
        struct vnni_pair p;

        pair_at(&p, t, nb, kt);
        p.share = (STEP_BYTES + groups - 1) / groups;
        for (size_t g = g0; g < g1; g++) {
            size_t row = group_first(g, n, m);

            multiply_group(t, &p, row, group_first(g + 1, n, m) - row, nb,
                           blocks);
            p.ahead[0] += p.share * kt * 4;
            p.ahead[1] += p.share * kt * 4;
        }
    }
}

/* Outputs [from, to) of all rows, in passes whose rows stay in the cache. */
static void multiply(const struct vnni_target *t, size_t from, size_t to)
{
    size_t kt = pack_tiles(t->in->k);
    size_t n = slice_groups(t->in, SLICES);
    size_t most = PASS_BYTES / (kt * PACK_TILE_K * SLICES), passes;

    if (n == 0)
        return;
    most = most < 2 ? 2 : most;
    passes = (n + most - 1) / most;
    for (size_t i = 0; i < passes; i++)
        multiply_pass(t, n * i / passes, n * (i + 1) / passes, n, from, to);
}

void vnni_linear(float *y, size_t stride, const struct x1_weights *w,
                 const float *b, bool add, const struct x1_rows *in,
                 size_t from, size_t to)
{
    struct vnni_target t = {
        .y = y, .stride = stride, .w = w, .b = b, .add = add, .in = in
    };

    multiply(&t, from, to);
}

void vnni_swiglu(float *h, size_t stride, const struct x1_weights *g,
                 const struct x1_weights *u, const struct x1_rows *in,
                 size_t from, size_t to)
{
    struct vnni_target t = {
        .y = h, .stride = stride, .w = g, .u = u, .in = in
    };

    multiply(&t, from, to);
}

void vnni_sums(int64_t *acc, size_t stride, const struct x1_weights *w,
               const struct x1_rows *in, size_t from, size_t to)
{
    struct vnni_target t = { .stride = stride, .w = w, .in = in, .sums = acc };

    multiply(&t, from, to);
}

/* ---- element by element -------------------------------------------------- */

static void vnni_exp32(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        _mm512_mask_storeu_ps(
            y + i, lanes(n - i),
            exp16(_mm512_maskz_loadu_ps(lanes(n - i), x + i)));
}

static void vnni_silu(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        _mm512_mask_storeu_ps(
            y + i, lanes(n - i),
            silu16(_mm512_maskz_loadu_ps(lanes(n - i), x + i)));
}

/* ---- sampling ------------------------------------------------------------ */

static int32_t vnni_fault(const float *x, size_t n)
{
    return amax_bits16(x, n) < X1_LIMIT_BITS ? -1 : x1_fault(x, n);
}

static size_t vnni_max(const float *x, size_t n)
{
    __m512 most = _mm512_set1_ps(-__builtin_inff());
    size_t i = 0;

    for (; i < n; i += 16) {
        __mmask16 m = lanes(n - i);

        most = _mm512_mask_max_ps(most, m, most,
                                  _mm512_maskz_loadu_ps(m, x + i));
    }
    most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (i = 0; i < n; i += 16) {
        __mmask16 m = lanes(n - i);

        m = _mm512_mask_cmp_ps_mask(m, _mm512_maskz_loadu_ps(m, x + i), most,
                                    _CMP_EQ_OQ);
        if (m)
            return i + (size_t)__builtin_ctz(m);
    }
    return 0;
}

/* As x1_draw_weight; the product is below 2^31, so one conversion rounds it,
 * ties to even.  A temperature of 1, the usual one, divides nothing. */
INLINE void exp_weights(const bool divide, uint32_t *w, const float *x,
                        size_t n, float max, float t)
{
    const __m512 least = _mm512_set1_ps(DRAW_LEAST * t);

    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = lanes(n - i);
        __m512 l = _mm512_add_ps(_mm512_maskz_loadu_ps(m, x + i),
                                 _mm512_setzero_ps());
        __m512 d = _mm512_sub_ps(l, _mm512_set1_ps(max));
        __m512i v = _mm512_setzero_si512();

        if (_mm512_mask_cmp_ps_mask(m, d, least, _CMP_GE_OQ))
            v = _mm512_cvtps_epi32(_mm512_mul_ps(
                exp16(divide ? _mm512_div_ps(d, _mm512_set1_ps(t)) : d),
                _mm512_set1_ps(1073741824.0f)));
        _mm512_mask_storeu_epi32(w + i, m, v);
    }
}

static void vnni_exp_weights(uint32_t *w, const float *x, size_t n, float max,
                             float t)
{
    if (t == 1)
        exp_weights(false, w, x, n, max, t);
    else
        exp_weights(true, w, x, n, max, t);
}

INLINE __m512i wide_sum(__m512i sum, __mmask16 m, const uint32_t *w)
{
    __m512i v = _mm512_maskz_loadu_epi32(m, w);

    sum = _mm512_add_epi64(
        sum, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(v)));
    return _mm512_add_epi64(
        sum, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(v, 1)));
}

static uint64_t vnni_sum(const uint32_t *w, size_t n)
{
    __m512i sum = _mm512_setzero_si512();

    for (size_t i = 0; i < n; i += 16)
        sum = wide_sum(sum, lanes(n - i), w + i);
    return (uint64_t)_mm512_reduce_add_epi64(sum);
}

/* Even and odd weights are added apart, each as 64 bits. */
static uint64_t vnni_tally(const uint32_t *w, size_t n, uint32_t least,
                           size_t *count)
{
    const __m512i limit = _mm512_set1_epi32((int32_t)least);
    const __m512i low = _mm512_set1_epi64(0xffffffff);
    __m512i even = _mm512_setzero_si512(), odd = even;
    size_t many = 0;

    for (size_t i = 0; i < n; i += 16) {
        __m512i v = _mm512_maskz_loadu_epi32(lanes(n - i), w + i);
        __mmask16 m = _mm512_cmpge_epu32_mask(v, limit);

        v = _mm512_maskz_mov_epi32(m, v);
        even = _mm512_add_epi64(even, _mm512_and_si512(v, low));
        odd = _mm512_add_epi64(odd, _mm512_srli_epi64(v, 32));
        many += (size_t)__builtin_popcount(m);
    }
    *count = many;
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd));
}

static size_t vnni_pick(const uint32_t *w, size_t n, uint64_t r)
{
    return draw_pick(vnni_sum, w, n, r);
}

void x1_vnni_init(struct x1_kernels *k)
{
    k->rows_bytes = slice_rows_bytes;
    k->quantise = vnni_quantise;
    k->integers = vnni_integers;
    k->linear = vnni_linear;
    k->swiglu = vnni_swiglu;
    k->sums = vnni_sums;
    page_init(k);
    k->quantise_kv = vnni_quantise_kv;
    k->attention_bytes = vnni_attention_bytes;
    k->attention = vnni_attention;
    k->exp32 = vnni_exp32;
    k->silu = vnni_silu;
    k->fault = vnni_fault;
    k->max = vnni_max;
    k->exp_weights = vnni_exp_weights;
    k->sum = vnni_sum;
    k->pick = vnni_pick;
    k->tally = vnni_tally;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
