/*
 * From the sums of a large product, which a library has left in memory, to its
 * outputs: scales, bias, silu, residual and tap of linear.cuh.
 *
 * Grid: x pieces of SCALE_THREADS outputs, y rows.  A thread has one output of
 * one row; of logits a warp finds the greatest.
 */
#ifndef APUS_KERNELS_CUDA_GEMM_CUH
#define APUS_KERNELS_CUDA_GEMM_CUH

#include "kernels/cuda/linear.cuh"

#define SCALE_THREADS 128

/* Output i of the piece, row r; its key where it is a logit. */
template <int S, bool GATE>
DEV unsigned long long scale_output(const struct scale_args &a, uint32_t r,
                                    uint32_t i)
{
    int32_t p[2], u[2] = { 0, 0 };
    uint32_t n = a.first + i;
    float v;

#pragma unroll
    for (int s = 0; s < S; s++) {
        size_t at = ((size_t)r * S + s) * a.ld + i;

        p[s] = a.d[at];
        if (GATE)
            u[s] = a.d2[at];
    }
    v = linear_output<S, GATE>(a.of, p, u, r, n,
                               linear_scales_of<GATE>(a.of, n), a.of.step[r],
                               linear_tapped(a.of));
    return a.of.draw ? linear_key(a.of, v, r, n) : 0;
}

template <int S, bool GATE>
__global__ void __launch_bounds__(SCALE_THREADS)
k_scale(const struct scale_args a)
{
    uint32_t i = blockIdx.x * SCALE_THREADS + threadIdx.x, r = blockIdx.y;
    unsigned long long key = 0;

    if (!row_is_live(a.of.live, r))
        return;
    if (i < a.some)
        key = scale_output<S, GATE>(a, r, i);
    if (!a.of.draw)
        return;
    key = linear_best(key, 1, 32);
    if (key && threadIdx.x % 32 == 0)
        atomicMax(&a.of.draw[r].best, key);
}
template <int S>
static cudaError_t scale_pick(const struct scale_args &a, cudaStream_t stream)
{
    dim3 grid((a.some + SCALE_THREADS - 1) / SCALE_THREADS, a.of.m);

    if (a.of.w2)
        LAUNCH((k_scale<S, true>), grid, SCALE_THREADS, 0, stream, a);
    else
        LAUNCH((k_scale<S, false>), grid, SCALE_THREADS, 0, stream, a);
    return cudaGetLastError();
}

#endif
