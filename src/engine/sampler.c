/*
 * Sampling in integers: the weight of a token is rint(exp32(..) * 2^30), all
 * that follows is sums of them, so every implementation draws the same token.
 * A heap gives the order (weight down, id up) only as far as it is needed;
 * what it drops weighs nothing, and the draw is one running sum in id order.
 */
#include <config.h>

#include "engine/sampler.h"

#include <stdbool.h>
#include <string.h>

#include "kernels/kernels.h"

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
 * order, after what is left of it.  Stops early once their sum has reached
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

/* top_k, then top_p: the candidates that stay keep their weight in w[0..n),
 * the others get 0. */
static void keep(struct drawn *out, uint32_t *w, struct candidate *c, size_t n,
                 const struct sampling *s)
{
    size_t count = s->top_k && s->top_k < n ? s->top_k : n;
    size_t all = n, kept = n;
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        c[i] = (struct candidate){ w[i], (uint32_t)i };
    heapify(c, n);
    if (count < n) {
        kept = take(c, n, count, UINT64_MAX, &sum);
        out->sum_k = out->sum_p = sum;
        c += n - kept;
        n = kept;
        if (s->top_p < MILLION)
            heapify(c, n);
    }
    if (s->top_p < MILLION)
        kept = take(c, n, n, threshold(out->sum_k, s->top_p), &out->sum_p);
    out->kept = (uint32_t)kept;
    memset(w, 0, all * sizeof(*w));
    for (c += n - kept; kept > 0; kept--, c++)
        w[c->id] = c->weight;
}

void sampler_draw(struct drawn *out, const float *logits, size_t n,
                  const struct sampling *s, uint32_t position,
                  const struct x1_kernels *k, const struct sampler_room *room)
{
    size_t best = k->max(logits, n);
    float t = (float)((double)s->temperature / 1e6);

    memset(out, 0, sizeof(*out));
    out->token = (uint32_t)best;
    if (s->temperature == 0)
        return;
    k->exp_weights(room->weight, logits, n, logits[best] + 0.0f, t);
    out->kept = (uint32_t)n;
    out->sum_k = out->sum_p = k->sum(room->weight, n);
    if ((s->top_k && s->top_k < n) || s->top_p < MILLION)
        keep(out, room->weight, room->candidate, n, s);
    out->r = (draw_bits(s, position) >> 1) % out->sum_p;
    out->token = (uint32_t)k->pick(room->weight, n, out->r);
}
