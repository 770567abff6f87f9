/*
 * One element at a time: integers in 64 bits, rounding by rint() of an exact
 * f64, no tiles and no passes that share work.
 */
#include <config.h>

#include "kernels/check_plain.h"

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/x1.h"

static float amax(const float *x, size_t n)
{
    uint32_t m = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t b = x1_bits(x[i]) & 0x7fffffffu;

        m = b > m ? b : m;
    }
    return x1_float(m);
}

static int32_t plain_fault(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) < 0x1p40f))
            return (int32_t)i;
    return -1;
}

/* Element i of a row as A14, e being the row's exponent. */
static int64_t a14(float x, int e)
{
    return (int64_t)rint((double)x * ldexp(1, 14 - e));
}

static int a14_exponent(const float *x, size_t n)
{
    int e = (int)(x1_bits(amax(x, n)) >> 23) - 126;

    return e < -112 ? -112 : e;
}

static int64_t a8(float x, float a)
{
    return a < 0x1p-90f ? 0 : (int64_t)rint((double)(x * (127.0f / a)));
}

static float a8_scale(float a)
{
    return a < 0x1p-90f ? 0 : a / 127.0f;
}

static void plain_quantise(struct x1_rows *out, const float *x, size_t stride,
                           int32_t *fault, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        int16_t *q = (int16_t *)out->q + i * out->k;
        const float *row = x + i * stride;
        int e = a14_exponent(row, out->k);
        float a = amax(row, out->k);

        fault[i] = plain_fault(row, out->k);
        out->scale[i] = out->a8 ? a8_scale(a) : ldexpf(1, e - 14);
        if (fault[i] >= 0)
            out->scale[i] = 0;
        for (size_t j = 0; j < out->k; j++)
            q[j] = fault[i] >= 0 ? 0
                 : (int16_t)(out->a8 ? a8(row[j], a) : a14(row[j], e));
    }
}

/* The sum of output n and row i. */
static int64_t sum_of(const struct x1_weights *w, const struct x1_rows *in,
                      size_t i, size_t n)
{
    const int8_t *row = (const int8_t *)w->data + n * w->cols;
    const int16_t *q = (const int16_t *)in->q + i * in->k;
    int64_t acc = 0;

    for (size_t k = 0; k < in->k; k++)
        acc += (int64_t)row[k] * q[k];
    return acc;
}

/* f32(acc) * s_w * step of output n and row i. */
static float element(const struct x1_weights *w, const struct x1_rows *in,
                     size_t i, size_t n)
{
    return ((float)sum_of(w, in, i, n) * w->scale[n]) * in->scale[i];
}

static void plain_sums(int64_t *acc, size_t stride, const struct x1_weights *w,
                       const struct x1_rows *in, size_t from, size_t to)
{
    for (size_t i = 0; i < in->m; i++)
        for (size_t n = from; n < to; n++)
            acc[i * stride + n] = sum_of(w, in, i, n);
}

static void plain_linear(float *y, size_t stride, const struct x1_weights *w,
                         const float *b, bool add, const struct x1_rows *in,
                         size_t from, size_t to)
{
    for (size_t i = 0; i < in->m; i++) {
        for (size_t n = from; n < to; n++) {
            float v = element(w, in, i, n);

            if (b)
                v = v + b[n];
            y[i * stride + n] = add ? y[i * stride + n] + v : v;
        }
    }
}

static void plain_swiglu(float *h, size_t stride, const struct x1_weights *g,
                         const struct x1_weights *u, const struct x1_rows *in,
                         size_t from, size_t to)
{
    for (size_t i = 0; i < in->m; i++)
        for (size_t n = from; n < to; n++)
            h[i * stride + n] = x1_silu(element(g, in, i, n)) *
                                element(u, in, i, n);
}

static void plain_embed(float *x, const struct x1_weights *w, uint32_t id)
{
    for (size_t i = 0; i < w->cols; i++)
        x[i] = (float)((const int8_t *)w->data)[(size_t)id * w->cols + i] *
               w->scale[id];
}

static void plain_rmsnorm(float *y, const float *x, size_t stride,
                          const float *g, float eps, size_t m, size_t k,
                          int32_t *fault)
{
    for (size_t i = 0; i < m; i++, x += stride, y += stride) {
        int e = a14_exponent(x, k);
        double step = ldexp(1, e - 14), ms;
        int64_t s = 0;
        float inv;

        fault[i] = plain_fault(x, k);
        for (size_t j = 0; fault[i] < 0 && j < k; j++)
            s += a14(x[j], e) * a14(x[j], e);
        ms = ((double)s * (step * step)) / (double)k;
        inv = (float)(1.0 / sqrt(ms + (double)eps));
        for (size_t j = 0; j < k; j++)
            y[j] = fault[i] < 0 ? (x[j] * inv) * g[j] : 0;
    }
}

static void plain_rope(float *x, size_t heads, size_t hd, const float *cos,
                       const float *sin)
{
    for (size_t i = 0; i < heads * hd / 2; i++) {
        size_t at = i % (hd / 2);
        float *a = x + i / (hd / 2) * hd + at, *b = a + hd / 2;
        float ac = *a * cos[at], bs = *b * sin[at];
        float bc = *b * cos[at], as = *a * sin[at];

        *a = ac - bs;
        *b = bc + as;
    }
}

/* A row of the cache. */
static int32_t row_a8(int8_t *q, float *s, const float *x, size_t n)
{
    int32_t bad = plain_fault(x, n);
    float a = amax(x, n);

    *s = bad < 0 ? a8_scale(a) : 0;
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)(bad < 0 ? a8(x[i], a) : 0);
    return bad;
}

static void plain_quantise_kv(unsigned char *block, size_t at, const float *k,
                              const float *v, size_t hd, int32_t fault[2])
{
    int8_t qk[X1_MAX_HEAD_DIM], qv[X1_MAX_HEAD_DIM];
    struct x1_kernels form;
    float s_k, s_v;

    x1_kernels_init(&form, 0);
    fault[0] = row_a8(qk, &s_k, k, hd);
    fault[1] = row_a8(qv, &s_v, v, hd);
    form.put(block, at, qk, qv, s_k, s_v, hd);
}

/* One score with its soft cap, if there is one. */
static float capped(float x, float cap)
{
    float e;

    if (!(cap > 0))
        return x;
    e = x1_exp32(-(fabsf(x) * (2.0f / cap)));
    return copysignf(cap * ((1.0f - e) / (1.0f + e)), x);
}

static void attend(struct x1_query *query, struct x1_scoring c,
                   const struct x1_blocks *kv, size_t hd, float *score)
{
    int8_t k[X1_MAX_HEAD_DIM], v[X1_MAX_HEAD_DIM];
    int64_t num[X1_MAX_HEAD_DIM] = { 0 }, z = 0;
    int e = a14_exponent(query->q, hd), ev;
    float step, s_k, s_v, m = -INFINITY, vm = 0;
    struct x1_kernels form;

    x1_kernels_init(&form, 0);
    query->fault = plain_fault(query->q, hd);
    step = query->fault < 0 ? ldexpf(1, e - 14) : 0;
    for (size_t t = query->from; t < query->to; t++) {
        int64_t d = 0;

        form.fetch(k, v, &s_k, &s_v, kv->block[t / X1_BLOCK] + kv->offset,
                   t % X1_BLOCK, hd);
        for (size_t i = 0; query->fault < 0 && i < hd; i++)
            d += a14(query->q[i], e) * k[i];
        score[t - query->from] = capped(((float)d * s_k) * (step * c.scale),
                                        c.cap);
        m = fmaxf(m, score[t - query->from] + 0.0f);
        vm = fmaxf(vm, s_v);
    }
    ev = (int)(x1_bits(vm) >> 23) - 126;
    ev = ev < -97 ? -97 : ev;
    for (size_t t = query->from; t < query->to; t++) {
        float p = x1_exp32(score[t - query->from] - m);
        double u;

        form.fetch(k, v, &s_k, &s_v, kv->block[t / X1_BLOCK] + kv->offset,
                   t % X1_BLOCK, hd);
        z += (int64_t)rint((double)p * 0x1p24);
        u = rint((double)((p * s_v) * ldexpf(1, 21 - ev)));
        u = u > 2097151 ? 2097151 : u;
        for (size_t i = 0; i < hd; i++)
            num[i] += (int64_t)u * v[i];
    }
    for (size_t i = 0; i < hd; i++)
        query->o[i] = (float)num[i] *
                      (ldexpf(1, ev - 21) / ((float)z * 0x1p-24f));
}

static void plain_attention(struct x1_query *query, size_t m,
                            struct x1_scoring c, const struct x1_blocks *kv,
                            size_t hd, void *scratch)
{
    for (size_t i = 0; i < m; i++)
        attend(&query[i], c, kv, hd, scratch);
}

static size_t plain_max(const float *x, size_t n)
{
    size_t best = n - 1;

    for (size_t i = n; i-- > 0;)
        if (x[i] >= x[best])
            best = i;
    return best;
}

static void plain_exp_weights(uint32_t *w, const float *x, size_t n,
                              float max, float t)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (uint32_t)rint((double)x1_exp32(((x[i] + 0.0f) - max) / t) *
                              0x1p30);
}

static size_t plain_pick(const uint32_t *w, size_t n, uint64_t r)
{
    for (size_t i = 0; i < n; i++) {
        if (w[i] > r)
            return i;
        r -= w[i];
    }
    return n - 1;
}

static uint64_t plain_sum(const uint32_t *w, size_t n)
{
    uint64_t s = 0;

    while (n > 0)
        s += w[--n];
    return s;
}

static uint64_t plain_tally(const uint32_t *w, size_t n, uint32_t least,
                            size_t *count)
{
    uint64_t s = 0;

    for (*count = 0; n > 0; n--, w++) {
        if (*w < least)
            continue;
        s += *w;
        ++*count;
    }
    return s;
}

void x1_plain_init(struct x1_kernels *k)
{
    x1_kernels_init(k, 0);
    k->name = "plain";
    k->quantise = plain_quantise;
    k->linear = plain_linear;
    k->swiglu = plain_swiglu;
    k->sums = plain_sums;
    k->embed = plain_embed;
    k->rmsnorm = plain_rmsnorm;
    k->rope = plain_rope;
    k->quantise_kv = plain_quantise_kv;
    k->attention = plain_attention;
    k->fault = plain_fault;
    k->max = plain_max;
    k->exp_weights = plain_exp_weights;
    k->sum = plain_sum;
    k->pick = plain_pick;
    k->tally = plain_tally;
}
