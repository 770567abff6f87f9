/*
 * kernels/check: every operation of every level of this CPU, forced in turn,
 * against the reference, and the reference against check_plain.c: random
 * shapes and values, equal to the bit.  With --bench the same operations are
 * timed instead, in processor time.
 *
 *     kernels/check [--seed N] [--cases N] [--op NAME] [--level NAME] [--bench]
 *
 * The seed is printed; APUS_SEED sets it too.  A mistake is named by level,
 * operation and case, and the same seed repeats it.
 */
#include <config.h>

#include "kernels/kernels.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "kernels/check_plain.h"

#define MAX_ROOMS 16
#define BENCH_S 0.2

/* One run of an operation by one table. */
struct check_run {
    const struct x1_kernels *k;
    uint64_t state;       /* of the random numbers: the case */
    bool bench;
    struct buf out;       /* what the operation gave */
    double start, us;     /* when it began; microseconds a call */
    size_t calls;
    double work;          /* of a call, in `unit` */
    const char *unit;
    void *room[MAX_ROOMS];
    size_t n_rooms;
    bool extreme; /* rows and matrices of the largest elements */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* xorshift64 (Marsaglia) */
static uint64_t rnd(struct check_run *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state;
}

/* A size in [1, most]; `fixed` when timing. */
static size_t size_of(struct check_run *r, size_t most, size_t fixed)
{
    size_t n = 1 + rnd(r) % most;

    return r->bench ? fixed : n;
}

/* Memory until the run ends, aligned to 64. */
static void *room(struct check_run *r, size_t n)
{
    struct err err = ERR_INIT;
    void *p;

    if (r->n_rooms == MAX_ROOMS || mem_big(&p, n, 1, "a case", &err))
        abort();
    memset(p, 0xa5, n);
    r->room[r->n_rooms++] = p;
    return p;
}

/* do call; while (again(r)); */
static bool again(struct check_run *r)
{
    r->calls++;
    return r->bench && now() - r->start < BENCH_S;
}

static void begin_run(struct check_run *r, double work, const char *unit)
{
    r->work = work;
    r->unit = unit;
    r->start = now();
}

static void emit(struct check_run *r, const void *data, size_t n)
{
    r->us = (now() - r->start) * 1e6 / (double)(r->calls + !r->calls);
    buf_put(&r->out, data, n);
}

/* ---- values -------------------------------------------------------------- */

static float uniform(struct check_run *r)
{
    return (float)((int32_t)(rnd(r) >> 40) - (1 << 23)) * 0x1p-23f;
}

/* A row of one kind: plain, all of one size, of all sizes, subnormal, and now
 * and then one with elements out of range. */
static void fill_row(struct check_run *r, float *x, size_t n, bool faults)
{
    static const float most[] = { 1, 127, 16383.75f, 0x1.fffffep39f };
    uint64_t kind = r->extreme ? 1 : rnd(r) % 8;
    float big = most[r->extreme ? 3 : rnd(r) % 4];

    for (size_t i = 0; i < n; i++) {
        float v = uniform(r);

        if (kind == 1)
            v = big;
        else if (kind == 2)
            v = v < 0 ? -big : big;
        else if (kind == 3)
            v *= (float)(1u << rnd(r) % 31) * 0x1p-20f;
        else if (kind == 4)
            v *= 0x1p-135f;
        x[i] = r->bench ? uniform(r) : v;
    }
    if (faults && !r->bench && rnd(r) % 8 == 0)
        x[rnd(r) % n] = rnd(r) % 2 ? -0x1p40f : (float)NAN;
}

static float *floats(struct check_run *r, size_t m, size_t n, bool faults)
{
    float *x = room(r, (m * n + 1) * sizeof(*x));

    for (size_t i = 0; i < m; i++)
        fill_row(r, x + i * n, n, faults);
    return x;
}

/* A matrix in the form of the level. */
static struct x1_weights matrix(struct check_run *r, size_t rows, size_t cols)
{
    float *scale = room(r, rows * sizeof(*scale));
    int8_t *w = room(r, rows * cols);
    struct x1_matrix m = { (uint32_t)rows, (uint32_t)cols, scale, w };
    struct x1_weights packed;
    uint64_t kind = r->extreme ? 1 : rnd(r) % 4;

    for (size_t i = 0; i < rows; i++)
        scale[i] = rnd(r) % 16 ? 0.01f * (uniform(r) + 1.5f) : 0;
    for (size_t i = 0; i < rows * cols; i++) {
        int v = (int)(rnd(r) % 255) - 127;

        if (kind == 1)
            v = 127;
        else if (kind == 2)
            v = v < 0 ? -127 : 127;
        w[i] = (int8_t)v;
    }
    x1_pack(r->k, &packed, &m, room(r, r->k->pack_bytes(&m) + 1));
    return packed;
}

static struct x1_rows quantised(struct check_run *r, size_t m, size_t k)
{
    const float *x = floats(r, m, k, true);
    struct x1_rows rows = { m, k, rnd(r) % 4 == 0,
                            room(r, r->k->rows_bytes(m, k) + 1),
                            room(r, m * sizeof(float)) };
    int32_t *fault = room(r, m * sizeof(*fault));

    if (r->bench)
        rows.a8 = false;
    r->k->quantise(&rows, x, k, fault, 0, m);
    return rows;
}

/* A range of outputs that a level has to accept. */
static void range(struct check_run *r, size_t rows, size_t *from, size_t *to)
{
    *from = rnd(r) % (rows / X1_GROUP + 1) * X1_GROUP;
    *to = *from + rnd(r) % ((rows - *from) / X1_GROUP + 1) * X1_GROUP;
    if (rnd(r) % 2 || r->bench)
        *from = 0;
    if (rnd(r) % 2 || r->bench)
        *to = rows;
}

/* ---- operations ---------------------------------------------------------- */

static void run_quantise(struct check_run *r)
{
    size_t m = size_of(r, 40, 16), k = size_of(r, 300, 2048);
    const float *x = floats(r, m, k, true);
    int16_t *q = room(r, k * sizeof(*q));
    int32_t *fault = room(r, m * sizeof(*fault));
    struct x1_rows rows = { m, k, rnd(r) % 2, NULL, NULL };

    rows.q = room(r, r->k->rows_bytes(m, k) + 1);
    rows.scale = room(r, m * sizeof(float));
    begin_run(r, (double)(m * k), "M/s");
    do
        r->k->quantise(&rows, x, k, fault, 0, m);
    while (again(r));
    emit(r, rows.scale, m * sizeof(float));
    emit(r, fault, m * sizeof(*fault));
    for (size_t i = 0; i < m; i++) {
        r->k->integers(q, &rows, i);
        buf_put(&r->out, (char *)q, k * sizeof(*q));
    }
}

static void linear_of(struct check_run *r, size_t m, size_t n, size_t k)
{
    struct x1_weights w = matrix(r, n, k);
    struct x1_rows in = quantised(r, m, k);
    const float *b = rnd(r) % 2 ? floats(r, 1, n, false) : NULL;
    bool add = rnd(r) % 2;
    float *y = floats(r, m, n, false);
    size_t from, to;

    range(r, n, &from, &to);
    begin_run(r, 4.0 * (double)(m * n * k), "MOP/s");
    do
        r->k->linear(y, n, &w, b, add, &in, from, to);
    while (again(r));
    emit(r, y, m * n * sizeof(*y));
}

static void run_linear(struct check_run *r)
{
    size_t m = size_of(r, 80, 16), n = size_of(r, 100, 2048);

    linear_of(r, m, n, size_of(r, 400, 2048));
}

static void run_linear_1(struct check_run *r)
{
    size_t m = size_of(r, 8, 1), n = size_of(r, 100, 2048);

    linear_of(r, m, n, size_of(r, 400, 2048));
}

/* Sums beyond 32 bits; in half of the cases each product is the largest. */
static void run_linear_long(struct check_run *r)
{
    size_t n = size_of(r, 4, 64);

    r->extreme = rnd(r) % 2 && !r->bench;
    linear_of(r, size_of(r, 3, 16), n, X1_MAX_K - rnd(r) % 3);
    r->extreme = false;
}

/* Sums that just fit 32 bits, 1032 of the largest products, and that do not. */
static void run_linear_edge(struct check_run *r)
{
    size_t n = size_of(r, 4, 64);

    r->extreme = !r->bench;
    linear_of(r, size_of(r, 9, 16), n, 1032 + rnd(r) % 2);
    r->extreme = false;
}

static void run_swiglu(struct check_run *r)
{
    size_t m = size_of(r, 80, 16), n = size_of(r, 100, 2048);
    size_t k = size_of(r, 400, 2048), from, to;
    struct x1_weights g = matrix(r, n, k), u = matrix(r, n, k);
    struct x1_rows in = quantised(r, m, k);
    float *h = room(r, m * n * sizeof(*h));

    range(r, n, &from, &to);
    begin_run(r, 8.0 * (double)(m * n * k), "MOP/s");
    do
        r->k->swiglu(h, n, &g, &u, &in, from, to);
    while (again(r));
    emit(r, h, m * n * sizeof(*h));
}

static void sums_of(struct check_run *r, size_t m, size_t n, size_t k)
{
    struct x1_weights w = matrix(r, n, k);
    struct x1_rows in = quantised(r, m, k);
    int64_t *acc = room(r, m * n * sizeof(*acc));
    size_t from, to;

    range(r, n, &from, &to);
    begin_run(r, 4.0 * (double)(m * n * k), "MOP/s");
    do
        r->k->sums(acc, n, &w, &in, from, to);
    while (again(r));
    emit(r, acc, m * n * sizeof(*acc));
}

static void run_sums(struct check_run *r)
{
    size_t m = size_of(r, 80, 16), n = size_of(r, 100, 2048);

    sums_of(r, m, n, size_of(r, 400, 2048));
}

/* Beyond 32 bits, as run_linear_long. */
static void run_sums_long(struct check_run *r)
{
    size_t n = size_of(r, 4, 64);

    r->extreme = rnd(r) % 2 && !r->bench;
    sums_of(r, size_of(r, 3, 16), n, X1_MAX_K - rnd(r) % 3);
    r->extreme = false;
}

static void run_embed(struct check_run *r)
{
    size_t n = size_of(r, 100, 1000), k = size_of(r, 400, 2048);
    struct x1_weights w = matrix(r, n, k);
    float *x = room(r, k * sizeof(*x));
    uint32_t id = (uint32_t)(rnd(r) % n);

    begin_run(r, (double)k, "M/s");
    do
        r->k->embed(x, &w, id);
    while (again(r));
    emit(r, x, k * sizeof(*x));
}

static void run_rmsnorm(struct check_run *r)
{
    size_t m = size_of(r, 20, 16), k = size_of(r, 400, 2048);
    const float *x = floats(r, m, k, true), *g = floats(r, 1, k, false);
    int32_t *fault = room(r, m * sizeof(*fault));
    float *y = room(r, m * k * sizeof(*y));

    begin_run(r, (double)(m * k), "M/s");
    do
        r->k->rmsnorm(y, x, k, g, 1e-5f, m, k, fault);
    while (again(r));
    emit(r, y, m * k * sizeof(*y));
    emit(r, fault, m * sizeof(*fault));
}

static void run_rope(struct check_run *r)
{
    size_t heads = size_of(r, 9, 32), half = size_of(r, 70, 32);
    float *x = floats(r, heads, 2 * half, false);
    float *f = room(r, half * sizeof(*f)), *c = room(r, half * sizeof(*c));
    float *s = room(r, half * sizeof(*s));

    for (size_t i = 0; i < half; i++)
        f[i] = 1.0f / (float)(1 + i * i);
    x1_rope_row(c, s, f, half, (uint32_t)(rnd(r) % X1_MAX_CONTEXT));
    begin_run(r, (double)(heads * half * 2), "M/s");
    do
        r->k->rope(x, heads, 2 * half, c, s);
    while (again(r));
    emit(r, x, heads * half * 2 * sizeof(*x));
}

static void run_quantise_kv(struct check_run *r)
{
    size_t hd = 4 * size_of(r, 40, 16), at = rnd(r) % X1_BLOCK;
    const float *x = floats(r, 2, hd, true);
    unsigned char *block = room(r, r->k->block_bytes(hd));
    int8_t *q = room(r, 2 * hd);
    int32_t fault[2];
    float s[2];

    begin_run(r, (double)(2 * hd), "M/s");
    do
        r->k->quantise_kv(block, at, x, x + hd, hd, fault);
    while (again(r));
    r->k->fetch(q, q + hd, s, s + 1, block, at, hd);
    emit(r, q, 2 * hd);
    emit(r, s, sizeof(s));
    emit(r, fault, sizeof(fault));
}

/* m queries of one KV head, some by head and some by row, over blocks that
 * lie in another order, part of larger ones. */
/* A key that all queries score 0, with a value whose weight u is at its clamp:
 * s_v is just below a power of two. */
static void put_flat(struct check_run *r, unsigned char *block, size_t at,
                     size_t hd)
{
    int8_t row[X1_MAX_HEAD_DIM];

    for (size_t i = 0; i < hd; i++)
        row[i] = (int8_t)((int)(rnd(r) % 255) - 127);
    r->k->put(block, at, row, row, 0, 0x1.fffffep-5f, hd);
}

static void run_attention(struct check_run *r)
{
    size_t hd = 4 * size_of(r, 40, 16), m = size_of(r, 20, 8);
    size_t n = size_of(r, 400, 512), blocks = n / X1_BLOCK + 1;
    size_t bytes = r->k->block_bytes(hd), offset = 64 * (rnd(r) % 3);
    size_t each = (offset + bytes + 63) / 64 * 64;
    unsigned char *data = room(r, blocks * each);
    unsigned char **table = room(r, blocks * sizeof(*table));
    struct x1_query *query = room(r, m * sizeof(*query));
    float *row = room(r, 2 * hd * sizeof(*row));
    const float *q = floats(r, m, hd, true);
    float *o = room(r, m * hd * sizeof(*o));
    struct x1_blocks kv = { table, offset };
    bool flat = rnd(r) % 8 == 0 && !r->bench;
    struct x1_scoring c = { 0.125f, 0 };
    int32_t fault[2];

    if (rnd(r) % 3 == 0 && !r->bench)
        c.cap = 1.0f + (float)(rnd(r) % 1000) * 0.1f;

    for (size_t i = 0; i < blocks; i++)
        table[i] = data + (blocks - 1 - i) * each;
    for (size_t t = 0; t < n; t++) {
        if (flat) {
            put_flat(r, table[t / X1_BLOCK] + offset, t % X1_BLOCK, hd);
            continue;
        }
        fill_row(r, row, hd, false);
        fill_row(r, row + hd, hd, false);
        r->k->quantise_kv(table[t / X1_BLOCK] + offset, t % X1_BLOCK, row,
                          row + hd, hd, fault);
    }
    for (size_t i = 0; i < m; i++) {
        size_t to = r->bench ? n : 1 + rnd(r) % n;
        size_t from = rnd(r) % 3 || r->bench ? 0 : rnd(r) % to;

        query[i] = (struct x1_query){ q + i * hd, o + i * hd, (uint32_t)from,
                                      (uint32_t)to, 77 };
    }
    data = room(r, r->k->attention_bytes(n, hd));
    begin_run(r, (double)(m * n), "M pairs/s");
    do
        r->k->attention(query, m, c, &kv, hd, data);
    while (again(r));
    emit(r, o, m * hd * sizeof(*o));
    for (size_t i = 0; i < m; i++)
        emit(r, &query[i].fault, sizeof(query[i].fault));
}

/* A row of logits, some or all of them equal to others. */
static float *logits(struct check_run *r, size_t n)
{
    float *x = floats(r, 1, n, false);
    bool coarse = rnd(r) % 2 && !r->bench;

    for (size_t i = 0; i < n; i++)
        x[i] = coarse || rnd(r) % 2 ? (float)(rnd(r) % 5) - 2.0f
                                    : uniform(r) * 20;
    return x;
}

static void run_fault(struct check_run *r)
{
    size_t n = size_of(r, 3000, 32000);
    const float *x = floats(r, 1, n, true);
    int32_t at;

    begin_run(r, (double)n, "M/s");
    do
        at = r->k->fault(x, n);
    while (again(r));
    emit(r, &at, sizeof(at));
}

static void run_max(struct check_run *r)
{
    size_t n = size_of(r, 3000, 32000), at;
    const float *x = logits(r, n);

    begin_run(r, (double)n, "M/s");
    do
        at = r->k->max(x, n);
    while (again(r));
    emit(r, &at, sizeof(at));
}

static void run_draw(struct check_run *r)
{
    size_t n = size_of(r, 3000, 32000), at;
    const float *x = logits(r, n);
    uint32_t *w = room(r, n * sizeof(*w));
    float max = x[r->k->max(x, n)] + 0.0f;
    float t = rnd(r) % 4 ? 0.01f + (float)(rnd(r) % 300) * 0.01f : 1;
    uint64_t draw, sum;

    /* any place, or just where the running sum has come to */
    r->k->exp_weights(w, x, n, max, t);
    sum = r->k->sum(w, n);
    draw = rnd(r) % 2 ? rnd(r) : r->k->sum(w, rnd(r) % n);
    begin_run(r, (double)n, "M/s");
    do {
        r->k->exp_weights(w, x, n, max, t);
        sum = r->k->sum(w, n);
        at = r->k->pick(w, n, draw % sum);
    } while (again(r));
    emit(r, w, n * sizeof(*w));
    emit(r, &sum, sizeof(sum));
    emit(r, &at, sizeof(at));
}

/* Any limit, or one that a weight just reaches. */
static void run_tally(struct check_run *r)
{
    size_t n = size_of(r, 3000, 32000), count;
    const float *x = logits(r, n);
    uint32_t *w = room(r, n * sizeof(*w)), least;
    uint64_t sum;

    r->k->exp_weights(w, x, n, x[r->k->max(x, n)] + 0.0f, 1.5f);
    least = rnd(r) % 2 ? w[rnd(r) % n] : (uint32_t)(rnd(r) >> (rnd(r) % 30));
    least = least % (((uint32_t)1 << 30) + 1) + rnd(r) % 2;
    least = least ? least : 1;
    begin_run(r, (double)n, "M/s");
    do
        sum = r->k->tally(w, n, least, &count);
    while (again(r));
    emit(r, &sum, sizeof(sum));
    emit(r, &count, sizeof(count));
}

static void run_silu(struct check_run *r)
{
    size_t n = size_of(r, 3000, 32000);
    float *x = logits(r, n), *y = room(r, n * sizeof(*y));

    begin_run(r, 2 * (double)n, "M/s");
    do {
        r->k->silu(y, x, n);
        r->k->exp32(x, y, n);
    } while (again(r));
    emit(r, y, n * sizeof(*y));
    emit(r, x, n * sizeof(*x));
}

static const struct {
    const char *name;
    void (*run)(struct check_run *r);
    size_t cases; /* of 100 */
} ops[] = {
    { "quantise", run_quantise, 100 },
    { "linear", run_linear, 60 },
    { "linear_1", run_linear_1, 60 },
    { "linear_long", run_linear_long, 4 },
    { "linear_edge", run_linear_edge, 24 },
    { "swiglu", run_swiglu, 40 },
    { "sums", run_sums, 60 },
    { "sums_long", run_sums_long, 4 },
    { "embed", run_embed, 40 },
    { "rmsnorm", run_rmsnorm, 100 },
    { "rope", run_rope, 100 },
    { "quantise_kv", run_quantise_kv, 200 },
    { "attention", run_attention, 60 },
    { "fault", run_fault, 100 },
    { "max", run_max, 100 },
    { "draw", run_draw, 60 },
    { "tally", run_tally, 100 },
    { "silu", run_silu, 40 },
};
#define N_OPS (sizeof(ops) / sizeof(*ops))

/* ---- comparing ----------------------------------------------------------- */

static void run_case(struct check_run *r, const struct x1_kernels *k, size_t op,
                     uint64_t state, bool bench)
{
    memset(r, 0, sizeof(*r));
    r->k = k;
    r->state = state;
    r->bench = bench;
    buf_init(&r->out, (size_t)1 << 30);
    ops[op].run(r);
    while (r->n_rooms > 0)
        free(r->room[--r->n_rooms]);
}

/* The case's own state: never 0. */
static uint64_t mix(uint64_t seed, size_t op, size_t i)
{
    uint64_t z = seed * 1000003 + op * 10007 + i + 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    return (z ^ (z >> 27)) | 1;
}

static bool same(const struct check_run *a, const struct check_run *b, size_t i)
{
    if (a->out.len == b->out.len &&
        memcmp(a->out.data, b->out.data, a->out.len) == 0)
        return true;
    for (size_t at = 0; at < a->out.len && at < b->out.len; at++) {
        if (a->out.data[at] == b->out.data[at])
            continue;
        printf("# case %zu: byte %zu of %zu differs from %s\n", i, at,
               a->out.len, b->k->name);
        break;
    }
    return false;
}

static bool check_op(const struct x1_kernels *got,
                     const struct x1_kernels *want, size_t op, uint64_t seed,
                     size_t cases)
{
    bool good = true;

    cases = (cases * ops[op].cases + 99) / 100;
    for (size_t i = 0; i < cases && good; i++) {
        uint64_t state = mix(seed, op, i);
        struct check_run a, b;

        run_case(&a, got, op, state, false);
        run_case(&b, want, op, state, false);
        good = same(&a, &b, i);
        buf_clear(&a.out);
        buf_clear(&b.out);
    }
    return good;
}

static void bench_op(const struct x1_kernels *k, size_t op, uint64_t seed)
{
    struct check_run r;

    run_case(&r, k, op, mix(seed, op, 0), true);
    printf("%-10s %-12s %10.2f us %10.0f %s\n", k->name, ops[op].name, r.us,
           r.work / r.us, r.unit);
    buf_clear(&r.out);
}

struct options {
    const char *op, *level;
    uint64_t seed;
    size_t cases;
    bool bench;
};

/* A level as it is when a program starts. */
static bool check_start(const struct x1_kernels *k, int n)
{
    char text[200] = "its self-test";
    bool good = x1_selftest(k, text, sizeof(text)) == 0;

    printf("%s %d - %s: %s\n", good ? "ok" : "not ok", n, k->name, text);
    return good;
}

static int check_all(const struct options *o)
{
    struct x1_kernels got, want;
    int n = 0, wrong = 0;

    printf("# seed %" PRIu64 "\n", o->seed);
    for (size_t l = 0; x1_level(l); l++) {
        if (o->level && strcmp(o->level, x1_level(l)->name) != 0)
            continue;
        x1_kernels_init(&got, x1_level(l)->cpu);
        x1_kernels_init(&want, 0);
        if (x1_level(l)->cpu == 0)
            x1_plain_init(&want);
        if (!o->op && !o->bench)
            wrong += !check_start(&got, ++n);
        for (size_t op = 0; op < N_OPS; op++) {
            bool good = true;

            if (o->op && strcmp(o->op, ops[op].name) != 0)
                continue;
            if (o->bench)
                bench_op(&got, op, o->seed);
            else
                good = check_op(&got, &want, op, o->seed, o->cases);
            wrong += !good;
            n++;
            if (!o->bench)
                printf("%s %d - %s: %s equals %s\n", good ? "ok" : "not ok",
                       n, got.name, ops[op].name, want.name);
            fflush(stdout);
        }
    }
    if (!o->bench)
        printf("1..%d\n", n);
    return wrong || !n;
}

int main(int argc, char **argv)
{
    const char *seed = getenv("APUS_SEED");
    struct options o = { .cases = 100 };

    o.seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--bench") == 0) {
            o.bench = true;
            continue;
        }
        if (value && strcmp(argv[i], "--seed") == 0)
            o.seed = strtoull(value, NULL, 10);
        else if (value && strcmp(argv[i], "--cases") == 0)
            o.cases = strtoul(value, NULL, 10);
        else if (value && strcmp(argv[i], "--op") == 0)
            o.op = value;
        else if (value && strcmp(argv[i], "--level") == 0)
            o.level = value;
        else {
            fprintf(stderr, "usage: kernels/check [--seed N] [--cases N] "
                    "[--op NAME] [--level NAME] [--bench]\n");
            return 2;
        }
        i++;
    }
    x1_thread_init();
    return check_all(&o);
}
