/*
 * Sampling in integers: the weight of a token is rint(exp32(..) * 2^30), all
 * that follows is sums of them, so every implementation draws the same token.
 * A heap gives the order (weight down, id up) only as far as it is needed.
 */
#include <config.h>

#include "engine/sampler.h"

#include <stdbool.h>

#include "kernels/x1.h"

#define MILLION 1000000u
#define SAMP 0x73616d70u /* the last word of the counter */

void philox4x32(uint32_t out[4], const uint32_t counter[4],
                const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1];
    uint32_t c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xd2511f53u * c0;
        uint64_t b = (uint64_t)0xcd9e8d57u * c2;

        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The highest logit, the lowest id among equals. */
static uint32_t greedy(const float *logits, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (uint32_t)best;
}

static uint64_t draw_bits(const struct sampling *s, uint32_t position)
{
    uint32_t key[2] = { (uint32_t)s->seed, (uint32_t)(s->seed >> 32) };
    uint32_t counter[4] = { position, 0, s->choice, SAMP };
    uint32_t out[4];

    philox4x32(out, counter, key);
    return out[0] | (uint64_t)out[1] << 32;
}

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->weight != b->weight ? a->weight > b->weight : a->id < b->id;
}

static void sift(struct candidate *heap, size_t n, size_t i)
{
    struct candidate moved = heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= n)
            break;
        if (child + 1 < n && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &moved))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

/* Take the first `count` in order off the heap of n; they end up, in reverse
 * order, behind what is left of it.  Stops early once their sum has reached
 * `enough`.  Returns how many; *sum is theirs. */
static size_t take(struct candidate *heap, size_t n, size_t count,
                   uint64_t enough, uint64_t *sum)
{
    size_t taken = 0;

    *sum = 0;
    while (taken < count && *sum < enough) {
        struct candidate first = heap[0];

        heap[0] = heap[n - 1 - taken];
        heap[n - 1 - taken] = first;
        taken++;
        sift(heap, n - taken, 0);
        *sum += first.weight;
    }
    return taken;
}

static void heapify(struct candidate *heap, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(heap, n, i);
}

/* (W / 10^6) * top_p + ((W % 10^6) * top_p + 999999) / 10^6 */
static uint64_t threshold(uint64_t sum, uint32_t top_p)
{
    return sum / MILLION * top_p +
           (sum % MILLION * top_p + (MILLION - 1)) / MILLION;
}

/* The candidates that stay, at the end of c[0..n): *kept of them. */
static void keep(struct drawn *out, struct candidate *c, size_t n,
                 const struct sampling *s)
{
    uint64_t all = 0, sum = 0;
    size_t count = s->top_k && s->top_k < n ? s->top_k : n;
    size_t kept = n;

    for (size_t i = 0; i < n; i++)
        all += c[i].weight;
    out->sum_k = all;
    out->sum_p = all;
    if (count < n || s->top_p < MILLION)
        heapify(c, n);
    if (count < n) {
        kept = take(c, n, count, UINT64_MAX, &sum);
        out->sum_k = sum;
        out->sum_p = sum;
        c += n - kept;
        n = kept;
        if (s->top_p < MILLION)
            heapify(c, n);
    }
    if (s->top_p < MILLION)
        kept = take(c, n, n, threshold(out->sum_k, s->top_p), &out->sum_p);
    out->kept = (uint32_t)kept;
}

/* The id at which the running sum, in id order, exceeds r.  A bisection over
 * ids by counting needs no sort. */
static uint32_t pick(const struct candidate *c, size_t n, uint32_t n_vocab,
                     uint64_t r)
{
    uint32_t lo = 0, hi = n_vocab - 1;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        uint64_t sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += c[i].id <= mid ? c[i].weight : 0;
        if (sum > r)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

void sampler_draw(struct drawn *out, const float *logits, size_t n,
                  const struct sampling *s, uint32_t position,
                  struct candidate *scratch)
{
    uint32_t best = greedy(logits, n);
    float max = logits[best] + 0.0f;
    float t = (float)((double)s->temperature / 1e6);

    memset(out, 0, sizeof(*out));
    out->token = best;
    if (s->temperature == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        scratch[i].weight = x1_draw_weight(logits[i], max, t);
        scratch[i].id = (uint32_t)i;
    }
    keep(out, scratch, n, s);
    out->r = (draw_bits(s, position) >> 1) % out->sum_p;
    out->token = pick(scratch + n - out->kept, out->kept, (uint32_t)n,
                      out->r);
}
