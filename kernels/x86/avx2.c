/*
 * The level "avx2": linear, gate and what makes their forms, with 16-bit
 * products (vpmaddwd) summed in 32 bits; exponentials, eight at a time.
 * avx2_attention.c has attention; the rest is avx2_plain.c's.
 *
 * Weights: as pack.h has them.  A quarter of 64 bytes, widened, is 4 outputs x
 * 4 k, so that a lane sums one pair of k and two lanes make an output.
 *
 * Rows: int16, as groups.h has them; a group has at most 6 rows, as many as
 * their sums fit in the registers.  Several groups take a block's halves one
 * after the other and widen its weights once.  A group alone, of a step with
 * few rows, is bound by memory: it reads the block as one stream.
 *
 * Exactness: a lane takes at most 512 pairs, 2 * 512 * 16384 * 127 < 2^31.
 * Then it is drained into (sum >> 16, sum & 65535), int32 each, which hold the
 * sums of 131072 products; 65536 hi + lo is exact in binary64, and is rounded
 * once to binary32, as the reference rounds its int64.
 */
#include <config.h>

#include "kernels/x86/avx2.h"

#include "kernels/levels.h"
#include "kernels/pack.h"
#include "kernels/x86/groups.h"
#include "kernels/x86/pages.h"
#include "kernels/x86/pick.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define GROUP 6u           /* rows that share their weights in registers */
#define QUAD_BYTES 8u      /* of a row and quad of k */
#define ROW_BYTES (16 * QUAD_BYTES) /* .. and tile */
#define MAX_SEGMENT 24u    /* tiles between drains: 384 pairs, 48 KB widened */
#define PAIR 2u            /* rows at a time of a group that is alone .. */
#define LONE_SEGMENT 16u   /* .. tiles between its drains, which L1 holds .. */
#define NEAR 8192          /* .. and bytes that it fetches ahead */
#define MAX_GROUPS 32u     /* of a pass */
#define PASS_BYTES (400u << 10) /* of rows, to stay in the L2 cache */

/* ---- rows --------------------------------------------------------------- */

static size_t avx2_rows_bytes(size_t m, size_t k)
{
    return m * pack_tiles(k) * ROW_BYTES;
}

uint32_t avx2_amax_bits(const float *x, size_t n)
{
    const __m256i size = _mm256_set1_epi32(0x7fffffff);
    __m256i m = _mm256_setzero_si256();
    uint32_t lane[8], most = 0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        m = _mm256_max_epi32(
            m, _mm256_and_si256(_mm256_loadu_si256((const void *)(x + i)),
                                size));
    _mm256_storeu_si256((void *)lane, m);
    for (; i < n; i++)
        lane[0] = (x1_bits(x[i]) & 0x7fffffffu) > lane[0]
                      ? x1_bits(x[i]) & 0x7fffffffu
                      : lane[0];
    for (i = 0; i < 8; i++)
        most = lane[i] > most ? lane[i] : most;
    return most;
}

/* Row i of rint(x * r), r 0 for zeros. */
static void put_row(struct x1_rows *out, size_t i, const float *x, float r)
{
    size_t kt = pack_tiles(out->k), stride, k = 0;
    unsigned char *q = group_row(out, i, GROUP, QUAD_BYTES, &stride);
    int16_t quad[4];

    for (; r != 0 && k + 8 <= out->k; k += 8, q += 2 * stride) {
        __m256i v = round8(x + k, _mm256_set1_ps(r));
        __m128i s = _mm_packs_epi32(_mm256_castsi256_si128(v),
                                    _mm256_extracti128_si256(v, 1));

        _mm_storel_epi64((void *)q, s);
        _mm_storel_epi64((void *)(q + stride), _mm_unpackhi_epi64(s, s));
    }
    for (; k < kt * PACK_TILE_K; k += 4, q += stride) {
        for (size_t j = 0; j < 4; j++)
            quad[j] = r != 0 && k + j < out->k
                          ? (int16_t)x1_round(x[k + j] * r)
                          : 0;
        memcpy(q, quad, sizeof(quad));
    }
}

static void avx2_quantise(struct x1_rows *out, const float *x, size_t stride,
                          int32_t *fault, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const float *row = x + i * stride;

        put_row(out, i, row, pack_factor(&out->scale[i], &fault[i], row,
                                         out->k, avx2_amax_bits(row, out->k),
                                         out->a8));
    }
}

static void avx2_integers(int16_t *q, const struct x1_rows *rows, size_t i)
{
    size_t stride;
    const unsigned char *p = group_row(rows, i, GROUP, QUAD_BYTES, &stride);

    for (size_t k = 0; k < rows->k; k += 4, p += stride)
        memcpy(q + k, p, (rows->k - k < 4 ? rows->k - k : 4) * sizeof(*q));
}

/* ---- products ----------------------------------------------------------- */

/* How the weights come: widened already, or to be widened and kept. */
enum mul_source { KEPT, KEEP };

INLINE int64_t four_of(const unsigned char *a)
{
    int64_t v;

    memcpy(&v, a, sizeof(v));
    return v;
}

/* Drain the sums of a row and 8 outputs, pairs of lanes, into c. */
INLINE void drain(int32_t c[16], bool add, __m256i s0, __m256i s1)
{
    const __m256i low = _mm256_set1_epi32(65535);
    __m256i h = _mm256_hadd_epi32(_mm256_srai_epi32(s0, 16),
                                  _mm256_srai_epi32(s1, 16));
    __m256i l = _mm256_hadd_epi32(_mm256_and_si256(s0, low),
                                  _mm256_and_si256(s1, low));

    h = _mm256_permute4x64_epi64(h, 0xd8);
    l = _mm256_permute4x64_epi64(l, 0xd8);
    if (add) {
        h = _mm256_add_epi32(h, _mm256_load_si256((const void *)c));
        l = _mm256_add_epi32(l, _mm256_load_si256((const void *)(c + 8)));
    }
    _mm256_store_si256((void *)c, h);
    _mm256_store_si256((void *)(c + 8), l);
}

/* c[r] = or += the products of `rows` rows and 8 outputs over n steps of 4
 * quads: 8 high parts, 8 low parts.  a: the group's rows; b: quads of 64
 * bytes; wide: 64 bytes a quad; ahead: what to fetch meanwhile, a line a
 * step. */
INLINE void product(const unsigned rows, const enum mul_source source,
                    int32_t (*c)[16], bool add, const unsigned char *a,
                    const int8_t *b, int16_t *wide, size_t n,
                    const int8_t *ahead)
{
    __m256i s[GROUP][2];

#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++)
        s[r][0] = s[r][1] = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i++, b += 256, a += 32 * rows, wide += 128) {
        _mm_prefetch((const char *)ahead, _MM_HINT_T1);
        ahead += 64;
#pragma GCC unroll 4
        for (unsigned q = 0; q < 4; q++) {
            __m256i w0, w1;

            if (source == KEPT) {
                w0 = _mm256_load_si256((const void *)(wide + q * 32));
                w1 = _mm256_load_si256((const void *)(wide + q * 32 + 16));
            } else {
                w0 = _mm256_cvtepi8_epi16(
                    _mm_load_si128((const void *)(b + q * 64)));
                w1 = _mm256_cvtepi8_epi16(
                    _mm_load_si128((const void *)(b + q * 64 + 16)));
                _mm256_store_si256((void *)(wide + q * 32), w0);
                _mm256_store_si256((void *)(wide + q * 32 + 16), w1);
            }
#pragma GCC unroll 6
            for (unsigned r = 0; r < rows; r++)
                add_products(s[r], a + (q * rows + r) * 8, w0, w1);
        }
    }
#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++)
        drain(c[r], add, s[r][0], s[r][1]);
}

typedef void product_fn(int32_t (*c)[16], bool add, const unsigned char *a,
                        const int8_t *b, int16_t *wide, size_t n,
                        const int8_t *ahead);
#define PRODUCT(rows, source)                                                \
    static void product_##source##_##rows(                                   \
        int32_t (*c)[16], bool add, const unsigned char *a, const int8_t *b, \
        int16_t *wide, size_t n, const int8_t *ahead)                        \
    {                                                                        \
        product(rows, source, c, add, a, b, wide, n, ahead);                 \
    }
/* Of two groups or more, none has fewer than 3 rows. */
#define PRODUCTS(source) \
    PRODUCT(3, source) PRODUCT(4, source) PRODUCT(5, source) PRODUCT(6, source)
PRODUCTS(KEPT)
PRODUCTS(KEEP)
#define ROW_OF(source)                                                \
    { NULL, NULL, NULL, product_##source##_3, product_##source##_4, \
      product_##source##_5, product_##source##_6 }
static product_fn *const products[2][GROUP + 1] = {
    [KEPT] = ROW_OF(KEPT), [KEEP] = ROW_OF(KEEP)
};

/* c[r][half] = or += the products of `rows` rows of a group, whose quads are
 * `stride` bytes apart, and the 16 outputs of a block over n quads.  `fetch`:
 * the block comes from memory and is fetched some way ahead, as one stream. */
INLINE void stream(const unsigned rows, const bool fetch, int32_t (*c)[2][16],
                   bool add, const unsigned char *a, size_t stride,
                   const int8_t *b, size_t n)
{
    __m256i s[PAIR][4], x[PAIR];

#pragma GCC unroll 2
    for (unsigned r = 0; r < rows; r++)
        s[r][0] = s[r][1] = s[r][2] = s[r][3] = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i++, b += 64, a += stride) {
        if (fetch)
            _mm_prefetch((const char *)b + NEAR, _MM_HINT_T0);
#pragma GCC unroll 2
        for (unsigned r = 0; r < rows; r++)
            x[r] = _mm256_set1_epi64x(four_of(a + r * 8));
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++) {
            __m256i w = _mm256_cvtepi8_epi16(
                _mm_load_si128((const void *)(b + j * 16)));

#pragma GCC unroll 2
            for (unsigned r = 0; r < rows; r++) {
                s[r][j] = _mm256_add_epi32(s[r][j],
                                           _mm256_madd_epi16(w, x[r]));
                __asm__("" : "+x"(s[r][j])); /* later, gcc would spill */
            }
        }
    }
#pragma GCC unroll 2
    for (unsigned r = 0; r < rows; r++) {
        drain(c[r][0], add, s[r][0], s[r][1]);
        drain(c[r][1], add, s[r][2], s[r][3]);
    }
}

typedef void stream_fn(int32_t (*c)[2][16], bool add, const unsigned char *a,
                       size_t stride, const int8_t *b, size_t n);
#define STREAM(name, rows, fetch)                                           \
    static void name(int32_t (*c)[2][16], bool add, const unsigned char *a, \
                     size_t stride, const int8_t *b, size_t n)              \
    {                                                                       \
        stream(rows, fetch, c, add, a, stride, b, n);                       \
    }
STREAM(stream_1, 1, true)
STREAM(stream_2, 2, true)
STREAM(again_1, 1, false)
STREAM(again_2, 2, false)
static stream_fn *const streams[2][PAIR + 1] = {
    { NULL, stream_1, stream_2 }, { NULL, again_1, again_2 }
};

/* ---- what becomes of the sums ------------------------------------------- */

/* Outputs n .. n + 7 of rows from `row` on. */
static void finish_sums(const struct avx2_target *t, int32_t (*c)[16],
                        size_t row, size_t rows, size_t n)
{
    for (size_t r = 0; t->sums && r < rows; r++)
        put_sums8(t, row + r, n, c[r], c[r] + 8, 65536);
    for (size_t r = 0; !t->sums && r < rows; r++)
        put_outputs(t, row + r, n,
                    whole(_mm256_load_si256((const void *)c[r]),
                          _mm256_load_si256((const void *)(c[r] + 8)),
                          65536));
}

/* ---- a matrix ----------------------------------------------------------- */

/* A pass: groups [g0, g1) of the rows, over one block of outputs. */
struct avx2_pass {
    const struct x1_rows *in;
    size_t g0, g1, kt, segments;
};

/* Half h of block nb, all groups of the pass, two at least. */
static void half_block(const struct avx2_target *t, const struct avx2_pass *p,
                       size_t nb, size_t h)
{
    static _Thread_local int16_t wide[MAX_SEGMENT * 512]
        __attribute__((aligned(64)));
    static _Thread_local int32_t sums[MAX_GROUPS * GROUP][16]
        __attribute__((aligned(64)));
    size_t n = group_count(p->in->m, GROUP), m = p->in->m;
    size_t r0 = group_first(p->g0, n, m);

    for (size_t s = 0; s < p->segments; s++) {
        size_t from = p->kt * s / p->segments;
        size_t to = p->kt * (s + 1) / p->segments;
        const int8_t *b = pack_block(t->w, nb, p->kt) +
                          from * PACK_TILE_BYTES;
        const int8_t *next = b + (to - from) * PACK_TILE_BYTES;

        for (size_t g = p->g0; g < p->g1; g++) {
            size_t f = group_first(g, n, m);
            size_t rows = group_first(g + 1, n, m) - f;
            const unsigned char *a = (const unsigned char *)p->in->q +
                                     f * p->kt * ROW_BYTES +
                                     from * ROW_BYTES * rows;
            enum mul_source source = g == p->g0 ? KEEP : KEPT;
            size_t turn = h * (p->g1 - p->g0) + g - p->g0;
            size_t steps = (to - from) * 4;

            /* the next segment, in the first four turns */
            products[source][rows](
                sums + (f - r0), s > 0, a, b + h * 32, wide, steps,
                turn < 4 ? next + turn * steps * 64 : b);
            if (s + 1 == p->segments && nb * PACK_OUTS + h * 8 < t->w->rows)
                finish_sums(t, sums + (f - r0), f, rows,
                            nb * PACK_OUTS + h * 8);
        }
    }
}

/* Block nb, the one group of the pass: two rows at a time, the first of which
 * read the weights from memory and the others from the cache. */
static void lone_group(const struct avx2_target *t, const struct avx2_pass *p,
                       size_t nb)
{
    int32_t c[GROUP][2][16] __attribute__((aligned(64)));
    size_t n = group_count(p->in->m, GROUP);
    size_t f = group_first(p->g0, n, p->in->m);
    size_t m = group_first(p->g1, n, p->in->m) - f;
    size_t segments = (p->kt + LONE_SEGMENT - 1) / LONE_SEGMENT;

    for (size_t s = 0; s < segments; s++) {
        size_t from = p->kt * s / segments, to = p->kt * (s + 1) / segments;
        const int8_t *b = pack_block(t->w, nb, p->kt) + from * PACK_TILE_BYTES;
        const unsigned char *a = (const unsigned char *)p->in->q +
                                 f * p->kt * ROW_BYTES + from * ROW_BYTES * m;

        for (size_t r = 0; r < m; r += PAIR)
            streams[r > 0][m - r < PAIR ? m - r : PAIR](
                c + r, s > 0, a + r * QUAD_BYTES, m * QUAD_BYTES, b,
                (to - from) * 16);
    }
    for (size_t r = 0; r < m; r++)
        for (size_t h = 0; h < 2 && nb * PACK_OUTS + h * 8 < t->w->rows; h++)
            finish_sums(t, &c[r][h], f + r, 1, nb * PACK_OUTS + h * 8);
}

/* Outputs [from, to) of all rows: in passes whose rows stay in the cache,
 * block by block, and a block's halves in turn. */
static void multiply(const struct avx2_target *t, const struct x1_rows *in,
                     size_t from, size_t to)
{
    size_t n = group_count(in->m, GROUP), kt = pack_tiles(in->k);
    size_t most = PASS_BYTES / (kt * ROW_BYTES * GROUP), passes;

    if (n == 0)
        return;
    most = most < 2 ? 2 : most > MAX_GROUPS ? MAX_GROUPS : most;
    passes = (n + most - 1) / most;
    for (size_t i = 0; i < passes; i++) {
        struct avx2_pass p = {
            .in = in,
            .g0 = n * i / passes,
            .g1 = n * (i + 1) / passes,
            .kt = kt,
            .segments = (kt + MAX_SEGMENT - 1) / MAX_SEGMENT,
        };

        for (size_t nb = from / PACK_OUTS; nb * PACK_OUTS < to; nb++) {
            if (p.g1 - p.g0 == 1) {
                lone_group(t, &p, nb);
                continue;
            }
            half_block(t, &p, nb, 0);
            half_block(t, &p, nb, 1);
        }
    }
}

static void avx2_linear(float *y, size_t stride, const struct x1_weights *w,
                        const float *b, bool add, const struct x1_rows *in,
                        size_t from, size_t to)
{
    struct avx2_target t = {
        .y = y, .stride = stride, .w = w, .b = b, .add = add, .step = in->scale
    };

    multiply(&t, in, from, to);
}

static void avx2_swiglu(float *h, size_t stride, const struct x1_weights *g,
                        const struct x1_weights *u, const struct x1_rows *in,
                        size_t from, size_t to)
{
    struct avx2_target t = {
        .y = h, .stride = stride, .w = g, .step = in->scale
    };

    multiply(&t, in, from, to);
    t.w = u;
    t.gated = true;
    multiply(&t, in, from, to);
}

static void avx2_sums(int64_t *acc, size_t stride, const struct x1_weights *w,
                      const struct x1_rows *in, size_t from, size_t to)
{
    struct avx2_target t = { .stride = stride, .w = w, .sums = acc };

    multiply(&t, in, from, to);
}

/* ---- element by element ------------------------------------------------- */

static void avx2_exp32(float *y, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, exp8(_mm256_loadu_ps(x + i)));
    for (; i < n; i++)
        y[i] = x1_exp32(x[i]);
}

static void avx2_silu(float *y, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, silu8(_mm256_loadu_ps(x + i)));
    for (; i < n; i++)
        y[i] = x1_silu(x[i]);
}

/* ---- sampling ------------------------------------------------------------ */

/* The first of the greatest: its value by eights, then its place. */
static size_t avx2_max(const float *x, size_t n)
{
    float lane[8], most = x[0];
    __m256 v = _mm256_set1_ps(most);
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        v = _mm256_max_ps(v, _mm256_loadu_ps(x + i));
    _mm256_storeu_ps(lane, v);
    for (int j = 0; j < 8; j++)
        most = lane[j] > most ? lane[j] : most;
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    v = _mm256_set1_ps(most);
    for (i = 0; i + 8 <= n; i += 8) {
        int m = _mm256_movemask_ps(
            _mm256_cmp_ps(_mm256_loadu_ps(x + i), v, _CMP_EQ_OQ));

        if (m)
            return i + (size_t)__builtin_ctz((unsigned)m);
    }
    while (i + 1 < n && x[i] != most)
        i++;
    return i;
}

/* As x1_draw_weight; the product is below 2^31, so one conversion rounds it,
 * ties to even. */
static void avx2_exp_weights(uint32_t *w, const float *x, size_t n, float max,
                             float t)
{
    const __m256 least = _mm256_set1_ps(DRAW_LEAST * t);
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256 l = _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps());
        __m256 d = _mm256_sub_ps(l, _mm256_set1_ps(max));
        __m256i v = _mm256_setzero_si256();

        if (_mm256_movemask_ps(_mm256_cmp_ps(d, least, _CMP_GE_OQ)))
            v = _mm256_cvtps_epi32(
                _mm256_mul_ps(exp8(_mm256_div_ps(d, _mm256_set1_ps(t))),
                              _mm256_set1_ps(1073741824.0f)));
        _mm256_storeu_si256((void *)(w + i), v);
    }
    for (; i < n; i++)
        w[i] = x1_draw_weight(x[i], max, t);
}

static uint64_t avx2_sum(const uint32_t *w, size_t n)
{
    __m256i sum = _mm256_setzero_si256();
    uint64_t lane[4], all;
    size_t eights = n / 8 * 8;

    for (size_t i = 0; i < eights; i += 8) {
        __m256i v = _mm256_loadu_si256((const void *)(w + i));

        sum = _mm256_add_epi64(
            sum, _mm256_cvtepu32_epi64(_mm256_castsi256_si128(v)));
        sum = _mm256_add_epi64(
            sum, _mm256_cvtepu32_epi64(_mm256_extracti128_si256(v, 1)));
    }
    _mm256_storeu_si256((void *)lane, sum);
    all = lane[0] + lane[1] + lane[2] + lane[3];
    for (size_t i = eights; i < n; i++)
        all += w[i];
    return all;
}

/* Even and odd weights are added apart, each as 64 bits; all are below 2^31, so
 * that signs do not matter. */
static uint64_t avx2_tally(const uint32_t *w, size_t n, uint32_t least,
                           size_t *count)
{
    const __m256i below = _mm256_set1_epi32((int32_t)least - 1);
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    __m256i sum = _mm256_setzero_si256(), many = sum;
    size_t eights = n / 8 * 8;
    uint32_t some[8];
    uint64_t lane[4], all;

    for (size_t i = 0; i < eights; i += 8) {
        __m256i v = _mm256_loadu_si256((const void *)(w + i));
        __m256i in = _mm256_cmpgt_epi32(v, below);

        v = _mm256_and_si256(v, in);
        many = _mm256_sub_epi32(many, in);
        sum = _mm256_add_epi64(sum, _mm256_and_si256(v, low));
        sum = _mm256_add_epi64(sum, _mm256_srli_epi64(v, 32));
    }
    _mm256_storeu_si256((void *)lane, sum);
    _mm256_storeu_si256((void *)some, many);
    all = lane[0] + lane[1] + lane[2] + lane[3];
    *count = 0;
    for (int i = 0; i < 8; i++)
        *count += some[i];
    for (size_t i = eights; i < n; i++) {
        all += w[i] >= least ? w[i] : 0;
        *count += w[i] >= least;
    }
    return all;
}

static size_t avx2_pick(const uint32_t *w, size_t n, uint64_t r)
{
    return draw_pick(avx2_sum, w, n, r);
}

void x1_avx2_init(struct x1_kernels *k)
{
    x1_avx2_plain_init(k);
    pack_init(k);
    k->rows_bytes = avx2_rows_bytes;
    k->quantise = avx2_quantise;
    k->integers = avx2_integers;
    k->linear = avx2_linear;
    k->swiglu = avx2_swiglu;
    k->sums = avx2_sums;
    page_init(k);
    k->quantise_kv = avx2_quantise_kv;
    k->attention_bytes = avx2_attention_bytes;
    k->attention = avx2_attention;
    k->exp32 = avx2_exp32;
    k->silu = avx2_silu;
    k->max = avx2_max;
    k->exp_weights = avx2_exp_weights;
    k->sum = avx2_sum;
    k->pick = avx2_pick;
    k->tally = avx2_tally;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
