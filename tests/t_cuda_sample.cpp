/*
 * kernels/cuda/sample.cu on the emulated device against src/engine/sampler.c:
 * tokens and the sums that decided them, with ties, zeros and every limit.
 */
#include <string.h>

#include "kernels/cuda/sample.cu"
#include "tests/cusim/array.h"
#include "tests/cusim/draws.h"

extern "C" {
#include "engine/sampler.h"
#include "tests/tap.h"
}

static struct random_numbers rnd(9);
static struct x1_kernels ref;

/* Logits: many ties; ordinary; zeros of both signs; far apart. */
static float logit(int kind)
{
    switch (kind) {
    case 0:
        return (float)rnd.below(5) - 2.0f;
    case 1:
        return rnd.real(3);
    case 2:
        return rnd.below(2) ? 0.0f : -0.0f;
    default:
        return rnd.real(10);
    }
}

static struct sampling settings(uint32_t n)
{
    static const uint32_t ps[] = { 1,      500000, 900000,
                                   950000, 999999, 1000000 };
    struct sampling s;

    s.temperature = rnd.below(5) == 0 ? 0 : 10000 + rnd.below(3000000);
    s.top_p = ps[rnd.below(6)];
    s.top_k = rnd.below(2) ? 0 : 1 + rnd.below(n + 5);
    s.seed = (uint64_t)rnd.next() << 32 | rnd.next();
    s.choice = rnd.below(3);
    return s;
}

#define UNDRAWN 0xfffffffeu

/* Of two equal weights the first stays, which another thread has, and the one
 * after them: a draw from the last counts but one of the two before it. */
static void test_equals(void)
{
    const uint32_t n = 5001, rows = 24;
    std::vector<float> l((size_t)n * rows, -60.0f);
    std::vector<struct sample_row> row(rows);
    std::vector<uint32_t> weight(n);
    struct sampling s = {};
    uint32_t last = 0;
    bool good = true;

    s.temperature = s.top_p = 1000000;
    s.top_k = 2;
    for (uint32_t i = 0; i < rows; i++) {
        float *x = &l[(size_t)i * n];

        x[0] = x[40] = 1.0f;
        x[41] = 1.125f;
        row[i] = row_of(s, i, SAMPLE_NOWHERE);
        row[i].best = best_of(x, n);
    }
    array<float> dl(l);
    array<uint32_t> dw(l.size());
    array<struct sample_row> dr(row);
    struct sample_args a = { dl.p, dw.p, dr.p, nullptr, nullptr, n };

    must(sample_launch(&a, rows, nullptr));
    row = dr.get();
    for (uint32_t i = 0; i < rows; i++) {
        struct drawn d;

        sampler_draw(&d, l.data(), n, &s, i, &ref, weight.data());
        good = good && d.token == row[i].token;
        last += d.token == 41;
    }
    ok(good && last > 0 && last < rows,
       "of equal weights the lowest id stays, %u draws of another", last);
}

/* Of 2^30 + 1074 a share of 999,999 in a million is a little more than 2^30:
 * the first id weighs too little for it alone. */
static void test_share(void)
{
    const uint32_t want = (1u << 30) + 1074;
    std::vector<float> l(2);
    std::vector<struct sample_row> row(1);
    std::vector<uint32_t> weight(2);
    struct sampling s = {};
    struct drawn d = {};

    s.temperature = 1000000;
    s.top_p = 999999;
    for (l[1] = -13.9f; d.sum_k != want && l[1] < -13.7f; l[1] += 1e-4f)
        sampler_draw(&d, l.data(), 2, &s, 0, &ref, weight.data());
    l[1] -= 1e-4f;
    row[0] = row_of(s, 0, SAMPLE_NOWHERE);
    row[0].best = best_of(l.data(), 2);
    array<float> dl(l);
    array<uint32_t> dw(2);
    array<struct sample_row> dr(row);
    struct sample_args a = { dl.p, dw.p, dr.p, nullptr, nullptr, 2 };

    must(sample_launch(&a, 1, nullptr));
    row = dr.get();
    sampler_draw(&d, l.data(), 2, &s, 0, &ref, weight.data());
    ok(d.sum_k == want && d.kept == 2 && row[0].kept == 2 &&
           row[0].sum_p == want, "a share is rounded up: %u stay", row[0].kept);
}

static bool equal(uint32_t n, uint32_t rows, int kind, uint32_t position)
{
    std::vector<float> l((size_t)n * rows);
    std::vector<struct sampling> s;
    std::vector<struct sample_row> row;
    std::vector<uint32_t> weight(n);
    bool good = true;

    for (auto &v : l)
        v = logit(kind);
    for (uint32_t i = 0; i < rows; i++) {
        s.push_back(settings(n));
        row.push_back(row_of(s[i], position, i % 2 ? i : SAMPLE_NOWHERE));
        row[i].best = best_of(&l[(size_t)i * n], n);
    }
    array<float> dl(l);
    array<uint32_t> dw(l.size());
    array<struct sample_row> dr(row);
    std::vector<uint32_t> last(rows, UNDRAWN);
    array<uint32_t> drawn(last);
    uint32_t live = position % 3 ? rows : rows - rows / 2;
    array<uint32_t> there(&live, 1);
    struct sample_args a = { dl.p, dw.p, dr.p, drawn.p, there.p, n };

    must(sample_launch(&a, rows, nullptr));
    good = first_alone(drawn.get(), drawn.get(), live, UNDRAWN);
    for (uint32_t i = live; i < rows; i++)
        good = good && memcmp(&row[i], &dr.get()[i], sizeof(row[i])) == 0;
    row = dr.get();
    last = drawn.get();
    for (uint32_t i = 0; i < live; i++) {
        const struct sample_row &r = row[i];
        struct drawn d;

        sampler_draw(&d, &l[(size_t)i * n], n, &s[i], position, &ref,
                     weight.data());
        if (d.token == r.token && d.kept == r.kept && d.sum_k == r.sum_k &&
            d.sum_p == r.sum_p && d.r == r.r &&
            last[i] == (i % 2 ? d.token : UNDRAWN))
            continue;
        good = false;
        printf("# n %u kind %d temperature %u top_p %u top_k %u: token %u, "
               "not %u\n", n, kind, s[i].temperature, s[i].top_p, s[i].top_k,
               r.token, d.token);
    }
    return good;
}

/* A row with a fault has no draw, whatever its logits are. */
static void test_fault(void)
{
    std::vector<float> l(500, __builtin_nanf(""));
    std::vector<struct sample_row> row(1);

    row[0].t = 1.0f;
    row[0].token = 7;
    row[0].best = BEST_FAULT;
    array<float> dl(l);
    array<uint32_t> dw(l.size());
    array<struct sample_row> dr(row);
    struct sample_args a = { dl.p, dw.p, dr.p, nullptr, nullptr, 500 };

    must(sample_launch(&a, 1, nullptr));
    row = dr.get();
    ok(row[0].token == 0 && row[0].kept == 0, "no draw from a fault");
}

int main(void)
{
    static const uint32_t ns[] = { 1, 7, 256, 257, 1000, 4096, 5001 };
    int bad = 0, cases = 60;

    ref = reference_kernels();
    for (int i = 0; i < cases; i++)
        bad += !equal(ns[rnd.below(7)], 1 + rnd.below(3), i % 4, (uint32_t)i);
    ok(bad == 0, "%d batches of rows draw as the sampler", cases);
    test_fault();
    test_equals();
    test_share();
    return done();
}
