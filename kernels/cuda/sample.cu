/*
 * The launch of sample.cuh.
 */
#include "kernels/cuda/sample.cuh"

cudaError_t sample_launch(const struct sample_args *a, uint32_t rows,
                          cudaStream_t stream)
{
    LAUNCH(k_sample, rows, SAMPLE_THREADS, 0, stream, *a);
    return cudaGetLastError();
}
