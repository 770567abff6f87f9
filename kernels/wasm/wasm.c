/*
 * Levels of WebAssembly, as modules of AO run them: linears and what begins
 * the feed-forward part.  A build has one of two.
 *
 *   simd128   i32x4.dot_i16x8_s, which adds pairs of products of int16 in 32
 *             bits; where the compiler may use SIMD (-msimd128)
 *   wasm      plain instructions, few of them, for compute units that meter
 *             them and read no SIMD.  There a load costs as much as reading a
 *             local, nearly three times a multiplication, and an indirect call
 *             two hundred: one row at a time, its sum on the stack, addresses
 *             as constant offsets, nothing widened in memory
 *
 * Forms are the reference's: weights as in the file, rows of int16, row-major.
 * What these levels leave is the reference's, too.
 *
 * Exactness: products are added in 32 bits as long as they fit, then in 64.
 */
#include <config.h>

#include "kernels/levels.h"

#ifdef __wasm__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/x1.h"

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

#define OUTS 4u /* rows of weights that share one reading of a row */

/* ---- products ------------------------------------------------------------ */

/* products4: acc[j] = row j of w times q, exactly, for OUTS rows of k weights,
 * one after the other.  products1: of one.  Nothing is aligned. */

#ifdef __wasm_simd128__

#define STEP 8u     /* elements of a vector */
#define DRAIN 4096u /* 512 vectors: two products are below 2^22, and a lane
                       adds 512 such pairs in 32 bits */

static inline int64_t add_lanes(v128_t s)
{
    return (int64_t)wasm_i32x4_extract_lane(s, 0) +
           wasm_i32x4_extract_lane(s, 1) + wasm_i32x4_extract_lane(s, 2) +
           wasm_i32x4_extract_lane(s, 3);
}

/* The products of the elements [at, k), fewer than STEP. */
static inline int64_t add_rest(const int8_t *w, const int16_t *q, size_t at,
                               size_t k)
{
    int64_t s = 0;

    for (; at < k; at++)
        s += w[at] * (int32_t)q[at];
    return s;
}

/* The vectors of [at, end) of n rows. */
static inline void add_vectors(const unsigned n, int64_t *acc, const int8_t *w,
                               const int16_t *q, size_t at, size_t end,
                               size_t k)
{
    v128_t s[OUTS];

#pragma clang loop unroll(full)
    for (unsigned j = 0; j < n; j++)
        s[j] = wasm_i32x4_const_splat(0);
    for (; at < end; at += STEP) {
        v128_t x = wasm_v128_load(q + at);

#pragma clang loop unroll(full)
        for (unsigned j = 0; j < n; j++)
            s[j] = wasm_i32x4_add(
                s[j], wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w + j * k + at),
                                           x));
    }
    for (unsigned j = 0; j < n; j++)
        acc[j] += add_lanes(s[j]);
}

static inline void add_products(const unsigned n, int64_t *acc,
                                const int8_t *w, const int16_t *q, size_t k)
{
    size_t whole = k / STEP * STEP;

    for (unsigned j = 0; j < n; j++)
        acc[j] = add_rest(w + j * k, q, whole, k);
    for (size_t at = 0; at < whole; at += DRAIN)
        add_vectors(n, acc, w, q, at,
                    whole - at < DRAIN ? whole : at + DRAIN, k);
}

static inline void products4(int64_t acc[OUTS], const int8_t *w,
                             const int16_t *q, size_t k)
{
    add_products(OUTS, acc, w, q, k);
}

static inline void products1(int64_t acc[1], const int8_t *w,
                             const int16_t *q, size_t k)
{
    add_products(1, acc, w, q, k);
}

#else

#define DRAIN 1024u /* products of 16384 * 127 fit an int32 (2130706432) */

/* The sum of n products, n <= DRAIN. */
static inline int32_t sum_products(const int8_t *w, const int16_t *q, size_t n)
{
    int32_t s = 0;

    for (; n >= 16; n -= 16, w += 16, q += 16)
        s += w[0] * q[0] + w[1] * q[1] + w[2] * q[2] + w[3] * q[3] +
             w[4] * q[4] + w[5] * q[5] + w[6] * q[6] + w[7] * q[7] +
             w[8] * q[8] + w[9] * q[9] + w[10] * q[10] + w[11] * q[11] +
             w[12] * q[12] + w[13] * q[13] + w[14] * q[14] + w[15] * q[15];
    for (; n > 0; n--)
        s += *w++ * *q++;
    return s;
}

static inline void products1(int64_t acc[1], const int8_t *w,
                             const int16_t *q, size_t k)
{
    int64_t s = 0;

    for (; k > DRAIN; k -= DRAIN, w += DRAIN, q += DRAIN)
        s += sum_products(w, q, DRAIN);
    acc[0] = s + sum_products(w, q, k);
}

static inline void products4(int64_t acc[OUTS], const int8_t *w,
                             const int16_t *q, size_t k)
{
    for (size_t j = 0; j < OUTS; j++)
        products1(acc + j, w + j * k, q, k);
}

#endif

/* ---- outputs ------------------------------------------------------------- */

/* Where sums of products go: y = sum, y + sum, or silu(y) * sum. */
enum output_way { OUTPUT_PUT, OUTPUT_ADD, OUTPUT_GATED };

struct wasm_outputs {
    float *y; /* a row each `stride` */
    size_t stride;
    enum output_way way;
    const float *b; /* or NULL */
    const struct x1_weights *w;
    const struct x1_rows *in;
};

static inline void put_output(const struct wasm_outputs *o, size_t row,
                              size_t n, int64_t acc)
{
    float v = x1_scale_acc(acc, o->w->scale[n], o->in->scale[row]);
    float *y = o->y + row * o->stride + n;

    if (o->b)
        v = v + o->b[n];
    if (o->way == OUTPUT_GATED)
        v = x1_silu(*y) * v;
    else if (o->way == OUTPUT_ADD)
        v = *y + v;
    *y = v;
}

/* Outputs [from, to) of all rows. */
static void compute_outputs(const struct wasm_outputs *o, size_t from,
                            size_t to)
{
    size_t k = o->in->k, n = from;
    int64_t acc[OUTS];

    for (; n + OUTS <= to; n += OUTS) {
        const int8_t *w = (const int8_t *)o->w->data + n * k;

        for (size_t i = 0; i < o->in->m; i++) {
            products4(acc, w, (const int16_t *)o->in->q + i * k, k);
            for (size_t j = 0; j < OUTS; j++)
                put_output(o, i, n + j, acc[j]);
        }
    }
    for (; n < to; n++) {
        const int8_t *w = (const int8_t *)o->w->data + n * k;

        for (size_t i = 0; i < o->in->m; i++) {
            products1(acc, w, (const int16_t *)o->in->q + i * k, k);
            put_output(o, i, n, acc[0]);
        }
    }
}

static void wasm_linear(float *y, size_t stride, const struct x1_weights *w,
                        const float *b, bool add, const struct x1_rows *in,
                        size_t from, size_t to)
{
    struct wasm_outputs o = { y, stride, add ? OUTPUT_ADD : OUTPUT_PUT, b, w,
                              in };

    compute_outputs(&o, from, to);
}

static void wasm_swiglu(float *h, size_t stride, const struct x1_weights *g,
                        const struct x1_weights *u, const struct x1_rows *in,
                        size_t from, size_t to)
{
    struct wasm_outputs o = { h, stride, OUTPUT_PUT, NULL, g, in };

    compute_outputs(&o, from, to);
    o.w = u;
    o.way = OUTPUT_GATED;
    compute_outputs(&o, from, to);
}

#ifdef __wasm_simd128__
void x1_simd128_init(struct x1_kernels *k)
#else
void x1_wasm_init(struct x1_kernels *k)
#endif
{
    k->linear = wasm_linear;
    k->swiglu = wasm_swiglu;
}

#endif
