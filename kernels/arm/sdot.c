/*
 * The level "sdot" of 64-bit ARM: linear, gate and what makes their rows, with
 * the dot products of four signed bytes that ARMv8.2 may have (sdot).  What it
 * leaves is the reference's.
 *
 * Weights: as pack.h has them.
 *
 * Rows: a row is one slice row of bytes if it is A8, two (high, low) if it is
 * A14: [groups of rows][16 k][slice rows of the group][16].  A group has at
 * most four slice rows; times the 16 outputs of a block they are 16 sums in
 * registers, which stay there for all of k.
 *
 * Exactness: a slice is at most 128 in size, 128 * 127 * 131072 < 2^31, so a
 * sum holds all of k; 256 high + low is rounded once from 64 bits.
 */
#include <config.h>

#include "kernels/levels.h"

#include <string.h>

#include "kernels/kernels.h"
#include "kernels/pack.h"
#include "kernels/x1.h"

#if defined(__aarch64__) && defined(__GNUC__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), \
                             apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))
#define SLICES 4u     /* slice rows of a group, at most */
#define CHUNK 16u     /* k that lie together in a slice row */
#define PIECE 256u    /* bytes of a block for as many k */

/* ---- rows ---------------------------------------------------------------- */

static size_t slices_of(const struct x1_rows *rows)
{
    return rows->a8 ? 1 : 2;
}

/* Rows of a group: all have as many, but for the last. */
static size_t group_of(const struct x1_rows *rows)
{
    return SLICES / slices_of(rows);
}

static size_t padded(size_t k)
{
    return pack_tiles(k) * PACK_TILE_K;
}

/* Where row i begins, and in *stride how many bytes its chunks are apart. */
static int8_t *row_at(const struct x1_rows *rows, size_t i, size_t *stride)
{
    size_t slices = slices_of(rows), group = group_of(rows);
    size_t first = i / group * group;
    size_t n = rows->m - first < group ? rows->m - first : group;

    *stride = n * slices * CHUNK;
    return (int8_t *)rows->q + first * slices * padded(rows->k) +
           (i - first) * slices * CHUNK;
}

static size_t sdot_rows_bytes(size_t m, size_t k)
{
    return 2 * m * padded(k);
}

/* Row i of rint(x * r); zeros where r is 0. */
static void put_row(struct x1_rows *out, size_t i, const float *x, float r)
{
    size_t stride;
    int8_t *to = row_at(out, i, &stride);

    for (size_t k = 0; k < padded(out->k); k += CHUNK, to += stride) {
        for (size_t j = 0; j < CHUNK; j++) {
            int32_t q = r != 0 && k + j < out->k ? x1_round(x[k + j] * r) : 0;

            if (out->a8) {
                to[j] = (int8_t)q;
                continue;
            }
            to[j] = (int8_t)((q + 128) >> 8);
            to[CHUNK + j] = (int8_t)(q - 256 * to[j]);
        }
    }
}

static uint32_t amax_bits(const float *x, size_t n)
{
    uint32_t most = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t size = x1_bits(x[i]) & 0x7fffffffu;

        most = size > most ? size : most;
    }
    return most;
}

static void sdot_quantise(struct x1_rows *out, const float *x, size_t stride,
                          int32_t *fault, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const float *row = x + i * stride;

        put_row(out, i, row, pack_factor(&out->scale[i], &fault[i], row,
                                         out->k, amax_bits(row, out->k),
                                         out->a8));
    }
}

static void sdot_integers(int16_t *q, const struct x1_rows *rows, size_t i)
{
    size_t stride;
    const int8_t *p = row_at(rows, i, &stride);

    for (size_t k = 0; k < rows->k; k++) {
        const int8_t *at = p + k / CHUNK * stride + k % CHUNK;

        q[k] = (int16_t)(rows->a8 ? at[0] : at[0] * 256 + at[CHUNK]);
    }
}

/* ---- products ------------------------------------------------------------ */

/* The products of quad q of a chunk, a constant.  As assembly: clang 14 has no
 * intrinsic for it unless all of the file is compiled for dot products. */
#define QUAD(q)                                                         \
    _Pragma("GCC unroll 4") for (unsigned o = 0; o < 4; o++) {          \
        int8x16_t w = vld1q_s8(b + (q) * 64 + o * 16);                  \
                                                                        \
        _Pragma("GCC unroll 4") for (unsigned r = 0; r < rows; r++)     \
            __asm__("sdot %0.4s, %1.16b, %2.4b[" #q "]"                 \
                    : "+w"(s[r][o]) : "w"(w), "w"(x[r]));               \
    }

/* c[slice row] = the products of `rows` slice rows and one block, over n
 * chunks. */
INLINE void product(const unsigned rows, int32_t (*c)[16], const int8_t *a,
                    const int8_t *b, size_t n)
{
    int32x4_t s[SLICES][4];

#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (unsigned o = 0; o < 4; o++)
            s[r][o] = vdupq_n_s32(0);
    for (size_t i = 0; i < n; i++, a += rows * CHUNK, b += PIECE) {
        int8x16_t x[SLICES];

#pragma GCC unroll 4
        for (unsigned r = 0; r < rows; r++)
            x[r] = vld1q_s8(a + r * CHUNK);
        QUAD(0)
        QUAD(1)
        QUAD(2)
        QUAD(3)
    }
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (unsigned o = 0; o < 4; o++)
            vst1q_s32(c[r] + o * 4, s[r][o]);
}

#define PRODUCT(rows)                                               \
    static void product_##rows(int32_t (*c)[16], const int8_t *a,   \
                               const int8_t *b, size_t n)           \
    {                                                               \
        product(rows, c, a, b, n);                                  \
    }
PRODUCT(1) PRODUCT(2) PRODUCT(3) PRODUCT(4)
static void (*const products[SLICES + 1])(int32_t (*)[16], const int8_t *,
                                          const int8_t *, size_t) = {
    NULL, product_1, product_2, product_3, product_4
};

/* ---- a matrix ------------------------------------------------------------ */

/* What a product is for. */
struct mul_target {
    const struct x1_rows *in;
    const struct x1_weights *w;
    const float *b; /* a bias, or NULL */
    float *y;       /* rows `stride` apart */
    size_t stride;
    bool add;       /* y = y + these */
    bool gated;     /* y = silu(y) * these */
    int64_t *sums;  /* not NULL: the sums themselves go here */
};

/* The outputs of block nb, of one row whose sums are c[0] and, for A14,
 * c[1]. */
static void finish_block(const struct mul_target *t, int32_t (*c)[16],
                         size_t row, size_t nb)
{
    size_t n = nb * PACK_OUTS, left = t->w->rows - n;
    float *y = t->sums ? NULL : t->y + row * t->stride + n;
    float step = t->in->scale[row];

    for (size_t i = 0; i < PACK_OUTS && i < left; i++) {
        int64_t acc = t->in->a8 ? c[0][i] : (int64_t)c[0][i] * 256 + c[1][i];
        float v = x1_scale_acc(acc, t->w->scale[n + i], step);

        if (t->sums) {
            t->sums[row * t->stride + n + i] = acc;
            continue;
        }
        if (t->b)
            v = v + t->b[n + i];
        if (t->add)
            v = y[i] + v;
        y[i] = t->gated ? x1_silu(y[i]) * v : v;
    }
}

/* Outputs [from, to) of all rows: a block stays in the cache while the rows
 * pass. */
static void multiply(const struct mul_target *t, size_t from, size_t to)
{
    size_t slices = slices_of(t->in), group = group_of(t->in), n;
    size_t k = padded(t->in->k), kt = pack_tiles(t->in->k);
    int32_t c[SLICES][16];

    for (size_t nb = from / PACK_OUTS; nb * PACK_OUTS < to; nb++) {
        for (size_t i = 0; i < t->in->m; i += group) {
            n = t->in->m - i < group ? t->in->m - i : group;
            products[n * slices](
                c, (const int8_t *)t->in->q + i * slices * k,
                pack_block(t->w, nb, kt), k / CHUNK);
            for (size_t r = 0; r < n; r++)
                finish_block(t, c + r * slices, i + r, nb);
        }
    }
}

static void sdot_linear(float *y, size_t stride, const struct x1_weights *w,
                        const float *b, bool add, const struct x1_rows *in,
                        size_t from, size_t to)
{
    multiply(&(struct mul_target){ .in = in, .w = w, .b = b, .y = y,
                                   .stride = stride, .add = add }, from, to);
}

static void sdot_swiglu(float *h, size_t stride, const struct x1_weights *g,
                        const struct x1_weights *u, const struct x1_rows *in,
                        size_t from, size_t to)
{
    multiply(&(struct mul_target){ .in = in, .w = g, .y = h,
                                   .stride = stride }, from, to);
    multiply(&(struct mul_target){ .in = in, .w = u, .y = h, .stride = stride,
                                   .gated = true }, from, to);
}

static void sdot_sums(int64_t *acc, size_t stride, const struct x1_weights *w,
                      const struct x1_rows *in, size_t from, size_t to)
{
    multiply(&(struct mul_target){ .in = in, .w = w, .stride = stride,
                                   .sums = acc }, from, to);
}

void x1_sdot_init(struct x1_kernels *k)
{
    pack_init(k);
    k->rows_bytes = sdot_rows_bytes;
    k->quantise = sdot_quantise;
    k->integers = sdot_integers;
    k->linear = sdot_linear;
    k->swiglu = sdot_swiglu;
    k->sums = sdot_sums;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
