/*
 * What kernels.h promises beyond the vectors, on every backend: faults and
 * their places, rows out of range as zeros, row ranges, the floating-point
 * state of a thread, and the self-test.
 */
#include <config.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "kernels/kernels.h"
#include "tests/tap.h"

#define K 200

static void *form(size_t n)
{
    void *p = aligned_alloc(64, (n + 127) / 64 * 64);

    if (!p)
        abort();
    return p;
}

static void test_faults(const struct x1_kernels *k)
{
    static float x[4 * K];
    static int16_t q[4 * K];
    float scale[4];
    int32_t fault[4];
    struct x1_rows r = { 4, K, false, form(k->rows_bytes(4, K)), scale };
    bool zero = true;

    for (int i = 0; i < 4 * K; i++)
        x[i] = (float)(i % 7) - 3.0f;
    x[K + 17] = NAN;
    x[K + 90] = INFINITY;
    x[2 * K + 199] = -0x1p40f;
    x[3 * K] = 0x1.fffffep39f;
    for (int a8 = 0; a8 < 2; a8++) {
        r.a8 = a8;
        k->quantise(&r, x, K, fault, 0, 4);
        ok(fault[0] == -1 && fault[1] == 17 && fault[2] == 199 &&
               fault[3] == -1,
           "%s: %s finds the first element out of range", k->name,
           a8 ? "A8" : "A14");
        for (size_t i = 0; i < 4; i++)
            k->integers(q + i * K, &r, i);
        for (int i = K; i < 3 * K; i++)
            zero = zero && q[i] == 0;
        ok(zero, "%s: a faulty row is zeros", k->name);
    }
    ok(k->fault(x, K) == -1 && k->fault(x, 2 * K) == K + 17 &&
           k->fault(x + 2 * K, K) == 199,
       "%s: the first element of a row that is out of range", k->name);
    free(r.q);
}

static void test_store_fault(const struct x1_kernels *k)
{
    float x[8] = { 1, 2, -0x1p41f, 4, NAN, 0, 0, 0 }, s = 1, s_v = 0;
    float y[8] = { 1, 2, 3, 4, 5, 6, 7, 127 };
    int8_t q[8] = { 9, 9, 9, 9, 9, 9, 9, 9 }, v[8];
    unsigned char *block = form(k->block_bytes(8));
    int32_t fault[2];

    k->quantise_kv(block, 3, x, y, 8, fault);
    k->fetch(q, v, &s, &s_v, block, 3, 8);
    ok(fault[0] == 2 && s == 0 && q[0] == 0 && q[7] == 0,
       "%s: a cached row out of range is zeros", k->name);
    ok(fault[1] == -1 && s_v == 1 && v[0] == 1 && v[7] == 127,
       "%s: .. and the values beside it are not", k->name);
    free(block);
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
    enum { M = 70, ROWS = 101 };
    static int8_t w[ROWS * K];
    static float x[M * K];
    static float s_w[ROWS], step[M], whole[M * ROWS], part[M * ROWS];
    struct x1_matrix m = { ROWS, K, s_w, w };
    struct x1_rows in = { M, K, false, form(k->rows_bytes(M, K)), step };
    struct x1_weights packed;
    void *room = form(k->pack_bytes(&m));
    int32_t fault[M];
    bool same = true;

    for (int i = 0; i < ROWS * K; i++)
        w[i] = (int8_t)(i * 31 % 255 - 127);
    for (int i = 0; i < M * K; i++)
        x[i] = ldexpf((float)(i * 7919 % 32769 - 16384), -(i / K) % 20);
    for (int i = 0; i < ROWS; i++)
        s_w[i] = 0.01f * (float)(i + 1);
    x1_pack(k, &packed, &m, room);
    k->quantise(&in, x, K, fault, 0, M);
    k->linear(whole, ROWS, &packed, NULL, false, &in, 0, ROWS);
    for (size_t cut = 0; cut <= ROWS; cut += X1_GROUP) {
        memset(part, 0xff, sizeof(part));
        k->linear(part, ROWS, &packed, NULL, false, &in, cut, ROWS);
        k->linear(part, ROWS, &packed, NULL, false, &in, 0, cut);
        same = same && memcmp(whole, part, sizeof(part)) == 0;
    }
    ok(same, "%s: ranges of outputs", k->name);
    for (size_t i = 0; i < M; i++) {
        in.m = 1;
        k->quantise(&in, x + i * K, K, fault, 0, 1);
        k->linear(part, ROWS, &packed, NULL, false, &in, 0, ROWS);
        same = same && memcmp(part, whole + i * ROWS, ROWS * 4) == 0;
    }
    ok(same, "%s: rows one by one", k->name);
    free(in.q);
    free(room);
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

/* A table that is wrong in one place: the self-test must see it. */
static void wrong_exp32(float *y, const float *x, size_t n)
{
    struct x1_kernels k;

    x1_kernels_init(&k, 0);
    k.exp32(y, x, n);
    y[n / 2] = nextafterf(y[n / 2], INFINITY);
}

static void test_wrong_table(void)
{
    struct x1_kernels k;
    char text[200] = "";

    x1_kernels_init(&k, 0);
    k.name = "wrong";
    k.exp32 = wrong_exp32;
    ok(x1_selftest(&k, text, sizeof(text)) == -1 && strstr(text, "exp32"),
       "self-test names the operator: %s", text);
}

/* Names of levels, and tables by name and by what a CPU has. */
static void test_levels(void)
{
    struct x1_kernels k, by_name;
    size_t n = 0;

    memset(&k, 0, sizeof(k));
    ok(x1_kernels_find(&k, "none") == -1 && !k.name && !k.linear,
       "an unknown level leaves the table as it was");
    while (x1_level(n))
        n++;
    ok(n > 0 && strcmp(x1_level(n - 1)->name, "reference") == 0 &&
           x1_level(n - 1)->cpu == 0, "the reference is the last level");
    ok(x1_kernels_find(&k, "auto") == 0 &&
           strcmp(k.name, x1_level(0)->name) == 0, "auto is the first");
    for (size_t i = 0; i < n; i++) {
        x1_kernels_init(&k, x1_level(i)->cpu);
        ok(x1_kernels_find(&by_name, x1_level(i)->name) == 0 &&
               strcmp(k.name, x1_level(i)->name) == 0 &&
               strcmp(by_name.name, k.name) == 0 &&
               by_name.linear == k.linear, "%s by its name", k.name);
    }
}

int main(void)
{
    x1_thread_init();
    test_levels();
    for (size_t i = 0; x1_level(i); i++) {
        struct x1_kernels k;

        x1_kernels_init(&k, x1_level(i)->cpu);
        test_faults(&k);
        test_store_fault(&k);
        test_rmsnorm_fault(&k);
        test_ranges(&k);
        test_selftest(&k);
    }
    test_wrong_table();
    return done();
}
