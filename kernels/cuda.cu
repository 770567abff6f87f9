/*
 * Element-wise X1 on a GPU: one thread an element, grid of 256 threads a
 * block, no reduction.  The arithmetic is x1.h, the same source as the CPU's.
 */
#include "kernels/cuda.h"

#include <stdio.h>

#include "kernels/x1.h"

#define BLOCK 256

/* Every CUDA call goes through this: keep the first error. */
#define TRY(call) \
    do { \
        if (e == cudaSuccess) \
            e = (call); \
    } while (0)

__global__ void k_exp32(float *x, size_t n)
{
    size_t i = (size_t)blockIdx.x * BLOCK + threadIdx.x;

    if (i < n)
        x[i] = x1_exp32(x[i]);
}

__global__ void k_silu(float *x, size_t n)
{
    size_t i = (size_t)blockIdx.x * BLOCK + threadIdx.x;

    if (i < n)
        x[i] = x1_silu(x[i]);
}

extern "C" int cuda_devices(void)
{
    int n = 0;

    return cudaGetDeviceCount(&n) == cudaSuccess ? n : 0;
}

static int run(void (*kernel)(float *, size_t), float *y, const float *x,
               size_t n, char *text, size_t n_text)
{
    unsigned blocks = (unsigned)((n + BLOCK - 1) / BLOCK);
    cudaError_t e = cudaSuccess;
    float *d = NULL;

    TRY(cudaMalloc((void **)&d, n * sizeof(*d)));
    TRY(cudaMemcpy(d, x, n * sizeof(*d), cudaMemcpyHostToDevice));
    if (e == cudaSuccess)
        kernel<<<blocks, BLOCK>>>(d, n);
    TRY(cudaGetLastError());
    TRY(cudaMemcpy(y, d, n * sizeof(*d), cudaMemcpyDeviceToHost));
    cudaFree(d);
    if (e == cudaSuccess)
        return 0;
    snprintf(text, n_text, "%s", cudaGetErrorString(e));
    return -1;
}

extern "C" int cuda_exp32(float *y, const float *x, size_t n, char *text,
                          size_t n_text)
{
    return run(k_exp32, y, x, n, text, n_text);
}

extern "C" int cuda_silu(float *y, const float *x, size_t n, char *text,
                         size_t n_text)
{
    return run(k_silu, y, x, n, text, n_text);
}
