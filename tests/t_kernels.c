/*
 * What kernels.h promises beyond the vectors, on every backend: faults and
 * their places, rows out of range as zeros, row ranges, the floating-point
 * state of a thread, and the self-test.
 */
#include <config.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "kernels/kernels.h"
#include "tests/tap.h"

#define K 200

static void test_faults(const struct x1_kernels *k)
{
    static float x[4 * K];
    float scale[4];
    static int16_t q[4 * K];
    int32_t fault[4];
    struct x1_rows r = { 4, K, q, scale };
    bool zero = true;

    for (int i = 0; i < 4 * K; i++)
        x[i] = (float)(i % 7) - 3.0f;
    x[K + 17] = NAN;
    x[K + 90] = INFINITY;
    x[2 * K + 199] = -0x1p40f;
    x[3 * K] = 0x1.fffffep39f;
    for (int a8 = 0; a8 < 2; a8++) {
        k->quantise(&r, x, K, a8, fault);
        ok(fault[0] == -1 && fault[1] == 17 && fault[2] == 199 &&
               fault[3] == -1,
           "%s: %s finds the first element out of range", k->name,
           a8 ? "A8" : "A14");
        for (int i = K; i < 3 * K; i++)
            zero = zero && q[i] == 0;
        ok(zero, "%s: a faulty row is zeros", k->name);
    }
}

static void test_store_fault(const struct x1_kernels *k)
{
    float x[8] = { 1, 2, -0x1p41f, 4, NAN, 0, 0, 0 }, s = 1;
    int8_t q[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
    int32_t fault;

    k->store(q, &s, x, 8, &fault);
    ok(fault == 2 && s == 0 && q[0] == 0 && q[7] == 0,
       "%s: a cached row out of range is zeros", k->name);
}

static void test_rmsnorm_fault(const struct x1_kernels *k)
{
    static float x[2 * K], y[2 * K], g[K];
    int32_t fault[2];
    bool zero = true;

    for (int i = 0; i < 2 * K; i++)
        x[i] = (float)i;
    for (int i = 0; i < K; i++)
        g[i] = 1;
    x[K + 3] = -NAN;
    k->rmsnorm(y, x, K, g, 1e-5f, 2, K, fault);
    for (int i = K; i < 2 * K; i++)
        zero = zero && y[i] == 0;
    ok(fault[0] == -1 && fault[1] == 3 && zero && y[K - 1] > 1,
       "%s: rmsnorm of a row out of range", k->name);
}

/* Any cut of the output rows, and any number of rows, gives the same. */
static void test_ranges(const struct x1_kernels *k)
{
    enum { M = 70, ROWS = 37 };
    static int8_t w[ROWS * K];
    static int16_t q[M * K];
    static float s_w[ROWS], step[M], whole[M * ROWS], part[M * ROWS];
    struct x1_matrix m = { ROWS, K, s_w, w };
    struct x1_rows in = { M, K, q, step };
    bool same = true;

    for (int i = 0; i < ROWS * K; i++)
        w[i] = (int8_t)(i * 31 % 255 - 127);
    for (int i = 0; i < M * K; i++)
        q[i] = (int16_t)(i * 7919 % 32769 - 16384);
    for (int i = 0; i < ROWS; i++)
        s_w[i] = 0.01f * (float)(i + 1);
    for (int i = 0; i < M; i++)
        step[i] = ldexpf(1, -i % 20);
    k->linear(whole, ROWS, &m, NULL, &in, 0, ROWS);
    for (size_t cut = 0; cut <= ROWS; cut += 5) {
        memset(part, 0xff, sizeof(part));
        k->linear(part, ROWS, &m, NULL, &in, cut, ROWS);
        k->linear(part, ROWS, &m, NULL, &in, 0, cut);
        same = same && memcmp(whole, part, sizeof(part)) == 0;
    }
    ok(same, "%s: ranges of rows", k->name);
    for (size_t i = 0; i < M; i++) {
        struct x1_rows one = { 1, K, q + i * K, step + i };

        k->linear(part, ROWS, &m, NULL, &one, 0, ROWS);
        same = same && memcmp(part, whole + i * ROWS, ROWS * 4) == 0;
    }
    ok(same, "%s: rows one by one", k->name);
}

static void test_selftest(const struct x1_kernels *k)
{
    char text[200] = "";

    x1_thread_init();
    ok(x1_selftest(k, text, sizeof(text)) == 0, "%s: self-test: %s",
       k->name, text);
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ and DAZ */
    ok(x1_selftest(k, text, sizeof(text)) == -1,
       "%s: self-test refuses flushing: %s", k->name, text);
    _mm_setcsr(0x1f80 | 0x6000); /* toward zero */
    ok(x1_selftest(k, text, sizeof(text)) == -1,
       "%s: self-test refuses another rounding: %s", k->name, text);
    x1_thread_init();
    ok(x1_selftest(k, text, sizeof(text)) == 0,
       "%s: x1_thread_init mends both", k->name);
#else
    skip("self-test under flushing and other rounding", "not x86");
#endif
}

/* A backend that is wrong in one place: the self-test must see it. */
static void wrong_exp32(float *y, const float *x, size_t n)
{
    x1_reference.exp32(y, x, n);
    y[n / 2] = nextafterf(y[n / 2], INFINITY);
}

static void test_wrong_backend(void)
{
    struct x1_kernels k = x1_reference;
    char text[200] = "";

    k.name = "wrong";
    k.exp32 = wrong_exp32;
    ok(x1_selftest(&k, text, sizeof(text)) == -1 && strstr(text, "exp32"),
       "self-test names the operator: %s", text);
}

int main(void)
{
    x1_thread_init();
    ok(x1_find("auto") == x1_variants()[0] && x1_find("reference") &&
           !x1_find("none"), "x1_find");
    for (const struct x1_kernels *const *k = x1_variants(); *k; k++) {
        test_faults(*k);
        test_store_fault(*k);
        test_rmsnorm_fault(*k);
        test_ranges(*k);
        test_selftest(*k);
    }
    test_wrong_backend();
    return done();
}
