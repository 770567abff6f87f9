/*
 * Divergence, position by position.
 */
#include <config.h>

#include "fidelity/divergence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

void divergence_init(struct divergence *d, uint32_t n_vocab)
{
    memset(d, 0, sizeof(*d));
    d->n_vocab = n_vocab;
}

void divergence_clear(struct divergence *d)
{
    free(d->kl);
    free(d->by_position);
    free(d->by_count);
    memset(d, 0, sizeof(*d));
}

/* The highest logit and the second; of equal ones the first is the highest. */
struct top {
    size_t best;
    double first, second;
};

static struct top find_top(const float *l, size_t n)
{
    struct top t = { 0, (double)l[0], -INFINITY };

    for (size_t i = 1; i < n; i++) {
        double v = (double)l[i];

        if (v > t.first)
            t = (struct top){ i, v, t.first };
        else if (v > t.second)
            t.second = v;
    }
    return t;
}

static double log_sum(const float *l, size_t n, double most)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += exp((double)l[i] - most);
    return most + log(sum);
}

/* Sum of p (log p - log q), p and q of logits less their log sums. */
static double kl_of(const float *p, double zp, const float *q, double zq,
                    size_t n)
{
    double kl = 0;

    for (size_t i = 0; i < n; i++) {
        double lp = (double)p[i] - zp;

        kl += exp(lp) * (lp - ((double)q[i] - zq));
    }
    return kl;
}

static void put_margin(struct divergence *d, double by, size_t equal)
{
    int m = by > 0.5 ? MARGIN_FAR : by > 0.1 ? MARGIN_NEAR : MARGIN_SAME;

    d->margin[m].n++;
    d->margin[m].equal += equal;
    d->margin[MARGIN_ALL].n++;
    d->margin[MARGIN_ALL].equal += equal;
}

static void put_position(struct divergence *d, size_t position, double kl)
{
    VEC_RESERVE(d->by_position, d->cap_by, position + 1);
    VEC_RESERVE(d->by_count, d->cap_count, position + 1);
    for (; d->n_by <= position; d->n_by++) {
        d->by_position[d->n_by] = 0;
        d->by_count[d->n_by] = 0;
    }
    d->by_position[position] += kl;
    d->by_count[position]++;
}

void divergence_put(struct divergence *d, size_t position,
                    const float *reference, const float *model, uint32_t next)
{
    size_t n = d->n_vocab;
    struct top r = find_top(reference, n), m = find_top(model, n);
    double zr = log_sum(reference, n, r.first);
    double zm = log_sum(model, n, m.first);
    double kl = kl_of(reference, zr, model, zm, n);

    VEC_RESERVE(d->kl, d->cap, d->n + 1);
    d->kl[d->n++] = kl;
    put_position(d, position, kl);
    put_margin(d, r.first - r.second, r.best == m.best);
    if (next == DIVERGENCE_NO_ID)
        return;
    d->n_known++;
    d->nll_reference += zr - (double)reference[next];
    d->nll_model += zm - (double)model[next];
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The smallest of n sorted values that `percent` of them do not exceed. */
static double quantile(const double *v, size_t n, size_t percent)
{
    return v[(n * percent + 99) / 100 - 1];
}

/* The mean over the second half of the longest window's positions. */
static double second_half(const struct divergence *d)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = (d->n_by + 1) / 2; i < d->n_by; i++) {
        sum += d->by_position[i];
        n += d->by_count[i];
    }
    return n ? sum / (double)n : 0;
}

void divergence_summary(struct divergence_summary *s, struct divergence *d)
{
    double sum = 0, known = d->n_known ? (double)d->n_known : 1;

    for (size_t i = 0; i < d->n; i++)
        sum += d->kl[i];
    qsort(d->kl, d->n, sizeof(*d->kl), by_value);
    s->mean = sum / (double)d->n;
    s->median = quantile(d->kl, d->n, 50);
    s->p99 = quantile(d->kl, d->n, 99);
    s->largest = d->kl[d->n - 1];
    s->second = second_half(d);
    s->perplexity_reference = exp(d->nll_reference / known);
    s->perplexity_model = exp(d->nll_model / known);
}
