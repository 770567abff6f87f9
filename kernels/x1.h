/*
 * X1 element by element: the one source of the arithmetic that CPU and GPU
 * share, compiled by both compilers.  doc/numerics.md has the formulas.
 *
 * On the CPU every operation below is one IEEE operation because the build
 * forbids contraction and reassociation (configure proves it, x1_selftest
 * proves it again at start); on the GPU the _rn intrinsics are never
 * contracted.  rint() is an addition and a subtraction of 1.5 * 2^23 (2^52
 * in f64), exact in the ranges given; no libm.
 *
 * To port it: every function below is a few operations on binary32 in the
 * order written, each rounded once to nearest even, subnormals kept.  An
 * implementation may compute many elements at once, and in any order of
 * elements; it may not fuse, reorder or approximate within one.  Ranges of
 * arguments are the caller's promise and hold for every value that passed the
 * one check of numerics.md (sizes below 2^40).
 *
 *   function           used by
 *   x1_round           A14, A8, W8: a value to its integer
 *   x1_exp32           softmax, SiLU, the weights of a draw
 *   x1_silu            the feed-forward part
 *   x1_soft_cap        attention and logits of models that have it
 *   x1_a14_exponent    rows that are quantised: the step of a row
 *   x1_value_exponent  attention: the scale of the weights u
 *   x1_z_term, u_term  attention: what one key adds
 *   x1_scale_acc       every linear, after its integer sum
 *   x1_draw_weight     sampling
 */
#ifndef APUS_KERNELS_X1_H
#define APUS_KERNELS_X1_H

#include <stdint.h>
#include <string.h>

/* Functions are inlined wherever they are used, on the host and in kernels of
 * a device, so that one source decides every element. */
#ifdef __CUDACC__
#define X1_FN static __host__ __device__ __forceinline__
#else
#define X1_FN static inline
#endif

/* One IEEE operation each, never contracted with another. */
#ifdef __CUDA_ARCH__
#define X1_ADD(a, b) __fadd_rn(a, b)
#define X1_SUB(a, b) __fsub_rn(a, b)
#define X1_MUL(a, b) __fmul_rn(a, b)
#define X1_DIV(a, b) __fdiv_rn(a, b)
#else
#define X1_ADD(a, b) ((a) + (b))
#define X1_SUB(a, b) ((a) - (b))
#define X1_MUL(a, b) ((a) * (b))
#define X1_DIV(a, b) ((a) / (b))
#endif

/* The bits of a binary32, and the number that has these bits. */
X1_FN uint32_t x1_bits(float v)
{
    uint32_t u;

    memcpy(&u, &v, 4);
    return u;
}

X1_FN float x1_float(uint32_t u)
{
    float v;

    memcpy(&v, &u, 4);
    return v;
}

/* 2^n, n in [-126, 127]: a normal number, made from its exponent. */
X1_FN float x1_pow2(int n)
{
    return x1_float((uint32_t)(n + 127) << 23);
}

/* rint(v) as an integer, |v| <= 2^22: adding 1.5 * 2^23 rounds to an integer,
 * ties to even, and leaves it in the low bits. */
X1_FN int32_t x1_round(float v)
{
    return (int32_t)x1_bits(X1_ADD(v, 12582912.0f)) - 0x4b400000;
}

/* rint(v) as a float, 0 <= v <= 2^31.  Below 2^23 adding and subtracting 2^23
 * rounds to an integer, ties to even; from 2^23 up v is an integer already,
 * and the sum would lose its last bit. */
X1_FN float x1_rint_up(float v)
{
    float r = X1_SUB(X1_ADD(v, 8388608.0f), 8388608.0f);

    return v < 8388608.0f ? r : v;
}

/* exp32(x), -inf <= x <= 88; below -87 it is +0.  x = n * ln 2 + r with ln 2
 * in two parts (H, J), a polynomial in r of six coefficients by Horner, and a
 * product with 2^n, n in [-126, 127], so the result is always normal.  The
 * clamp comes before the conversion, which a huge x would overflow. */
X1_FN float x1_exp32(float x)
{
    float c = x < -87.0f ? -87.0f : x;
    float t = X1_ADD(X1_MUL(c, x1_float(0x3fb8aa3bu)), 12582912.0f);
    float n = X1_SUB(t, 12582912.0f);
    float r = X1_SUB(X1_SUB(c, X1_MUL(n, x1_float(0x3f318000u))),
                     X1_MUL(n, x1_float(0xb95e8083u)));
    float p = x1_float(0x39506967u);
    float two_n = x1_float((x1_bits(t) - 0x4b400000u + 127u) << 23);

    p = X1_ADD(X1_MUL(p, r), x1_float(0x3ab743ceu));
    p = X1_ADD(X1_MUL(p, r), x1_float(0x3c088908u));
    p = X1_ADD(X1_MUL(p, r), x1_float(0x3d2aa9c1u));
    p = X1_ADD(X1_MUL(p, r), x1_float(0x3e2aaaaau));
    p = X1_ADD(X1_MUL(p, r), x1_float(0x3f000000u));
    p = X1_ADD(X1_MUL(p, X1_MUL(r, r)), r);
    p = X1_MUL(X1_ADD(p, 1.0f), two_n);
    return x < -87.0f ? 0.0f : p;
}

/* silu(g) = g / (1 + exp32(min(-g, 88))); the minimum keeps exp32 in range
 * for any g, and the quotient is then -0 or a tiny number. */
X1_FN float x1_silu(float g)
{
    float x = -g < 88.0f ? -g : 88.0f;

    return X1_DIV(g, X1_ADD(1.0f, x1_exp32(x)));
}

/* Soft cap, cap * tanh(x / cap): e = exp32(-|x| * slope), slope = 2 / cap
 * rounded once, then cap * ((1 - e) / (1 + e)) with the sign of x. */
X1_FN float x1_soft_cap(float x, float cap, float slope)
{
    uint32_t sign = x1_bits(x) & 0x80000000u;
    float size = x1_float(x1_bits(x) & 0x7fffffffu);
    float e = x1_exp32(-X1_MUL(size, slope));
    float y = X1_MUL(cap, X1_DIV(X1_SUB(1.0f, e), X1_ADD(1.0f, e)));

    return x1_float(x1_bits(y) | sign);
}

/* A14: the exponent e of a row whose amax has these bits.  The row's integers
 * are rint(x * 2^(14 - e)), at most 16384 in size, its step is 2^(e - 14); both
 * powers are normal, so a row of zeros needs no case of its own. */
X1_FN int x1_a14_exponent(uint32_t amax)
{
    int e = (int)(amax >> 23) - 126;

    return e > -112 ? e : -112;
}

/* Attention: the exponent ev of the largest s_v among the keys attended to,
 * which has these bits.  Weights u are scaled by 2^(21 - ev). */
X1_FN int x1_value_exponent(uint32_t vm)
{
    int e = (int)(vm >> 23) - 126;

    return e > -97 ? e : -97;
}

/* Z's term of one key, rint(p * 2^24), and its weight u, at most 2^21 - 1:
 * p = exp32(score - max) in [0, 1], scale = 2^(21 - ev). */
X1_FN int32_t x1_z_term(float p)
{
    return (int32_t)x1_rint_up(X1_MUL(p, 16777216.0f));
}

X1_FN int32_t x1_u_term(float p, float s_v, float scale)
{
    int32_t u = x1_round(X1_MUL(X1_MUL(p, s_v), scale));

    return u < 2097151 ? u : 2097151;
}

/* One element of a linear: (f32(acc) * s_w) * step, the two products in this
 * order.  acc is exact, below 2^38 in size; its conversion rounds once. */
X1_FN float x1_scale_acc(int64_t acc, float s_w, float step)
{
    return X1_MUL(X1_MUL((float)acc, s_w), step);
}

/* The weight of a logit in a draw, an integer of at most 2^30:
 * rint(exp32((l' - max) / t) * 2^30), l' = l + 0 (so that -0 is +0), max the
 * greatest l'. */
X1_FN uint32_t x1_draw_weight(float logit, float max, float t)
{
    float l = X1_ADD(logit, 0.0f);
    float p = x1_exp32(X1_DIV(X1_SUB(l, max), t));

    return (uint32_t)x1_rint_up(X1_MUL(p, 1073741824.0f));
}

#endif
