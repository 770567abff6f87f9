/*
 * The launch of linear.cuh.
 */
#include "kernels/cuda/linear.cuh"

cudaError_t linear_launch(const struct linear_args *args, bool a8,
                          uint32_t splits, cudaStream_t stream)
{
    struct linear_args a = *args;

    if (a.m == 0 || a.m > LINEAR_ROWS || a.n == 0 ||
        a.then.m > (a.m <= LAST_ROWS ? a.m : 0))
        return cudaErrorInvalidValue;
    if (splits <= 1) {
        splits = 1;
        a.sum = NULL;
    }
    if (a8)
        return a.w2 ? linear_pick<1, true>(a, splits, stream)
                    : linear_pick<1, false>(a, splits, stream);
    return a.w2 ? linear_pick<2, true>(a, splits, stream)
                : linear_pick<2, false>(a, splits, stream);
}
