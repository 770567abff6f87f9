/*
 * The launch of prefill.cuh: maxima, then weights times values.
 */
#include "kernels/cuda/prefill.cuh"

cudaError_t prefill_launch(const struct prefill_args *args, uint32_t tiles,
                           cudaStream_t stream)
{
    const struct prefill_args &a = *args;
    uint32_t pieces = a.hdp / 32, c = pieces % 2 ? 1 : 2;
    dim3 grid(tiles, a.kv_heads), mix(tiles, a.kv_heads * (pieces / c));

    if (a.heads % a.kv_heads || a.hdp % 32 || a.page % 16 ||
        a.heads / a.kv_heads > TILE_QUERIES)
        return cudaErrorInvalidValue;
    LAUNCH(k_tile_top, grid, 32 * TILE_WARPS, 0, stream, a);
    if (c == 1)
        LAUNCH(k_tile_mix<1>, mix, 32 * TILE_WARPS, 0, stream, a);
    else
        LAUNCH(k_tile_mix<2>, mix, 32 * TILE_WARPS, 0, stream, a);
    return cudaGetLastError();
}
