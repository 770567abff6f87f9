/*
 * The table x1_reference: X1 in plain C, written so that a compiler can
 * vectorise it by itself.  The definition that runs; every other backend is
 * compared with it.  Sums are over integers only, so their order is free.
 */
#include <config.h>

#include "kernels/kernels.h"

#include <math.h>

#include "kernels/x1.h"

/* 1024 products of 16384 * 127 fit an int32: 2130706432. */
#define DRAIN 1024
/* Rows of the batch that share one unpacking of LANES rows of weights. */
#define TILE 32
#define LANES 4
/* Keys whose weights are made together. */
#define KEYS 64

static uint32_t amax_bits(const float *x, size_t n)
{
    int32_t m = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t b = (int32_t)(x1_bits(x[i]) & 0x7fffffffu);

        m = b > m ? b : m;
    }
    return (uint32_t)m;
}

static void zero_row(int16_t *q, size_t n)
{
    memset(q, 0, n * sizeof(*q));
}

/* q = rint(x * r) */
static void quantise_row(int16_t *q, const float *x, size_t n, float r)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (int16_t)x1_round(x[i] * r);
}

static void reference_quantise(struct x1_rows *out, const float *x,
                               size_t stride, bool a8, int32_t *fault)
{
    for (size_t i = 0; i < out->m; i++, x += stride) {
        int16_t *q = out->q + i * out->k;
        uint32_t amax = amax_bits(x, out->k);
        int e = x1_a14_exponent(amax);

        fault[i] = -1;
        if (amax >= X1_LIMIT_BITS) {
            fault[i] = x1_fault(x, out->k);
            zero_row(q, out->k);
            out->scale[i] = 0;
        } else if (!a8) {
            quantise_row(q, x, out->k, x1_pow2(14 - e));
            out->scale[i] = x1_pow2(e - 14);
        } else if (x1_float(amax) < 0x1p-90f) {
            zero_row(q, out->k);
            out->scale[i] = 0;
        } else {
            quantise_row(q, x, out->k, 127.0f / x1_float(amax));
            out->scale[i] = x1_float(amax) / 127.0f;
        }
    }
}

/* s[j] = row j of w times q, n <= DRAIN products each.  Four rows at a time
 * keep a processor's adders busy and read q once. */
static void dot4(int32_t s[LANES], const int16_t w[LANES][DRAIN],
                 const int16_t *q, size_t n)
{
    int32_t a = 0, b = 0, c = 0, d = 0;

    for (size_t i = 0; i < n; i++) {
        a += (int32_t)w[0][i] * q[i];
        b += (int32_t)w[1][i] * q[i];
        c += (int32_t)w[2][i] * q[i];
        d += (int32_t)w[3][i] * q[i];
    }
    s[0] = a;
    s[1] = b;
    s[2] = c;
    s[3] = d;
}

/* acc[i][j] = row j of w times row i of q, exactly, for m <= TILE rows of q
 * and `rows` <= LANES rows of w. */
static void dot_rows(int64_t acc[TILE][LANES], const int8_t *w, size_t rows,
                     const int16_t *q, size_t m, size_t k)
{
    int16_t wide[LANES][DRAIN];
    int32_t s[LANES];

    memset(acc, 0, m * sizeof(*acc));
    if (rows < LANES)
        memset(wide, 0, sizeof(wide));
    for (size_t at = 0; at < k; at += DRAIN) {
        size_t n = k - at < DRAIN ? k - at : DRAIN;

        for (size_t j = 0; j < rows; j++)
            for (size_t i = 0; i < n; i++)
                wide[j][i] = w[j * k + at + i];
        for (size_t i = 0; i < m; i++) {
            dot4(s, (const int16_t(*)[DRAIN])wide, q + i * k + at, n);
            for (size_t j = 0; j < LANES; j++)
                acc[i][j] += s[j];
        }
    }
}

/* The accumulators of m rows from row i and `rows` outputs from n as y. */
static void scale_rows(float *y, size_t stride, const struct x1_matrix *w,
                       const float *b, const struct x1_rows *in,
                       int64_t acc[TILE][LANES], size_t m, size_t i,
                       size_t rows, size_t n)
{
    for (size_t r = 0; r < m; r++) {
        float *out = y + (i + r) * stride + n;

        for (size_t j = 0; j < rows; j++) {
            float v = x1_scale_acc(acc[r][j], w->scale[n + j],
                                   in->scale[i + r]);

            out[j] = b ? v + b[n + j] : v;
        }
    }
}

static void reference_linear(float *y, size_t stride,
                             const struct x1_matrix *w, const float *b,
                             const struct x1_rows *in, size_t from, size_t to)
{
    int64_t acc[TILE][LANES];
    size_t m, rows;

    for (size_t i = 0; i < in->m; i += m) {
        m = in->m - i < TILE ? in->m - i : TILE;
        for (size_t n = from; n < to; n += rows) {
            rows = to - n < LANES ? to - n : LANES;
            dot_rows(acc, w->w + n * in->k, rows, in->q + i * in->k, m,
                     in->k);
            scale_rows(y, stride, w, b, in, acc, m, i, rows, n);
        }
    }
}

/* S = sum of q * q, q the row in A14 with factor r = 2^(14 - e) */
static uint64_t square_sum(const float *x, size_t n, float r)
{
    uint64_t s = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t q = x1_round(x[i] * r);

        s += (uint32_t)(q * q);
    }
    return s;
}

static void reference_rmsnorm(float *y, const float *x, size_t stride,
                              const float *g, float eps, size_t m, size_t k,
                              int32_t *fault)
{
    for (size_t i = 0; i < m; i++, x += stride, y += stride) {
        uint32_t amax = amax_bits(x, k);
        int e = x1_a14_exponent(amax);
        double step, ms;
        float inv;

        fault[i] = -1;
        if (amax >= X1_LIMIT_BITS) {
            fault[i] = x1_fault(x, k);
            memset(y, 0, k * sizeof(*y));
            continue;
        }
        step = (double)x1_pow2(e - 14);
        ms = (double)square_sum(x, k, x1_pow2(14 - e)) * (step * step);
        ms = ms / (double)k;
        inv = (float)(1.0 / sqrt(ms + (double)eps));
        for (size_t j = 0; j < k; j++)
            y[j] = (x[j] * inv) * g[j];
    }
}

static void reference_rope(float *x, size_t heads, size_t hd,
                           const float *cos, const float *sin)
{
    size_t half = hd / 2;

    for (size_t h = 0; h < heads; h++, x += hd) {
        for (size_t i = 0; i < half; i++) {
            float a = x[i], b = x[i + half];

            x[i] = a * cos[i] - b * sin[i];
            x[i + half] = b * cos[i] + a * sin[i];
        }
    }
}

static void reference_store(int8_t *q, float *s, const float *x, size_t n,
                            int32_t *fault)
{
    uint32_t amax = amax_bits(x, n);
    float r = 0;

    *fault = -1;
    *s = 0;
    if (amax >= X1_LIMIT_BITS) {
        *fault = x1_fault(x, n);
        memset(q, 0, n);
        return;
    }
    if (x1_float(amax) >= 0x1p-90f) {
        *s = x1_float(amax) / 127.0f;
        r = 127.0f / x1_float(amax);
    }
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)x1_round(x[i] * r);
}

/* Scores of all keys, in the order of the spans, and their greatest. */
static float scores(float *score, const int16_t *q, float c,
                    const struct x1_span *span, size_t n_spans, size_t hd)
{
    float m = 0;
    bool first = true;

    for (size_t s = 0; s < n_spans; s++) {
        const int8_t *k = span[s].k;

        for (size_t t = 0; t < span[s].n; t++, k += hd) {
            int32_t d = 0;
            float v;

            for (size_t i = 0; i < hd; i++)
                d += (int32_t)q[i] * k[i];
            v = ((float)d * span[s].s_k[t]) * c;
            *score++ = v;
            v += 0.0f;
            m = first || v > m ? v : m;
            first = false;
        }
    }
    return m;
}

/* num += u * v for n <= KEYS keys; u < 2^21 in two halves of 10 and 11 bits
 * keeps every product in 18 bits and 64 of them in an int32. */
static void mix(int64_t *num, const int32_t *u, const int8_t *v, size_t n,
                size_t hd)
{
    int32_t hi[X1_MAX_HEAD_DIM], lo[X1_MAX_HEAD_DIM];

    memset(hi, 0, hd * sizeof(*hi));
    memset(lo, 0, hd * sizeof(*lo));
    for (size_t t = 0; t < n; t++, v += hd) {
        int16_t a = (int16_t)(u[t] >> 11), b = (int16_t)(u[t] & 2047);

        if (u[t] == 0)
            continue;
        for (size_t i = 0; i < hd; i++) {
            hi[i] += (int32_t)a * v[i];
            lo[i] += (int32_t)b * v[i];
        }
    }
    for (size_t i = 0; i < hd; i++)
        num[i] += (int64_t)hi[i] * 2048 + lo[i];
}

/* Second pass over one span: adds to Z (returned) and to num. */
static int64_t weigh(int64_t *num, const float *score, float m, float scale,
                     const struct x1_span *span, size_t hd)
{
    int64_t z = 0;
    int32_t u[KEYS];

    for (size_t at = 0; at < span->n; at += KEYS) {
        size_t n = span->n - at < KEYS ? span->n - at : KEYS;
        int32_t zs = 0; /* at most 64 * 2^24 */

        for (size_t t = 0; t < n; t++) {
            float p = x1_exp32(score[at + t] - m);

            zs += x1_z_term(p);
            u[t] = x1_u_term(p, span->s_v[at + t], scale);
        }
        z += zs;
        mix(num, u, span->v + at * hd, n, hd);
    }
    return z;
}

static void reference_attention(float *o, const int16_t *q, float step,
                                float c, const struct x1_span *span,
                                size_t n_spans, size_t hd, float *score,
                                int64_t *num)
{
    float m = scores(score, q, step * c, span, n_spans, hd);
    uint32_t vm = 0;
    int64_t z = 0;
    float scale, f;
    int ev;

    for (size_t s = 0; s < n_spans; s++) {
        uint32_t b = amax_bits(span[s].s_v, span[s].n);

        vm = b > vm ? b : vm;
    }
    ev = x1_value_exponent(vm);
    scale = x1_pow2(21 - ev);
    memset(num, 0, hd * sizeof(*num));
    for (size_t s = 0; s < n_spans; s++) {
        z += weigh(num, score, m, scale, &span[s], hd);
        score += span[s].n;
    }
    f = x1_pow2(ev - 21) / ((float)z * 0x1p-24f);
    for (size_t i = 0; i < hd; i++)
        o[i] = (float)num[i] * f;
}

static void reference_gate(float *h, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h[i] = x1_silu(g[i]) * u[i];
}

static void reference_add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] + y[i];
}

static void reference_embed(float *x, const struct x1_matrix *w, uint32_t id)
{
    const int8_t *row = w->w + (size_t)id * w->cols;

    for (size_t i = 0; i < w->cols; i++)
        x[i] = (float)row[i] * w->scale[id];
}

static void reference_exp32(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x1_exp32(x[i]);
}

static void reference_silu(float *y, const float *g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x1_silu(g[i]);
}

const struct x1_kernels x1_reference = {
    .name = "reference",
    .quantise = reference_quantise,
    .linear = reference_linear,
    .rmsnorm = reference_rmsnorm,
    .rope = reference_rope,
    .store = reference_store,
    .attention = reference_attention,
    .gate = reference_gate,
    .add = reference_add,
    .embed = reference_embed,
    .exp32 = reference_exp32,
    .silu = reference_silu,
};
