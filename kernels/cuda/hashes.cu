/*
 * The launch of hashes.cuh.
 */
#include "kernels/cuda/hashes.cuh"

/* The same for every launch: it is set for the process, whose threads may have
 * launches of different sizes. */
#define COMMIT_MOST 98304 /* bytes, of the 99 KB of a block */

cudaError_t commit_launch(const struct commit_args *a, uint32_t positions,
                          cudaStream_t stream)
{
    uint32_t pieces = a->x ? commit_pieces(a->d) : 0;
    uint32_t leaves = (a->rows ? a->n_rows : 0) + pieces;
    size_t bytes = (size_t)32 * leaves;
    cudaError_t e = cudaFuncSetAttribute(
        k_commit, cudaFuncAttributeMaxDynamicSharedMemorySize, COMMIT_MOST);

    if (bytes > COMMIT_MOST)
        return cudaErrorInvalidValue;
    if (e != cudaSuccess)
        return e;
    LAUNCH(k_commit, positions, COMMIT_THREADS, bytes, stream, *a);
    return cudaGetLastError();
}
