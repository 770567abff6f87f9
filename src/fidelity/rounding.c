/*
 * Blocks of channels, and rows rounded by them.
 */
#include <config.h>

#include "fidelity/rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define B ROUNDING_BLOCK
#define LEAST 0x1p-90f /* W8: below it a row is zero */

double rounding_eighth(double d)
{
    return sqrt(sqrt(sqrt(d)));
}

struct channel {
    double energy;
    uint32_t index;
};

static int by_energy(const void *a, const void *b)
{
    const struct channel *x = a, *y = b;

    if (x->energy != y->energy)
        return x->energy > y->energy ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

void rounding_init(struct rounding *r, const double *energy, size_t k)
{
    struct channel *c = xmalloc(k * sizeof(*c));

    memset(r, 0, sizeof(*r));
    r->k = k;
    r->n_blocks = (k + B - 1) / B;
    r->order = xmalloc(k * sizeof(*r->order));
    r->v = xcalloc(r->n_blocks, B * B * sizeof(*r->v));
    for (size_t i = 0; i < k; i++)
        c[i] = (struct channel){ energy[i], (uint32_t)i };
    qsort(c, k, sizeof(*c), by_energy);
    for (size_t i = 0; i < k; i++)
        r->order[i] = c[i].index;
    free(c);
}

void rounding_clear(struct rounding *r)
{
    free(r->order);
    free(r->v);
    memset(r, 0, sizeof(*r));
}

size_t rounding_width(const struct rounding *r, size_t b)
{
    return r->k - b * B < B ? r->k - b * B : B;
}

/* Column j of U, whose later columns are there, and d[j]. */
static int factor_column(double *u, double *d, size_t n, size_t j)
{
    double s = u[j * B + j];

    for (size_t k = j + 1; k < n; k++)
        s -= u[j * B + k] * u[j * B + k] * d[k];
    if (!(s > 0) || s > 0x1p500)
        return -1;
    d[j] = s;
    for (size_t i = 0; i < j; i++) {
        double t = u[i * B + j];

        for (size_t k = j + 1; k < n; k++)
            t -= u[i * B + k] * u[j * B + k] * d[k];
        u[i * B + j] = t / s;
    }
    return 0;
}

/* v = the inverse of u, both unit upper triangular: row i of it from the rows
 * below. */
static void invert(double *v, const double *u, size_t n)
{
    for (size_t i = n; i-- > 0; )
        for (size_t j = i + 1; j < n; j++) {
            double s = -u[i * B + j];

            for (size_t k = i + 1; k < j; k++)
                s -= u[i * B + k] * v[k * B + j];
            v[i * B + j] = s;
        }
}

int rounding_factor(struct rounding *r, size_t b, double *g, double damping)
{
    size_t n = rounding_width(r, b);
    double d[B];

    for (size_t i = 0; i < n; i++)
        g[i * B + i] += damping;
    for (size_t j = n; j-- > 0; )
        if (factor_column(g, d, n, j))
            return -1;
    invert(r->v + b * B * B, g, n);
    return 0;
}

/* rint(x), at most 127 in size; x is below 2^51. */
static double round_weight(double x)
{
    double q = (x + 0x1.8p52) - 0x1.8p52;

    return q > 127 ? 127 : q < -127 ? -127 : q;
}

/* t[0..n): the block's numbers in its order; q[i] of each. */
static void round_block(double *t, double *q, const double *v, size_t n,
                        double scale)
{
    for (size_t i = 0; i < n; i++) {
        double e;

        q[i] = round_weight(t[i] / scale);
        e = t[i] - q[i] * scale;
        for (size_t j = i + 1; j < n; j++)
            t[j] -= e * v[i * B + j];
    }
}

void rounding_row(const struct rounding *r, double *row, int8_t *w,
                  float *scale)
{
    double most = 0, t[B], q[B];

    for (size_t i = 0; i < r->k; i++)
        most = fabs(row[i]) > most ? fabs(row[i]) : most;
    if ((float)most < LEAST) {
        *scale = 0;
        memset(w, 0, r->k);
        return;
    }
    *scale = (float)most / 127;
    if (isinf(*scale)) {
        memset(w, 0, r->k);
        return;
    }
    for (size_t b = 0; b < r->n_blocks; b++) {
        const uint32_t *order = r->order + b * B;
        size_t n = rounding_width(r, b);

        for (size_t i = 0; i < n; i++)
            t[i] = row[order[i]];
        round_block(t, q, r->v + b * B * B, n, (double)*scale);
        for (size_t i = 0; i < n; i++)
            w[order[i]] = (int8_t)q[i];
    }
}
