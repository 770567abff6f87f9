/*
 * What both kinds of attention have in common: the order of scores as integers,
 * and values turned for a product.
 */
#ifndef APUS_KERNELS_CUDA_KEYS_CUH
#define APUS_KERNELS_CUDA_KEYS_CUH

#include "kernels/cuda/launch.cuh"
#include "kernels/x1.h"

/* Unsigned order of floats (none is NaN; zeros are made +0 before). */
DEV uint32_t order_of(float v)
{
    uint32_t u = x1_bits(v);

    return u ^ (u >> 31 ? 0xffffffffu : 0x80000000u);
}

DEV float from_order(uint32_t u)
{
    return x1_float(u ^ (u >> 31 ? 0x80000000u : 0xffffffffu));
}

/* Four words of 4 bytes become four words of one byte of each. */
DEV void turn(uint32_t out[4], const uint32_t in[4])
{
    uint32_t a = __byte_perm(in[0], in[1], 0x5140);
    uint32_t b = __byte_perm(in[2], in[3], 0x5140);
    uint32_t c = __byte_perm(in[0], in[1], 0x7362);
    uint32_t d = __byte_perm(in[2], in[3], 0x7362);

    out[0] = __byte_perm(a, b, 0x5410);
    out[1] = __byte_perm(a, b, 0x7632);
    out[2] = __byte_perm(c, d, 0x5410);
    out[3] = __byte_perm(c, d, 0x7632);
}

#endif
