/*
 * Philox4x32-10 (J. K. Salmon et al., Parallel random numbers: as easy as 1, 2,
 * 3, SC11): numbers that follow from a counter and a key alone, so that any
 * machine draws the same, in any order.  The sampler draws tokens with it
 * (doc/numerics.md, Sampling), the converter the signs of a rotation.
 */
#ifndef APUS_KERNELS_PHILOX_H
#define APUS_KERNELS_PHILOX_H

#include "kernels/x1.h"

/* out = f(counter, key): four words.
 *
 * Ten rounds.  A round multiplies two of the four words by a constant each, to
 * 64 bits; the low halves stay, the high halves go to the other pair's places,
 * joined by exclusive or with the words that stood there and with the key.  Two
 * constants are added to the key after each round (they come from the golden
 * ratio and the root of 3).  All is modulo 2^32 in unsigned integers, so that
 * a CPU and a device draw the same; tests/vectors_ops.c has the published
 * answers for a counter and a key of zeros and of ones. */
X1_FN void philox4x32(uint32_t out[4], const uint32_t counter[4],
                      const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1];
    uint32_t c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xd2511f53u * c0;
        uint64_t b = (uint64_t)0xcd9e8d57u * c2;

        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

#endif
