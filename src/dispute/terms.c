/*
 * Each function implements a line or two of doc/numerics.md.
 */
#include <config.h>

#include "dispute/terms.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "kernels/kernels.h"
#include "kernels/x1.h"

static uint32_t size_bits(float v)
{
    return x1_bits(v) & 0x7fffffffu;
}

bool terms_out_of_range(float v)
{
    return size_bits(v) >= X1_LIMIT_BITS;
}

int32_t terms_exponent(float v)
{
    return x1_a14_exponent(size_bits(v));
}

int32_t terms_a14(float v, int32_t e)
{
    return x1_round(v * x1_pow2(14 - e));
}

float terms_a8_scale(float most)
{
    float a = x1_float(size_bits(most));

    return a < 0x1p-90f ? 0 : a / 127.0f;
}

int32_t terms_a8(float v, float most)
{
    float a = x1_float(size_bits(most));

    return a < 0x1p-90f ? 0 : x1_round(v * (127.0f / a));
}

size_t terms_greatest(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (size_bits(x[i]) > size_bits(x[best]))
            best = i;
    return best;
}

int64_t terms_squares(const float *x, size_t n, int32_t e)
{
    uint64_t s = 0; /* a liar's exponent may let it wrap, as Lua's integers */

    for (size_t i = 0; i < n; i++) {
        int64_t q = terms_a14(x[i], e);

        s += (uint64_t)(q * q);
    }
    return (int64_t)s;
}

float terms_inv(int64_t squares, int32_t e, size_t n, float eps)
{
    double step = (double)terms_step(e);
    double ms = (double)squares * (step * step) / (double)n;

    return (float)(1.0 / sqrt(ms + (double)eps));
}

float terms_step(int32_t e)
{
    return x1_pow2(e - 14);
}

float terms_linear(int64_t acc, float s_w, float step)
{
    return x1_scale_acc(acc, s_w, step);
}

float terms_gated(float g, float u)
{
    return x1_silu(g) * u;
}

bool terms_turn(float *x, size_t hd, const float *g, float eps,
                const float *inv_freq, uint32_t position)
{
    float cos[TERMS_HEAD_DIM / 2], sin[TERMS_HEAD_DIM / 2];
    size_t half = hd / 2, w = terms_greatest(x, hd);
    int32_t e = terms_exponent(x[w]);
    float inv;

    if (g && terms_out_of_range(x[w]))
        return false;
    if (g) {
        inv = terms_inv(terms_squares(x, hd, e), e, hd, eps);
        for (size_t i = 0; i < hd; i++)
            x[i] = (x[i] * inv) * g[i];
    }
    x1_rope_row(cos, sin, inv_freq, half, position);
    for (size_t i = 0; i < half; i++) {
        float low = x[i], high = x[i + half];

        x[i] = low * cos[i] - high * sin[i];
        x[i + half] = high * cos[i] + low * sin[i];
    }
    return !terms_out_of_range(x[terms_greatest(x, hd)]);
}

static void put_a8(unsigned char *q, const float *x, size_t n, float most)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (unsigned char)(int8_t)terms_a8(x[i], most);
}

bool terms_row(unsigned char *out, const float *k, const float *v, size_t hd)
{
    float most_k = k[terms_greatest(k, hd)], most_v = v[terms_greatest(v, hd)];

    if (terms_out_of_range(most_k) || terms_out_of_range(most_v))
        return false;
    set_u32(out, f32_bits(terms_a8_scale(most_k)));
    set_u32(out + 4, f32_bits(terms_a8_scale(most_v)));
    put_a8(out + 8, k, hd, most_k);
    put_a8(out + 8 + hd, v, hd, most_v);
    return true;
}

float terms_score(const int16_t *r, int32_t er, float c,
                  const unsigned char *row, size_t hd)
{
    int64_t dot = 0;
    float s_k = f32_from(get_u32(row));

    for (size_t i = 0; i < hd; i++)
        dot += (int64_t)r[i] * (int8_t)row[8 + i];
    return ((float)dot * s_k) * (terms_step(er) * c);
}

float terms_value_scale(const unsigned char *row)
{
    return f32_from(get_u32(row + 4));
}

int32_t terms_value_exponent(float s_v)
{
    return x1_value_exponent(size_bits(s_v));
}

int32_t terms_z(float score, float m)
{
    /* only a liar's m is not the greatest: judges have looked before */
    return score <= m ? x1_z_term(x1_exp32(score - m)) : 0;
}

int32_t terms_u(float score, float m, float s_v, int32_t ev)
{
    return x1_u_term(x1_exp32(score - m), s_v, x1_pow2(21 - ev));
}

float terms_mixed(int64_t num, int64_t z, int32_t ev)
{
    return (float)num * (x1_pow2(ev - 21) / ((float)z * 0x1p-24f));
}
