/*
 * The launches of rowwise.cuh.
 */
#include "kernels/cuda/rowwise.cuh"

#define EACH_THREADS 128

cudaError_t rows_launch(const struct rows_args *a, uint32_t m,
                        cudaStream_t stream)
{
    LAUNCH(k_rows, m, ROW_THREADS, 0, stream, *a);
    return cudaGetLastError();
}

cudaError_t amax_launch(uint32_t *amax, const float *x, uint32_t k,
                        uint32_t stride, uint32_t m, cudaStream_t stream)
{
    LAUNCH(k_amax, m, ROW_THREADS, 0, stream, amax, x, k, stride);
    return cudaGetLastError();
}

cudaError_t columns_launch(const struct columns_args *a, uint32_t m,
                           cudaStream_t stream)
{
    LAUNCH(k_columns, m, ROW_THREADS, 0, stream, *a);
    return cudaGetLastError();
}

cudaError_t rope_launch(float *x, const float *cos, const float *sin,
                        uint32_t m, uint32_t heads, uint32_t hd,
                        cudaStream_t stream)
{
    LAUNCH(k_rope, dim3(heads, m), 64, 0, stream, x, cos, sin, hd);
    return cudaGetLastError();
}

cudaError_t each_launch(float *y, const float *a, const float *b, uint32_t n,
                        enum each f, cudaStream_t stream)
{
    LAUNCH(k_each, (n + EACH_THREADS - 1) / EACH_THREADS, EACH_THREADS, 0,
           stream, y, a, b, n, (int)f);
    return cudaGetLastError();
}

cudaError_t embed_launch(const struct embed_args *a, uint32_t m,
                         cudaStream_t stream)
{
    LAUNCH(k_embed, m, 64, 0, stream, *a);
    return cudaGetLastError();
}

cudaError_t table_launch(int32_t *table, const uint32_t *entry, uint32_t n,
                         uint32_t stride, cudaStream_t stream)
{
    LAUNCH(k_table, (n + EACH_THREADS - 1) / EACH_THREADS, EACH_THREADS, 0,
           stream, table, entry, n, stride);
    return cudaGetLastError();
}
