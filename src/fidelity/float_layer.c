/*
 * The arithmetic of one layer in f64.
 */
#include <config.h>

#include "fidelity/float_layer.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TILE 8 /* positions that share a pass over a matrix' row */

void float_room_init(struct float_room *r, const struct float_shape *s,
                     size_t positions)
{
    size_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;

    r->h = xcalloc(positions * s->dim, sizeof(double));
    r->q = xcalloc(positions * q, sizeof(double));
    r->k = xcalloc(positions * kv, sizeof(double));
    r->v = xcalloc(positions * kv, sizeof(double));
    r->o = xcalloc(positions * q, sizeof(double));
    r->g = xcalloc(positions * s->ffn, sizeof(double));
    r->u = xcalloc(positions * s->ffn, sizeof(double));
    r->score = xcalloc(positions, sizeof(double));
}

void float_room_clear(struct float_room *r)
{
    free(r->h);
    free(r->q);
    free(r->k);
    free(r->v);
    free(r->o);
    free(r->g);
    free(r->u);
    free(r->score);
    memset(r, 0, sizeof(*r));
}

/* acc[j] = sum over k of w[k] * t[k * TILE + j]: TILE sums side by side, each
 * in the order of k. */
static void tile_row(double acc[TILE], const float *w, const double *t,
                     size_t cols)
{
    for (size_t j = 0; j < TILE; j++)
        acc[j] = 0;
    for (size_t k = 0; k < cols; k++) {
        double v = (double)w[k];

        for (size_t j = 0; j < TILE; j++)
            acc[j] += v * t[k * TILE + j];
    }
}

void float_linear(double *y, const float *w, const float *bias,
                  const double *x, size_t n, size_t rows, size_t cols)
{
    double *t = xmalloc(TILE * cols * sizeof(*t));

    for (size_t at = 0; at < n; at += TILE) {
        size_t m = n - at < TILE ? n - at : TILE;
        double acc[TILE];

        for (size_t i = 0; i < TILE * cols; i++)
            t[i] = i % TILE < m ? x[(at + i % TILE) * cols + i / TILE] : 0;
        for (size_t r = 0; r < rows; r++) {
            tile_row(acc, w + r * cols, t, cols);
            for (size_t j = 0; j < m; j++)
                y[(at + j) * rows + r] = acc[j] + (bias ? (double)bias[r] : 0);
        }
    }
    free(t);
}

void float_norm(double *y, const double *x, const float *g, size_t n,
                double eps)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += x[i] * x[i];
    s = 1 / sqrt(s / (double)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s * (double)g[i];
}

void float_cap(double *x, size_t n, double cap)
{
    for (size_t i = 0; cap > 0 && i < n; i++)
        x[i] = cap * tanh(x[i] / cap);
}

/* ---- attention ----------------------------------------------------------- */

static void turn(double *x, const float *inv_freq, size_t hd, size_t position)
{
    for (size_t i = 0; i < hd / 2; i++) {
        double t = (double)position * (double)inv_freq[i];
        double a = x[i], b = x[i + hd / 2];

        x[i] = a * cos(t) - b * sin(t);
        x[i + hd / 2] = b * cos(t) + a * sin(t);
    }
}

/* Heads of q or of k: their norm, if there is one, and their turn. */
static void turn_heads(const struct float_shape *s, const struct float_layer *l,
                       const float *g, double *x, size_t heads, size_t n)
{
    size_t hd = s->head_dim, row = heads * hd;
    size_t width = s->flags & MODEL_WIDE_NORM ? row : hd;

    for (size_t p = 0; p < n; p++) {
        for (size_t i = 0; g && i < row; i += width)
            float_norm(x + p * row + i, x + p * row + i, g, width, s->eps);
        for (size_t i = 0; i < row; i += hd)
            turn(x + p * row + i, l->inv_freq, hd, p);
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

/* o of one head at position p. */
static void attend_head(struct float_room *r, const struct float_shape *s,
                        const struct float_layer *l, size_t p, size_t h)
{
    size_t hd = s->head_dim, kv = s->kv_heads * hd;
    size_t at = (p * s->heads + h) * hd;
    size_t g = h / (s->heads / s->kv_heads) * hd;
    size_t from = l->window && p >= l->window ? p + 1 - l->window : 0;
    double most = -INFINITY, z = 0, *o = r->o + at;

    for (size_t t = from; t <= p; t++)
        r->score[t] = dot(r->q + at, r->k + t * kv + g, hd) * l->scale;
    float_cap(r->score + from, p + 1 - from, s->score_cap);
    for (size_t t = from; t <= p; t++)
        most = fmax(most, r->score[t]);
    memset(o, 0, hd * sizeof(*o));
    for (size_t t = from; t <= p; t++) {
        double w = exp(r->score[t] - most);

        z += w;
        for (size_t i = 0; i < hd; i++)
            o[i] += w * r->v[t * kv + g + i];
    }
    for (size_t i = 0; i < hd; i++)
        o[i] /= z;
}

static void attend(struct float_room *r, const struct float_shape *s,
                   const struct float_layer *l, size_t n)
{
    size_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    float *const *w = l->tensor;

    float_linear(r->q, w[LAYER_WQ], w[LAYER_BQ], r->h, n, q, s->dim);
    float_linear(r->k, w[LAYER_WK], w[LAYER_BK], r->h, n, kv, s->dim);
    float_linear(r->v, w[LAYER_WV], w[LAYER_BV], r->h, n, kv, s->dim);
    turn_heads(s, l, w[LAYER_Q_NORM], r->q, s->heads, n);
    turn_heads(s, l, w[LAYER_K_NORM], r->k, s->kv_heads, n);
    for (size_t p = 0; p < n; p++)
        for (size_t h = 0; h < s->heads; h++)
            attend_head(r, s, l, p, h);
    float_linear(r->h, w[LAYER_WO], NULL, r->o, n, s->dim, q);
}

/* ---- the rest ------------------------------------------------------------ */

static double gate(const struct float_shape *s, double g)
{
    double t;

    if (!(s->flags & MODEL_GELU))
        return g / (1 + exp(-g));
    t = tanh(sqrt(2 / acos(-1)) * (g + 0.044715 * g * g * g));
    return 0.5 * g * (1 + t);
}

static void feed_forward(struct float_room *r, const struct float_shape *s,
                         const struct float_layer *l, size_t n)
{
    float *const *w = l->tensor;

    float_linear(r->g, w[LAYER_GATE], NULL, r->h, n, s->ffn, s->dim);
    float_linear(r->u, w[LAYER_UP], NULL, r->h, n, s->ffn, s->dim);
    for (size_t i = 0; i < n * s->ffn; i++)
        r->g[i] = gate(s, r->g[i]) * r->u[i];
    float_linear(r->h, w[LAYER_DOWN], NULL, r->g, n, s->dim, s->ffn);
}

/* h = norm(x) by these gains, or x itself without. */
static void norm_rows(const struct float_shape *s, double *h, const double *x,
                      const float *g, size_t n)
{
    for (size_t p = 0; p < n; p++) {
        if (g)
            float_norm(h + p * s->dim, x + p * s->dim, g, s->dim, s->eps);
        else if (h != x)
            memcpy(h + p * s->dim, x + p * s->dim, s->dim * sizeof(*h));
    }
}

static void add(double *x, const double *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += h[i];
}

void float_layer_run(struct float_room *r, const struct float_shape *s,
                     const struct float_layer *l, double *x, size_t n)
{
    bool late = s->flags & MODEL_NORM_AFTER, both = s->flags & MODEL_NORM_BOTH;
    const float *attn = l->tensor[LAYER_ATTN_NORM];
    const float *ffn = l->tensor[LAYER_FFN_NORM];
    const float *attn_after = both ? l->tensor[LAYER_ATTN_AFTER] : attn;
    const float *ffn_after = both ? l->tensor[LAYER_FFN_AFTER] : ffn;

    norm_rows(s, r->h, x, late ? NULL : attn, n);
    attend(r, s, l, n);
    norm_rows(s, r->h, r->h, late || both ? attn_after : NULL, n);
    add(x, r->h, n * s->dim);
    norm_rows(s, r->h, x, late ? NULL : ffn, n);
    feed_forward(r, s, l, n);
    norm_rows(s, r->h, r->h, late || both ? ffn_after : NULL, n);
    add(x, r->h, n * s->dim);
}
