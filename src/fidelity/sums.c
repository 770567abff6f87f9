/*
 * Sums of squares and of products.
 */
#include <config.h>

#include "fidelity/sums.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/pool.h"
#include "base/mem.h"
#include "fidelity/rounding.h"

#define B ROUNDING_BLOCK
#define TILE 16  /* channels whose sums are side by side */
#define ROWS 256 /* that are gathered at a time */

struct energy_job {
    double *d;
    const float *x;
    size_t n, k;
};

/* Channels [from, to) in units of TILE. */
static void energy_channels(void *self, size_t from, size_t to, size_t thread)
{
    const struct energy_job *j = self;
    size_t last = to * TILE < j->k ? to * TILE : j->k;

    (void)thread;
    for (size_t i = from * TILE; i < last; i++)
        j->d[i] = 0;
    for (size_t t = 0; t < j->n; t++)
        for (size_t i = from * TILE; i < last; i++)
            j->d[i] += (double)j->x[t * j->k + i] * (double)j->x[t * j->k + i];
}

void sums_energy(double *d, const float *x, size_t n, size_t k,
                 struct pool *pool)
{
    struct energy_job j = { d, x, n, k };

    pool_run(pool, energy_channels, &j, (k + TILE - 1) / TILE, 4);
}

/* g of channel i with TILE others from `at` on: rows one after the other. */
static void add_tile(double *g, const double *x, size_t rows, size_t i,
                     size_t at)
{
    double sum[TILE];

    memcpy(sum, g + i * B + at, sizeof(sum));
    for (size_t t = 0; t < rows; t++) {
        double a = x[t * B + i];

        for (size_t j = 0; j < TILE; j++)
            sum[j] += a * x[t * B + at + j];
    }
    memcpy(g + i * B + at, sum, sizeof(sum));
}

void sums_products(double *g, const float *x, size_t n, size_t k,
                   const uint32_t *order, size_t width, const double *c)
{
    double *part = xcalloc(ROWS * B, sizeof(*part));

    memset(g, 0, B * B * sizeof(*g));
    for (size_t from = 0; from < n; from += ROWS) {
        size_t rows = n - from < ROWS ? n - from : ROWS;

        for (size_t t = 0; t < rows; t++)
            for (size_t i = 0; i < width; i++)
                part[t * B + i] = (double)x[(from + t) * k + order[i]];
        for (size_t i = 0; i < width; i++)
            for (size_t at = i / TILE * TILE; at < width; at += TILE)
                add_tile(g, part, rows, i, at);
    }
    for (size_t i = 0; i < width; i++)
        for (size_t j = i; j < width; j++)
            g[i * B + j] = g[i * B + j] / (c[order[i]] * c[order[j]]);
    free(part);
}
