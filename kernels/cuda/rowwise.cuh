/*
 * Rows: norm and quantisation, and what is element by element.  A block of
 * ROW_THREADS has a row; between its threads only maxima and sums of integers
 * are exchanged, so their order is free.
 */
#ifndef APUS_KERNELS_CUDA_ROWWISE_CUH
#define APUS_KERNELS_CUDA_ROWWISE_CUH

#include "kernels/cuda/quantise.cuh"

#define ROW_THREADS 256
#define ROW_WARPS (ROW_THREADS / 32)

/* The greatest v of the block. */
DEV uint32_t block_max(uint32_t v, uint32_t *shared)
{
    v = __reduce_max_sync(0xffffffffu, v);
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = v;
    __syncthreads();
    v = shared[threadIdx.x % ROW_WARPS];
    v = __reduce_max_sync(0xffffffffu, v);
    __syncthreads();
    return v;
}

/* The sum of all v of the block. */
DEV unsigned long long block_sum(unsigned long long v,
                                 unsigned long long *shared)
{
    for (int d = 16; d > 0; d /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, d);
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0;
    for (int i = 0; i < ROW_WARPS; i++)
        v += shared[i];
    __syncthreads();
    return v;
}

/* The bits of the greatest |value(i)|, i below k. */
template <typename F>
DEV uint32_t row_amax(F value, uint32_t k, uint32_t *shared)
{
    uint32_t m = 0;

    for (uint32_t i = threadIdx.x; i < k; i += ROW_THREADS) {
        uint32_t b = x1_bits(value(i)) & 0x7fffffffu;

        m = b > m ? b : m;
    }
    return block_max(m, shared);
}

/* The index of the first value(i) of 2^40 or more, or -1; amax is the row's. */
template <typename F>
DEV int32_t row_fault(F value, uint32_t k, uint32_t amax, uint32_t *shared)
{
    uint32_t first = 0xffffffffu;

    if (amax < ROW_LIMIT)
        return -1;
    for (uint32_t i = threadIdx.x; i < k; i += ROW_THREADS)
        if ((x1_bits(value(i)) & 0x7fffffffu) >= ROW_LIMIT && i < first)
            first = i;
    return (int32_t)~block_max(~first, shared);
}

/* Quantise value(0 .. k), whose amax and fault are known, as row `row`. */
template <typename F>
DEV void row_quantise(const struct rows_args &a, uint32_t row, uint32_t amax,
                      int32_t fault, F value)
{
    uint32_t S = a.a8 ? 1 : 2;
    int8_t *q = a.q + (size_t)row * S * a.ldk;
    float scale, r = row_factor(&scale, amax, a.a8 != 0);
    bool tapped = a.tap && a.tap->row == row &&
                  (a.tap->number == a.reader[0] ||
                   a.tap->number == a.reader[1]);

    if (threadIdx.x == 0) {
        a.scale[row] = scale;
        if (a.fault_y)
            a.fault_y[row] = fault;
        fault_note(a.fault, row, a.op_y, 0, fault);
    }
    for (uint32_t i = threadIdx.x; i < a.ldk; i += ROW_THREADS) {
        int32_t v = r == 0 || i >= a.k ? 0 : x1_round(X1_MUL(value(i), r));
        int32_t hi = (v + 128) >> 8;

        q[i] = (int8_t)(a.a8 ? v : hi);
        if (!a.a8)
            q[a.ldk + i] = (int8_t)(v - 256 * hi);
        if (!tapped)
            continue;
        a.tapped_q[i] = (int8_t)(a.a8 ? v : hi);
        if (!a.a8)
            a.tapped_q[a.ldk + i] = (int8_t)(v - 256 * hi);
    }
}

/* 1 / sqrt(mean of squares + eps) of a row without a fault. */
DEV float row_inverse(const struct rows_args &a, const float *x, uint32_t amax,
                      unsigned long long *shared)
{
    int e = x1_a14_exponent(amax);
    float r = x1_pow2(14 - e);
    unsigned long long s = 0;

    for (uint32_t i = threadIdx.x; i < a.k; i += ROW_THREADS) {
        int32_t q = x1_round(X1_MUL(x[i], r));

        s += (uint32_t)(q * q);
    }
    return norm_inverse(block_sum(s, shared), e, a.k, a.eps);
}

__global__ void __launch_bounds__(ROW_THREADS)
k_rows(const struct rows_args a)
{
    SHARED(uint32_t, word, ROW_WARPS);
    SHARED(unsigned long long, wide, ROW_WARPS);
    uint32_t row = blockIdx.x;
    const float *x = a.x + (size_t)row * a.stride, *g = a.g;
    auto plain = [x](uint32_t i) { return x[i]; };
    uint32_t amax;
    int32_t fault;
    float inv;

    if (!row_is_live(a.live, row))
        return;
    amax = a.amax ? a.amax[row] : row_amax(plain, a.k, word);
    fault = row_fault(plain, a.k, amax, word);
    if (!g) {
        /* of a longer row: another device may have the element that is one */
        row_quantise(a, row, amax, fault < 0 ? fault
                                             : fault + (int32_t)a.first,
                     plain);
        return;
    }
    if (threadIdx.x == 0) {
        if (a.fault_x)
            a.fault_x[row] = fault;
        fault_note(a.fault, row, a.op_x, 0, fault);
    }
    inv = row_inverse(a, x, fault < 0 ? amax : 0, wide);
    auto normed = [x, g, inv, fault](uint32_t i) {
        return fault < 0 ? X1_MUL(X1_MUL(x[i], inv), g[i]) : 0.0f;
    };

    if (a.q) {
        amax = row_amax(normed, a.k, word);
        fault = row_fault(normed, a.k, amax, word);
        row_quantise(a, row, amax, fault, normed);
    }
    for (uint32_t i = threadIdx.x; a.y && i < a.k; i += ROW_THREADS)
        a.y[(size_t)row * a.stride + i] = normed(i);
}

__global__ void __launch_bounds__(ROW_THREADS)
k_amax(uint32_t *amax, const float *x, uint32_t k, uint32_t stride)
{
    SHARED(uint32_t, word, ROW_WARPS);
    const float *row = x + (size_t)blockIdx.x * stride;
    uint32_t most = row_amax([row](uint32_t i) { return row[i]; }, k, word);

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
