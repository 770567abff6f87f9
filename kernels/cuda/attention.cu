/*
 * The launch of attention.cuh: scores, weights times values, quotients.
 */
#include "kernels/cuda/attention.cuh"

template <int NT>
static void launch_scores(const struct attention_args &a, dim3 grid,
                          cudaStream_t stream)
{
    LAUNCH(k_scores<NT>, grid, ATTN_THREADS,
           (size_t)8 * NT * attn_stride(a.hdp), stream, a);
}

/* c: pieces of 32 dimensions a block. */
template <int MT>
static void launch_mix(const struct attention_args &a, dim3 grid, uint32_t c,
                       uint32_t splits, cudaStream_t stream)
{
    switch (c) {
    case 1:
        LAUNCH((k_mix<MT, 1>), grid, ATTN_THREADS, 0, stream, a, splits);
        break;
    case 2:
        LAUNCH((k_mix<MT, 2>), grid, ATTN_THREADS, 0, stream, a, splits);
        break;
    case 3:
        LAUNCH((k_mix<MT, 3>), grid, ATTN_THREADS, 0, stream, a, splits);
        break;
    default:
        LAUNCH((k_mix<MT, 4>), grid, ATTN_THREADS, 0, stream, a, splits);
    }
}

cudaError_t attention_launch(const struct attention_args *args,
                             uint32_t sequences, uint32_t splits,
                             cudaStream_t stream)
{
    const struct attention_args &a = *args;
    uint32_t group = a.heads / a.kv_heads, pieces = a.hdp / 32;
    uint32_t c = pieces % 4 == 0   ? 4
                 : pieces % 3 == 0 ? 3
                 : pieces % 2 == 0 ? 2
                                   : 1;
    uint32_t parts = a.kv_heads * attn_slices(group);
    dim3 grid(splits, parts, sequences);
    dim3 mix(splits * (pieces / c), parts, sequences);

    if (a.heads % a.kv_heads || a.hdp % 32 || a.page % 16 || !splits)
        return cudaErrorInvalidValue;
    if (group <= 4)
        launch_scores<1>(a, grid, stream);
    else
        launch_scores<2>(a, grid, stream);
    if (group <= 5)
        launch_mix<1>(a, mix, c, splits, stream);
    else
        launch_mix<2>(a, mix, c, splits, stream);
    if (!a.done)
        LAUNCH(k_finish, dim3(a.heads, sequences), ATTN_THREADS, 0, stream, a);
    return cudaGetLastError();
}
