/*
 * One layer: what its linears are shown, factors between them, and its tensors
 * rounded for that.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "fidelity/fit_internal.h"
#include "fidelity/sums.h"
#include "model/import/import.h"
#include "model/model_layout.h"

/* ---- factors ------------------------------------------------------------- */

/* c[i] = (d[i] / n)^(1/8); what is nearly never there has a floor. */
static void factors(double *c, const double *d, size_t k, size_t n)
{
    double most = 0, least;

    for (size_t i = 0; i < k; i++)
        most = d[i] > most ? d[i] : most;
    least = most * 0x1p-40;
    for (size_t i = 0; i < k; i++) {
        double v = d[i] > least ? d[i] : least;

        c[i] = most > 0 ? rounding_eighth(v / (double)n) : 1;
    }
}

/* Factors of o's channels: heads that read one KV head have one.  kv[i] is
 * what row i of wv is divided by. */
static void o_factors(const struct fit *f, struct fit_plan *o, double *kv)
{
    const struct model_record *r = &f->source->rec;
    size_t hd = r->head_dim, n = r->n_kv_heads * hd;
    size_t group = r->n_heads / r->n_kv_heads;
    double *d = xcalloc(n, sizeof(*d));

    for (size_t i = 0; i < o->k; i++)
        d[i / hd / group * hd + i % hd] += o->d[i];
    factors(kv, d, n, f->n);
    for (size_t i = 0; i < o->k; i++)
        o->c[i] = kv[i / hd / group * hd + i % hd];
    free(d);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* s[0..half) of one head from its sums of squares, through the lower median;
 * 1 where there is nothing. */
static void pair_factors(double *s, const double *k2, const double *q2,
                         size_t half)
{
    double *sorted = xmalloc(half * sizeof(*sorted)), median;

    for (size_t i = 0; i < half; i++) {
        double e = rounding_eighth(k2[i]), by = rounding_eighth(q2[i]);

        s[i] = by > 0 ? e * e * e / by : 0;
        sorted[i] = s[i];
    }
    qsort(sorted, half, sizeof(*sorted), by_value);
    median = sorted[(half - 1) / 2];
    for (size_t i = 0; i < half; i++)
        s[i] = median > 0 && s[i] > 0 ? s[i] / median : 1;
    free(sorted);
}

/* Factors of the channels of q and of k.  Where heads have norms one pair of
 * gains serves all of them. */
static void key_factors(struct fit *f, double *q, double *k)
{
    const struct model_record *r = &f->source->rec;
    size_t hd = r->head_dim, half = hd / 2, heads = r->n_heads;
    size_t kv = r->n_kv_heads, group = heads / kv;
    bool one = r->flags & MODEL_QK_NORM;
    double *dq = xmalloc(heads * hd * sizeof(*dq));
    double *dk = xmalloc(kv * hd * sizeof(*dk));
    double *q2 = xcalloc(kv * half, sizeof(*q2));
    double *k2 = xcalloc(kv * half, sizeof(*k2));
    double *s = xmalloc(kv * half * sizeof(*s));

    sums_energy(dq, f->s.q, f->n, heads * hd, f->pool);
    sums_energy(dk, f->s.k, f->n, kv * hd, f->pool);
    for (size_t i = 0; i < kv * hd; i++)
        k2[(one ? 0 : i / hd * half) + i % half] += dk[i];
    for (size_t i = 0; i < heads * hd; i++)
        q2[(one ? 0 : i / hd / group * half) + i % half] += dq[i];
    for (size_t g = 0; g < (one ? 1 : kv); g++)
        pair_factors(s + g * half, k2 + g * half, q2 + g * half, half);
    for (size_t i = 0; i < kv * hd; i++)
        k[i] = s[(one ? 0 : i / hd * half) + i % half];
    for (size_t i = 0; i < heads * hd; i++)
        q[i] = s[(one ? 0 : i / hd / group * half) + i % half];
    free(dq);
    free(dk);
    free(q2);
    free(k2);
    free(s);
}

/* ---- the tensors --------------------------------------------------------- */

/* All that a layer is rounded by. */
struct plans {
    struct fit_plan attn, o, ffn, h;
    double *kv, *q, *k; /* factors of rows of wv, wq, wk */
};

static void plans_init(struct fit *f, struct plans *p)
{
    const struct model_record *r = &f->source->rec;
    size_t q = (size_t)r->n_heads * r->head_dim;
    size_t kv = (size_t)r->n_kv_heads * r->head_dim;

    fit_plan_init(f, &p->attn, f->s.attn, r->dim);
    fit_plan_init(f, &p->o, f->s.o, q);
    fit_plan_init(f, &p->ffn, f->s.ffn, r->dim);
    fit_plan_init(f, &p->h, f->s.h, r->ffn_dim);
    p->kv = xmalloc(kv * sizeof(*p->kv));
    for (size_t i = 0; i < kv; i++)
        p->kv[i] = 1;
    p->q = xmalloc(q * sizeof(*p->q));
    p->k = xmalloc(kv * sizeof(*p->k));
    if (!(r->flags & MODEL_A8R)) { /* the factors of A8 inputs are 1 */
        factors(p->attn.c, p->attn.d, r->dim, f->n);
        factors(p->ffn.c, p->ffn.d, r->dim, f->n);
        o_factors(f, &p->o, p->kv);
    }
    factors(p->h.c, p->h.d, r->ffn_dim, f->n);
    key_factors(f, p->q, p->k);
    fit_plan_blocks(f, &p->attn, f->s.attn);
    fit_plan_blocks(f, &p->o, f->s.o);
    fit_plan_blocks(f, &p->ffn, f->s.ffn);
    fit_plan_blocks(f, &p->h, f->s.h);
}

static void plans_clear(struct plans *p)
{
    fit_plan_clear(&p->attn);
    fit_plan_clear(&p->o);
    fit_plan_clear(&p->ffn);
    fit_plan_clear(&p->h);
    free(p->kv);
    free(p->q);
    free(p->k);
}

static int put_matrices(struct fit *f, uint32_t l, const struct plans *p,
                        struct err *err)
{
    const struct model_record *r = &f->source->rec;
    bool norms = r->flags & MODEL_QK_NORM;
    struct fit_matrix m[] = {
        { LAYER_WQ, &p->attn, norms ? NULL : p->q, false },
        { LAYER_WK, &p->attn, norms ? NULL : p->k, true },
        { LAYER_WV, &p->attn, p->kv, true },
        { LAYER_WO, &p->o, NULL, false },
        { LAYER_GATE, &p->ffn, NULL, false },
        { LAYER_UP, &p->ffn, p->h.c, true },
        { LAYER_DOWN, &p->h, NULL, false },
    };

    for (size_t i = 0; i < sizeof(m) / sizeof(*m); i++) {
        m[i].tensor = model_tensor_at(r, l, m[i].tensor);
        if (fit_matrix(f, &m[i], err))
            return -1;
    }
    return 0;
}

static int put_vectors(struct fit *f, uint32_t l, const struct plans *p,
                       struct err *err)
{
    const struct model_record *r = &f->source->rec;
    struct {
        uint32_t part;
        const double *by;
        bool divide;
    } v[] = {
        { LAYER_ATTN_NORM, p->attn.c, true }, { LAYER_BQ, p->q, false },
        { LAYER_BK, p->k, true },     { LAYER_BV, p->kv, true },
        { LAYER_Q_NORM, p->q, false }, { LAYER_K_NORM, p->k, true },
        { LAYER_FFN_NORM, p->ffn.c, true },
    };

    for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
        if (fit_vector(f, model_tensor_at(r, l, v[i].part), v[i].by,
                       v[i].divide, err))
            return -1;
    return 0;
}

int fit_layer(struct fit *f, uint32_t l, struct shown_fault *fault,
              struct err *err)
{
    struct fit_nearest y;
    struct plans p;
    int rc = fit_nearest(f, l, &y, err);

    if (rc == 0)
        rc = shown_run(&f->s, fault, &f->k, &f->source->rec, &y.layer, &f->w,
                       f->pool, err);
    fit_nearest_clear(&y);
    if (rc)
        return -1;
    if (fault->row != SIZE_MAX)
        return 1;
    plans_init(f, &p);
    fit_note_singular(f, l, p.attn.r.singular + p.o.r.singular +
                                p.ffn.r.singular + p.h.r.singular);
    rc = put_matrices(f, l, &p, err) || put_vectors(f, l, &p, err) ? -1 : 0;
    plans_clear(&p);
    return rc;
}
