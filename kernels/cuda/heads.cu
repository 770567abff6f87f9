/*
 * The launch of heads.cuh.
 */
#include "kernels/cuda/heads.cuh"

cudaError_t heads_launch(const struct heads_args *a, uint32_t m,
                         cudaStream_t stream)
{
    uint32_t vectors = a->heads + 2 * a->kv_heads;
    dim3 grid((vectors + HEADS_WARPS - 1) / HEADS_WARPS, m);

    if (a->hd % 2 || a->hdp < a->hd)
        return cudaErrorInvalidValue;
    LAUNCH(k_heads, grid, 32 * HEADS_WARPS, 0, stream, *a);
    return cudaGetLastError();
}
