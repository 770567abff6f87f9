/*
 * For tests of kernels/cuda/sample.cuh: the rows that it takes.
 */
#ifndef APUS_TESTS_CUSIM_DRAWS_H
#define APUS_TESTS_CUSIM_DRAWS_H

#include "kernels/cuda/launch.cuh"
#include "kernels/x1.h"

extern "C" {
#include "engine/sampler.h"
}

/* A draw by these settings; `best` is still to be set. */
static inline struct sample_row row_of(const struct sampling &s,
                                       uint32_t position, uint32_t slot)
{
    struct sample_row r = {};

    r.t = (float)((double)s.temperature / 1e6);
    r.top_p = s.top_p;
    r.top_k = s.top_k;
    r.choice = s.choice;
    r.position = position;
    r.slot = slot;
    r.seed[0] = (uint32_t)s.seed;
    r.seed[1] = (uint32_t)(s.seed >> 32);
    return r;
}

/* What the head finds of a row (launch.cuh). */
static inline unsigned long long best_of(const float *l, uint32_t n)
{
    uint32_t at = 0, u;

    for (uint32_t i = 1; i < n; i++)
        at = l[i] > l[at] ? i : at;
    u = x1_bits(l[at] + 0.0f);
    u ^= u >> 31 ? 0xffffffffu : 0x80000000u;
    return (unsigned long long)u << 32 | (0xffffffffu - at);
}

#endif
