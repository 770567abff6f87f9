/*
 * Sampling in integers: the weight of a token is rint(exp32(..) * 2^30), all
 * that follows is sums of them, so every implementation draws the same token.
 * The order (weight down, id up) is never made: the weight at which top_k or
 * top_p ends is found by its bits, ten at a time.  What is dropped weighs
 * nothing, and the draw is one running sum in id order.
 */
#include <config.h>

#include "engine/sampler.h"

#include <string.h>

#include "kernels/kernels.h"
#include "kernels/philox.h"

#define MILLION 1000000u
#define SAMP 0x73616d70u /* the last word of the counter */

static uint64_t draw_bits(const struct sampling *s, uint32_t position)
{
    uint32_t key[2] = { (uint32_t)s->seed, (uint32_t)(s->seed >> 32) };
    uint32_t counter[4] = { position, 0, s->choice, SAMP };
    uint32_t out[4];

    philox4x32(out, counter, key);
    return out[0] | (uint64_t)out[1] << 32;
}

/* How far down the order (weight down, id up) a draw goes: all of more than
 * `weight`, and of those that weigh as much the first `equal` ids. */
struct sampler_cut {
    uint32_t weight;
    size_t equal;
    size_t kept;  /* how many that are in all .. */
    uint64_t sum; /* .. and what they weigh */
};

/* Weights are at most 2^30; each level looks at ten bits of those that agree
 * in the bits above. */
#define BITS 10
#define TOP_SHIFT 20
#define BUCKETS ((1u << BITS) + 1)

struct bucket {
    uint64_t sum;
    size_t n;
};

/* What the weights whose bits above are `high` have in each bucket.  Bucket 0,
 * the last to be looked at and by far the fullest, stays empty. */
static void fill_buckets(struct bucket *bucket, const uint32_t *w, size_t n,
                         unsigned shift, uint32_t high)
{
    uint32_t first = high << BITS;

    memset(bucket, 0, BUCKETS * sizeof(*bucket));
    for (size_t i = 0; i < n; i++) {
        uint32_t at = w[i] >> shift;

        /* at most BUCKETS on the top level, where high is 0 */
        if (at <= first || (shift < TOP_SHIFT && at - first >= 1u << BITS))
            continue;
        bucket[at - first].sum += w[i];
        bucket[at - first].n++;
    }
}

/* The shortest prefix of the order that has `count` of n weights, or whose sum
 * is `enough`; 1 <= count <= n. */
static void find_cut(struct sampler_cut *c, const uint32_t *w, size_t n,
                     size_t count, uint64_t enough)
{
    struct bucket bucket[BUCKETS];
    uint32_t high = 0;
    size_t by_sum;

    *c = (struct sampler_cut){ 0, 0, 0, 0 };
    for (unsigned shift = TOP_SHIFT;; shift -= BITS) {
        uint32_t at = BUCKETS - 1;

        fill_buckets(bucket, w, n, shift, high);
        for (; at > 0; at--) {
            if (c->kept + bucket[at].n >= count ||
                c->sum + bucket[at].sum >= enough)
                break;
            c->kept += bucket[at].n;
            c->sum += bucket[at].sum;
        }
        high = (high << BITS) + at;
        if (shift == 0)
            break;
    }
    c->weight = high;
    c->equal = count - c->kept;
    if (high > 0 && enough != UINT64_MAX) {
        by_sum = (size_t)((enough - c->sum + high - 1) / high);
        c->equal = by_sum < c->equal ? by_sum : c->equal;
    }
    c->kept += c->equal;
    c->sum += c->equal * (uint64_t)high;
}

/* Weights beyond the cut become 0. */
static void apply_cut(uint32_t *w, size_t n, const struct sampler_cut *c)
{
    size_t equal = c->equal;

    for (size_t i = 0; i < n; i++) {
        if (w[i] > c->weight)
            continue;
        if (w[i] == c->weight && equal > 0)
            equal--;
        else
            w[i] = 0;
    }
}

/* (W / 10^6) * top_p + ((W % 10^6) * top_p + 999999) / 10^6 */
static uint64_t threshold(uint64_t sum, uint32_t top_p)
{
    return sum / MILLION * top_p +
           (sum % MILLION * top_p + (MILLION - 1)) / MILLION;
}

/* top_k, then top_p: what stays keeps its weight in w[0..n), the others get
 * 0.  Both are prefixes of one order, so the second is found among all. */
static void keep(struct drawn *out, uint32_t *w, size_t n,
                 const struct sampling *s)
{
    size_t count = s->top_k && s->top_k < n ? s->top_k : n;
    struct sampler_cut c;

    if (count < n) {
        find_cut(&c, w, n, count, UINT64_MAX);
        out->sum_k = c.sum;
    }
    if (s->top_p < MILLION)
        find_cut(&c, w, n, count, threshold(out->sum_k, s->top_p));
    out->sum_p = c.sum;
    out->kept = (uint32_t)c.kept;
    apply_cut(w, n, &c);
}

void sampler_draw(struct drawn *out, const float *logits, size_t n,
                  const struct sampling *s, uint32_t position,
                  const struct x1_kernels *k, uint32_t *weight)
{
    sampler_draw_best(out, logits, n, k->max(logits, n), s, position, k,
                      weight);
}

void sampler_draw_best(struct drawn *out, const float *logits, size_t n,
                       size_t best, const struct sampling *s,
                       uint32_t position, const struct x1_kernels *k,
                       uint32_t *weight)
{
    float t = (float)((double)s->temperature / 1e6);

    memset(out, 0, sizeof(*out));
    out->token = (uint32_t)best;
    if (s->temperature == 0)
        return;
    k->exp_weights(weight, logits, n, logits[best] + 0.0f, t);
    out->kept = (uint32_t)n;
    out->sum_k = out->sum_p = k->sum(weight, n);
    if ((s->top_k && s->top_k < n) || s->top_p < MILLION)
        keep(out, weight, n, s);
    out->r = (draw_bits(s, position) >> 1) % out->sum_p;
    out->token = (uint32_t)k->pick(weight, n, out->r);
}
