/*
 * The launch of gemm.cuh.
 */
#include "kernels/cuda/gemm.cuh"

cudaError_t scale_launch(const struct scale_args *a, bool a8,
                         cudaStream_t stream)
{
    if (a->of.m == 0 || a->some == 0 || a->first + a->some > a->of.n)
        return cudaErrorInvalidValue;
    return a8 ? scale_pick<1>(*a, stream) : scale_pick<2>(*a, stream);
}
