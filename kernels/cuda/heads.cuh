/*
 * Between the linear of q, k and v and attention: norm of heads, rotation,
 * quantisation, and the append of keys and values to the pool and to what is
 * committed to.
 *
 * Grid (vectors / HEADS_WARPS, rows), a warp a vector: a head of q, of k or of
 * v.  A vector's elements meet in maxima and sums of integers alone, so their
 * order is free.  f64, which is slow on many devices, is done by one warp for
 * all vectors of the block, one lane each.
 */
#ifndef APUS_KERNELS_CUDA_HEADS_CUH
#define APUS_KERNELS_CUDA_HEADS_CUH

#include "kernels/cuda/quantise.cuh"

#define HEADS_WARPS 8

/* The greatest |value(i)|, i below k, as bits, and the first that is a fault
 * or -1: the same for all lanes. */
template <typename F>
DEV uint32_t warp_amax(F value, uint32_t k, int32_t *fault)
{
    uint32_t m = 0, first = 0xffffffffu;

    for (uint32_t i = threadIdx.x % 32; i < k; i += 32) {
        uint32_t b = x1_bits(value(i)) & 0x7fffffffu;

        m = b > m ? b : m;
        if (b >= ROW_LIMIT && i < first)
            first = i;
    }
    *fault = (int32_t)__reduce_min_sync(0xffffffffu, first);
    return __reduce_max_sync(0xffffffffu, m);
}

/* What the norm of a vector needs. */
struct heads_norm {
    unsigned long long sum; /* of squares of its A14 integers */
    int e;                  /* .. and their exponent */
    float inverse;
};

/* The sum of a vector for its norm; for a fault, of zeros. */
DEV void heads_sum(struct heads_norm *n, const float *x, uint32_t hd,
                   int32_t *fault)
{
    uint32_t amax = warp_amax([x](uint32_t i) { return x[i]; }, hd, fault);
    int e = x1_a14_exponent(*fault < 0 ? amax : 0);
    float r = x1_pow2(14 - e);
    unsigned long long s = 0;

    for (uint32_t i = threadIdx.x % 32; *fault < 0 && i < hd; i += 32) {
        int32_t q = x1_round(X1_MUL(x[i], r));

        s += (uint32_t)(q * q);
    }
    for (int d = 16; d > 0; d /= 2)
        s += __shfl_xor_sync(0xffffffffu, s, d);
    if (threadIdx.x % 32 == 0) {
        n->sum = s;
        n->e = e;
    }
}

/* A query as two slices. */
template <typename F>
DEV void heads_query(const struct heads_args &a, uint32_t row, uint32_t head,
                     F value)
{
    int8_t *q = a.q + ((size_t)row * a.heads + head) * 2 * a.hdp;
    int32_t fault;
    float scale, r = row_factor(&scale, warp_amax(value, a.hd, &fault), false);

    if (threadIdx.x % 32 == 0) {
        a.step[(size_t)row * a.heads + head] = scale;
        fault_note(a.fault, row, a.op[HEADS_Q], a.first + head, fault);
    }
    for (uint32_t i = threadIdx.x % 32; i < a.hdp; i += 32) {
        int32_t v = r == 0 || i >= a.hd ? 0 : x1_round(X1_MUL(value(i), r));
        int32_t hi = (v + 128) >> 8;

        q[i] = (int8_t)hi;
        q[a.hdp + i] = (int8_t)(v - 256 * hi);
    }
}

/* A key (v false) or a value of kv head g, into the pool and the ring. */
template <typename F>
DEV void heads_append(const struct heads_args &a, uint32_t row, uint32_t g,
                      bool v, F value)
{
    uint32_t position = a.fault.to[row] - 1;
    int32_t block = a.table[(size_t)a.fault.slot[row] * a.table_stride +
                            position / a.page];
    size_t at = ((size_t)block * a.kv_heads + g) * a.page + position % a.page;
    uint8_t *ring = a.ring + (a.frame ? *a.frame * a.frame_bytes : 0) +
                    row * a.ring_row + (size_t)g * (8 + 2 * a.hd);
    int8_t *to = (v ? a.v : a.k) + at * a.hdp;
    int32_t fault;
    float scale, r = row_factor(&scale, warp_amax(value, a.hd, &fault), true);

    if (threadIdx.x % 32 == 0) {
        (v ? a.s_v : a.s_k)[at] = scale;
        *(float *)(ring + (v ? 4 : 0)) = scale;
        fault_note(a.fault, row, a.op[v ? HEADS_V : HEADS_K], a.kv_first + g,
                   fault);
    }
    ring += 8 + (v ? a.hd : 0);
    for (uint32_t i = threadIdx.x % 32; i < a.hdp; i += 32) {
        int32_t x = r == 0 || i >= a.hd ? 0 : x1_round(X1_MUL(value(i), r));

        to[i] = (int8_t)x;
        if (i < a.hd)
            ring[i] = (uint8_t)x;
    }
}

__global__ void __launch_bounds__(32 * HEADS_WARPS, 1)
k_heads(const struct heads_args a)
{
    SHARED(struct heads_norm, norm, HEADS_WARPS);
    const uint32_t warp = threadIdx.x / 32, row = blockIdx.y, half = a.hd / 2;
    const uint32_t at = blockIdx.x * HEADS_WARPS + warp;
    const bool q = at < a.heads, k = !q && at < a.heads + a.kv_heads;
    const bool mine = q ? row < a.m_q : at < a.heads + 2 * a.kv_heads;
    const float *x = a.x + (size_t)row * a.ldx + (size_t)at * a.hd;
    const float *g = q ? a.q_norm : k ? a.k_norm : NULL;
    const float *cos = a.cos + (size_t)row * a.angles;
    const float *sin = a.sin + (size_t)row * a.angles;
    int32_t fault = -1;

    if (!row_is_live(a.live, row))
        return;
    if (mine && g) {
        heads_sum(&norm[warp], x, a.hd, &fault);
        if (threadIdx.x % 32 == 0)
            fault_note(a.fault, row, a.op[q ? HEADS_Q_NORM : HEADS_K_NORM],
                       q ? a.first + at : a.kv_first + at - a.heads, fault);
    } else if (threadIdx.x % 32 == 0) {
        norm[warp].sum = 0;
        norm[warp].e = 0;
    }
    __syncthreads();
    if (threadIdx.x < HEADS_WARPS)
        norm[threadIdx.x].inverse = norm_inverse(
            norm[threadIdx.x].sum, norm[threadIdx.x].e, a.hd, a.eps);
    __syncthreads();
    if (!mine)
        return;
    const float inverse = norm[warp].inverse;
    auto normed = [x, g, inverse, fault](uint32_t i) {
        return !g          ? x[i]
               : fault < 0 ? X1_MUL(X1_MUL(x[i], inverse), g[i])
                           : 0.0f;
    };
    auto turned = [normed, cos, sin, half](uint32_t i) {
        uint32_t j = i < half ? i : i - half;
        float own = X1_MUL(normed(i), cos[j]);
        float other = X1_MUL(normed(i < half ? i + half : j), sin[j]);

        return i < half ? X1_SUB(own, other) : X1_ADD(own, other);
    };

    if (q)
        heads_query(a, row, at, turned);
    else if (k)
        heads_append(a, row, at - a.heads, false, turned);
    else
        heads_append(a, row, at - a.heads - a.kv_heads, true, normed);
}

#endif
