/*
 * The start-up self-test: known answers that a machine or build which
 * contracts, flushes, reorders or rounds otherwise does not give.  Inputs
 * pass through volatile memory, so that no compiler computes them itself.  In a
 * build with --enable-crash-tests, APUS_SELFTEST_FAILS lets it fail.
 */
#include <config.h>

#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
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
    k->silu(y, y, N);
    for (int i = 0; i < N; i++)
        y[i] = opaque(y[i] * x[i]) + x[i];
    return hash(START, y, sizeof(y));
}

/* Room for the inputs here in the form of any level. */
struct room {
    _Alignas(64) unsigned char weights[65536];
    _Alignas(64) unsigned char rows[65536];
};

static uint32_t test_quantise(const struct x1_kernels *k, bool a8)
{
    float x[3 * N], scale[3];
    int16_t q[3 * N];
    int32_t fault[3];
    struct room room;
    struct x1_rows r = { 3, N, a8, room.rows, scale };
    uint32_t h;

    fill(x, N, 3);
    for (int i = 0; i < N; i++) { /* ties, and a row of subnormals */
        x[N + i] = opaque((float)(i - 40) * 0.5f);
        x[2 * N + i] = opaque((float)(i - 50) * 0x1p-149f);
    }
    x[N] = opaque(a8 ? 127.0f : 16384.0f);
    if (k->rows_bytes(3, N) > sizeof(room.rows))
        return 0;
    k->quantise(&r, x, N, fault, 0, 3);
    for (size_t i = 0; i < 3; i++)
        k->integers(q + i * N, &r, i);
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

/* Sums over 2^31, results that are subnormal, a bias.  The rows become the
 * integers 16384 - i % 2 with a step of 2^-14, and others with 2^-126. */
static uint32_t test_linear(const struct x1_kernels *k)
{
    enum { K = 1100, ROWS = 4 };
    int8_t w[ROWS * K];
    float x[2 * K], scale[2];
    float s_w[ROWS] = { opaque(0.01f), opaque(0x1.3p-20f), opaque(3.1f),
                        opaque(0x1.fp-4f) };
    float b[ROWS] = { opaque(0.3f), opaque(1e-40f), opaque(-7.0f), 0 };
    float y[2 * ROWS];
    int32_t fault[2];
    struct x1_matrix m = { ROWS, K, s_w, w };
    struct x1_weights packed;
    struct room room;
    struct x1_rows in = { 2, K, false, room.rows, scale };

    fill_i8(w, ROWS * K, 4);
    memset(w, 127, K);
    for (int i = 0; i < K; i++) {
        x[i] = opaque((i % 2 ? 16383.0f : 16383.75f) * 0x1p-14f);
        x[K + i] = opaque((float)((K + i) * 7919 % 16384) * 0x1p-126f);
    }
    if (k->pack_bytes(&m) > sizeof(room.weights) ||
        k->rows_bytes(2, K) > sizeof(room.rows))
        return 0;
    x1_pack(k, &packed, &m, room.weights);
    k->quantise(&in, x, K, fault, 0, 2);
    k->linear(y, ROWS, &packed, b, false, &in, 0, ROWS);
    return hash(START, y, sizeof(y));
}

/* Levels may take few rows another way than many: m rows, A14 and A8, and the
 * gate of the outputs. */
static uint32_t test_rows(const struct x1_kernels *k, size_t m)
{
    enum { K = 130, ROWS = 40, MOST = 20 };
    int8_t w[ROWS * K];
    float x[MOST * K], s_w[ROWS], y[MOST * ROWS], scale[MOST];
    int32_t fault[MOST];
    struct x1_matrix matrix = { ROWS, K, s_w, w };
    struct x1_weights packed;
    struct room room;
    struct x1_rows in = { m, K, false, room.rows, scale };
    uint32_t h = START;

    fill_i8(w, ROWS * K, 14);
    fill(s_w, ROWS, 15);
    fill(x, m * K, 16);
    if (k->pack_bytes(&matrix) > sizeof(room.weights) ||
        k->rows_bytes(m, K) > sizeof(room.rows))
        return 0;
    x1_pack(k, &packed, &matrix, room.weights);
    for (int a8 = 0; a8 < 2; a8++) {
        in.a8 = a8;
        k->quantise(&in, x, K, fault, 0, m);
        k->linear(y, ROWS, &packed, NULL, false, &in, 0, ROWS);
        h = hash(h, y, m * ROWS * sizeof(*y));
        k->swiglu(y, ROWS, &packed, &packed, &in, 0, ROWS);
        h = hash(h, y, m * ROWS * sizeof(*y));
    }
    return h;
}

static uint32_t test_few_rows(const struct x1_kernels *k)
{
    return test_rows(k, 5);
}

static uint32_t test_many_rows(const struct x1_kernels *k)
{
    return test_rows(k, 20);
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

/* Two blocks; keys and values of several sizes. */
static uint32_t test_attention(const struct x1_kernels *k)
{
    enum { T = 70, HD = 16, BYTES = 8192, SCRATCH = 65536 };
    _Alignas(64) unsigned char block[2][BYTES], scratch[SCRATCH];
    unsigned char *const table[2] = { block[0], block[1] };
    struct x1_blocks kv = { table, 0 };
    float key[HD], value[HD], q[HD], o[HD];
    struct x1_query query = { q, o, 0, T, 0 };
    struct x1_scoring c = { opaque(0.25f), 0 };
    int32_t fault[2];

    if (k->block_bytes(HD) > BYTES || k->attention_bytes(T, HD) > SCRATCH)
        return 0;
    memset(block, 0, sizeof(block));
    for (uint32_t t = 0; t < T; t++) {
        fill(key, HD, 100 + t);
        fill(value, HD, 200 + t);
        for (int i = 0; i < HD; i++) {
            key[i] *= opaque(0.001f * (float)(t % 7 + 1));
            value[i] *= opaque(0.002f * (float)(t % 5 + 1));
        }
        k->quantise_kv(block[t / X1_BLOCK], t % X1_BLOCK, key, value, HD,
                       fault);
    }
    fill(q, HD, 10);
    k->attention(&query, 1, c, &kv, HD, scratch);
    return hash(START, o, sizeof(o));
}

static uint32_t test_quantise_kv(const struct x1_kernels *k)
{
    _Alignas(64) unsigned char block[65536];
    int8_t q[N], v[N];
    int32_t fault[2];
    float x[N], s, s_v;

    fill(x, N, 11);
    if (k->block_bytes(N) > sizeof(block))
        return 0;
    k->quantise_kv(block, 5, x, x, N, fault);
    k->fetch(q, v, &s, &s_v, block, 5, N);
    if (memcmp(q, v, N) != 0 || memcmp(&s, &s_v, sizeof(s)) != 0)
        return 0;
    return hash(hash(START, q, sizeof(q)), &s, sizeof(s));
}

static uint32_t test_w8(const struct x1_kernels *k)
{
    float x[N], s;
    int8_t w[N];
    struct x1_matrix m = { 1, N, &s, w };
    struct x1_weights packed;
    struct room room;

    fill(x, N, 12);
    x1_w8_row(w, &s, x, N);
    if (k->pack_bytes(&m) > sizeof(room.weights))
        return 0;
    x1_pack(k, &packed, &m, room.weights);
    k->embed(x, &packed, 0);
    return hash(START, x, sizeof(x));
}

/* The weights of a draw, their sum, where they pass a third of it, and what
 * those weigh that are as heavy as the one there. */
static uint32_t test_draw(const struct x1_kernels *k)
{
    float x[N];
    uint32_t w[N], at[2];
    uint64_t sum, part;
    size_t count;
    uint32_t h;

    fill(x, N, 13);
    at[0] = (uint32_t)k->max(x, N);
    k->exp_weights(w, x, N, x[at[0]] + 0.0f, opaque(1.7f));
    sum = k->sum(w, N);
    at[1] = (uint32_t)k->pick(w, N, sum / 3);
    part = k->tally(w, N, w[at[1]] + 1, &count) + count;
    h = hash(START, w, sizeof(w));
    h = hash(hash(h, &sum, sizeof(sum)), at, sizeof(at));
    return hash(h, &part, sizeof(part));
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
    { "few rows", test_few_rows, 0xc5ae657du },
    { "many rows", test_many_rows, 0x9fcfe16au },
    { "rmsnorm", test_rmsnorm, 0x26129c22u },
    { "rope", test_rope, 0x9722c996u },
    { "attention", test_attention, 0xe445ae18u },
    { "quantise_kv", test_quantise_kv, 0x2c097acdu },
    { "w8", test_w8, 0x5b6940cau },
    { "draw", test_draw, 0x8ac05bc4u },
};

/* What the operators rest on, each with a name of its own. */
static const char *arithmetic(void)
{
    float a = opaque(0x1.000002p0f), tiny = opaque(0x1p-126f);
    float least = opaque(0x1p-149f), big = opaque(0x1p24f);
    float one = opaque(1.0f);
    volatile double da = 0x1.0000000000001p0;
    double d = da;

#ifdef APUS_CRASH_TESTS
    if (getenv("APUS_SELFTEST_FAILS"))
        return "it was asked to fail";
#endif
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
