/*
 * What levels of x86 share of a draw: the place of a running sum, found by runs
 * of weights and then one by one.
 */
#ifndef APUS_KERNELS_X86_PICK_H
#define APUS_KERNELS_X86_PICK_H

#include <stddef.h>
#include <stdint.h>

#define DRAW_RUN 256u /* weights of a run */

/* Below this many temperatures from the maximum a weight is 0:
 * exp(-21.75) * 2^30 < 0.39. */
#define DRAW_LEAST (-21.75f)

/* kernels.h, pick: the first index up to which the running sum of n weights
 * exceeds r.  `sum` is the level's; a run whose end is not beyond r is passed
 * over as a whole. */
static inline size_t draw_pick(uint64_t (*sum)(const uint32_t *w, size_t n),
                               const uint32_t *w, size_t n, uint64_t r)
{
    uint64_t s = 0, run;
    size_t i = 0;

    for (; i + DRAW_RUN < n; i += DRAW_RUN, s += run) {
        run = sum(w + i, DRAW_RUN);
        if (s + run > r)
            break;
    }
    while (i + 1 < n && (s += w[i]) <= r)
        i++;
    return i;
}

#endif
