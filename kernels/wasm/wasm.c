/*
 * Levels of WebAssembly, as modules of AO run them: linears, what begins the
 * feed-forward part and, without SIMD, attention.  A build has one of two.
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
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/pack.h"
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

/* ---- attention ----------------------------------------------------------- */

#ifndef __wasm_simd128__

/* Blocks as the reference has them: K, V, then their scales. */
struct wasm_keys {
    const int8_t *k, *v;
    const float *s_k, *s_v;
    size_t n;
};

static struct wasm_keys keys_at(const struct x1_blocks *kv, size_t hd,
                                size_t at, size_t end)
{
    const unsigned char *b = kv->block[at / X1_BLOCK] + kv->offset;
    const float *scale = (const float *)(const void *)(b + 2 * X1_BLOCK * hd);
    size_t in = at % X1_BLOCK, left = X1_BLOCK - in;

    return (struct wasm_keys){
        (const int8_t *)b + in * hd, (const int8_t *)b + (X1_BLOCK + in) * hd,
        scale + in, scale + X1_BLOCK + in, end - at < left ? end - at : left
    };
}

/* What attention to the keys of one query has. */
struct wasm_mix {
    float *score;
    float most;     /* of the scores */
    uint32_t value; /* bits of the greatest scale of a value */
    int64_t z;
    int64_t *num;   /* head_dim sums */
};

static void score_keys(struct wasm_mix *a, const struct x1_query *query,
                       const int16_t *q, struct x1_scoring c,
                       const struct x1_blocks *kv, size_t hd)
{
    float slope = c.cap > 0 ? 2.0f / c.cap : 0, *score = a->score;
    struct wasm_keys s;

    for (size_t at = query->from; at < query->to; at += s.n) {
        s = keys_at(kv, hd, at, query->to);
        for (size_t t = 0; t < s.n; t++) {
            float v = ((float)sum_products(s.k + t * hd, q, hd) * s.s_k[t]) *
                      c.scale;
            uint32_t bits = x1_bits(s.s_v[t]) & 0x7fffffffu;

            if (c.cap > 0)
                v = x1_soft_cap(v, c.cap, slope);
            *score++ = v;
            v += 0.0f;
            a->most = score == a->score + 1 || v > a->most ? v : a->most;
            a->value = bits > a->value ? bits : a->value;
        }
    }
}

/* num[i] += sum of u[t] * v[t * hd + i], n <= X1_BLOCK: at most 2^34 each.  A
 * multiplication of 64 bits costs what one of 32 does.  hd is a constant where
 * this is inlined, and so are the offsets of the loads. */
static inline void add_values(int64_t *num, const int64_t *u, const int8_t *v,
                              size_t n, const size_t hd)
{
    for (size_t i = 0; i < hd; i++) {
        const int64_t *w = u;
        const int8_t *p = v + i;
        int64_t s = num[i];
        size_t t = n;

        for (; t >= 8; t -= 8, w += 8, p += 8 * hd)
            s += w[0] * p[0] + w[1] * p[hd] + w[2] * p[2 * hd] +
                 w[3] * p[3 * hd] + w[4] * p[4 * hd] + w[5] * p[5 * hd] +
                 w[6] * p[6 * hd] + w[7] * p[7 * hd];
        for (; t > 0; t--, p += hd)
            s += *w++ * *p;
        num[i] = s;
    }
}

static void mix_values(struct wasm_mix *a, const struct x1_query *query,
                       const struct x1_blocks *kv, size_t hd)
{
    float scale = x1_pow2(21 - x1_value_exponent(a->value));
    const float *score = a->score;
    int64_t u[X1_BLOCK];
    struct wasm_keys s;

    for (size_t at = query->from; at < query->to; at += s.n) {
        s = keys_at(kv, hd, at, query->to);
        for (size_t t = 0; t < s.n; t++) {
            float p = x1_exp32(*score++ - a->most);

            a->z += x1_z_term(p);
            u[t] = x1_u_term(p, s.s_v[t], scale);
        }
        switch (hd) {
        case 8: add_values(a->num, u, s.v, s.n, 8); break;
        case 16: add_values(a->num, u, s.v, s.n, 16); break;
        case 32: add_values(a->num, u, s.v, s.n, 32); break;
        case 48: add_values(a->num, u, s.v, s.n, 48); break;
        case 64: add_values(a->num, u, s.v, s.n, 64); break;
        case 128: add_values(a->num, u, s.v, s.n, 128); break;
        default: add_values(a->num, u, s.v, s.n, hd);
        }
    }
}

/* One query as A14: its step. */
static float quantise_query(int16_t *q, struct x1_query *query, size_t hd)
{
    uint32_t amax = 0;
    float step, r;

    for (size_t i = 0; i < hd; i++) {
        uint32_t size = x1_bits(query->q[i]) & 0x7fffffffu;

        amax = size > amax ? size : amax;
    }
    r = pack_factor(&step, &query->fault, query->q, hd, amax, false);
    for (size_t i = 0; i < hd; i++)
        q[i] = r != 0 ? (int16_t)x1_round(query->q[i] * r) : 0;
    return step;
}

static void wasm_attention(struct x1_query *query, size_t m,
                           struct x1_scoring c, const struct x1_blocks *kv,
                           size_t hd, void *scratch)
{
    int16_t q[X1_MAX_HEAD_DIM];
    int64_t *num = scratch;

    for (size_t i = 0; i < m; i++) {
        float step = quantise_query(q, &query[i], hd), f;
        struct wasm_mix a = { .score = (float *)(void *)(num + hd),
                              .num = num };

        memset(num, 0, hd * sizeof(*num));
        score_keys(&a, &query[i], q,
                   (struct x1_scoring){ step * c.scale, c.cap }, kv, hd);
        mix_values(&a, &query[i], kv, hd);
        f = x1_pow2(x1_value_exponent(a.value) - 21) / ((float)a.z * 0x1p-24f);
        for (size_t j = 0; j < hd; j++)
            query[i].o[j] = (float)num[j] * f;
    }
}

#endif

#ifdef __wasm_simd128__
void x1_simd128_init(struct x1_kernels *k)
#else
void x1_wasm_init(struct x1_kernels *k)
#endif
{
    k->linear = wasm_linear;
    k->swiglu = wasm_swiglu;
#ifndef __wasm_simd128__
    k->attention = wasm_attention;
#endif
}

#endif
