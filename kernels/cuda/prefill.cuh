/*
 * Prefill attention: many rows of one slot meet its keys together.
 *
 * A tile is up to TILE_QUERIES queries of one kv head: rows of a slot times the
 * heads of the group.  A warp has 16 of them and goes over 32 keys at a time.
 * Queries are the A operand, keys the B operand (8 a column group); what a
 * thread gets of q k, two keys of eight in two rows, is just what the A operand
 * of u v wants from it, if its k runs over the keys in this order: 2t, 2t + 1,
 * 8 + 2t, 9 + 2t of 16.  So weights never leave their thread.  V is turned as
 * in attention.cuh.
 *
 * k_tile_top: grid (tiles, kv heads); the greatest score and the greatest s_v
 * of each query.  k_tile_mix: grid (tiles, kv heads x slabs of 32 C
 * dimensions); scores again, weights, sums and quotients.  No warp waits for
 * another.  Between roundings there are maxima and sums of integers alone;
 * sums of 7-bit slices fit an int32 over any context.
 */
#ifndef APUS_KERNELS_CUDA_PREFILL_CUH
#define APUS_KERNELS_CUDA_PREFILL_CUH

#include "kernels/cuda/keys.cuh"

#define TILE_WARPS (TILE_QUERIES / 16)

/* One of a thread's two queries: rows g and g + 8 of its warp. */
struct tile_query {
    bool valid;
    size_t at;         /* row * heads + head */
    const int8_t *q;   /* its two slices; of another query if not valid */
    uint32_t from, to; /* its keys; none if not valid */
    float scale;       /* of its scores */
};

/* The tile of this block. */
DEV struct prefill_tile tile_of(const struct prefill_args &a)
{
    struct prefill_tile tile = a.tile[blockIdx.x];

    if (a.whole)
        tile.from = 0;
    return tile;
}

DEV struct tile_query tile_query_of(const struct prefill_args &a,
                                    const struct prefill_tile &tile,
                                    uint32_t kv, uint32_t i)
{
    uint32_t group = a.heads / a.kv_heads, n = tile.count * group, row;
    struct tile_query x;

    x.valid = i < n;
    i = x.valid ? i : n - 1;
    row = a.list[tile.first + i / group];
    x.at = (size_t)row * a.heads + kv * group + i % group;
    x.q = a.q + x.at * 2 * a.hdp;
    x.from = x.valid ? a.from[row] : 0;
    x.to = x.valid ? a.to[row] : 0;
    x.scale = X1_MUL(a.step[x.at], a.c);
    return x;
}

/* Where a key of the tile lies in the pool, in keys; past an end, another. */
DEV size_t tile_key(const struct prefill_args &a,
                    const struct prefill_tile &tile, uint32_t kv, uint32_t t)
{
    uint32_t key = t < tile.from ? tile.from : t < tile.to ? t : tile.to - 1;
    int32_t b =
        a.table[(size_t)tile.slot * a.table_stride + key / a.page];

    return ((size_t)b * a.kv_heads + kv) * a.page + key % a.page;
}

/* q k of both queries and 32 keys from k0 on: column group j has keys
 * k0 + 8 j .. */
DEV void tile_products(int32_t (&dot)[4][4], const struct prefill_args &a,
                       const struct prefill_tile &tile, uint32_t kv,
                       const struct tile_query (&x)[2], uint32_t k0)
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    int32_t hi[4][4] = {}, lo[4][4] = {};
    const int8_t *k[4];

#pragma unroll
    for (int j = 0; j < 4; j++)
        k[j] = a.k + tile_key(a, tile, kv, k0 + 8 * j + g) * a.hdp + 8 * t;
    for (uint32_t i = 0; i < a.hdp; i += 32) {
        uint2 p = *(const uint2 *)(x[0].q + i + 8 * t);
        uint2 o = *(const uint2 *)(x[1].q + i + 8 * t);
        uint2 p2 = *(const uint2 *)(x[0].q + a.hdp + i + 8 * t);
        uint2 o2 = *(const uint2 *)(x[1].q + a.hdp + i + 8 * t);
        const uint32_t ah[4] = { p.x, o.x, p.y, o.y };
        const uint32_t al[4] = { p2.x, o2.x, p2.y, o2.y };

#pragma unroll
        for (int j = 0; j < 4; j++) {
            uint2 b = *(const uint2 *)(k[j] + i);
            const uint32_t bf[2] = { b.x, b.y };

            mma_s8(hi[j], ah, bf);
            mma_s8(lo[j], al, bf);
        }
    }
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int r = 0; r < 4; r++)
            dot[j][r] = (int32_t)((uint32_t)hi[j][r] * 256u +
                                  (uint32_t)lo[j][r]);
}

DEV float tile_score(const struct tile_query &x, int32_t dot, float s_k)
{
    return X1_MUL(X1_MUL((float)dot, s_k), x.scale);
}

/* The greatest over the four lanes of a row. */
DEV uint32_t tile_max(uint32_t v)
{
#pragma unroll
    for (int d = 1; d < 4; d *= 2) {
        uint32_t o = __shfl_xor_sync(0xffffffffu, v, d);

        v = o > v ? o : v;
    }
    return v;
}

/* A key's score and s_v into the greatest of a query, if it attends to it. */
DEV void tile_meet(uint32_t *best, uint32_t *vm, const struct tile_query &x,
                   uint32_t key, float score, uint32_t s_v)
{
    uint32_t u = order_of(X1_ADD(score, 0.0f));

    if (key < x.from || key >= x.to)
        return;
    *best = u > *best ? u : *best;
    *vm = s_v > *vm ? s_v : *vm;
}

__global__ void __launch_bounds__(32 * TILE_WARPS, 1)
k_tile_top(const struct prefill_args a)
{
    const struct prefill_tile tile = tile_of(a);
    uint32_t kv = blockIdx.y, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    uint32_t first = threadIdx.x / 32 * 16, best[2] = {}, vm[2] = {};

    if (first >= tile.count * (a.heads / a.kv_heads))
        return;
    const struct tile_query x[2] = {
        tile_query_of(a, tile, kv, first + g),
        tile_query_of(a, tile, kv, first + 8 + g)
    };
    for (uint32_t k0 = tile.from / 32 * 32; k0 < tile.to; k0 += 32) {
        int32_t dot[4][4];

        tile_products(dot, a, tile, kv, x, k0);
#pragma unroll
        for (int n = 0; n < 8; n++) {
            uint32_t key = k0 + n / 2 * 8 + 2 * t + n % 2;
            size_t at = tile_key(a, tile, kv, key);
            uint32_t s_v = x1_bits(a.s_v[at]);

#pragma unroll
            for (int h = 0; h < 2; h++)
                tile_meet(&best[h], &vm[h], x[h], key,
                          tile_score(x[h], dot[n / 2][2 * h + n % 2],
                                     a.s_k[at]), s_v);
        }
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        uint32_t top = tile_max(best[h]), v = tile_max(vm[h]);

        if (t == 0 && x[h].valid) {
            a.top[x[h].at] = top;
            a.vm[x[h].at] = v;
        }
    }
}

/* -- weights times values ------------------------------------------------ */

/* What a query's weights need, and their sum. */
struct tile_weight {
    float top, scale;
    unsigned long long z;
};

/* u of 32 keys as the A operand, in three slices. */
DEV void tile_weights(uint32_t (&af)[3][4], struct tile_weight (&w)[2],
                      const struct prefill_args &a,
                      const struct prefill_tile &tile, uint32_t kv,
                      const struct tile_query (&x)[2], uint32_t k0)
{
    uint32_t t = threadIdx.x % 4;
    int32_t dot[4][4];

    tile_products(dot, a, tile, kv, x, k0);
#pragma unroll
    for (int s = 0; s < 3; s++)
#pragma unroll
        for (int r = 0; r < 4; r++)
            af[s][r] = 0;
#pragma unroll
    for (int n = 0; n < 8; n++) {
        uint32_t key = k0 + n / 2 * 8 + 2 * t + n % 2;
        size_t at = tile_key(a, tile, kv, key);
        float s_k = a.s_k[at], s_v = a.s_v[at];

#pragma unroll
        for (int h = 0; h < 2; h++) {
            float p;
            uint32_t u;

            if (key < x[h].from || key >= x[h].to)
                continue;
            p = x1_exp32(X1_SUB(
                tile_score(x[h], dot[n / 2][2 * h + n % 2], s_k), w[h].top));
            w[h].z += (uint32_t)x1_z_term(p);
            u = (uint32_t)x1_u_term(p, s_v, w[h].scale);
            /* keys n of 4 are bytes of a word, those from 4 on of the next */
#pragma unroll
            for (int s = 0; s < 3; s++)
                af[s][n / 4 * 2 + h] |= (u >> (7 * s) & 127) << (n % 4 * 8);
        }
    }
}

/* d += u times v of 32 keys: column n of 4 c + j is dimension 32 c + 4 n + j
 * of the slab. */
template <int C>
DEV void tile_values(int32_t (&d)[3][4 * C][4], const uint32_t (&af)[3][4],
                     const struct prefill_args &a,
                     const struct prefill_tile &tile, uint32_t kv, uint32_t k0,
                     uint32_t slab)
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const int8_t *row[8];

#pragma unroll
    for (int n = 0; n < 8; n++)
        row[n] = a.v + slab + 4 * g +
                 tile_key(a, tile, kv, k0 + n / 2 * 8 + 2 * t + n % 2) * a.hdp;
#pragma unroll
    for (int c = 0; c < C; c++) {
        uint32_t in0[4], in1[4], b0[4], b1[4];

#pragma unroll
        for (int n = 0; n < 4; n++) {
            in0[n] = *(const uint32_t *)(row[n] + 32 * c);
            in1[n] = *(const uint32_t *)(row[4 + n] + 32 * c);
        }
        turn(b0, in0);
        turn(b1, in1);
#pragma unroll
        for (int n = 0; n < 12; n++) {
            const uint32_t bf[2] = { b0[n % 4], b1[n % 4] };

            mma_s8(d[n / 4][4 * c + n % 4], af[n / 4], bf);
        }
    }
}

/* What a query's sums give: its part of o. */
template <int C>
DEV void tile_put(const struct prefill_args &a, const struct tile_query &x,
                  struct tile_weight &w, const int32_t (&d)[3][4 * C][4],
                  int h, uint32_t slab)
{
    uint32_t t = threadIdx.x % 4;
    float f;

#pragma unroll
    for (int e = 1; e < 4; e *= 2)
        w.z += __shfl_xor_sync(0xffffffffu, w.z, e);
    if (!x.valid)
        return;
    f = X1_DIV(x1_pow2(x1_value_exponent(a.vm[x.at]) - 21),
               X1_MUL((float)(long long)w.z, x1_float(0x33800000u)));
#pragma unroll
    for (int i = 0; i < 8 * C; i++) {
        int n = i / 2, r = 2 * h + i % 2;
        uint32_t at = slab + n / 4 * 32 + 4 * (2 * t + i % 2) + n % 4;
        long long sum = (long long)d[0][n][r] + (long long)d[1][n][r] * 128 +
                        (long long)d[2][n][r] * 16384;

        if (at < a.hd)
            a.o[x.at * a.hd + at] = X1_MUL((float)sum, f);
    }
}

/* C: pieces of 32 dimensions that a block takes. */
template <int C>
__global__ void __launch_bounds__(32 * TILE_WARPS, 1)
k_tile_mix(const struct prefill_args a)
{
    const struct prefill_tile tile = tile_of(a);
    uint32_t kv = blockIdx.y % a.kv_heads, g = threadIdx.x % 32 / 4;
    uint32_t slab = blockIdx.y / a.kv_heads * 32 * C;
    uint32_t first = threadIdx.x / 32 * 16;
    int32_t d[3][4 * C][4] = {};
    struct tile_weight w[2];

    if (first >= tile.count * (a.heads / a.kv_heads))
        return;
    const struct tile_query x[2] = {
        tile_query_of(a, tile, kv, first + g),
        tile_query_of(a, tile, kv, first + 8 + g)
    };
#pragma unroll
    for (int h = 0; h < 2; h++) {
        w[h].top = from_order(a.top[x[h].at]);
        w[h].scale = x1_pow2(21 - x1_value_exponent(a.vm[x[h].at]));
        w[h].z = 0;
    }
    for (uint32_t k0 = tile.from / 32 * 32; k0 < tile.to; k0 += 32) {
        uint32_t af[3][4];

        tile_weights(af, w, a, tile, kv, x, k0);
        tile_values<C>(d, af, a, tile, kv, k0, slab);
    }
    tile_put<C>(a, x[0], w[0], d, 0, slab);
    tile_put<C>(a, x[1], w[1], d, 1, slab);
}

#endif
