/*
 * A token from a row of logits, in integers (doc/numerics.md, Sampling).  One
 * block a row.  Nothing is sorted: the last weight that stays is found by three
 * rounds of counting its digits from the top (11, 10, 10 bits), by count for
 * top_k and by sum for top_p; of its equals the lowest ids stay.
 */
#ifndef APUS_KERNELS_CUDA_SAMPLE_CUH
#define APUS_KERNELS_CUDA_SAMPLE_CUH

#include "kernels/cuda/keys.cuh"
#include "kernels/philox.h"

#define SAMPLE_THREADS 256
#define SAMPLE_WARPS (SAMPLE_THREADS / 32)
#define SAMPLE_BINS 1025 /* digits of the first round: 0 .. 2^30 >> 20 */
#define SAMPLE_LANE 33   /* bins that a lane of the walking warp has */
#define SAMPLE_MILLION 1000000u
#define SAMPLE_WORD 0x73616d70u /* the last word of Philox's counter */

/* The sum of v over the threads before this one; *all over the block. */
DEV unsigned long long sample_scan(unsigned long long v,
                                   unsigned long long *shared,
                                   unsigned long long *all)
{
    unsigned long long s = v, total = 0, before = 0;
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;

    for (int d = 1; d < 32; d *= 2) {
        unsigned long long o = __shfl_up_sync(0xffffffffu, s, d);

        if (lane >= (unsigned)d)
            s += o;
    }
    if (lane == 31)
        shared[warp] = s;
    __syncthreads();
    for (unsigned i = 0; i < SAMPLE_WARPS; i++) {
        before += i < warp ? shared[i] : 0;
        total += shared[i];
    }
    __syncthreads();
    *all = total;
    return before + s - v;
}

/* -- where an order of weights, falling, ends ---------------------------- */

/* What stays: weights above `weight`, and so many of its equals. */
struct sample_cut {
    uint32_t weight, equals;
    unsigned long long sum; /* of what stays */
};

/* Shared by the threads that look for a cut. */
struct sample_bins {
    uint32_t count[SAMPLE_BINS];
    unsigned long long sum[SAMPLE_BINS];
    uint32_t digit;                      /* of the last weight, this round .. */
    unsigned long long n_above, s_above; /* .. and what is above it */
};

/* How many weights, and what sum of them, have each digit in this round; all
 * agree in the bits above with `prefix`. */
DEV void sample_count(struct sample_bins *b, const uint32_t *w, uint32_t n,
                      int round, uint32_t shift, uint32_t prefix)
{
    uint32_t zeros = 0;
    unsigned long long zero_sum = 0;

    for (uint32_t i = threadIdx.x; i < SAMPLE_BINS; i += SAMPLE_THREADS) {
        b->count[i] = 0;
        b->sum[i] = 0;
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < n; i += SAMPLE_THREADS) {
        uint32_t v = w[i], digit = v >> shift;

        if (round && digit >> 10 != prefix)
            continue;
        digit = round ? digit & 1023 : digit;
        if (digit == 0) { /* nearly all of them: not through one word */
            zeros++;
            zero_sum += v;
        } else {
            atomicAdd(&b->count[digit], 1u);
            atomicAdd(&b->sum[digit], (unsigned long long)v);
        }
    }
    if (zeros) {
        atomicAdd(&b->count[0], zeros);
        atomicAdd(&b->sum[0], zero_sum);
    }
    __syncthreads();
}

/* One warp walks the bins from the top until `enough` is reached. */
DEV void sample_walk(struct sample_bins *b, unsigned long long enough,
                     bool by_sum)
{
    int lane = (int)threadIdx.x, hi = SAMPLE_BINS - 1 - SAMPLE_LANE * lane;
    unsigned long long n = 0, s = 0, n0, s0;

    for (int i = hi; i > hi - SAMPLE_LANE && i >= 0; i--) {
        n += b->count[i];
        s += b->sum[i];
    }
    n0 = n;
    s0 = s;
    for (int d = 1; d < 32; d *= 2) {
        unsigned long long x = __shfl_up_sync(0xffffffffu, n0, d);
        unsigned long long y = __shfl_up_sync(0xffffffffu, s0, d);

        if (lane >= d) {
            n0 += x;
            s0 += y;
        }
    }
    /* above this lane's bins, in all rounds */
    n0 += b->n_above - n;
    s0 += b->s_above - s;
    __syncwarp();
    if ((by_sum ? s0 : n0) >= enough || (by_sum ? s0 + s : n0 + n) < enough)
        return;
    while ((by_sum ? s0 + b->sum[hi] : n0 + b->count[hi]) < enough) {
        n0 += b->count[hi];
        s0 += b->sum[hi];
        hi--;
    }
    b->digit = (uint32_t)hi;
    b->n_above = n0;
    b->s_above = s0;
}

/* The shortest prefix, weights falling, whose count (by_sum false) or sum
 * reaches `enough`; one exists. */
DEV struct sample_cut sample_find(struct sample_bins *b, const uint32_t *w,
                                  uint32_t n, unsigned long long enough,
                                  bool by_sum)
{
    uint32_t prefix = 0, shift = 20;
    struct sample_cut c;

    if (threadIdx.x == 0)
        b->n_above = b->s_above = 0;
    for (int round = 0; round < 3; round++, shift -= 10) {
        sample_count(b, w, n, round, shift, prefix);
        if (threadIdx.x < 32)
            sample_walk(b, enough, by_sum);
        __syncthreads();
        prefix = prefix << 10 | b->digit;
    }
    c.weight = prefix;
    c.equals = (uint32_t)(by_sum ? (enough - b->s_above + prefix - 1) / prefix
                                 : enough - b->n_above);
    c.sum = b->s_above + (unsigned long long)c.equals * prefix;
    __syncthreads();
    return c;
}

/* top_k, then top_p of what top_k left; *sum_k: what top_k left weighs. */
DEV struct sample_cut sample_keep(struct sample_bins *b, const uint32_t *w,
                                  uint32_t n, const struct sample_row *p,
                                  unsigned long long all,
                                  unsigned long long *sum_k)
{
    struct sample_cut c = { 0, n, all }; /* everything */
    unsigned long long enough;

    *sum_k = all;
    if (p->top_k && p->top_k < n) {
        c = sample_find(b, w, n, p->top_k, false);
        *sum_k = c.sum;
    }
    if (p->top_p < SAMPLE_MILLION) {
        enough = *sum_k / SAMPLE_MILLION * p->top_p +
                 (*sum_k % SAMPLE_MILLION * p->top_p + SAMPLE_MILLION - 1) /
                     SAMPLE_MILLION;
        c = sample_find(b, w, n, enough, true);
    }
    return c;
}

/* -- the draw ------------------------------------------------------------- */

/* The ids of a thread, in order, and how many equals of the cut stand before
 * them: which of its own equals stay follows from that. */
struct sample_run {
    uint32_t from, to, equals;
};

/* Whether w[i] stays; *e counts the equals. */
DEV bool sample_stays(const struct sample_cut &c, uint32_t w, uint32_t *e)
{
    if (w != c.weight)
        return w > c.weight;
    return (*e)++ < c.equals;
}

DEV unsigned long long sample_bits(const struct sample_row *p)
{
    const uint32_t counter[4] = { p->position, 0, p->choice, SAMPLE_WORD };
    uint32_t out[4];

    philox4x32(out, counter, p->seed);
    return out[0] | (unsigned long long)out[1] << 32;
}

/* One thread: the token of a row. */
DEV void sample_put(const struct sample_args &a, struct sample_row *p,
                    uint32_t token)
{
    p->token = token;
    if (a.drawn && p->slot != SAMPLE_NOWHERE)
        a.drawn[p->slot] = token;
}

/* The token of a draw among what stays. */
DEV void sample_draw(const struct sample_args &a, struct sample_row *p,
                     const uint32_t *w, const struct sample_cut &c,
                     unsigned long long *word)
{
    uint32_t n = a.n, token = 0;
    uint32_t each = (n + SAMPLE_THREADS - 1) / SAMPLE_THREADS, kept = 0, e = 0;
    struct sample_run t;
    unsigned long long mine = 0, all, before, sum_p, run, r;

    t.from = threadIdx.x * each < n ? threadIdx.x * each : n;
    t.to = t.from + each < n ? t.from + each : n;
    for (uint32_t i = t.from; i < t.to; i++)
        e += w[i] == c.weight;
    before = sample_scan(e, word, &all);
    t.equals = e = (uint32_t)before;
    for (uint32_t i = t.from; i < t.to; i++) {
        bool in = sample_stays(c, w[i], &e);

        kept += in;
        mine += in ? w[i] : 0;
    }
    (void)sample_scan(kept, word, &all);
    run = sample_scan(mine, word, &sum_p);
    r = (sample_bits(p) >> 1) % sum_p;
    if (threadIdx.x == 0) {
        p->kept = (uint32_t)all;
        p->sum_p = sum_p;
        p->r = r;
    }
    if (run > r || r >= run + mine)
        return;
    for (uint32_t i = t.from; run <= r; i++) {
        run += sample_stays(c, w[i], &t.equals) ? w[i] : 0;
        token = i;
    }
    sample_put(a, p, token);
}

__global__ void __launch_bounds__(SAMPLE_THREADS, 1)
    k_sample(const struct sample_args a)
{
    SHARED(struct sample_bins, bins, 1);
    SHARED(unsigned long long, word, SAMPLE_WARPS);
    struct sample_row *p = &a.row[blockIdx.x];
    const float *l = a.logits + (size_t)blockIdx.x * a.n;
    uint32_t *w = a.w + (size_t)blockIdx.x * a.n;
    unsigned long long best, all = 0, sum_k;
    float max, t;
    struct sample_cut c;

    if (!row_is_live(a.live, blockIdx.x))
        return;
    best = p->best;
    max = from_order((uint32_t)(best >> 32));
    t = p->t;
    if (t == 0 || best == BEST_FAULT) {
        if (threadIdx.x == 0)
            sample_put(a, p, 0xffffffffu - (uint32_t)best);
        return;
    }
    for (uint32_t i = threadIdx.x; i < a.n; i += SAMPLE_THREADS) {
        uint32_t v = x1_draw_weight(l[i], max, t);

        w[i] = v;
        all += v;
    }
    (void)sample_scan(all, word, &all); /* its barriers also order w */
    c = sample_keep(bins, w, a.n, p, all, &sum_k);
    if (threadIdx.x == 0)
        p->sum_k = sum_k;
    sample_draw(a, p, w, c, word);
}

#endif
