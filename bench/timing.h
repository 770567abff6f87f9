/*
 * Time and medians for the benchmarks.
 */
#ifndef APUS_BENCH_TIMING_H
#define APUS_BENCH_TIMING_H

#include <stdlib.h>
#include <time.h>

/* Return the seconds of a clock; only differences mean something. */
static inline double timing_now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int timing_by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sort n values, at least one, and return the middle one, of an even number
 * the greater. */
static inline double timing_median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), timing_by_size);
    return v[n / 2];
}

#endif
