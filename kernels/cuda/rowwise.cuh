/*
 * Rows: norm and quantisation, a block of ROW_THREADS a row, and what is
 * element by element.
 */
#ifndef APUS_KERNELS_CUDA_ROWWISE_CUH
#define APUS_KERNELS_CUDA_ROWWISE_CUH

#include "kernels/cuda/row_pass.cuh"

#define ROW_THREADS 256
#define ROW_WARPS (ROW_THREADS / 32)

__global__ void __launch_bounds__(ROW_THREADS)
k_rows(const struct rows_args a)
{
    SHARED(uint32_t, word, ROW_WARPS);
    SHARED(unsigned long long, wide, ROW_WARPS);

    row_pass<ROW_THREADS>(a, blockIdx.x, word, wide);
}

__global__ void __launch_bounds__(ROW_THREADS)
k_amax(uint32_t *amax, const float *x, uint32_t k, uint32_t stride)
{
    SHARED(uint32_t, word, ROW_WARPS);
    const float *row = x + (size_t)blockIdx.x * stride;
    auto value = [row](uint32_t i) { return row[i]; };
    uint32_t most = row_amax<ROW_THREADS>(value, k, word);

    if (threadIdx.x == 0)
        amax[blockIdx.x] = most;
}

/* A block a row. */
__global__ void k_columns(const struct columns_args a)
{
    float *y = a.y + (size_t)blockIdx.x * a.ldy;
    const float *x = a.x + (size_t)blockIdx.x * a.ldx + a.from;

    for (uint32_t i = threadIdx.x; a.clear && i < a.ldy; i += blockDim.x)
        if (i < a.to || i >= a.to + a.k)
            y[i] = 0;
    for (uint32_t i = threadIdx.x; i < a.k; i += blockDim.x)
        y[a.to + i] = x[i];
}

/* Grid (heads, rows). */
__global__ void k_rope(float *x, const float *cos, const float *sin,
                       uint32_t hd)
{
    uint32_t half = hd / 2, head = blockIdx.x, row = blockIdx.y;
    float *v = x + ((size_t)row * gridDim.x + head) * hd;

    for (uint32_t i = threadIdx.x; i < half; i += blockDim.x) {
        float a = v[i], b = v[i + half];
        float c = cos[(size_t)row * half + i], s = sin[(size_t)row * half + i];

        v[i] = X1_SUB(X1_MUL(a, c), X1_MUL(b, s));
        v[i + half] = X1_ADD(X1_MUL(b, c), X1_MUL(a, s));
    }
}

/* doc/numerics.md, GELU; no comparison holds for NaN. */
DEV float gelu(float h)
{
    float t = X1_MUL(X1_MUL(h, h), 0x1.6e4e26p-5f); /* 0.044715 */
    float w = -X1_MUL(X1_ADD(h, X1_MUL(h, t)), 0x1.988454p+0f);

    w = w > -88.0f ? w : -88.0f;
    w = w < 88.0f ? w : 88.0f;
    return X1_DIV(h, X1_ADD(1.0f, x1_exp32(w)));
}

__global__ void k_each(float *y, const float *a, const float *b, uint32_t n,
                       int f)
{
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;

    if (i >= n)
        return;
    switch (f) {
    case EACH_EXP32:
        y[i] = x1_exp32(a[i]);
        break;
    case EACH_SILU:
        y[i] = x1_silu(a[i]);
        break;
    case EACH_GATE:
        y[i] = X1_MUL(x1_silu(a[i]), b[i]);
        break;
    case EACH_GELU:
        y[i] = X1_MUL(gelu(a[i]), b[i]);
        break;
    default:
        y[i] = X1_ADD(a[i], b[i]);
    }
}

/* A block a row. */
__global__ void k_embed(const struct embed_args a)
{
    uint32_t id;

    if (!row_is_live(a.live, blockIdx.x))
        return;
    id = a.id[blockIdx.x];
    if (id == EMBED_DRAWN && a.drawn)
        id = a.drawn[a.slot[blockIdx.x]];
    for (uint32_t i = threadIdx.x; i < a.k; i += blockDim.x)
        a.x[(size_t)blockIdx.x * a.k + i] =
            X1_MUL((float)a.w[(size_t)id * a.ldk + i], a.scale[id]);
}

/* Entries of a step are of different places. */
__global__ void k_table(int32_t *table, const uint32_t *entry, uint32_t n,
                        uint32_t stride)
{
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;

    if (i < n)
        table[(size_t)entry[3 * i] * stride + entry[3 * i + 1]] =
            (int32_t)entry[3 * i + 2];
}

#endif
