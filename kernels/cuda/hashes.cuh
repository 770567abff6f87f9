/*
 * Commitments of one step: for each position the root of its rows of keys and
 * values, and that of its last residual row (doc/proof.md).  One block a
 * position; one thread a leaf, then the tree level by level in shared memory:
 * pairing neighbours and lifting an odd last one gives RFC 9162's shape.
 * SHA-256: FIPS 180-4, words in the byte order of the hash.
 */
#ifndef APUS_KERNELS_CUDA_HASHES_CUH
#define APUS_KERNELS_CUDA_HASHES_CUH

#include "base/sha256_k.h"
#include "kernels/cuda/launch.cuh"

#define COMMIT_THREADS 256
#define COMMIT_PIECE 1024u /* bytes of a residual row that are one leaf */

#ifdef __CUDACC__
#define SHA_CONSTANT static __constant__ const
DEV uint32_t funnel(uint32_t lo, uint32_t hi, int n)
{
    return __funnelshift_r(lo, hi, n);
}
#else
#define SHA_CONSTANT static const
DEV uint32_t funnel(uint32_t lo, uint32_t hi, int n)
{
    return (uint32_t)(((uint64_t)hi << 32 | lo) >> n);
}
#endif

SHA_CONSTANT uint32_t sha_k[64] = { SHA256_K };
SHA_CONSTANT uint32_t sha_h[8] = { SHA256_H };

DEV uint32_t ror(uint32_t x, int n)
{
    return funnel(x, x, n);
}

DEV void sha_start(uint32_t s[8])
{
#pragma unroll
    for (int i = 0; i < 8; i++)
        s[i] = sha_h[i];
}

/* Compress a block of 16 words, which is lost, into s.  The schedule is part of
 * the loop: as a function of its own it takes nvcc 40 seconds to compile. */
DEV void sha_block(uint32_t s[8], uint32_t w[16])
{
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3];
    uint32_t e = s[4], f = s[5], g = s[6], h = s[7];

#pragma unroll
    for (int i = 0; i < 64; i++) {
        uint32_t v = w[i % 16], t1, t2;

        if (i >= 16) { /* the schedule, 16 words of which are kept */
            uint32_t x = w[(i + 1) % 16], y = w[(i + 14) % 16];

            v += (ror(x, 7) ^ ror(x, 18) ^ x >> 3) + w[(i + 9) % 16] +
                 (ror(y, 17) ^ ror(y, 19) ^ y >> 10);
            w[i % 16] = v;
        }
        t1 = h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) +
             ((e & f) ^ (~e & g)) + sha_k[i] + v;
        t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +
             ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
    s[4] += e;
    s[5] += f;
    s[6] += g;
    s[7] += h;
}

/* H(00 || n words of little-endian data): the prefix shifts all by a byte. */
DEV void sha_leaf(uint32_t s[8], const uint32_t *data, uint32_t n)
{
    uint32_t before = 0, bytes = 4 * n + 1;
    uint32_t blocks = (bytes + 9 + 63) / 64;

    sha_start(s);
    for (uint32_t at = 0; at < blocks; at++) {
        uint32_t w[16];

#pragma unroll
        for (uint32_t i = 0; i < 16; i++) {
            uint32_t j = 16 * at + i;
            uint32_t v = j < n ? __byte_perm(data[j], 0, 0x0123)
                         : j == n ? 0x80000000u
                                  : 0;

            w[i] = funnel(v, before, 8);
            before = v;
        }
        if (at == blocks - 1) {
            w[14] = 0;
            w[15] = 8 * bytes;
        }
        sha_block(s, w);
    }
}

/* H(01 || l || r) of two hashes as words. */
DEV void sha_node(uint32_t s[8], const uint32_t *l, const uint32_t *r)
{
    uint32_t w[16], before = 1;

    sha_start(s);
#pragma unroll
    for (int i = 0; i < 16; i++) {
        uint32_t v = i < 8 ? l[i] : r[i - 8];

        w[i] = funnel(v, before, 8);
        before = v;
    }
    sha_block(s, w);
#pragma unroll
    for (int i = 0; i < 16; i++)
        w[i] = 0;
    w[0] = before << 24 | 0x00800000u;
    w[15] = 8 * 65;
    sha_block(s, w);
}

/* The root of n hashes at `h`, in place; all threads of the block. */
DEV void sha_tree(uint32_t *h, uint32_t n)
{
    for (; n > 1; n = (n + 1) / 2) {
        for (uint32_t at = 0; at < n / 2; at += COMMIT_THREADS) {
            uint32_t i = at + threadIdx.x, s[8];
            bool mine = i < n / 2;

            if (mine)
                sha_node(s, h + 16 * i, h + 16 * i + 8);
            __syncthreads();
            for (int j = 0; mine && j < 8; j++)
                h[8 * i + j] = s[j];
            __syncthreads();
        }
        if (n % 2 && threadIdx.x < 8)
            h[n / 2 * 8 + threadIdx.x] = h[(n - 1) * 8 + threadIdx.x];
        __syncthreads();
    }
}

/* Pieces of a residual row. */
__host__ __device__ constexpr uint32_t commit_pieces(uint32_t d)
{
    return (4 * d + COMMIT_PIECE - 1) / COMMIT_PIECE;
}

/* The hash of leaf `i`: pieces first, which are long, then rows. */
DEV void commit_leaf(uint32_t s[8], const struct commit_args &a,
                     uint32_t pieces, uint32_t i)
{
    size_t position = blockIdx.x, from = i * (COMMIT_PIECE / 4), n;

    if (i < pieces) {
        n = a.d - from < COMMIT_PIECE / 4 ? a.d - from : COMMIT_PIECE / 4;
        sha_leaf(s, a.x + position * a.d + from, (uint32_t)n);
    } else {
        n = position * a.n_rows + i - pieces;
        sha_leaf(s, a.rows + n * a.row_words, a.row_words);
    }
}

__global__ void __launch_bounds__(COMMIT_THREADS)
k_commit(const struct commit_args a)
{
    SHARED_DYNAMIC(uint32_t, h); /* rows, then pieces */
    uint32_t pieces = a.x ? commit_pieces(a.d) : 0, s[8];
    uint32_t n_rows = a.rows ? a.n_rows : 0, i = threadIdx.x;

    for (; i < pieces + n_rows; i += COMMIT_THREADS) {
        uint32_t to = i < pieces ? n_rows + i : i - pieces;

        commit_leaf(s, a, pieces, i);
        for (int j = 0; j < 8; j++)
            h[8 * to + j] = s[j];
    }
    __syncthreads();
    sha_tree(h, n_rows);
    sha_tree(h + 8 * n_rows, pieces);
    if (threadIdx.x >= 8)
        return;
    if (n_rows)
        a.kv[8 * blockIdx.x + threadIdx.x] =
            __byte_perm(h[threadIdx.x], 0, 0x0123);
    if (pieces)
        a.fin[8 * blockIdx.x + threadIdx.x] =
            __byte_perm(h[8 * n_rows + threadIdx.x], 0, 0x0123);
}

#endif
