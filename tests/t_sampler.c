/*
 * The sampler against a slow implementation that sorts everything, over many
 * random rows and parameters; the published vectors are in vectors/x1.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "engine/sampler.h"
#include "kernels/kernels.h"
#include "kernels/philox.h"
#include "kernels/x1.h"
#include "tests/tap.h"

#define N 300

struct candidate {
    uint32_t weight, id;
};

static uint64_t state = 88172645463325252u;

static uint64_t rnd(void) /* xorshift64, Marsaglia */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int by_weight(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

static int by_id(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static uint64_t sum(const struct candidate *c, size_t n)
{
    uint64_t s = 0;

    while (n > 0)
        s += c[--n].weight;
    return s;
}

/* numerics.md, Sampling, line by line. */
static void slow_draw(struct drawn *out, const float *l, size_t n,
                      const struct sampling *s, uint32_t position)
{
    struct candidate c[N];
    uint32_t key[2] = { (uint32_t)s->seed, (uint32_t)(s->seed >> 32) };
    uint32_t ctr[4] = { position, 0, s->choice, 0x73616d70u }, o[4];
    float max = l[0] + 0.0f, t = (float)(s->temperature / 1e6);
    uint64_t thr, run = 0;
    size_t kept = 0, i = 0;

    for (i = 0; i < n; i++)
        max = l[i] + 0.0f > max ? l[i] + 0.0f : max;
    for (i = 0; i < n; i++) {
        c[i].id = (uint32_t)i;
        c[i].weight = x1_draw_weight(l[i], max, t);
    }
    qsort(c, n, sizeof(*c), by_weight);
    if (s->top_k && s->top_k < n)
        n = s->top_k;
    out->sum_k = sum(c, n);
    thr = out->sum_k / 1000000 * s->top_p +
          (out->sum_k % 1000000 * s->top_p + 999999) / 1000000;
    while (kept < n && (s->top_p == 1000000 || run < thr))
        run += c[kept++].weight;
    out->kept = (uint32_t)kept;
    out->sum_p = run;
    philox4x32(o, ctr, key);
    out->r = ((o[0] | (uint64_t)o[1] << 32) >> 1) % run;
    qsort(c, kept, sizeof(*c), by_id);
    for (run = 0, i = 0; run + c[i].weight <= out->r; i++)
        run += c[i].weight;
    out->token = c[i].id;
}

static int one_round(void)
{
    struct sampling s = { 0 };
    uint32_t weight[N];
    struct x1_kernels k;
    struct drawn a, b;
    size_t n = 1 + rnd() % N;
    float l[N];
    uint32_t position = (uint32_t)rnd();
    int coarse = rnd() % 2;

    for (size_t i = 0; i < n; i++)
        l[i] = coarse ? (float)(rnd() % 5) - 2
                      : (float)(rnd() % 4096) / 128.0f - 16;
    s.temperature = (uint32_t)(10000 + rnd() % (rnd() % 2 ? 3000000
                                                          : 99990001));
    s.top_p = rnd() % 3 ? (uint32_t)(1 + rnd() % 1000000) : 1000000;
    s.top_k = rnd() % 2 ? 0 : (uint32_t)(rnd() % (2 * N));
    s.seed = rnd();
    s.choice = (uint32_t)(rnd() % 8);
    memset(&b, 0, sizeof(b));
    x1_kernels_init(&k, 0);
    sampler_draw(&a, l, n, &s, position, &k, weight);
    slow_draw(&b, l, n, &s, position);
    return a.token == b.token && a.kept == b.kept && a.sum_k == b.sum_k &&
           a.sum_p == b.sum_p && a.r == b.r;
}

int main(void)
{
    struct x1_kernels k;
    struct sampling greedy = { .top_p = 1000000 };
    const float l[4] = { -0.0f, 0.0f, -1.0f, 0.0f };
    struct drawn d;
    int wrong = 0;

    for (int i = 0; i < 20000; i++)
        wrong += !one_round();
    ok(wrong == 0, "20000 random draws equal the slow ones (%d wrong)",
       wrong);
    x1_kernels_init(&k, 0);
    sampler_draw(&d, l, 4, &greedy, 0, &k, NULL);
    ok(d.token == 0 && d.kept == 0, "greedy: lowest id, -0 equals +0");
    return done();
}
