/*
 * What every backend takes from the CPU: the rotary table, W8 rows for the
 * converter, the place of a fault, and the floating-point state of a thread.
 */
#include <config.h>

#include "kernels/kernels.h"

#include <fenv.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "kernels/x1.h"

/* rint of 0 <= t < 2^51 */
static double round_f64(double t)
{
    return (t + 6755399441055744.0) - 6755399441055744.0;
}

/* c(k) = +-1 / k!, each by one division: k = 3, 5 .. 15 and 2, 4 .. 16 */
static const double sin_c[7] = {
    -1.0 / 6.0, 1.0 / 120.0, -1.0 / 5040.0, 1.0 / 362880.0,
    -1.0 / 39916800.0, 1.0 / 6227020800.0, -1.0 / 1307674368000.0,
};
static const double cos_c[8] = {
    -1.0 / 2.0, 1.0 / 24.0, -1.0 / 720.0, 1.0 / 40320.0,
    -1.0 / 3628800.0, 1.0 / 479001600.0, -1.0 / 87178291200.0,
    1.0 / 20922789888000.0,
};

/* Horner from the last coefficient to the first. */
static double horner(double z, const double *c, int n)
{
    double p = c[n - 1];

    for (int i = n - 2; i >= 0; i--)
        p = p * z + c[i];
    return p;
}

void x1_rope_row(float *cos, float *sin, const float *inv_freq, size_t half,
                 uint32_t pos)
{
    for (size_t i = 0; i < half; i++) {
        double t = (double)pos * (double)inv_freq[i];
        double n = round_f64(t * 0x1.45f306dc9c883p-1);
        double r = (t - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34;
        double z = r * r;
        double s = r + r * (z * horner(z, sin_c, 7));
        double c = 1.0 + z * horner(z, cos_c, 8);

        switch ((int)n & 3) {
        case 0: sin[i] = (float)s; cos[i] = (float)c; break;
        case 1: sin[i] = (float)c; cos[i] = (float)-s; break;
        case 2: sin[i] = (float)-s; cos[i] = (float)-c; break;
        default: sin[i] = (float)-c; cos[i] = (float)s; break;
        }
    }
}

void x1_w8_row(int8_t *w, float *scale, const float *x, size_t n)
{
    int32_t most = 0;
    float a, r = 0;

    /* sizes compare as their bits do, which compilers take some at a time; a
     * NaN counts as nothing */
    for (size_t i = 0; i < n; i++) {
        int32_t size = (int32_t)(x1_bits(x[i]) & 0x7fffffffu);

        size = size > 0x7f800000 ? 0 : size;
        most = size > most ? size : most;
    }
    a = x1_float((uint32_t)most);
    *scale = 0;
    if (a >= 0x1p-90f) {
        *scale = a / 127.0f;
        r = 127.0f / a;
    }
    for (size_t i = 0; i < n; i++)
        w[i] = (int8_t)x1_round(x[i] * r);
}

int32_t x1_fault(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((x1_bits(x[i]) & 0x7fffffffu) >= X1_LIMIT_BITS)
            return (int32_t)i;
    return -1;
}

void x1_gelu(const struct x1_kernels *k, float *h, const float *u, size_t n)
{
    float e[64];

    for (size_t at = 0; at < n; at += 64, h += 64, u += 64) {
        size_t m = n - at < 64 ? n - at : 64;

        for (size_t i = 0; i < m; i++) {
            float t = (h[i] * h[i]) * 0x1.6e4e26p-5f; /* 0.044715 */
            float w = -((h[i] + h[i] * t) * 0x1.988454p+0f);

            w = w > -88 ? w : -88;
            e[i] = w < 88 ? w : 88;
        }
        k->exp32(e, e, m);
        for (size_t i = 0; i < m; i++)
            h[i] = (h[i] / (1 + e[i])) * u[i];
    }
}

void x1_soft_caps(const struct x1_kernels *k, float *x, size_t n, float cap)
{
    float e[64], slope = 2.0f / cap;

    for (size_t at = 0; at < n; at += 64, x += 64) {
        size_t m = n - at < 64 ? n - at : 64;

        for (size_t i = 0; i < m; i++)
            e[i] = -(x1_float(x1_bits(x[i]) & 0x7fffffffu) * slope);
        k->exp32(e, e, m);
        for (size_t i = 0; i < m; i++) {
            float y = cap * ((1.0f - e[i]) / (1.0f + e[i]));

            x[i] = x1_float(x1_bits(y) | (x1_bits(x[i]) & 0x80000000u));
        }
    }
}

/* The greatest logit, of equal ones the first, that comes after `last` in that
 * order; the first of all if last is n. */
static size_t next_best(const float *logit, size_t n, size_t last)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++) {
        float x = logit[i];

        if (last < n && !(x < logit[last] || (x <= logit[last] && i > last)))
            continue;
        if (best == n || x > logit[best])
            best = i;
    }
    return best < n ? best : 0;
}

void x1_experts(uint32_t *chosen, float *share, const float *logit, size_t n,
                size_t used, bool of_all)
{
    size_t last = n, first = 0;
    int64_t z = 0;
    float max;

    for (size_t k = 0; k < used; k++) {
        size_t at = k;

        last = next_best(logit, n, last);
        first = k == 0 ? last : first;
        for (; at > 0 && chosen[at - 1] > last; at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = (uint32_t)last;
    }
    max = logit[first] + 0.0f;
    for (size_t i = 0; i < (of_all ? n : used); i++)
        z += x1_z_term(x1_exp32(
            (logit[of_all ? i : chosen[i]] + 0.0f) - max));
    for (size_t k = 0; k < used; k++)
        share[k] = x1_exp32((logit[chosen[k]] + 0.0f) - max) /
                   ((float)z * 0x1p-24f);
}

void x1_thread_init(void)
{
    fesetround(FE_TONEAREST);
#if defined(__SSE2__)
    _mm_setcsr(0x1f80); /* no FTZ, no DAZ, nearest, exceptions masked */
#endif
}
