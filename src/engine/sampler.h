/*
 * From a row of logits to a token: greedy, or drawn with Philox4x32-10, in
 * integers (numerics.md, Sampling).
 */
#ifndef APUS_ENGINE_SAMPLER_H
#define APUS_ENGINE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

struct x1_kernels;

struct sampling {
    uint32_t temperature; /* millionths; 0 greedy, else 10^4 .. 10^8 */
    uint32_t top_p;       /* millionths, 1 .. 10^6, the last means all */
    uint32_t top_k;       /* 0 all */
    uint64_t seed;
    uint32_t choice;
};

/* What was drawn, and the sums that decided it (zero if greedy). */
struct drawn {
    uint32_t token;
    uint32_t kept;        /* how many tokens were in the draw */
    uint64_t sum_k;       /* W: weights after top_k */
    uint64_t sum_p;       /* W': weights after top_p */
    uint64_t r;
};

/* Draw the token at `position`.  logits: n, all below 2^40 in size.  weight:
 * room for n; NULL will do for temperature 0. */
void sampler_draw(struct drawn *out, const float *logits, size_t n,
                  const struct sampling *s, uint32_t position,
                  const struct x1_kernels *k, uint32_t *weight);

/* The same where the id of the greatest logit, of equal ones the first, is
 * known. */
void sampler_draw_best(struct drawn *out, const float *logits, size_t n,
                       size_t best, const struct sampling *s,
                       uint32_t position, const struct x1_kernels *k,
                       uint32_t *weight);

#endif
