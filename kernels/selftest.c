/*
 * The start-up self-test: known answers that a machine or build which
 * contracts, flushes, reorders or rounds otherwise does not give.  Inputs
 * pass through volatile memory, so that no compiler computes them itself.
 */
#include <config.h>

#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

#define N 96 /* length of the rows here */

static float opaque(float v)
{
    volatile float w = v;

    return w;
}

/* A fixed row: sizes from 2^-6 to 2^5, both signs (xorshift, Marsaglia). */
static void fill(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        x[i] = opaque((float)((int32_t)seed >> 8) *
                      (1.0f / (float)(1u << (18 + seed % 11))));
    }
}

static void fill_i8(int8_t *w, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        w[i] = (int8_t)((int)(seed >> 24) % 127);
    }
}

/* FNV-1a over the bits of what an operator gave. */
static uint32_t hash(uint32_t h, const void *data, size_t n)
{
    const unsigned char *b = data;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 16777619u;
    return h;
}

#define START 2166136261u

static uint32_t test_exp32(const struct x1_kernels *k)
{
    float x[N], y[N];

    fill(x, N, 1);
    x[0] = opaque(-87.0f);
    x[1] = opaque(-87.5f);
    x[2] = opaque(88.0f);
    k->exp32(y, x, N);
    return hash(START, y, sizeof(y));
}

static uint32_t test_silu(const struct x1_kernels *k)
{
    float x[N], y[N];

    fill(x, N, 2);
    x[0] = opaque(-100.0f);
    k->silu(y, x, N);
    k->gate(y, y, x, N);
    k->add(y, x, N);
    return hash(START, y, sizeof(y));
}

static uint32_t test_quantise(const struct x1_kernels *k, bool a8)
{
    float x[3 * N], scale[3];
    int16_t q[3 * N];
    int32_t fault[3];
    struct x1_rows r = { 3, N, q, scale };
    uint32_t h;

    fill(x, N, 3);
    for (int i = 0; i < N; i++) { /* ties, and a row of subnormals */
        x[N + i] = opaque((float)(i - 40) * 0.5f);
        x[2 * N + i] = opaque((float)(i - 50) * 0x1p-149f);
    }
    x[N] = opaque(a8 ? 127.0f : 16384.0f);
    k->quantise(&r, x, N, a8, fault);
    h = hash(START, q, sizeof(q));
    return hash(hash(h, scale, sizeof(scale)), fault, sizeof(fault));
}

static uint32_t test_a14(const struct x1_kernels *k)
{
    return test_quantise(k, false);
}

static uint32_t test_a8(const struct x1_kernels *k)
{
    return test_quantise(k, true);
}

/* Sums over 2^31, results that are subnormal, a bias. */
static uint32_t test_linear(const struct x1_kernels *k)
{
    enum { K = 1100, ROWS = 4 };
    int8_t w[ROWS * K];
    int16_t q[2 * K];
    float scale[2] = { opaque(0x1p-14f), opaque(0x1p-126f) };
    float s_w[ROWS] = { opaque(0.01f), opaque(0x1.3p-20f), opaque(3.1f),
                        opaque(0x1.fp-4f) };
    float b[ROWS] = { opaque(0.3f), opaque(1e-40f), opaque(-7.0f), 0 };
    float y[2 * ROWS];
    struct x1_matrix m = { ROWS, K, s_w, w };
    struct x1_rows in = { 2, K, q, scale };

    fill_i8(w, ROWS * K, 4);
    memset(w, 127, K);
    for (int i = 0; i < 2 * K; i++)
        q[i] = (int16_t)(i < K ? 16384 - i % 2 : (i * 7919) % 16384);
    k->linear(y, ROWS, &m, b, &in, 0, ROWS);
    return hash(START, y, sizeof(y));
}

static uint32_t test_rmsnorm(const struct x1_kernels *k)
{
    float x[N], g[N], y[N];
    int32_t fault;

    fill(x, N, 5);
    fill(g, N, 6);
    k->rmsnorm(y, x, N, g, opaque(1e-5f), 1, N, &fault);
    return hash(START, y, sizeof(y));
}

/* The table (f64, where a fused product shows), then the rotation. */
static uint32_t test_rope(const struct x1_kernels *k)
{
    static const uint32_t pos[] = { 1, 511, 4095, 60640, 101829, 131071 };
    float f[N / 2], c[N / 2], s[N / 2], x[N];
    uint32_t h = START;

    for (int i = 0; i < N / 2; i++)
        f[i] = opaque(1.0f / (float)(1 + i * i));
    fill(x, N, 7);
    for (size_t i = 0; i < sizeof(pos) / sizeof(*pos); i++) {
        x1_rope_row(c, s, f, N / 2, pos[i]);
        k->rope(x, 1, N, c, s);
        h = hash(hash(hash(h, c, sizeof(c)), s, sizeof(s)), x, sizeof(x));
    }
    return h;
}

static uint32_t test_attention(const struct x1_kernels *k)
{
    enum { T = 70, HD = 16 };
    int8_t key[T * HD], value[T * HD];
    float s_k[T], s_v[T], q[HD], o[HD], score[T], step;
    int16_t qq[HD];
    int32_t fault;
    int64_t num[HD];
    struct x1_rows r = { 1, HD, qq, &step };
    struct x1_span span[2] = {
        { key, value, s_k, s_v, 64 },
        { key + 64 * HD, value + 64 * HD, s_k + 64, s_v + 64, T - 64 },
    };

    fill_i8(key, T * HD, 8);
    fill_i8(value, T * HD, 9);
    fill(q, HD, 10);
    for (int t = 0; t < T; t++) {
        s_k[t] = opaque(0.001f * (float)(t % 7 + 1));
        s_v[t] = opaque(0.002f * (float)(t % 5 + 1));
    }
    k->quantise(&r, q, HD, false, &fault);
    k->attention(o, qq, step, opaque(0.25f), span, 2, HD, score, num);
    return hash(START, o, sizeof(o));
}

static uint32_t test_store(const struct x1_kernels *k)
{
    float x[N], s;
    int8_t q[N];
    int32_t fault;

    fill(x, N, 11);
    k->store(q, &s, x, N, &fault);
    return hash(hash(START, q, sizeof(q)), &s, sizeof(s));
}

static uint32_t test_w8(const struct x1_kernels *k)
{
    float x[N], s;
    int8_t w[N];
    struct x1_matrix m = { 1, N, &s, w };

    fill(x, N, 12);
    x1_w8_row(w, &s, x, N);
    k->embed(x, &m, 0);
    return hash(START, x, sizeof(x));
}

static const struct {
    const char *name;
    uint32_t (*run)(const struct x1_kernels *k);
    uint32_t want;
} tests[] = {
    { "exp32", test_exp32, 0x5fa7b52au },
    { "silu", test_silu, 0xcfff689au },
    { "a14", test_a14, 0x9f79e3a0u },
    { "a8", test_a8, 0xdf1fea45u },
    { "linear", test_linear, 0x32c2d448u },
    { "rmsnorm", test_rmsnorm, 0x26129c22u },
    { "rope", test_rope, 0x9722c996u },
    { "attention", test_attention, 0xcba20eb5u },
    { "store", test_store, 0x2c097acdu },
    { "w8", test_w8, 0x5b6940cau },
};

/* What the operators rest on, each with a name of its own. */
static const char *arithmetic(void)
{
    float a = opaque(0x1.000002p0f), tiny = opaque(0x1p-126f);
    float least = opaque(0x1p-149f), big = opaque(0x1p24f);
    float one = opaque(1.0f);
    volatile double da = 0x1.0000000000001p0;
    double d = da;

    if (tiny * opaque(0.5f) == 0.0f || least * opaque(0x1p100f) == 0.0f)
        return "subnormal numbers are flushed to zero";
    if (a * a - opaque(0x1.000004p0f) != 0.0f ||
        d * d - 0x1.0000000000002p0 != 0.0)
        return "products and sums are contracted (fused multiply-add)";
    if ((one + big) - big != 0.0f)
        return "operations are reordered, or not rounded to nearest even";
    if (one / opaque(3.0f) != 0x1.555556p-2f)
        return "division is not rounded to nearest";
    return NULL;
}

int x1_selftest(const struct x1_kernels *k, char *text, size_t n)
{
    const char *broken = arithmetic();

    if (broken) {
        snprintf(text, n, "%s", broken);
        return -1;
    }
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
        uint32_t got = tests[i].run(k);

        if (got != tests[i].want) {
            snprintf(text, n, "kernel %s: %s gives %08x and not %08x",
                     k->name, tests[i].name, got, tests[i].want);
            return -1;
        }
    }
    return 0;
}
