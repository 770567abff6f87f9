/*
 * The forward pass of stories260K in f64: no cache, no batch, no tricks.
 */
#include <config.h>

#include "tests/float_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/import/safetensors.h"

enum { D = 64, FFN = 172, L = 5, HQ = 8, HKV = 4, HD = 8, V = 512, CTX = 512 };

struct float_layer {
    float norm[D], wq[D * D], wk[HKV * HD * D], wv[HKV * HD * D], wo[D * D];
    float ffn_norm[D], gate[FFN * D], up[FFN * D], down[D * FFN];
};

struct float_model {
    float embed[V * D], norm[D];
    struct float_layer layer[L];
    double k[L][CTX][HKV * HD], v[L][CTX][HKV * HD];
    double embedding, residual, attention, logits; /* factors */
};

static int get_weights(struct safetensors *s, float *out, size_t n,
                       const char *fmt, int layer)
{
    char *name = layer < 0 ? xstrdup(fmt)
                           : xasprintf("model.layers.%d.%s", layer, fmt);
    const struct safetensor *t = safetensors_find(s, name);
    struct err err = ERR_INIT;
    int r = t && t->n == n ? safetensors_read(s, t, 0, n, out, &err) : -1;

    free(name);
    return r;
}

static int get_layer(struct safetensors *s, struct float_layer *l, int i)
{
    return get_weights(s, l->norm, D, "input_layernorm.weight", i) ||
           get_weights(s, l->wq, D * D, "self_attn.q_proj.weight", i) ||
           get_weights(s, l->wk, HKV * HD * D, "self_attn.k_proj.weight", i) ||
           get_weights(s, l->wv, HKV * HD * D, "self_attn.v_proj.weight", i) ||
           get_weights(s, l->wo, D * D, "self_attn.o_proj.weight", i) ||
           get_weights(s, l->ffn_norm, D, "post_attention_layernorm.weight",
                       i) ||
           get_weights(s, l->gate, FFN * D, "mlp.gate_proj.weight", i) ||
           get_weights(s, l->up, FFN * D, "mlp.up_proj.weight", i) ||
           get_weights(s, l->down, D * FFN, "mlp.down_proj.weight", i);
}

struct float_model *float_model_new(const char *dir)
{
    struct float_model *m = xcalloc(1, sizeof(*m));
    struct safetensors *s = NULL;
    struct err err = ERR_INIT;
    int bad = safetensors_open(&s, dir, &err);

    bad = bad ||
          get_weights(s, m->embed, V * D, "model.embed_tokens.weight", -1) ||
          get_weights(s, m->norm, D, "model.norm.weight", -1);
    for (int i = 0; i < L && !bad; i++)
        bad = get_layer(s, &m->layer[i], i);
    safetensors_close(s);
    float_model_factors(m, 1, 1, 1 / sqrt(HD), 1);
    if (!bad)
        return m;
    free(m);
    return NULL;
}

void float_model_factors(struct float_model *m, double embedding,
                         double residual, double attention, double logits)
{
    m->embedding = embedding;
    m->residual = residual;
    m->attention = attention;
    m->logits = logits;
}

void float_model_free(struct float_model *m)
{
    free(m);
}

static void norm(double *y, const double *x, const float *g)
{
    double s = 0;

    for (int i = 0; i < D; i++)
        s += x[i] * x[i];
    s = 1 / sqrt(s / D + 1e-5);
    for (int i = 0; i < D; i++)
        y[i] = x[i] * s * g[i];
}

static void mul(double *y, const float *w, const double *x, int rows,
                int cols)
{
    for (int r = 0; r < rows; r++) {
        y[r] = 0;
        for (int c = 0; c < cols; c++)
            y[r] += (double)w[r * cols + c] * x[c];
    }
}

static void rope(double *x, int heads, size_t pos)
{
    for (int h = 0; h < heads; h++, x += HD) {
        for (int i = 0; i < HD / 2; i++) {
            double t = (double)pos / pow(10000.0, 2.0 * i / HD);
            double a = x[i], b = x[i + HD / 2];

            x[i] = a * cos(t) - b * sin(t);
            x[i + HD / 2] = b * cos(t) + a * sin(t);
        }
    }
}

static void attend(const struct float_model *m, int l, double *o,
                   const double *q, size_t pos)
{
    for (int h = 0; h < HQ; h++) {
        size_t g = (size_t)(h / (HQ / HKV)) * HD, at = (size_t)h * HD;
        double p[CTX], max = -INFINITY, z = 0;

        for (size_t t = 0; t <= pos; t++) {
            p[t] = 0;
            for (int i = 0; i < HD; i++)
                p[t] += q[at + i] * m->k[l][t][g + i] * m->attention;
            max = p[t] > max ? p[t] : max;
        }
        for (int i = 0; i < HD; i++)
            o[at + i] = 0;
        for (size_t t = 0; t <= pos; t++) {
            p[t] = exp(p[t] - max);
            z += p[t];
            for (int i = 0; i < HD; i++)
                o[at + i] += p[t] * m->v[l][t][g + i];
        }
        for (int i = 0; i < HD; i++)
            o[at + i] /= z;
    }
}

static void layer(struct float_model *m, int l, double *x, size_t pos)
{
    const struct float_layer *w = &m->layer[l];
    double h[D], q[D], o[D], y[D], g[FFN], u[FFN];

    norm(h, x, w->norm);
    mul(q, w->wq, h, D, D);
    mul(m->k[l][pos], w->wk, h, HKV * HD, D);
    mul(m->v[l][pos], w->wv, h, HKV * HD, D);
    rope(q, HQ, pos);
    rope(m->k[l][pos], HKV, pos);
    attend(m, l, o, q, pos);
    mul(y, w->wo, o, D, D);
    for (int i = 0; i < D; i++)
        x[i] += y[i] * m->residual;
    norm(h, x, w->ffn_norm);
    mul(g, w->gate, h, FFN, D);
    mul(u, w->up, h, FFN, D);
    for (int i = 0; i < FFN; i++)
        g[i] = g[i] / (1 + exp(-g[i])) * u[i];
    mul(y, w->down, g, D, FFN);
    for (int i = 0; i < D; i++)
        x[i] += y[i] * m->residual;
}

void float_model_run(struct float_model *m, const uint32_t *token, size_t n,
                     double *logits)
{
    for (size_t t = 0; t < n; t++) {
        double x[D], h[D];

        for (int i = 0; i < D; i++)
            x[i] = m->embed[token[t] * D + (uint32_t)i] * m->embedding;
        for (int l = 0; l < L; l++)
            layer(m, l, x, t);
        norm(h, x, m->norm);
        mul(logits + t * V, m->embed, h, V, D);
        for (int i = 0; i < V; i++)
            logits[t * V + (size_t)i] /= m->logits;
    }
}
