/*
 * Norm and quantisation of a row by a block of T threads: of a launch of its
 * own (rowwise.cuh), or the last block of the kernel that made the row
 * (last.cuh).  Between its threads only maxima and sums of integers are
 * exchanged, so their order is free.
 */
#ifndef APUS_KERNELS_CUDA_ROW_PASS_CUH
#define APUS_KERNELS_CUDA_ROW_PASS_CUH

#include "kernels/cuda/quantise.cuh"

/* The greatest v of the block. */
template <uint32_t T>
DEV uint32_t block_max(uint32_t v, uint32_t *shared)
{
    v = __reduce_max_sync(0xffffffffu, v);
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = v;
    __syncthreads();
    v = shared[threadIdx.x % (T / 32)];
    v = __reduce_max_sync(0xffffffffu, v);
    __syncthreads();
    return v;
}

/* The sum of all v of the block. */
template <uint32_t T>
DEV unsigned long long block_sum(unsigned long long v,
                                 unsigned long long *shared)
{
    for (int d = 16; d > 0; d /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, d);
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0;
    for (uint32_t i = 0; i < T / 32; i++)
        v += shared[i];
    __syncthreads();
    return v;
}

/* The bits of the greatest |value(i)|, i below k. */
template <uint32_t T, typename F>
DEV uint32_t row_amax(F value, uint32_t k, uint32_t *shared)
{
    uint32_t m = 0;

    for (uint32_t i = threadIdx.x; i < k; i += T) {
        uint32_t b = x1_bits(value(i)) & 0x7fffffffu;

        m = b > m ? b : m;
    }
    return block_max<T>(m, shared);
}

/* The index of the first value(i) of 2^40 or more, or -1; amax is the row's. */
template <uint32_t T, typename F>
DEV int32_t row_fault(F value, uint32_t k, uint32_t amax, uint32_t *shared)
{
    uint32_t first = 0xffffffffu;

    if (amax < ROW_LIMIT)
        return -1;
    for (uint32_t i = threadIdx.x; i < k; i += T)
        if ((x1_bits(value(i)) & 0x7fffffffu) >= ROW_LIMIT && i < first)
            first = i;
    return (int32_t)~block_max<T>(~first, shared);
}

/* Quantise value(0 .. k), whose amax and fault are known, as row `row`. */
template <uint32_t T, typename F>
DEV void row_quantise(const struct rows_args &a, uint32_t row, uint32_t amax,
                      int32_t fault, F value)
{
    uint32_t S = a.a8 ? 1 : 2;
    int8_t *q = a.q + (size_t)row * S * a.ldk;
    float scale, r = row_factor(&scale, amax, a.a8 != 0);
    bool tapped = a.tap && a.tap->row == row &&
                  (a.tap->number == a.reader[0] ||
                   a.tap->number == a.reader[1]);

    if (threadIdx.x == 0) {
        a.scale[row] = scale;
        if (a.fault_y)
            a.fault_y[row] = fault;
        fault_note(a.fault, row, a.op_y, 0, fault);
    }
    for (uint32_t i = threadIdx.x; i < a.ldk; i += T) {
        int32_t v = r == 0 || i >= a.k ? 0 : x1_round(X1_MUL(value(i), r));
        int32_t hi = (v + 128) >> 8;

        q[i] = (int8_t)(a.a8 ? v : hi);
        if (!a.a8)
            q[a.ldk + i] = (int8_t)(v - 256 * hi);
        if (!tapped)
            continue;
        a.tapped_q[i] = (int8_t)(a.a8 ? v : hi);
        if (!a.a8)
            a.tapped_q[a.ldk + i] = (int8_t)(v - 256 * hi);
    }
}

/* 1 / sqrt(mean of squares + eps) of a row without a fault. */
template <uint32_t T>
DEV float row_inverse(const struct rows_args &a, const float *x, uint32_t amax,
                      unsigned long long *shared)
{
    int e = x1_a14_exponent(amax);
    float r = x1_pow2(14 - e);
    unsigned long long s = 0;

    for (uint32_t i = threadIdx.x; i < a.k; i += T) {
        int32_t q = x1_round(X1_MUL(x[i], r));

        s += (uint32_t)(q * q);
    }
    return norm_inverse(block_sum<T>(s, shared), e, a.k, a.eps);
}

/* Row `row` if the step has it; word and wide are shared memory of T / 32. */
template <uint32_t T>
DEV void row_pass(const struct rows_args &a, uint32_t row, uint32_t *word,
                  unsigned long long *wide)
{
    const float *x = a.x + (size_t)row * a.stride, *g = a.g;
    auto plain = [x](uint32_t i) { return x[i]; };
    uint32_t amax;
    int32_t fault;
    float inv;

    if (!row_is_live(a.live, row))
        return;
    amax = a.amax ? a.amax[row] : row_amax<T>(plain, a.k, word);
    fault = row_fault<T>(plain, a.k, amax, word);
    if (!g) {
        /* of a longer row: another device may have the element that is one */
        row_quantise<T>(a, row, amax, fault < 0 ? fault
                                                : fault + (int32_t)a.first,
                     plain);
        return;
    }
    if (threadIdx.x == 0) {
        if (a.fault_x)
            a.fault_x[row] = fault;
        fault_note(a.fault, row, a.op_x, 0, fault);
    }
    inv = row_inverse<T>(a, x, fault < 0 ? amax : 0, wide);
    auto normed = [x, g, inv, fault](uint32_t i) {
        return fault < 0 ? X1_MUL(X1_MUL(x[i], inv), g[i]) : 0.0f;
    };

    if (a.q) {
        amax = row_amax<T>(normed, a.k, word);
        fault = row_fault<T>(normed, a.k, amax, word);
        row_quantise<T>(a, row, amax, fault, normed);
    }
    for (uint32_t i = threadIdx.x; a.y && i < a.k; i += T)
        a.y[(size_t)row * a.stride + i] = normed(i);
}

#endif
