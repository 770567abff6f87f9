/*
 * Decode attention: one query a sequence, int8 keys and values in blocks.
 *
 * k_scores: grid (splits, kv heads x slices of the group, sequences); a warp
 * takes 16 keys at a time: keys are the A operand, the slices of the query
 * heads the B operand (column 2 h: hi, 2 h + 1: lo), as in linear.cuh.  The
 * row's greatest score and greatest s_v meet in `top` and `vm` by atomicMax,
 * the latter once for each query head that reads it.
 * k_mix: the same grid times slabs of 32 C dimensions; a warp takes 32 keys:
 * the A operand is u in three 7-bit slices a head (row 3 h + slice), the B
 * operand v, whose 4 x 4 bytes a thread turns round.  Sums of slices fit an
 * int32 over any context (127 * 127 * 131072 < 2^31); num and Z meet in int64.
 * k_finish: o from num, Z and vm, and zeros in them for the next step; of few
 * sequences the last block of k_mix does that, each for one, and quantises the
 * row for the next linear.
 *
 * Order is free everywhere: maxima and sums of integers.  Two passes because
 * the weights need the final maximum; nothing is ever rescaled.  Groups of
 * more than 8 query heads go in slices of 8, each of which reads the keys.
 */
#ifndef APUS_KERNELS_CUDA_ATTENTION_CUH
#define APUS_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/cuda/keys.cuh"
#include "kernels/cuda/last.cuh"
#include "kernels/cuda/row_pass.cuh"

#define ATTN_WARPS 4
#define ATTN_THREADS (32 * ATTN_WARPS)
#define ATTN_GROUP 8 /* query heads that a block has at most */

/* What a block works on. */
struct attn_part {
    uint32_t seq, kv;     /* sequence, kv head */
    const int32_t *table; /* its blocks */
    uint32_t group;       /* query heads of this slice */
    size_t row;           /* of its first head: seq * heads + head */
    uint32_t from, to;    /* keys of the sequence */
    uint32_t first, end;  /* keys of this split */
};

/* Slices of a group. */
__host__ __device__ constexpr uint32_t attn_slices(uint32_t group)
{
    return (group + ATTN_GROUP - 1) / ATTN_GROUP;
}

/* The part of this block; keys are split in tiles of `tile`. */
DEV struct attn_part attn_part_of(const struct attention_args &a,
                                  uint32_t tile, uint32_t splits)
{
    uint32_t group = a.heads / a.kv_heads, slices = attn_slices(group);
    uint32_t at = blockIdx.y % slices * ATTN_GROUP, base, tiles, each;
    struct attn_part p;

    p.seq = blockIdx.z;
    p.table = a.table +
              (size_t)(a.slot ? a.slot[p.seq] : p.seq) * a.table_stride;
    p.kv = blockIdx.y / slices;
    p.group = group - at < ATTN_GROUP ? group - at : ATTN_GROUP;
    p.row = (size_t)p.seq * a.heads + p.kv * group + at;
    p.from = a.from[p.seq];
    p.to = a.to[p.seq];
    base = p.from / tile * tile;
    tiles = (p.to - base + tile - 1) / tile;
    each = (tiles + splits - 1) / splits;
    p.first = base + blockIdx.x % splits * each * tile;
    p.end = p.first + each * tile < p.to ? p.first + each * tile : p.to;
    return p;
}

/* Where key t of the part lies in the pool, in keys. */
DEV size_t key_at(const struct attention_args &a, const struct attn_part &p,
                  uint32_t t)
{
    int32_t b = p.table[t / a.page];

    return ((size_t)b * a.kv_heads + p.kv) * a.page + t % a.page;
}

/* A key of the part that is nearest to t: lanes past the ends read one. */
DEV uint32_t key_near(const struct attn_part &p, uint32_t t)
{
    return t < p.from ? p.from : t < p.to ? t : p.to - 1;
}

/* -- scores ------------------------------------------------------------- */

/* Bytes between columns of queries in shared memory: no bank conflicts. */
__host__ __device__ constexpr uint32_t attn_stride(uint32_t hdp)
{
    return (hdp + 127) / 128 * 128 + 32;
}

/* The queries of the part as 8 NT columns, zeros past the group. */
template <int NT>
DEV void scores_queries(int8_t *qs, const struct attention_args &a,
                        const struct attn_part &p)
{
    const uint32_t *q = (const uint32_t *)(a.q + p.row * 2 * a.hdp);
    uint32_t words = a.hdp / 4;

    for (uint32_t i = threadIdx.x; i < 8 * NT * words; i += ATTN_THREADS) {
        uint32_t col = i / words, w = i % words;

        ((uint32_t *)(qs + col * attn_stride(a.hdp)))[w] =
            col < 2 * p.group ? q[col * words + w] : 0;
    }
}

/* d += the products of 16 keys, at[0] and at[1] being this lane's. */
template <int NT>
DEV void scores_products(int32_t (&d)[NT][4], const struct attention_args &a,
                         const int8_t *qs, const size_t at[2])
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const int8_t *k0 = a.k + at[0] * a.hdp + 8 * t;
    const int8_t *k1 = a.k + at[1] * a.hdp + 8 * t;

#pragma unroll 4
    for (uint32_t i = 0; i < a.hdp; i += 32) {
        uint2 x = load_stream8(k0 + i), y = load_stream8(k1 + i);
        const uint32_t af[4] = { x.x, y.x, x.y, y.y };

#pragma unroll
        for (int j = 0; j < NT; j++) {
            uint2 b = *(const uint2 *)(qs + (8 * j + g) * attn_stride(a.hdp) +
                                       8 * t + i);
            const uint32_t bf[2] = { b.x, b.y };

            mma_s8(d[j], af, bf);
        }
    }
}

/* The scores of key t, half i of the tile, and the greatest of each head. */
template <int NT>
DEV void scores_put(const struct attention_args &a, const struct attn_part &p,
                    const int32_t (&d)[NT][4], const float (&scale)[NT],
                    uint32_t (&best)[NT], int i, uint32_t key, float s_k)
{
#pragma unroll
    for (int j = 0; j < NT; j++) {
        uint32_t h = 4 * j + threadIdx.x % 4, u;
        int32_t dot = (int32_t)((uint32_t)d[j][2 * i] * 256u +
                                (uint32_t)d[j][2 * i + 1]);
        float v = X1_MUL(X1_MUL((float)dot, s_k), scale[j]);

        if (h >= p.group)
            continue;
        u = order_of(X1_ADD(v, 0.0f));
        a.score[(p.row + h) * a.score_stride + key - p.from] = v;
        best[j] = u > best[j] ? u : best[j];
    }
}

/* NT: columns of 8, which are 4 query heads, each.  One block a multiprocessor
 * is asked for, so that no compiler trades a register for two blocks. */
template <int NT>
__global__ void __launch_bounds__(ATTN_THREADS, 1)
k_scores(const struct attention_args a)
{
    SHARED_DYNAMIC(int8_t, qs);
    SHARED(uint32_t, top, 4 * NT);
    SHARED(uint32_t, vmax, 1);
    struct attn_part p;
    uint32_t lane = threadIdx.x % 32, t = lane % 4, best[NT] = {}, vm = 0;
    float scale[NT];

    if (!row_is_live(a.live, a.row + blockIdx.z))
        return;
    p = attn_part_of(a, 16, gridDim.x);
    if (p.first >= p.end) /* more splits than tiles */
        return;
    scores_queries<NT>(qs, a, p);
    if (threadIdx.x < 4 * NT)
        top[threadIdx.x] = 0;
    if (threadIdx.x == 0)
        vmax[0] = 0;
    __syncthreads();
#pragma unroll
    for (int j = 0; j < NT; j++)
        scale[j] = 4 * j + t < p.group ? X1_MUL(a.step[p.row + 4 * j + t], a.c)
                                       : 0;
    for (uint32_t k0 = p.first + threadIdx.x / 32 * 16; k0 < p.end;
         k0 += 16 * ATTN_WARPS) {
        const uint32_t key[2] = { k0 + lane / 4, k0 + 8 + lane / 4 };
        const size_t at[2] = { key_at(a, p, key_near(p, key[0])),
                               key_at(a, p, key_near(p, key[1])) };
        int32_t d[NT][4] = {};

        scores_products<NT>(d, a, qs, at);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            uint32_t s_v = x1_bits(a.s_v[at[i]]);

            if (key[i] < p.from || key[i] >= p.to)
                continue;
            vm = s_v > vm ? s_v : vm;
            scores_put<NT>(a, p, d, scale, best, i, key[i], a.s_k[at[i]]);
        }
    }
#pragma unroll
    for (int j = 0; j < NT; j++)
        if (4 * j + t < p.group)
            atomicMax(&top[4 * j + t], best[j]);
    if (vm)
        atomicMax(&vmax[0], vm);
    __syncthreads();
    if (threadIdx.x < p.group) {
        atomicMax(&a.top[p.row + threadIdx.x], top[threadIdx.x]);
        atomicMax(&a.vm[p.row + threadIdx.x], vmax[0]);
    }
}

/* -- weights times values ----------------------------------------------- */

/* u of key k0 + lane in three slices a head, and what it adds to Z.  Keys
 * 4 i + t of 16 are bytes 4 t + i of a row, as the products take them. */
DEV void mix_weights(uint8_t *u8, unsigned long long (&z)[ATTN_GROUP],
                     const struct attention_args &a, const struct attn_part &p,
                     uint32_t k0, float scale)
{
    uint32_t lane = threadIdx.x % 32, key = k0 + lane;
    uint32_t slot = lane / 16 * 16 + lane % 4 * 4 + lane % 16 / 4;
    bool in = key >= p.from && key < p.to;
    float s_v = in ? a.s_v[key_at(a, p, key)] : 0;

#pragma unroll
    for (uint32_t h = 0; h < ATTN_GROUP; h++) {
        uint32_t u = 0;

        if (h >= p.group)
            break;
        if (in) {
            float score = a.score[(p.row + h) * a.score_stride + key - p.from];
            float w = x1_exp32(X1_SUB(score, from_order(a.top[p.row + h])));

            z[h] += (uint32_t)x1_z_term(w);
            u = (uint32_t)x1_u_term(w, s_v, scale);
        }
        u8[(3 * h) * 36 + slot] = (uint8_t)(u & 127);
        u8[(3 * h + 1) * 36 + slot] = (uint8_t)(u >> 7 & 127);
        u8[(3 * h + 2) * 36 + slot] = (uint8_t)(u >> 14);
    }
}

/* d += u times v of 32 keys, dimensions from `slab` on. */
template <int MT, int C>
DEV void mix_products(int32_t (&d)[MT][4 * C][4],
                      const struct attention_args &a,
                      const struct attn_part &p, const uint32_t *us,
                      uint32_t k0, uint32_t slab)
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, af[MT][4];
    const int8_t *row[8];

#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int r = 0; r < 4; r++)
            af[i][r] = us[(16 * i + r % 2 * 8 + g) * 9 + r / 2 * 4 + t];
#pragma unroll
    for (int i = 0; i < 8; i++)
        row[i] = a.v + slab + 4 * g +
                 key_at(a, p, key_near(p, k0 + i / 4 * 16 + i % 4 * 4 + t)) *
                     a.hdp;
#pragma unroll
    for (int c = 0; c < C; c++) {
        uint32_t in0[4], in1[4], b0[4], b1[4];

#pragma unroll
        for (int i = 0; i < 4; i++) {
            in0[i] = load_stream4(row[i] + 32 * c);
            in1[i] = load_stream4(row[4 + i] + 32 * c);
        }
        turn(b0, in0);
        turn(b1, in1);
#pragma unroll
        for (int n = 0; n < 4 * MT; n++) {
            const uint32_t bf[2] = { b0[n % 4], b1[n % 4] };

            mma_s8(d[n / 4][4 * c + n % 4], af[n / 4], bf);
        }
    }
}

/* The sums of a warp into the block's: column n of tile 4 c + j is dimension
 * 32 c + 4 n + j of the slab. */
template <int MT, int C>
DEV void mix_meet(int32_t *part, const int32_t (&d)[MT][4 * C][4],
                  uint32_t group)
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

#pragma unroll
    for (int n = 0; n < MT * 4 * C; n++)
#pragma unroll
        for (int r = 0; r < 4; r++) {
            int i = n / (4 * C), j = n % (4 * C);
            uint32_t row = 16 * i + r / 2 * 8 + g;
            uint32_t at = j / 4 * 32 + 4 * (2 * t + r % 2) + j % 4;

            if (row < 3 * group)
                atomicAdd(&part[row * 32 * C + at], d[i][j][r]);
        }
}

/* Z of each head over the lanes of a warp. */
DEV void mix_z(const struct attention_args &a, const struct attn_part &p,
               unsigned long long (&z)[ATTN_GROUP])
{
#pragma unroll
    for (uint32_t h = 0; h < ATTN_GROUP; h++) {
        if (h >= p.group)
            break;
        for (int x = 16; x > 0; x /= 2)
            z[h] += __shfl_xor_sync(0xffffffffu, z[h], x);
        if (threadIdx.x % 32 == 0 && z[h])
            atomicAdd(&a.z[p.row + h], z[h]);
    }
}

/* num and Z of the keys of a split.  us, part: as in k_mix. */
template <int MT, int C>
DEV void mix_split(const struct attention_args &a, const struct attn_part &p,
                   uint32_t *us, int32_t *part, uint32_t slab)
{
    uint32_t warp = threadIdx.x / 32, *mine = us + warp * 16 * MT * 9;
    float scale = x1_pow2(21 - x1_value_exponent(a.vm[p.row]));
    unsigned long long z[ATTN_GROUP] = {};
    int32_t d[MT][4 * C][4] = {};

    for (uint32_t i = threadIdx.x; i < 16 * MT * 32 * C; i += ATTN_THREADS)
        part[i] = 0;
    for (uint32_t i = threadIdx.x % 32; i < 16 * MT * 9; i += 32)
        mine[i] = 0;
    __syncthreads();
    for (uint32_t k0 = p.first + 32 * warp; k0 < p.end;
         k0 += 32 * ATTN_WARPS) {
        mix_weights((uint8_t *)mine, z, a, p, k0, scale);
        __syncwarp();
        mix_products<MT, C>(d, a, p, mine, k0, slab);
        __syncwarp();
    }
    mix_meet<MT, C>(part, d, p.group);
    if (slab == 0)
        mix_z(a, p, z);
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < p.group * 32 * C; i += ATTN_THREADS) {
        uint32_t h = i / (32 * C), x = i % (32 * C);
        const int32_t *s = part + 3 * h * 32 * C + x;
        long long n = (long long)s[0] + (long long)s[32 * C] * 128 +
                      (long long)s[64 * C] * 16384;

        if (n)
            atomicAdd(&a.num[(p.row + h) * a.hdp + slab + x],
                      (unsigned long long)n);
    }
}

/* -- quotients ------------------------------------------------------------ */

/* o of a row, a head of a sequence, by n threads, of which this is the one
 * with number i; its sums become zeros but for those that all of them read. */
DEV void finish_row(const struct attention_args &a, size_t row, uint32_t i,
                    uint32_t n)
{
    float z = X1_MUL((float)(long long)a.z[row], x1_float(0x33800000u));
    float f = X1_DIV(x1_pow2(x1_value_exponent(a.vm[row]) - 21), z);

    for (; i < a.hdp; i += n) {
        if (i < a.hd)
            a.o[row * a.hd + i] =
                X1_MUL((float)(long long)a.num[row * a.hdp + i], f);
        a.num[row * a.hdp + i] = 0;
    }
}

/* .. these, once they have. */
DEV void finish_zeros(const struct attention_args &a, size_t row)
{
    a.z[row] = 0;
    a.top[row] = 0;
    a.vm[row] = 0;
}

/* Grid (heads, sequences). */
__global__ void __launch_bounds__(ATTN_THREADS)
k_finish(const struct attention_args a)
{
    size_t row = (size_t)blockIdx.y * a.heads + blockIdx.x;

    if (!row_is_live(a.live, a.row + blockIdx.y))
        return;
    finish_row(a, row, threadIdx.x, ATTN_THREADS);
    __syncthreads();
    if (threadIdx.x == 0)
        finish_zeros(a, row);
}

/* The last block of a sequence finishes it, a warp a head, and quantises its
 * row.  word, wide: shared memory, one a warp. */
DEV void mix_finish(const struct attention_args &a, uint32_t seq,
                    uint32_t *word, unsigned long long *wide)
{
    size_t first = (size_t)seq * a.heads;

    for (uint32_t h = threadIdx.x / 32; h < a.heads; h += ATTN_WARPS)
        finish_row(a, first + h, threadIdx.x % 32, 32);
    __syncthreads();
    for (uint32_t h = threadIdx.x; h < a.heads; h += ATTN_THREADS)
        finish_zeros(a, first + h);
    if (a.then.q)
        row_pass<ATTN_THREADS>(a.then, a.row + seq, word, wide);
}

/* MT: tiles of 16 rows, 3 slices of up to 5 heads (1) or 8 heads (2).
 * C: pieces of 32 dimensions that a block takes, at most 4. */
template <int MT, int C>
__global__ void __launch_bounds__(ATTN_THREADS, 1)
k_mix(const struct attention_args a, uint32_t splits)
{
    /* a warp's u: 16 MT rows of 32 bytes, 36 apart */
    SHARED(uint32_t, us, ATTN_WARPS * 16 * MT * 9);
    SHARED(int32_t, part, 16 * MT * 32 * C);
    SHARED(uint32_t, word, ATTN_WARPS);
    SHARED(unsigned long long, wide, ATTN_WARPS);
    SHARED(uint32_t, last, 1);
    struct attn_part p;

    if (!row_is_live(a.live, a.row + blockIdx.z))
        return;
    p = attn_part_of(a, 32, splits);
    if (p.first < p.end) /* or there are more splits than tiles */
        mix_split<MT, C>(a, p, us, part, blockIdx.x / splits * 32 * C);
    if (a.done &&
        comes_last(&a.done[blockIdx.z], gridDim.x * gridDim.y, last))
        mix_finish(a, blockIdx.z, word, wide);
}

#endif
