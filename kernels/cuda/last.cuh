/*
 * The last block of a launch: what all blocks have written it can read, so it
 * goes on with that, and a launch is saved.  Nobody waits for another block.
 */
#ifndef APUS_KERNELS_CUDA_LAST_CUH
#define APUS_KERNELS_CUDA_LAST_CUH

#include "kernels/cuda/dev.cuh"

/* To be called by all threads of n blocks, once each: whether this block is
 * the last one, which from here on sees what all of them wrote before, and may
 * write over what they read.  *done is zero before and after, so that the
 * launch can be repeated; *last is shared memory of the block. */
DEV bool comes_last(uint32_t *done, uint32_t n, uint32_t *last)
{
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last[0] = atomicAdd(done, 1u) == n - 1;
        if (last[0])
            *done = 0;
    }
    __syncthreads();
    if (!last[0])
        return false;
    __threadfence();
    return true;
}

#endif
