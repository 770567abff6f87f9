/*
 * Philox4x32-10 (J. K. Salmon et al., Parallel random numbers: as easy as 1, 2,
 * 3, SC11): numbers that follow from a counter and a key alone, so that any
 * machine draws the same, in any order.  The sampler draws tokens with it
 * (doc/numerics.md, Sampling), the converter the signs of a rotation.
 */
#ifndef APUS_KERNELS_PHILOX_H
#define APUS_KERNELS_PHILOX_H

#include <stdint.h>

/* out = f(counter, key): four words, after ten rounds. */
void philox4x32(uint32_t out[4], const uint32_t counter[4],
                const uint32_t key[2]);

#endif
