/*
 * What kernels that quantise have in common: factors of a row, the root of a
 * norm, and where the least fault of a sequence meets.
 */
#ifndef APUS_KERNELS_CUDA_QUANTISE_CUH
#define APUS_KERNELS_CUDA_QUANTISE_CUH

#include "kernels/cuda/launch.cuh"
#include "kernels/x1.h"

#define ROW_LIMIT 0x53800000u /* bits of 2^40 */
#define ROW_LEAST 0x12800000u /* bits of 2^-90: below it A8 is zeros */

/* The factor of a row's elements and its scale; both 0 for a row of zeros. */
DEV float row_factor(float *scale, uint32_t amax, bool a8)
{
    int e;

    *scale = 0;
    if (amax >= ROW_LIMIT || (a8 && amax < ROW_LEAST))
        return 0;
    if (a8) {
        *scale = X1_DIV(x1_float(amax), 127.0f);
        return X1_DIV(127.0f, x1_float(amax));
    }
    e = x1_a14_exponent(amax);
    *scale = x1_pow2(e - 14);
    return x1_pow2(14 - e);
}

/* 1 / sqrt(mean of k squares + eps), s being the sum of the squares of the
 * integers of an A14 row with exponent e. */
DEV float norm_inverse(unsigned long long s, int e, uint32_t k, float eps)
{
    double step = (double)x1_pow2(e - 14), ms;

    ms = __dmul_rn(__ll2double_rn((long long)s), __dmul_rn(step, step));
    ms = __ddiv_rn(ms, (double)k);
    return __double2float_rn(
        __ddiv_rn(1.0, __dsqrt_rn(__dadd_rn(ms, (double)eps))));
}

/* One thread: the fault of a row of the step, if there is one, into the least
 * of its slot. */
DEV void fault_note(const struct fault_sink &f, uint32_t row, uint32_t op,
                    uint32_t head, int32_t index)
{
    if (index < 0 || !f.least)
        return;
    atomicMin(&f.least[f.slot[row]],
              fault_key(f.to[row] - 1, f.layer, op, head, (uint32_t)index));
}

#endif
