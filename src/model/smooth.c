/*
 * The arithmetic of smoothing, in f64 and without a libm; which rows it is
 * applied to is convert.c.
 */
#include <config.h>

#include "model/smooth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

double smooth_size(const float *w, const float *g, size_t n, float b)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++) {
        double x = (double)w[k] * (double)g[k];

        sum += x * x;
    }
    return fabs((double)b) + 3 * sqrt(sum);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The lower median. */
static double median(const double *m, size_t n)
{
    double *sorted = xmalloc(n * sizeof(*sorted)), out;

    memcpy(sorted, m, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_size);
    out = sorted[(n - 1) / 2];
    free(sorted);
    return out;
}

bool smooth_powers(unsigned char *power, const double *m, size_t n)
{
    double mid = median(m, n);
    bool any = false;

    memset(power, 0, n);
    for (size_t i = 0; i < n; i++)
        any |= m[i] > 16 * mid;
    if (!(mid > 0) || !any)
        return false;
    for (size_t i = 0; i < n; i++) {
        double quotient = m[i] / mid;
        int e; /* quotient = [0.5, 1) * 2^e, so its exponent is e - 1 */

        if (quotient < 2)
            continue;
        if (quotient >= 0x1p24) {
            power[i] = SMOOTH_MAX;
            continue;
        }
        frexp(quotient, &e);
        power[i] = (unsigned char)(e / 2);
    }
    return true;
}

void smooth_scale(float *x, size_t n, int power)
{
    float s = 1.0f;

    if (power == 0)
        return;
    for (int i = abs(power); i > 0; i--)
        s = power < 0 ? s * 0.5f : s * 2.0f;
    for (size_t i = 0; i < n; i++)
        x[i] *= s;
}
