/*
 * Sampling in integers: the weight of a token is rint(exp32(..) * 2^30), all
 * that follows is sums of them, so every implementation draws the same token.
 * The order (weight down, id up) is never made: the weight at which top_k or
 * top_p ends is found by halves, from sums of all that weigh as much or more.
 * What is dropped weighs nothing, and the draw is one running sum in id order.
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
    bool all_equal; /* no others weigh as much */
    size_t kept;  /* how many that are in all .. */
    uint64_t sum; /* .. and what they weigh */
};

#define HEAVIEST (1u << 30)

/* What weighs at least `weight`. */
struct heavy_end {
    uint32_t weight;
    size_t n;
    uint64_t sum;
};

/* The shortest prefix of the order that has `count` of n weights, or whose sum
 * is `enough`; 1 <= count <= n.  `all` is the sum of all.  A prefix that does
 * and one that does not come together until one weight, or nothing, lies
 * between them. */
static void find_cut(struct sampler_cut *c, const uint32_t *w, size_t n,
                     uint64_t all, size_t count, uint64_t enough,
                     const struct x1_kernels *k)
{
    struct heavy_end in = { 0, n, all }, out = { HEAVIEST + 1, 0, 0 };

    while (in.n - out.n > 1 && out.weight - in.weight > 1) {
        struct heavy_end p = { .weight = in.weight +
                                      (out.weight - in.weight) / 2 };

        p.sum = k->tally(w, n, p.weight, &p.n);
        if (p.n >= count || p.sum >= enough)
            in = p;
        else
            out = p;
    }
    c->weight = in.weight;
    if (in.n - out.n == 1)
        c->weight = (uint32_t)(in.sum - out.sum);
    c->equal = count - out.n;
    if (c->weight > 0 && enough != UINT64_MAX) {
        size_t by_sum = (size_t)((enough - out.sum + c->weight - 1) /
                                 c->weight);

        c->equal = by_sum < c->equal ? by_sum : c->equal;
    }
    c->all_equal = in.n - out.n == c->equal;
    c->kept = out.n + c->equal;
    c->sum = out.sum + c->equal * (uint64_t)c->weight;
}

/* Weights beyond the cut become 0. */
static void apply_cut(uint32_t *w, size_t n, const struct sampler_cut *c)
{
    size_t equal = c->equal;

    for (size_t i = 0; i < n && c->all_equal; i++)
        w[i] = w[i] >= c->weight ? w[i] : 0;
    for (size_t i = 0; i < n && !c->all_equal; i++) {
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
static void keep_likeliest(struct drawn *out, uint32_t *w, size_t n,
                           const struct sampling *s, const struct x1_kernels *k)
{
    size_t count = s->top_k && s->top_k < n ? s->top_k : n;
    uint64_t all = out->sum_k;
    struct sampler_cut c;

    if (count < n) {
        find_cut(&c, w, n, all, count, UINT64_MAX, k);
        out->sum_k = c.sum;
    }
    if (s->top_p < MILLION)
        find_cut(&c, w, n, all, count, threshold(out->sum_k, s->top_p), k);
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
        keep_likeliest(out, weight, n, s, k);
    out->r = (draw_bits(s, position) >> 1) % out->sum_p;
    out->token = (uint32_t)k->pick(weight, n, out->r);
}
