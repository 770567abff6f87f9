/*
 * Signs, then a Hadamard transform of each block, in f64 and in the order that
 * doc/numerics.md has; only the last step rounds to f32.
 */
#include <config.h>

#include "model/rotate.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/philox.h"

#define MAX_BLOCK 1024
#define STRIP 64         /* columns that are rotated side by side */
#define ROTA 0x726f7461u /* the last word of the counter */

size_t rotate_block(size_t d)
{
    size_t b = 1;

    while (b < MAX_BLOCK && d % (2 * b) == 0)
        b *= 2;
    return b;
}

/* A bit a channel, 128 of them of each counter. */
static void draw_signs(unsigned char *negative, size_t d)
{
    static const uint32_t key[2] = { 0, 0 };
    uint32_t out[4] = { 0 };

    for (size_t i = 0; i < d; i++) {
        if (i % 128 == 0) {
            uint32_t counter[4] = { (uint32_t)(i / 128), 0, 0, ROTA };

            philox4x32(out, counter, key);
        }
        negative[i] = out[i / 32 % 4] >> (i % 32) & 1;
    }
}

void rotate_init(struct rotation *r, size_t d)
{
    size_t b = rotate_block(d), n = b * STRIP < d ? d : b * STRIP;

    r->d = d;
    r->block = b;
    r->factor = 1.0 / sqrt((double)b);
    r->negative = xmalloc(d);
    r->scratch = xcalloc(n, sizeof(*r->scratch));
    draw_signs(r->negative, d);
}

void rotate_clear(struct rotation *r)
{
    free(r->negative);
    free(r->scratch);
    memset(r, 0, sizeof(*r));
}

/* The transform of b rows of n numbers, down their columns. */
static void transform(double *t, size_t b, size_t n)
{
    for (size_t h = 1; h < b; h *= 2)
        for (size_t i = 0; i < b; i++) {
            if (i & h)
                continue;
            for (size_t k = 0; k < n; k++) {
                double *x = &t[i * n + k], *y = &t[(i + h) * n + k];
                double sum = *x + *y, difference = *x - *y;

                *x = sum;
                *y = difference;
            }
        }
}

void rotate_row(struct rotation *r, float *x, const float *g)
{
    double *t = r->scratch;

    for (size_t i = 0; i < r->d; i++) {
        t[i] = g ? (double)x[i] * (double)g[i] : (double)x[i];
        if (r->negative[i])
            t[i] = -t[i];
    }
    for (size_t at = 0; at < r->d; at += r->block)
        transform(t + at, r->block, 1);
    for (size_t i = 0; i < r->d; i++)
        x[i] = (float)(t[i] * r->factor);
}

/* n columns from x on, in rows of `cols`. */
static void rotate_strip(struct rotation *r, float *x, size_t first,
                         size_t cols, size_t n)
{
    double *t = r->scratch;

    for (size_t i = 0; i < r->block; i++)
        for (size_t k = 0; k < n; k++) {
            double v = (double)x[i * cols + k];

            t[i * n + k] = r->negative[first + i] ? -v : v;
        }
    transform(t, r->block, n);
    for (size_t i = 0; i < r->block; i++)
        for (size_t k = 0; k < n; k++)
            x[i * cols + k] = (float)(t[i * n + k] * r->factor);
}

void rotate_columns(struct rotation *r, float *x, size_t first, size_t cols)
{
    for (size_t at = 0; at < cols; at += STRIP)
        rotate_strip(r, x + at, first, cols,
                     cols - at < STRIP ? cols - at : STRIP);
}
