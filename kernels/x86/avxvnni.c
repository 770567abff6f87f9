/*
 * The level "avxvnni": linear, gate and what makes their rows, with vpdpbusd
 * of 256 bits, for CPUs that have AVX-VNNI and no AVX-512.  Whatever it leaves
 * is avx2's, attention too, which is over the same blocks.
 *
 * Weights: as pack.h has them.
 *
 * Rows: as slices.h has them.  A group has at most 6 slice rows: times the 16
 * outputs of a block they are 12 sums in registers, which stay there for all
 * of k.
 *
 * Exactness: as in vnni.c.  A sum begins at -128 times the sum of the weights;
 * what it passes through may wrap, the result fits.
 */
#include <config.h>

#define AVX2_TARGET "avx2,avxvnni" /* of clang, which takes the first alone */
#include "kernels/x86/avx2.h"

#include "kernels/levels.h"
#include "kernels/pack.h"
#include "kernels/x86/slices.h"

#if defined(__x86_64__) && defined(__GNUC__)

#if !defined(__clang__)
#pragma GCC target("avx2,avxvnni")
#endif

#define SLICES 6u     /* slice rows of a group, at most */
#define NEAR 4096     /* bytes that a single group fetches ahead */
#define PASS_BYTES (400u << 10) /* of rows, to stay in the L2 cache */
#define STEP_BYTES 256u /* of a block: a step is 4 quads of 64 bytes */

/* ---- rows ---------------------------------------------------------------- */

/* A quad of a row from its integers. */
static void put_quad(unsigned char *to, const int32_t q[4], size_t slices)
{
    for (size_t j = 0; j < 4; j++) {
        int32_t high = (q[j] + 128) >> 8;

        if (slices == 2) {
            to[j] = (unsigned char)(high + 128);
            to[4 + j] = (unsigned char)(q[j] - 256 * high + 128);
        } else {
            to[j] = (unsigned char)(q[j] + 128);
        }
    }
}

/* Two quads of a row from its eight integers: the bytes of four 16-bit numbers
 * each, gathered, their top bits flipped. */
INLINE void put_quads(unsigned char *to, size_t stride, __m256i q,
                      size_t slices)
{
    const __m256i lowest = _mm256_setr_epi8(
        0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
        0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i high = _mm256_shuffle_epi8(
        _mm256_srai_epi32(_mm256_add_epi32(q, _mm256_set1_epi32(128)), 8),
        lowest);
    __m256i low = _mm256_shuffle_epi8(q, lowest);
    __m256i both = _mm256_xor_si256(
        slices == 2 ? _mm256_unpacklo_epi32(high, low) : low,
        _mm256_set1_epi8((char)-128));
    uint64_t quad[2] = {
        (uint64_t)_mm256_extract_epi64(both, 0),
        (uint64_t)_mm256_extract_epi64(both, 2),
    };

    memcpy(to, &quad[0], 4 * slices);
    memcpy(to + stride, &quad[1], 4 * slices);
}

/* Row i of rint(x * r); zeros where r is 0. */
static void put_row(struct x1_rows *out, size_t i, const float *x, float r)
{
    size_t padded = pack_tiles(out->k) * PACK_TILE_K, stride, k = 0;
    size_t slices = slices_of(out);
    unsigned char *to = slice_row(out, i, SLICES, &stride);

    for (; r != 0 && k + 8 <= out->k; k += 8, to += 2 * stride) {
        __m256i q = round8(x + k, _mm256_set1_ps(r));

        if (slices == 2)
            put_quads(to, stride, q, 2);
        else
            put_quads(to, stride, q, 1);
    }
    for (; k < padded; k += 4, to += stride) {
        int32_t q[4];

        for (size_t j = 0; j < 4; j++)
            q[j] = r != 0 && k + j < out->k ? x1_round(x[k + j] * r) : 0;
        put_quad(to, q, slices);
    }
}

static void avxvnni_quantise(struct x1_rows *out, const float *x,
                             size_t stride, int32_t *fault, size_t from,
                             size_t to)
{
    for (size_t i = from; i < to; i++) {
        const float *row = x + i * stride;

        put_row(out, i, row, pack_factor(&out->scale[i], &fault[i], row,
                                         out->k, avx2_amax_bits(row, out->k),
                                         out->a8));
    }
}

static void avxvnni_integers(int16_t *q, const struct x1_rows *rows, size_t i)
{
    slice_integers(q, rows, i, SLICES);
}

/* ---- products ------------------------------------------------------------ */

INLINE __m256i start_of(const int32_t *sum)
{
    return _mm256_sub_epi32(
        _mm256_setzero_si256(),
        _mm256_slli_epi32(_mm256_load_si256((const void *)sum), 7));
}

INLINE __m256i four_bytes(const unsigned char *a)
{
    int32_t quad;

    memcpy(&quad, a, sizeof(quad));
    return _mm256_set1_epi32(quad);
}

/* c[slice row][half] = the products of `rows` slice rows and a block over n
 * steps, eight outputs a half.  Meanwhile `lines` lines from `ahead` on are
 * fetched to the L2 cache in a step; if there are none, the block itself is
 * fetched, some way ahead. */
INLINE void product(const unsigned rows, int32_t (*c)[2][8],
                    const int32_t *sum, const unsigned char *a,
                    const int8_t *b, size_t n, const int8_t *ahead,
                    size_t lines)
{
    __m256i s[SLICES][2];

#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++) {
        s[r][0] = start_of(sum);
        s[r][1] = start_of(sum + 8);
    }
    for (size_t i = 0; i < n; i++, b += STEP_BYTES, a += 16 * rows) {
        for (size_t l = 0; l < lines; l++, ahead += 64)
            _mm_prefetch((const char *)ahead, _MM_HINT_T1);
#pragma GCC unroll 4
        for (unsigned q = 0; q < 4; q++) {
            const void *w = b + q * 64;
            __m256i w0 = _mm256_load_si256(w);
            __m256i w1 = _mm256_load_si256((const __m256i *)w + 1);

            if (lines == 0)
                _mm_prefetch((const char *)w + NEAR, _MM_HINT_T0);
#pragma GCC unroll 6
            for (unsigned r = 0; r < rows; r++) {
                __m256i x = four_bytes(a + (q * rows + r) * 4);

                s[r][0] = _mm256_dpbusd_avx_epi32(s[r][0], x, w0);
                s[r][1] = _mm256_dpbusd_avx_epi32(s[r][1], x, w1);
            }
        }
    }
#pragma GCC unroll 6
    for (unsigned r = 0; r < rows; r++) {
        _mm256_store_si256((void *)c[r][0], s[r][0]);
        _mm256_store_si256((void *)c[r][1], s[r][1]);
    }
}

typedef void product_fn(int32_t (*c)[2][8], const int32_t *sum,
                        const unsigned char *a, const int8_t *b, size_t n,
                        const int8_t *ahead, size_t lines);
#define PRODUCT(rows)                                                       \
    static void product_##rows(int32_t (*c)[2][8], const int32_t *sum,      \
                               const unsigned char *a, const int8_t *b,     \
                               size_t n, const int8_t *ahead, size_t lines) \
    {                                                                       \
        product(rows, c, sum, a, b, n, ahead, lines);                       \
    }
PRODUCT(1) PRODUCT(2) PRODUCT(3) PRODUCT(4) PRODUCT(5) PRODUCT(6)
static product_fn *const products[SLICES + 1] = {
    NULL, product_1, product_2, product_3, product_4, product_5, product_6
};

/* ---- a matrix ------------------------------------------------------------ */

INLINE __m256i eight(const int32_t *c)
{
    return _mm256_load_si256((const void *)c);
}

/* Outputs n .. n + 15 of rows from `row` on. */
static void finish_sums(const struct avx2_target *t, bool a8,
                        int32_t (*c)[2][8], size_t row, size_t rows, size_t n)
{
    for (size_t i = row; i < row + rows; i++, c += a8 ? 1 : 2)
        for (size_t half = 0; half < 2 && n + 8 * half < t->w->rows; half++)
            if (t->sums)
                put_sums8(t, i, n + 8 * half, c[0][half],
                          a8 ? NULL : c[1][half], a8 ? 1 : 256);
            else
                put_outputs(t, i, n + 8 * half,
                            a8 ? _mm256_cvtepi32_ps(eight(c[0][half]))
                               : whole(eight(c[0][half]), eight(c[1][half]),
                                       256));
}

/* Groups [g0, g1) of n times block nb.  While the first ones are computed the
 * next block is fetched, 4 lines a step in all; a group alone is bound by
 * memory and reads its block as one stream. */
static void multiply_block(const struct avx2_target *t,
                           const struct x1_rows *in, size_t g0, size_t g1,
                           size_t n, size_t nb)
{
    int32_t c[SLICES][2][8] __attribute__((aligned(64)));
    size_t kt = pack_tiles(in->k), m = in->m, slices = slices_of(in);
    const int8_t *b = pack_block(t->w, nb, kt);
    const int8_t *ahead = b + kt * PACK_TILE_BYTES;
    size_t share = g1 - g0 > 1 ? (4 + g1 - g0 - 1) / (g1 - g0) : 0;

    for (size_t g = g0; g < g1; g++) {
        size_t row = group_first(g, n, m);
        size_t rows = group_first(g + 1, n, m) - row;
        size_t lines = (g - g0) * share < 4 ? share : 0;

        products[rows * slices](
            c, pack_sums(t->w) + nb * PACK_OUTS,
            (const unsigned char *)in->q + row * kt * PACK_TILE_K * slices, b,
            kt * 4, ahead, lines);
        ahead += lines * kt * STEP_BYTES;
        finish_sums(t, in->a8, c, row, rows, nb * PACK_OUTS);
    }
}

/* Outputs [from, to) of all rows, in passes whose rows stay in the cache. */
static void multiply(const struct avx2_target *t, const struct x1_rows *in,
                     size_t from, size_t to)
{
    size_t n = slice_groups(in, SLICES), kt = pack_tiles(in->k);
    size_t most = PASS_BYTES / (kt * PACK_TILE_K * SLICES), passes;

    if (n == 0)
        return;
    most = most < 2 ? 2 : most;
    passes = (n + most - 1) / most;
    for (size_t i = 0; i < passes; i++)
        for (size_t nb = from / PACK_OUTS; nb * PACK_OUTS < to; nb++)
            multiply_block(t, in, n * i / passes, n * (i + 1) / passes, n,
                           nb);
}

static void avxvnni_linear(float *y, size_t stride,
                           const struct x1_weights *w, const float *b,
                           bool add, const struct x1_rows *in, size_t from,
                           size_t to)
{
    struct avx2_target t = {
        .y = y, .stride = stride, .w = w, .b = b, .add = add, .step = in->scale
    };

    multiply(&t, in, from, to);
}

static void avxvnni_swiglu(float *h, size_t stride, const struct x1_weights *g,
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

static void avxvnni_sums(int64_t *acc, size_t stride,
                         const struct x1_weights *w, const struct x1_rows *in,
                         size_t from, size_t to)
{
    struct avx2_target t = { .stride = stride, .w = w, .sums = acc };

    multiply(&t, in, from, to);
}

void x1_avxvnni_init(struct x1_kernels *k)
{
    k->rows_bytes = slice_rows_bytes;
    k->quantise = avxvnni_quantise;
    k->integers = avxvnni_integers;
    k->linear = avxvnni_linear;
    k->swiglu = avxvnni_swiglu;
    k->sums = avxvnni_sums;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
