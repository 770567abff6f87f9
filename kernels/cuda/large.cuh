/*
 * Linear for many rows: a tile of outputs and columns goes over K in chunks of
 * 64 that pass through shared memory, so that a byte which comes from L2
 * serves a whole side of the tile; the outputs are made where the sums are, in
 * registers.  It is right for any number of rows; up to LINEAR_ROWS linear.cuh
 * is meant to be the faster one.
 *
 * As there, weights are the A operand and rows the B operand, hi and lo are
 * columns side by side, and lane (g, t) takes 16 consecutive bytes of a row,
 * 16t .. 16t+15 of the chunk, in two mma.  Rows of a chunk follow one another
 * in shared memory, 64 bytes each: what the lanes of a warp read at a time is
 * one run of 512 bytes, which no two lanes ask of the same bank.
 *
 * Grid: x tiles of columns, y tiles of outputs, z splits of K.  Blocks that run
 * at the same time have nearly all rows and few weights: weights come from
 * memory once, rows from L2.  Block: WM x WN warps of 16 MT outputs and 8 NT
 * columns; they share ST chunks, of which ST - 1 are on their way.
 *
 * A thread has hi and lo of its outputs, so that nothing but bytes of y leaves
 * it: 8 outputs of 4 rows a store, whole sectors.  Sums of splits meet in
 * `sum` by integer atomics, in the order of threads.
 *
 * Which form is faster where was reckoned from bytes and operations; no device
 * has been asked yet (bench/gpu large asks one).
 */
#ifndef APUS_KERNELS_CUDA_LARGE_CUH
#define APUS_KERNELS_CUDA_LARGE_CUH

#include "kernels/cuda/linear.cuh"

#define LARGE_CHUNK 64u /* bytes of K */

/* One shape of a block; sizes in rows of weights and in columns. */
template <int MT_, int NT_, int WM_, int WN_, int ST_> struct large_shape {
    enum {
        MT = MT_,
        NT = NT_,
        WM = WM_,
        ST = ST_,
        THREADS = 32 * WM_ * WN_,
        ROWS = 16 * MT_ * WM_,
        COLS = 8 * NT_ * WN_,
        WORDS = (ROWS + COLS) * 4,            /* of 16 bytes, a chunk */
        COPIES = WORDS / THREADS,             /* of them a thread makes .. */
        COPIES_W = ROWS * 4 / THREADS,        /* .. of weights, first */
        BYTES = ST_ * WORDS * 16
    };
};

/* Few tiles; some; as large as the registers of a block allow. */
using large_small = large_shape<2, 8, 2, 2, 4>;
using large_middle = large_shape<4, 8, 2, 2, 3>;
using large_wide = large_shape<4, 8, 2, 4, 4>;

/* The output of a tile's row of weights; with GATE tiles of 16 alternate
 * between w and w2. */
template <class F, bool GATE> DEV uint32_t large_output(uint32_t row)
{
    return GATE ? blockIdx.y * (F::ROWS / 2) + row / 32 * 16 + row % 16
                : blockIdx.y * F::ROWS + row;
}

/* Where what this thread copies begins, at k = 0: rows past the last repeat
 * one, and what they give is never read. */
template <class F, int S, bool GATE>
DEV void large_sources(const int8_t *(&from)[F::COPIES],
                       const struct linear_args &a)
{
#pragma unroll
    for (int e = 0; e < F::COPIES; e++) {
        uint32_t i = threadIdx.x + e * F::THREADS, row = i / 4;
        const int8_t *base = a.q;

        if (e < F::COPIES_W) {
            base = GATE && row / 16 % 2 ? a.w2 : a.w;
            row = large_output<F, GATE>(row);
            row = row < a.n ? row : a.n - 1;
        } else {
            row = blockIdx.x * F::COLS + row - F::ROWS;
            row = row < a.m * S ? row : 0;
        }
        from[e] = base + (size_t)row * a.ldk + 16 * (i % 4);
    }
}

template <class F>
DEV void large_fetch(uint4 *chunk, const int8_t *const (&from)[F::COPIES],
                     uint32_t k)
{
#pragma unroll
    for (int e = 0; e < F::COPIES; e++)
        copy16(chunk + threadIdx.x + e * F::THREADS, from[e] + k, true);
}

/* w and q: where the warp's rows of weights and its columns begin. */
template <class F>
DEV void large_products(int32_t (&d)[F::MT][F::NT][4], const uint4 *w,
                        const uint4 *q)
{
    uint32_t lane = threadIdx.x % 32;
    uint4 b[F::NT];

#pragma unroll
    for (int j = 0; j < F::NT; j++)
        b[j] = q[32 * j + lane];
#pragma unroll
    for (int i = 0; i < F::MT; i++) {
        uint4 p = w[64 * i + lane], o = w[64 * i + 32 + lane];
        const uint32_t a0[4] = { p.x, o.x, p.y, o.y };
        const uint32_t a1[4] = { p.z, o.z, p.w, o.w };

#pragma unroll
        for (int j = 0; j < F::NT; j++) {
            const uint32_t b0[2] = { b[j].x, b[j].y };
            const uint32_t b1[2] = { b[j].z, b[j].w };

            mma_s8(d[i][j], a0, b0);
            mma_s8(d[i][j], a1, b1);
        }
    }
}

/* The block's sums over its part of K. */
template <class F, int S, bool GATE>
DEV void large_sums(int32_t (&d)[F::MT][F::NT][4], const struct linear_args &a,
                    uint4 *chunks)
{
    const uint32_t all = a.ldk / LARGE_CHUNK, warp = threadIdx.x / 32;
    const uint32_t first = (uint32_t)((size_t)all * blockIdx.z / gridDim.z);
    const uint32_t n =
        (uint32_t)((size_t)all * (blockIdx.z + 1) / gridDim.z) - first;
    const uint4 *w = chunks + warp % F::WM * (64 * F::MT);
    const uint4 *q = chunks + 4 * F::ROWS + warp / F::WM * (32 * F::NT);
    const int8_t *from[F::COPIES];

    large_sources<F, S, GATE>(from, a);
    for (uint32_t at = 0; at < n + F::ST - 1; at++) {
        if (at >= F::ST - 1) {
            copy_wait<F::ST - 2>();
            /* all have what was copied, and have read what is overwritten */
            __syncthreads();
        }
        if (at < n)
            large_fetch<F>(chunks + at % F::ST * F::WORDS, from,
                           (first + at) * LARGE_CHUNK);
        copy_commit();
        if (at >= F::ST - 1) {
            uint32_t slot = (at + 1) % F::ST * F::WORDS;

            large_products<F>(d, w + slot, q + slot);
        }
    }
}

/* Add the sums to those of the other splits.  The block that comes last has
 * them all, and leaves zeros behind; for it true. */
template <class F>
DEV bool large_join(const struct linear_args &a,
                    int32_t (&d)[F::MT][F::NT][4], uint32_t *last)
{
    const uint32_t tile = blockIdx.y * gridDim.x + blockIdx.x;
    int32_t *sum = a.sum + (size_t)tile * (F::ROWS * F::COLS) + threadIdx.x;

#pragma unroll
    for (int e = 0; e < F::MT * F::NT * 4; e++)
        atomicAdd(&sum[e * F::THREADS], d[e / 4 / F::NT][e / 4 % F::NT][e % 4]);
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0)
        last[0] = atomicAdd(&a.count[tile], 1u) == gridDim.z - 1;
    __syncthreads();
    if (!last[0])
        return false;
    __threadfence();
#pragma unroll
    for (int e = 0; e < F::MT * F::NT * 4; e++) {
        d[e / 4 / F::NT][e / 4 % F::NT][e % 4] =
            load_shared_int(&sum[e * F::THREADS]);
        sum[e * F::THREADS] = 0;
    }
    if (threadIdx.x == 0)
        a.count[tile] = 0;
    return true;
}

/* Outputs of row r: d has its sums in column group j, from register e of each
 * pair on.  first: the tile's row of weights that is this lane's first. */
template <class F, int S, bool GATE>
DEV void large_row(const struct linear_args &a,
                   const int32_t (&d)[F::MT][F::NT][4], int j, int e,
                   const struct linear_scales (&c)[F::MT][2], uint32_t first,
                   uint32_t r, uint32_t tapped)
{
    const bool valid = r < a.m && row_is_live(a.live, r);
    const float step = valid ? a.step[r] : 0;
    unsigned long long key = 0;
    uint32_t amax = 0;

#pragma unroll
    for (int i = 0; i < F::MT; i += GATE ? 2 : 1)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            uint32_t n = large_output<F, GATE>(first + 16 * i + 8 * h);
            const int up = GATE ? i + 1 : i;
            const int32_t p[2] = { d[i][j][2 * h + e], d[i][j][2 * h + 1] };
            const int32_t u[2] = { d[up][j][2 * h + e], d[up][j][2 * h + 1] };
            uint32_t b;
            float v;

            if (!valid || n >= a.n)
                continue;
            v = linear_output<S, GATE>(a, p, u, r, n, c[i][h], step, tapped);
            b = x1_bits(v) & 0x7fffffffu;
            amax = b > amax ? b : amax;
            if (!GATE && a.draw)
                key = linear_greater(key, linear_key(a, v, r, n));
        }
    if (a.amax)
        amax = (uint32_t)linear_best(amax, 4, 32);
    if (!GATE && a.draw)
        key = linear_best(key, 4, 32);
    if (!valid || threadIdx.x % 32 >= 4)
        return;
    if (a.amax)
        atomicMax(&a.amax[r], amax);
    if (!GATE && a.draw)
        atomicMax(&a.draw[r].best, key);
}

template <class F, int S, bool GATE>
DEV void large_outputs(const struct linear_args &a,
                       const int32_t (&d)[F::MT][F::NT][4])
{
    const uint32_t warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4;
    const uint32_t first = warp % F::WM * (16 * F::MT) + g;
    const uint32_t col = blockIdx.x * F::COLS + warp / F::WM * (8 * F::NT) +
                         2 * (threadIdx.x % 4);
    const uint32_t tapped = linear_tapped(a);
    struct linear_scales c[F::MT][2];

#pragma unroll
    for (int i = 0; i < F::MT; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            uint32_t n = large_output<F, GATE>(first + 16 * i + 8 * h);

            c[i][h] = linear_scales_of<GATE>(a, n < a.n ? n : a.n - 1);
        }
#pragma unroll
    for (int j = 0; j < F::NT; j++)
#pragma unroll
        for (int e = 0; e < 3 - S; e++)
            large_row<F, S, GATE>(a, d, j, e, c, first,
                                  (col + 8 * j) / S + e, tapped);
}

template <class F, int S, bool GATE>
__global__ void __launch_bounds__(F::THREADS, 1)
k_large(const struct linear_args a)
{
    SHARED(uint32_t, last, 1);
    SHARED_DYNAMIC(uint4, chunks);
    int32_t d[F::MT][F::NT][4];

#pragma unroll
    for (int i = 0; i < F::MT; i++)
#pragma unroll
        for (int j = 0; j < F::NT; j++)
#pragma unroll
            for (int r = 0; r < 4; r++)
                d[i][j][r] = 0;
    large_sums<F, S, GATE>(d, a, chunks);
    if (gridDim.z == 1 || large_join<F>(a, d, last))
        large_outputs<F, S, GATE>(a, d);
}

/* Tiles of so many rows of weights and columns. */
template <class F>
static dim3 large_tiles(uint32_t n, bool gate, uint32_t cols)
{
    const uint32_t outs = gate ? F::ROWS / 2 : F::ROWS;

    return dim3((cols + F::COLS - 1) / F::COLS, (n + outs - 1) / outs);
}

/* The chunks of every shape fit the 99 KB of sm_86, 89 and 120. */
template <class F, int S, bool GATE>
static cudaError_t large_run(const struct linear_args &a, uint32_t splits,
                             cudaStream_t stream)
{
    dim3 grid = large_tiles<F>(a.n, GATE, a.m * S);
    cudaError_t e = cudaFuncSetAttribute(
        k_large<F, S, GATE>, cudaFuncAttributeMaxDynamicSharedMemorySize,
        (int)F::BYTES);

    if (e != cudaSuccess)
        return e;
    grid.z = splits;
    LAUNCH((k_large<F, S, GATE>), grid, F::THREADS, F::BYTES, stream, a);
    return cudaGetLastError();
}

template <class F>
static cudaError_t large_pick(const struct linear_args &a, bool a8,
                              uint32_t splits, cudaStream_t stream)
{
    if (a8)
        return a.w2 ? large_run<F, 1, true>(a, splits, stream)
                    : large_run<F, 1, false>(a, splits, stream);
    return a.w2 ? large_run<F, 2, true>(a, splits, stream)
                : large_run<F, 2, false>(a, splits, stream);
}

#endif
