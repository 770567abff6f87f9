/*
 * Logits as they come from the head, a piece of a row at a time, while they are
 * in a cache: what leaves the range, the cap, and the greatest.
 */
#ifndef APUS_BACKEND_CPU_LOGITS_H
#define APUS_BACKEND_CPU_LOGITS_H

#include <stddef.h>
#include <stdint.h>

struct x1_kernels;

/* The greatest logit of some pieces of a row, of equal ones the first. */
struct greatest {
    size_t id; /* SIZE_MAX: of none */
    float logit;
};

/* Logits [first, first + n) of a row, at x: cap them (cap 0: none), and note
 * the greatest in g; pieces come in any order.  The id of the first one out of
 * range, before the cap, or -1; the greatest is any then. */
int32_t logits_look(struct greatest *g, float *x, size_t first, size_t n,
                    float cap, const struct x1_kernels *k);

/* The id of the greatest of g[0], g[stride], .. g[(n - 1) * stride]. */
size_t logits_best(const struct greatest *g, size_t n, size_t stride);

#endif
