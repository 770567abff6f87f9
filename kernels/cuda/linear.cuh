/*
 * Linear for 1 to 32 rows: each weight is read once from device memory, where
 * it lies row-major, and meets all rows in the tensor cores.
 *
 * Weights are the A operand (16 outputs a tile), rows the B operand (8 columns
 * a tile).  The order of k inside a product is free, so a thread takes 16
 * consecutive bytes of a row for both operands and no layout changes: lane
 * (g, t) has bytes 16t .. 16t+15 of row g in two mma.  hi and lo are columns
 * side by side, so both end in one thread.
 *
 * Grid: x tiles of 16 MT outputs, y splits of K.  Block: W warps that share K.
 * Each lane copies its own bytes ST - 1 chunks ahead into a ring in shared
 * memory (cp.async) and reads only what it copied: no barrier in the loop.
 * (Loads into registers were tried: ptxas moves them down between the mma, and
 * 3 instead of 12 are in flight.)
 *
 * Sums meet in shared memory, and across splits in `sum`, by integer atomics:
 * order is free.  |sum of a slice| <= 128 * 127 * 131072 < 2^31.
 *
 * Of few rows the last block that has outputs goes on with the rows that they
 * are, if it is asked to: their norm, and slices for the next linear.
 */
#ifndef APUS_KERNELS_CUDA_LINEAR_CUH
#define APUS_KERNELS_CUDA_LINEAR_CUH

#include "kernels/cuda/keys.cuh"
#include "kernels/cuda/last.cuh"
#include "kernels/cuda/row_pass.cuh"

/* 16-byte words of a chunk of 64 k, one a lane: 2 MT of weights, NT of rows. */
template <int MT, int NT>
__host__ __device__ constexpr uint32_t linear_chunk(void)
{
    return (2 * MT + NT) * 32;
}

/* Bytes of the rings of a block. */
template <int MT, int NT, int ST, int W> constexpr size_t linear_ring(void)
{
    return (size_t)W * ST * linear_chunk<MT, NT>() * sizeof(uint4);
}

/* Where this lane's bytes of k = 0 are: rows past the last repeat one, and
 * what they give is never read. */
template <int MT, int NT, int S, bool GATE>
DEV void linear_sources(const int8_t *(&wr)[MT][2], const int8_t *(&qr)[NT],
                        const struct linear_args &a)
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            uint32_t n = GATE ? blockIdx.x * 8 * MT + i / 2 * 16 + h * 8 + g
                              : (blockIdx.x * MT + i) * 16 + h * 8 + g;
            const int8_t *w = GATE && i % 2 ? a.w2 : a.w;

            wr[i][h] = w + (size_t)(n < a.n ? n : a.n - 1) * a.ldk + 16 * t;
        }
#pragma unroll
    for (int j = 0; j < NT; j++) {
        uint32_t col = j * 8 + g;

        qr[j] = a.q + (size_t)(col < a.m * S ? col : 0) * a.ldk + 16 * t;
    }
}

template <int MT, int NT>
DEV void linear_fetch(uint4 *slot, const int8_t *const (&wr)[MT][2],
                      const int8_t *const (&qr)[NT], uint32_t k)
{
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int h = 0; h < 2; h++)
            copy16(slot + (2 * i + h) * 32, wr[i][h] + k, true);
#pragma unroll
    for (int j = 0; j < NT; j++)
        copy16(slot + (2 * MT + j) * 32, qr[j] + k, true);
}

template <int MT, int NT>
DEV void linear_products(int32_t (&d)[MT][NT][4], const uint4 *slot)
{
    uint4 q[NT];

#pragma unroll
    for (int j = 0; j < NT; j++)
        q[j] = slot[(2 * MT + j) * 32];
#pragma unroll
    for (int i = 0; i < MT; i++) {
        uint4 p = slot[2 * i * 32], o = slot[(2 * i + 1) * 32];
        const uint32_t a0[4] = { p.x, o.x, p.y, o.y };
        const uint32_t a1[4] = { p.z, o.z, p.w, o.w };

#pragma unroll
        for (int j = 0; j < NT; j++) {
            const uint32_t b0[2] = { q[j].x, q[j].y };
            const uint32_t b1[2] = { q[j].z, q[j].w };

            mma_s8(d[i][j], a0, b0);
            mma_s8(d[i][j], a1, b1);
        }
    }
}

/* The sums of a warp into those of the block: part[output][column]. */
template <int MT, int NT>
DEV void linear_meet(int32_t *part, const int32_t (&d)[MT][NT][4])
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int j = 0; j < NT; j++)
#pragma unroll
            for (int r = 0; r < 4; r++)
                atomicAdd(&part[(i * 16 + r / 2 * 8 + g) * (8 * NT) + j * 8 +
                                2 * t + r % 2],
                          d[i][j][r]);
}

/* Add the block's sums to those of the other splits.  The block that comes
 * last has them all in `part`, and leaves zeros behind; for it true. */
template <int W>
DEV bool linear_join(const struct linear_args &a, int32_t *part,
                     uint32_t *last, uint32_t tile)
{
    int32_t *sum = a.sum + (size_t)blockIdx.x * tile;

    for (uint32_t i = threadIdx.x; i < tile; i += 32 * W)
        atomicAdd(&sum[i], part[i]);
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0)
        last[0] = atomicAdd(&a.count[blockIdx.x], 1u) == gridDim.y - 1;
    __syncthreads();
    if (!last[0])
        return false;
    __threadfence();
    for (uint32_t i = threadIdx.x; i < tile; i += 32 * W) {
        part[i] = load_shared_int(&sum[i]);
        sum[i] = 0;
    }
    if (threadIdx.x == 0)
        a.count[blockIdx.x] = 0;
    __syncthreads();
    return true;
}

/* Rows of the launch that the step has. */
DEV uint32_t linear_rows(const struct linear_args &a)
{
    return a.live && *a.live < a.m ? *a.live : a.m;
}

/* The row whose sums are tapped, or TAP_NONE. */
DEV uint32_t linear_tapped(const struct linear_args &a)
{
    return a.tap && a.tap->number == a.number ? a.tap->row : TAP_NONE;
}

/* Keep the sums p of output n. */
template <int S>
DEV void linear_tap(const struct linear_args &a, const int32_t *p, uint32_t n,
                    int second)
{
    for (int s = 0; s < S; s++)
        a.tapped[(size_t)(second * S + s) * a.n + n] = p[s];
}

template <int S>
DEV float linear_value(const int32_t *p, float s_w, float step)
{
    return x1_scale_acc(S == 2 ? (int64_t)p[0] * 256 + p[1] : p[0], s_w, step);
}

/* What the sums of an output are multiplied with, and its bias. */
struct linear_scales {
    float w, w2, bias;
};

template <bool GATE>
DEV struct linear_scales linear_scales_of(const struct linear_args &a,
                                          uint32_t n)
{
    return { a.s_w[n], GATE ? a.s_w2[n] : 0, a.bias ? a.bias[n] : 0 };
}

/* y of output n and row r from its exact sums: p, and with GATE those of w2,
 * u. */
template <int S, bool GATE>
DEV float linear_output(const struct linear_args &a, const int32_t *p,
                        const int32_t *u, uint32_t r, uint32_t n,
                        const struct linear_scales &c, float step,
                        uint32_t tapped)
{
    float v = linear_value<S>(p, c.w, step);

    if (tapped == r) {
        linear_tap<S>(a, p, n, 0);
        if (GATE)
            linear_tap<S>(a, u, n, 1);
    }
    if (!GATE && a.sums) {
        for (int s = 0; s < S; s++)
            a.sums[((size_t)r * S + s) * a.n + n] = p[s];
        return 0;
    }
    if (GATE)
        v = X1_MUL(x1_silu(v), linear_value<S>(u, c.w2, step));
    if (a.bias)
        v = X1_ADD(v, c.bias);
    if (a.add)
        v = X1_ADD(a.add[(size_t)r * a.ldy + n], v);
    a.y[(size_t)r * a.ldy + n] = v;
    return v;
}

/* `best` of row r, of which output n is the logit v. */
DEV unsigned long long linear_key(const struct linear_args &a, float v,
                                  uint32_t r, uint32_t n)
{
    if ((x1_bits(v) & 0x7fffffffu) >= ROW_LIMIT) {
        fault_note(a.fault, r, a.op, 0, (int32_t)(a.first + n));
        return BEST_FAULT;
    }
    return (unsigned long long)order_of(X1_ADD(v, 0.0f)) << 32 |
           (0xffffffffu - (a.first + n));
}

DEV unsigned long long linear_greater(unsigned long long a,
                                      unsigned long long b)
{
    return a > b ? a : b;
}

/* The greatest key of lanes that differ in these bits. */
DEV unsigned long long linear_best(unsigned long long key, int from, int to)
{
    for (int x = from; x < to; x *= 2)
        key = linear_greater(key, __shfl_xor_sync(0xffffffffu, key, x));
    return key;
}

/* One tile of y from its exact sums. */
template <int MT, int NT, int S, int W, bool GATE>
DEV void linear_epilogue(const struct linear_args &a, const int32_t *part,
                         uint32_t *amax, unsigned long long *best)
{
    const uint32_t outs = GATE ? 8 * MT : 16 * MT; /* outputs of the tile */
    const uint32_t tapped = linear_tapped(a), m = linear_rows(a);
    const uint32_t all = (outs * m + 31) / 32 * 32; /* warps stay whole */

    for (uint32_t i = threadIdx.x; i < all; i += 32 * W) {
        uint32_t r = i / outs, j = i % outs, n = blockIdx.x * outs + j;
        /* gate in even tiles of 16, up in the odd ones */
        uint32_t row = GATE ? j / 16 * 32 + j % 16 : j;
        const int32_t *p = part + row * (8 * NT) + r * S;
        const int32_t *u = p + 16 * (8 * NT);
        unsigned long long key = 0;

        if (r < m && n < a.n) {
            float v = linear_output<S, GATE>(a, p, u, r, n,
                                             linear_scales_of<GATE>(a, n),
                                             a.step[r], tapped);

            if (a.amax)
                atomicMax(&amax[r], x1_bits(v) & 0x7fffffffu);
            if (a.draw)
                key = linear_key(a, v, r, n);
        }
        if (a.draw)
            key = linear_best(key, 1, 16);
        if (key && i % 16 == 0)
            atomicMax(&best[r], key);
    }
    __syncthreads();
    if (a.amax && threadIdx.x < m)
        atomicMax(&a.amax[threadIdx.x], amax[threadIdx.x]);
    if (a.draw && threadIdx.x < m)
        atomicMax(&a.draw[threadIdx.x].best, best[threadIdx.x]);
}

/* This warp's part of the sums: chunks of 64 k, W times gridDim.y apart. */
template <int MT, int NT, int S, int ST, int W, bool GATE>
DEV void linear_sums(int32_t (&d)[MT][NT][4], const struct linear_args &a,
                     uint4 *rings)
{
    const uint32_t chunk = linear_chunk<MT, NT>(), warp = threadIdx.x / 32;
    const uint32_t stride = 64 * W * gridDim.y;
    const uint32_t k0 = 64 * (warp + W * blockIdx.y);
    const uint32_t steps = k0 < a.ldk ? (a.ldk - k0 + stride - 1) / stride : 0;
    uint4 *ring = rings + (size_t)warp * ST * chunk + threadIdx.x % 32;
    const int8_t *wr[MT][2], *qr[NT];

    linear_sources<MT, NT, S, GATE>(wr, qr, a);
    for (uint32_t at = 0; at < steps + ST - 1; at++) {
        if (at < steps)
            linear_fetch<MT, NT>(ring + at % ST * chunk, wr, qr,
                                 k0 + at * stride);
        copy_commit();
        if (at < ST - 1)
            continue;
        copy_wait<ST - 1>();
        linear_products<MT, NT>(d, ring + (at - (ST - 1)) % ST * chunk);
    }
}

template <int MT, int NT, int S, int ST, int W, bool GATE>
__global__ void __launch_bounds__(32 * W, 1)
k_linear(const struct linear_args a)
{
    SHARED(int32_t, part, 16 * MT * 8 * NT);
    SHARED(uint32_t, amax, 32);
    SHARED(unsigned long long, best, 32);
    SHARED(uint32_t, last, 1);
    SHARED_DYNAMIC(uint4, rings);
    const uint32_t tile = 16 * MT * 8 * NT;
    int32_t d[MT][NT][4];

    for (uint32_t i = threadIdx.x; i < tile; i += 32 * W)
        part[i] = 0;
    if (threadIdx.x < 32)
        best[threadIdx.x] = amax[threadIdx.x] = 0;
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int j = 0; j < NT; j++)
#pragma unroll
            for (int r = 0; r < 4; r++)
                d[i][j][r] = 0;
    __syncthreads();
    linear_sums<MT, NT, S, ST, W, GATE>(d, a, rings);
    linear_meet<MT, NT>(part, d);
    __syncthreads();
    if (a.sum && !linear_join<W>(a, part, last, tile))
        return;
    linear_epilogue<MT, NT, S, W, GATE>(a, part, amax, best);
    /* few rows are few columns; maxima were read before a barrier */
    if (NT == 1 && a.then.m && comes_last(a.then.done, gridDim.x, last))
        for (uint32_t r = 0; r < a.then.m; r++)
            row_pass<32 * W>(a.then.rows, r, amax, best);
}

/* One form of the kernel; its rings fit the 99 KB of sm_86, 89 and 120. */
template <int MT, int NT, int S, int ST, int W, bool GATE>
static cudaError_t linear_run(const struct linear_args &a, uint32_t splits,
                              cudaStream_t stream)
{
    const uint32_t outs = GATE ? 8 * MT : 16 * MT;
    const size_t ring = linear_ring<MT, NT, ST, W>();
    cudaError_t e = cudaFuncSetAttribute(
        k_linear<MT, NT, S, ST, W, GATE>,
        cudaFuncAttributeMaxDynamicSharedMemorySize, (int)ring);

    if (e != cudaSuccess)
        return e;
    LAUNCH((k_linear<MT, NT, S, ST, W, GATE>),
           dim3((a.n + outs - 1) / outs, splits), 32 * W, ring, stream, a);
    return cudaGetLastError();
}

/* The form for so many rows. */
template <int S, bool GATE>
static cudaError_t linear_pick(const struct linear_args &a, uint32_t splits,
                               cudaStream_t stream)
{
    const int MT = GATE ? 2 : 1, ST = GATE ? 4 : 5;
    uint32_t cols = a.m * S;

    if (cols <= 8)
        return linear_run<MT, 1, S, ST, 8, GATE>(a, splits, stream);
    if (cols <= 16)
        return linear_run<MT, 2, S, 4, 8, GATE>(a, splits, stream);
    if (cols <= 32)
        return linear_run<2, 4, S, 2, 8, GATE>(a, splits, stream);
    return linear_run<4, 8, S, 2, 4, GATE>(a, splits, stream);
}

#endif
