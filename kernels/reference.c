/*
 * The level "reference": X1 in plain C, written so that a compiler can
 * vectorise it by itself.  The definition that runs; every other level is
 * compared with it.  Sums are over integers only, so their order is free.
 *
 * Its forms: weights as in the file, read where they lie; rows of int16,
 * row-major; a block is K, V, s_k and s_v of its positions, one after the
 * other.
 */
#include <config.h>

#include "kernels/kernels.h"

#include <math.h>

#include "kernels/levels.h"
#include "kernels/x1.h"

/* 1024 products of 16384 * 127 fit an int32: 2130706432. */
#define DRAIN 1024
/* Rows of the batch that share one unpacking of LANES rows of weights. */
#define TILE 32
#define LANES 4

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

static size_t reference_rows_bytes(size_t m, size_t k)
{
    return m * k * sizeof(int16_t);
}

/* One row; its scale and fault. */
static int32_t a14_row(int16_t *q, float *scale, const float *x, size_t n)
{
    uint32_t amax = amax_bits(x, n);
    int e = x1_a14_exponent(amax);

    if (amax >= X1_LIMIT_BITS) {
        zero_row(q, n);
        *scale = 0;
        return x1_fault(x, n);
    }
    quantise_row(q, x, n, x1_pow2(14 - e));
    *scale = x1_pow2(e - 14);
    return -1;
}

static int32_t a8_row(int16_t *q, float *scale, const float *x, size_t n)
{
    uint32_t amax = amax_bits(x, n);

    *scale = 0;
    if (amax >= X1_LIMIT_BITS) {
        zero_row(q, n);
        return x1_fault(x, n);
    }
    if (x1_float(amax) < 0x1p-90f) {
        zero_row(q, n);
        return -1;
    }
    quantise_row(q, x, n, 127.0f / x1_float(amax));
    *scale = x1_float(amax) / 127.0f;
    return -1;
}

static void reference_quantise(struct x1_rows *out, const float *x,
                               size_t stride, int32_t *fault, size_t from,
                               size_t to)
{
    for (size_t i = from; i < to; i++) {
        int16_t *q = (int16_t *)out->q + i * out->k;
        const float *row = x + i * stride;

        fault[i] = out->a8 ? a8_row(q, &out->scale[i], row, out->k)
                           : a14_row(q, &out->scale[i], row, out->k);
    }
}

static void reference_integers(int16_t *q, const struct x1_rows *rows,
                               size_t i)
{
    memcpy(q, (const int16_t *)rows->q + i * rows->k, rows->k * sizeof(*q));
}

static size_t reference_pack_bytes(const struct x1_matrix *m)
{
    (void)m;
    return 0;
}

static void reference_pack(void *out, const struct x1_matrix *m, size_t from,
                           size_t to)
{
    (void)out;
    (void)m;
    (void)from;
    (void)to;
}

static void reference_weights(struct x1_weights *w, const struct x1_matrix *m,
                              const void *out)
{
    (void)out;
    w->rows = m->rows;
    w->cols = m->cols;
    w->scale = m->scale;
    w->data = m->w;
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

/* v[r][j] = linear of row i + r and output n + j, without bias. */
static void tile(float v[TILE][LANES], const struct x1_weights *w,
                 const struct x1_rows *in, size_t i, size_t m, size_t n,
                 size_t rows)
{
    const int8_t *data = w->data;
    int64_t acc[TILE][LANES];

    dot_rows(acc, data + n * in->k, rows,
             (const int16_t *)in->q + i * in->k, m, in->k);
    for (size_t r = 0; r < m; r++)
        for (size_t j = 0; j < rows; j++)
            v[r][j] = x1_scale_acc(acc[r][j], w->scale[n + j],
                                   in->scale[i + r]);
}

/* A tile of a linear layer, to where its first output stands. */
static void put_tile(float *y, size_t stride, float v[TILE][LANES], size_t m,
                     size_t rows, const float *b, bool add)
{
    for (size_t r = 0; r < m; r++)
        for (size_t j = 0; j < rows; j++) {
            float x = b ? v[r][j] + b[j] : v[r][j];
            float *out = y + r * stride + j;

            *out = add ? *out + x : x;
        }
}

static void reference_linear(float *y, size_t stride,
                             const struct x1_weights *w, const float *b,
                             bool add, const struct x1_rows *in, size_t from,
                             size_t to)
{
    float v[TILE][LANES];
    size_t m, rows;

    for (size_t i = 0; i < in->m; i += m) {
        m = in->m - i < TILE ? in->m - i : TILE;
        for (size_t n = from; n < to; n += rows) {
            rows = to - n < LANES ? to - n : LANES;
            tile(v, w, in, i, m, n, rows);
            put_tile(y + i * stride + n, stride, v, m, rows,
                     b ? b + n : NULL, add);
        }
    }
}

static void put_gated(float *h, size_t stride, float a[TILE][LANES],
                      float b[TILE][LANES], size_t m, size_t rows)
{
    for (size_t r = 0; r < m; r++)
        for (size_t j = 0; j < rows; j++)
            h[r * stride + j] = x1_silu(a[r][j]) * b[r][j];
}

static void reference_sums(int64_t *acc, size_t stride,
                           const struct x1_weights *w,
                           const struct x1_rows *in, size_t from, size_t to)
{
    const int8_t *data = w->data;
    int64_t s[TILE][LANES];
    size_t m, rows;

    for (size_t i = 0; i < in->m; i += m) {
        m = in->m - i < TILE ? in->m - i : TILE;
        for (size_t n = from; n < to; n += rows) {
            rows = to - n < LANES ? to - n : LANES;
            dot_rows(s, data + n * in->k, rows,
                     (const int16_t *)in->q + i * in->k, m, in->k);
            for (size_t r = 0; r < m; r++)
                memcpy(acc + (i + r) * stride + n, s[r], rows * sizeof(*acc));
        }
    }
}

static void reference_swiglu(float *h, size_t stride,
                             const struct x1_weights *g,
                             const struct x1_weights *u,
                             const struct x1_rows *in, size_t from, size_t to)
{
    float a[TILE][LANES], b[TILE][LANES];
    size_t m, rows;

    for (size_t i = 0; i < in->m; i += m) {
        m = in->m - i < TILE ? in->m - i : TILE;
        for (size_t n = from; n < to; n += rows) {
            rows = to - n < LANES ? to - n : LANES;
            tile(a, g, in, i, m, n, rows);
            tile(b, u, in, i, m, n, rows);
            put_gated(h + i * stride + n, stride, a, b, m, rows);
        }
    }
}

static void reference_embed(float *x, const struct x1_weights *w, uint32_t id)
{
    const int8_t *row = (const int8_t *)w->data + (size_t)id * w->cols;

    for (size_t i = 0; i < w->cols; i++)
        x[i] = (float)row[i] * w->scale[id];
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

/* Where the four parts of a block are. */
struct block {
    int8_t *k, *v;     /* X1_BLOCK x hd */
    float *s_k, *s_v;  /* X1_BLOCK */
};

static struct block block_at(unsigned char *data, size_t hd)
{
    struct block b = { .k = (int8_t *)data };

    b.v = b.k + X1_BLOCK * hd;
    b.s_k = (float *)(void *)(b.v + X1_BLOCK * hd);
    b.s_v = b.s_k + X1_BLOCK;
    return b;
}

static size_t reference_block_bytes(size_t hd)
{
    return X1_BLOCK * (2 * hd + 2 * sizeof(float));
}

/* One row of n values as A8; its fault. */
static int32_t cache_row(int8_t *q, float *s, const float *x, size_t n)
{
    uint32_t amax = amax_bits(x, n);
    float r = 0;

    *s = 0;
    if (amax >= X1_LIMIT_BITS) {
        memset(q, 0, n);
        return x1_fault(x, n);
    }
    if (x1_float(amax) >= 0x1p-90f) {
        *s = x1_float(amax) / 127.0f;
        r = 127.0f / x1_float(amax);
    }
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)x1_round(x[i] * r);
    return -1;
}

static void reference_quantise_kv(unsigned char *block, size_t at,
                                  const float *k, const float *v, size_t hd,
                                  int32_t fault[2])
{
    struct block b = block_at(block, hd);

    fault[0] = cache_row(b.k + at * hd, &b.s_k[at], k, hd);
    fault[1] = cache_row(b.v + at * hd, &b.s_v[at], v, hd);
}

static void reference_put(unsigned char *block, size_t at, const int8_t *k,
                          const int8_t *v, float s_k, float s_v, size_t hd)
{
    struct block b = block_at(block, hd);

    memcpy(b.k + at * hd, k, hd);
    memcpy(b.v + at * hd, v, hd);
    b.s_k[at] = s_k;
    b.s_v[at] = s_v;
}

static void reference_fetch(int8_t *k, int8_t *v, float *s_k, float *s_v,
                            const unsigned char *block, size_t at, size_t hd)
{
    struct block b = block_at((unsigned char *)(uintptr_t)block, hd);

    memcpy(k, b.k + at * hd, hd);
    memcpy(v, b.v + at * hd, hd);
    *s_k = b.s_k[at];
    *s_v = b.s_v[at];
}

/* The positions of a query in one block. */
struct key_span {
    const int8_t *k, *v;
    const float *s_k, *s_v;
    size_t n;
};

static struct key_span span_at(const struct x1_blocks *kv, size_t hd,
                               size_t from, size_t to)
{
    struct block b = block_at(kv->block[from / X1_BLOCK] + kv->offset, hd);
    size_t at = from % X1_BLOCK, n = X1_BLOCK - at;

    return (struct key_span){ b.k + at * hd, b.v + at * hd, b.s_k + at,
                              b.s_v + at, to - from < n ? to - from : n };
}

/* Scores of all keys in order, and their greatest. */
static float scores(float *score, const int16_t *q, struct x1_scoring c,
                    const struct x1_blocks *kv, size_t hd, size_t from,
                    size_t to)
{
    float slope = c.cap > 0 ? 2.0f / c.cap : 0;
    bool first = true;
    struct key_span s;
    float m = 0;

    for (; from < to; from += s.n) {
        const int8_t *k;

        s = span_at(kv, hd, from, to);
        k = s.k;
        for (size_t t = 0; t < s.n; t++, k += hd) {
            int32_t d = 0;
            float v;

            for (size_t i = 0; i < hd; i++)
                d += (int32_t)q[i] * k[i];
            v = ((float)d * s.s_k[t]) * c.scale;
            if (c.cap > 0)
                v = x1_soft_cap(v, c.cap, slope);
            *score++ = v;
            v += 0.0f;
            m = first || v > m ? v : m;
            first = false;
        }
    }
    return m;
}

/* num += u * v for n <= X1_BLOCK keys; u < 2^21 in two halves of 10 and 11 bits
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
                     const struct key_span *s, size_t hd)
{
    int32_t u[X1_BLOCK];
    int32_t z = 0; /* at most 64 * 2^24 */

    for (size_t t = 0; t < s->n; t++) {
        float p = x1_exp32(score[t] - m);

        z += x1_z_term(p);
        u[t] = x1_u_term(p, s->s_v[t], scale);
    }
    mix(num, u, s->v, s->n, hd);
    return z;
}

static size_t reference_attention_bytes(size_t n, size_t hd)
{
    return hd * sizeof(int64_t) + n * sizeof(float);
}

static void attend(struct x1_query *query, const int16_t *q,
                   struct x1_scoring c, const struct x1_blocks *kv, size_t hd,
                   int64_t *num, float *score)
{
    float m = scores(score, q, c, kv, hd, query->from, query->to);
    uint32_t vm = 0;
    int64_t z = 0;
    struct key_span s;
    float scale, f;
    int ev;

    for (size_t t = query->from; t < query->to; t += s.n) {
        uint32_t b;

        s = span_at(kv, hd, t, query->to);
        b = amax_bits(s.s_v, s.n);
        vm = b > vm ? b : vm;
    }
    ev = x1_value_exponent(vm);
    scale = x1_pow2(21 - ev);
    memset(num, 0, hd * sizeof(*num));
    for (size_t t = query->from; t < query->to; t += s.n) {
        s = span_at(kv, hd, t, query->to);
        z += weigh(num, score, m, scale, &s, hd);
        score += s.n;
    }
    f = x1_pow2(ev - 21) / ((float)z * 0x1p-24f);
    for (size_t i = 0; i < hd; i++)
        query->o[i] = (float)num[i] * f;
}

static void reference_attention(struct x1_query *query, size_t m,
                                struct x1_scoring c,
                                const struct x1_blocks *kv, size_t hd,
                                void *scratch)
{
    int16_t q[X1_MAX_HEAD_DIM];
    int64_t *num = scratch;
    float step;

    for (size_t i = 0; i < m; i++) {
        query[i].fault = a14_row(q, &step, query[i].q, hd);
        attend(&query[i], q, (struct x1_scoring){ step * c.scale, c.cap }, kv,
               hd, num, (float *)(num + hd));
    }
}

static int32_t reference_fault(const float *x, size_t n)
{
    return amax_bits(x, n) < X1_LIMIT_BITS ? -1 : x1_fault(x, n);
}

static size_t reference_max(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static void reference_exp_weights(uint32_t *w, const float *x, size_t n,
                                  float max, float t)
{
    for (size_t i = 0; i < n; i++)
        w[i] = x1_draw_weight(x[i], max, t);
}

static uint64_t reference_sum(const uint32_t *w, size_t n)
{
    uint64_t s = 0;

    for (size_t i = 0; i < n; i++)
        s += w[i];
    return s;
}

static uint64_t reference_tally(const uint32_t *w, size_t n, uint32_t least,
                                size_t *count)
{
    uint32_t many = 0;
    uint64_t s = 0;

    for (size_t i = 0; i < n; i++) {
        s += w[i] >= least ? w[i] : 0;
        many += w[i] >= least;
    }
    *count = many;
    return s;
}

static size_t reference_pick(const uint32_t *w, size_t n, uint64_t r)
{
    uint64_t s = 0;
    size_t i = 0;

    for (; i + 1 < n; i++) {
        s += w[i];
        if (s > r)
            break;
    }
    return i;
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

void x1_reference_init(struct x1_kernels *k)
{
    *k = (struct x1_kernels){
        .pack_bytes = reference_pack_bytes,
        .pack = reference_pack,
        .weights = reference_weights,
        .rows_bytes = reference_rows_bytes,
        .quantise = reference_quantise,
        .integers = reference_integers,
        .linear = reference_linear,
        .swiglu = reference_swiglu,
        .sums = reference_sums,
        .embed = reference_embed,
        .rmsnorm = reference_rmsnorm,
        .rope = reference_rope,
        .block_bytes = reference_block_bytes,
        .quantise_kv = reference_quantise_kv,
        .put = reference_put,
        .fetch = reference_fetch,
        .attention_bytes = reference_attention_bytes,
        .attention = reference_attention,
        .fault = reference_fault,
        .max = reference_max,
        .exp_weights = reference_exp_weights,
        .sum = reference_sum,
        .pick = reference_pick,
        .tally = reference_tally,
        .exp32 = reference_exp32,
        .silu = reference_silu,
    };
}
