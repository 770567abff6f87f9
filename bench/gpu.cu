/*
 * bench/gpu: how fast a GPU runs the kernels of a step, one at a time, in the
 * shapes of a model of 8 billion parameters.  A line for each figure:
 *
 *   PART WHAT VALUE UNIT
 *
 * The device's own rates come first, for the others to be compared with: bytes
 * copied on it, and the products of int8 by its library.  --tiny takes shapes
 * and times of a test, whose figures mean nothing.
 */
#include "backend/cuda/device.cuh"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

extern "C" {
#include "bench/timing.h"
#include "model/shape.h"
}

#define SHAPES 4

struct gpu_bench {
    struct device d;
    bool tiny;
    double least; /* seconds that a figure is measured for */
};

/* Sizes of an 8B model, or of a toy. */
struct gpu_sizes {
    uint32_t dim, ffn, vocab, heads, kv_heads, hd, layers;
};

static struct gpu_sizes sizes_of(const struct gpu_bench *b)
{
    if (b->tiny)
        return { 64, 96, 500, 4, 2, 32, 2 };
    return { 4096, 14336, 128256, 32, 8, 128, 32 };
}

/* ---- memory -------------------------------------------------------------- */

static void end_if(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return;
    fprintf(stderr, "bench/gpu: %s: %s\n", what, cudaGetErrorString(e));
    exit(1);
}

static void end_with(const struct err *err)
{
    fprintf(stderr, "bench/gpu: %s\n", err->text);
    exit(1);
}

static void *take_bytes(size_t n)
{
    void *p = NULL;

    end_if(cudaMalloc(&p, n), "cudaMalloc");
    end_if(cudaMemset(p, 0, n), "cudaMemset");
    return p;
}

/* n bytes of no pattern: hardware takes less power, and so is faster, with
 * zeros.  Each byte is below `most` in size. */
static void *take_random(size_t n, int most)
{
    const size_t piece = (size_t)1 << 20;
    int8_t *own = (int8_t *)malloc(piece), *p = (int8_t *)take_bytes(n);
    uint32_t s = 1;

    for (size_t i = 0; own && i < piece; i++) {
        s = s * 1664525u + 1013904223u;
        own[i] = (int8_t)((int)((s >> 8) % (2 * (unsigned)most + 1)) - most);
    }
    for (size_t at = 0; own && at < n; at += piece)
        end_if(cudaMemcpy(p + at, own, n - at < piece ? n - at : piece,
                          cudaMemcpyHostToDevice), "cudaMemcpy");
    free(own);
    return p;
}

static float *take_floats(size_t n, float value)
{
    float *own = (float *)malloc(n * sizeof(float));
    float *p = (float *)take_bytes(n * sizeof(float));

    for (size_t i = 0; own && i < n; i++)
        own[i] = value * (float)(1 + i % 7);
    if (own)
        end_if(cudaMemcpy(p, own, n * sizeof(float), cudaMemcpyHostToDevice),
               "cudaMemcpy");
    free(own);
    return p;
}

/* ---- time ---------------------------------------------------------------- */

static void wait_for(const struct gpu_bench *b)
{
    end_if(cudaStreamSynchronize(b->d.stream), "cudaStreamSynchronize");
}

/* Seconds of one call of f, which launches something. */
template <typename F> static double seconds_of(const struct gpu_bench *b, F f)
{
    double begun, all = 0;
    unsigned n = 1, done = 0;

    f();
    wait_for(b);
    while (all < b->least || done == 0) {
        begun = timing_now(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < n; i++)
            f();
        wait_for(b);
        all += timing_now(CLOCK_MONOTONIC) - begun;
        done += n;
        n = 2 * n < 1024 ? 2 * n : 1024;
    }
    return all / done;
}

static void say(const char *part, const char *what, double value,
                const char *unit)
{
    printf("%s %s %.4g %s\n", part, what, value, unit);
    fflush(stdout);
}

/* ---- the device ---------------------------------------------------------- */

static void bench_device(struct gpu_bench *b)
{
    size_t n = b->tiny ? (size_t)1 << 16 : (size_t)1 << 30;
    uint32_t side = b->tiny ? 64 : 8192;
    struct blas *blas = b->d.products.blas;
    struct blas_product *p;
    void *from = take_random(n, 127), *to = take_bytes(n);
    double t = seconds_of(b, [=] {
        cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToDevice, b->d.stream);
    });

    printf("device uuid %s -\ndevice processors %u -\n", b->d.uuid,
           b->d.processors);
    say("device", "copy", 2 * (double)n / t / 1e9, "GB/s");
    if (!blas || (size_t)side * side > n) {
        printf("device library 0 -\n");
    } else if ((p = blas_make(blas, side, side, side))) {
        int32_t *sums = (int32_t *)take_bytes((size_t)side * side * 4);
        void *work = take_bytes(blas_workspace(blas));

        t = seconds_of(b, [=] {
            if (blas_run(blas, p, sums, (int8_t *)from, (int8_t *)from, work,
                         b->d.stream, NULL))
                exit(1);
        });
        say("device", "library", 2.0 * side * side * side / t / 1e12, "TOPS");
        blas_free(p);
        cudaFree(sums);
        cudaFree(work);
    }
    cudaFree(from);
    cudaFree(to);
}

/* ---- linears ------------------------------------------------------------- */

/* The arrays that a product needs, for so many rows. */
static void take_arrays(struct gpu_bench *b, uint32_t rows)
{
    const struct gpu_sizes z = sizes_of(b);
    struct device *d = &b->d;
    uint64_t *n = d->plan.bytes;

    d->plan.rows = rows;
    n[PLAN_SLAB] = products_slab(d) ? products_slab(d) : 4;
    if (n[PLAN_SLAB] < (uint64_t)rows * 2 * 4 * 32)
        n[PLAN_SLAB] = (uint64_t)rows * 2 * 4 * 32;
    d->at[PLAN_SLICES] = (unsigned char *)
        take_random((size_t)rows * 2 * cuda_plan_ldk(z.ffn), 63);
    d->at[PLAN_SCALE] = (unsigned char *)take_floats(rows, 0x1p-10f);
    n[PLAN_SUM] = ((uint64_t)2 * z.ffn + 64) * 64 * 4;
    n[PLAN_COUNT] = (2 * z.ffn + 64) * 4;
    d->at[PLAN_SUM] = (unsigned char *)take_bytes(n[PLAN_SUM]);
    d->at[PLAN_COUNT] = (unsigned char *)take_bytes(n[PLAN_COUNT]);
    d->at[PLAN_SLAB] = (unsigned char *)take_bytes(n[PLAN_SLAB]);
    d->at[PLAN_DONE] = (unsigned char *)take_bytes(4 * PLAN_DONE_WORDS);
    d->at[PLAN_WORKSPACE] = (unsigned char *)take_bytes(
        d->products.blas ? blas_workspace(d->products.blas) : 4);
}

static void drop_arrays(struct gpu_bench *b)
{
    for (size_t i = 0; i < PLAN_ARRAYS; i++) {
        cudaFree(b->d.at[i]);
        b->d.at[i] = NULL;
    }
}

static struct cuda_matrix take_matrix(uint32_t rows, uint32_t cols)
{
    struct cuda_matrix m = {};

    m.rows = rows;
    m.cols = cols;
    m.ldk = cuda_plan_ldk(cols);
    m.w = (int8_t *)take_random((size_t)(rows + 15) / 16 * 16 * m.ldk, 127);
    m.scale = take_floats(rows, 0x1p-12f);
    return m;
}

static void drop_matrix(struct cuda_matrix *m)
{
    cudaFree(m->w);
    cudaFree(m->scale);
}

/* A linear of m rows: bytes of weights where that decides, else operations. */
static void bench_product(struct gpu_bench *b, const char *part,
                          const char *name, const struct cuda_product *p)
{
    struct device *d = &b->d;
    double weights = (double)p->w->rows * p->w->cols * (p->up ? 2 : 1), t;
    char what[64];

    t = seconds_of(b, [=] {
        struct err err = ERR_INIT;

        if (product_launch(d, p, &err))
            end_with(&err);
    });
    snprintf(what, sizeof(what), "%s-%u-%s", name, p->m, p->a8 ? "a8" : "a14");
    if (p->m <= LINEAR_ROWS)
        say(part, what, weights / t / 1e9, "GB/s");
    else
        say(part, what, 2 * weights * p->m * (p->a8 ? 1 : 2) / t / 1e12,
            "TOPS");
}

/* Every shape at one number of rows; by the library or not. */
static void bench_rows(struct gpu_bench *b, const char *part, uint32_t m,
                       bool a8)
{
    const struct gpu_sizes z = sizes_of(b);
    const uint32_t kv = 2 * z.kv_heads * z.hd;
    const struct {
        const char *name;
        uint32_t n, k;
    } of[SHAPES] = { { "qkv", z.heads * z.hd + kv, z.dim },
                     { "o", z.dim, z.heads * z.hd },
                     { "gate-up", z.ffn, z.dim },
                     { "down", z.dim, z.ffn } };
    uint32_t most = 0;
    float *y;

    for (int i = 0; i < SHAPES; i++)
        most = of[i].n > most ? of[i].n : most;
    y = (float *)take_bytes((size_t)m * most * 4);
    for (int i = 0; i < SHAPES; i++) {
        struct cuda_matrix w = take_matrix(of[i].n, of[i].k), up = {};
        struct cuda_product p = { &w, NULL, NULL, y, NULL, m, false, a8,
                                  NULL, NULL, 0, 0, {}, 0 };

        if (i == 2) {
            up = take_matrix(of[i].n, of[i].k);
            p.up = &up;
        }
        bench_product(b, part, of[i].name, &p);
        drop_matrix(&w);
        drop_matrix(&up);
    }
    cudaFree(y);
}

static void bench_linear(struct gpu_bench *b)
{
    static const uint32_t some[] = { 1, 2, 4, 8, 16, 32 };

    take_arrays(b, 32);
    for (size_t i = 0; i < 6; i++) {
        bench_rows(b, "linear", some[i], false);
        bench_rows(b, "linear", some[i], true);
    }
    drop_arrays(b);
}

static void bench_large(struct gpu_bench *b)
{
    static const uint32_t some[] = { 64, 128, 256, 512, 2048 };
    size_t n = b->tiny ? 1 : 5;
    struct blas *blas = b->d.products.blas;

    take_arrays(b, some[n - 1]);
    for (size_t i = 0; i < 2 * n; i++) {
        bool a8 = i >= n;

        if (blas)
            bench_rows(b, "library", some[i % n], a8);
        b->d.products.blas = NULL;
        bench_rows(b, "kernel", some[i % n], a8);
        b->d.products.blas = blas;
    }
    drop_arrays(b);
}

/* y = w times m rows, or gate and up, for a kernel that is launched here. */
static struct linear_args take_args(struct gpu_bench *b, uint32_t m,
                                    const struct cuda_matrix *w,
                                    const struct cuda_matrix *up)
{
    struct linear_args a = {};

    a.w = w->w;
    a.s_w = w->scale;
    a.w2 = up ? up->w : NULL;
    a.s_w2 = up ? up->scale : NULL;
    a.q = (int8_t *)b->d.at[PLAN_SLICES];
    a.step = (float *)b->d.at[PLAN_SCALE];
    a.sum = (int32_t *)b->d.at[PLAN_SUM];
    a.count = (uint32_t *)b->d.at[PLAN_COUNT];
    a.y = (float *)take_bytes((size_t)m * w->rows * 4);
    a.n = a.ldy = w->rows;
    a.m = m;
    a.ldk = w->ldk;
    return a;
}

/* Each form of k_large, and the kernel for few rows, whatever is chosen in a
 * step: whether the choice is right. */
static void bench_form(struct gpu_bench *b, const char *name,
                       const struct linear_args &a, int form)
{
    static const char *const forms[] = { "small", "middle", "wide", "few" };
    double ops = 4.0 * a.n * a.ldk * a.m * (a.w2 ? 2 : 1), t;
    char what[64];

    t = seconds_of(b, [=] {
        struct large_way way = { (enum large_form)form, 1 };

        end_if(form == LARGE_FORMS ? linear_launch(&a, false, 1, b->d.stream)
                                   : large_launch(&a, false, way, b->d.stream),
               "a form");
    });
    snprintf(what, sizeof(what), "%s-%u-%s", name, a.m, forms[form]);
    say("form", what, ops / t / 1e12, "TOPS");
}

static void bench_forms(struct gpu_bench *b)
{
    static const uint32_t some[] = { 32, 64, 128, 256, 512, 2048 };
    const struct gpu_sizes z = sizes_of(b);
    size_t n = b->tiny ? 2 : 6;

    take_arrays(b, some[n - 1]);
    for (size_t i = 0; i < 2 * n; i++) {
        bool gate = i >= n;
        uint32_t m = some[i % n];
        struct cuda_matrix w = take_matrix(gate ? z.ffn : z.dim, z.dim);
        struct cuda_matrix up = take_matrix(gate ? z.ffn : 1, z.dim);
        struct linear_args a = take_args(b, m, &w, gate ? &up : NULL);

        for (int f = 0; f < LARGE_FORMS + (m <= LINEAR_ROWS); f++)
            bench_form(b, gate ? "gate-up" : "o", a, f);
        cudaFree(a.y);
        drop_matrix(&w);
        drop_matrix(&up);
    }
    drop_arrays(b);
}

/* m rows of dim at x, to be quantised after a norm. */
static struct rows_args take_rows(const struct gpu_sizes &z, float *x,
                                  uint32_t m)
{
    struct rows_args r = {};

    r.x = x;
    r.g = take_floats(z.dim, 0.5f);
    r.q = (int8_t *)take_bytes((size_t)m * 2 * cuda_plan_ldk(z.dim));
    r.scale = (float *)take_bytes(m * 4);
    r.k = r.stride = z.dim;
    r.ldk = cuda_plan_ldk(z.dim);
    r.eps = 1e-5f;
    return r;
}

/* Rows that a product has made become the input of the next one: by the last
 * block of the product's launch, and by a launch of their own.  Whether the
 * step does right with each number of rows. */
static void bench_last_rows(struct gpu_bench *b, uint32_t m)
{
    const struct gpu_sizes z = sizes_of(b);
    struct cuda_matrix w = take_matrix(z.dim, z.heads * z.hd);
    struct linear_args a = take_args(b, m, &w, NULL);
    struct rows_args r = take_rows(z, a.y, m);

    for (int apart = 0; apart < 2; apart++) {
        char what[64];
        double t;

        a.then = { r, apart ? 0 : m, (uint32_t *)b->d.at[PLAN_DONE] };
        t = seconds_of(b, [=] {
            end_if(linear_launch(&a, false, 1, b->d.stream), "linear_launch");
            if (apart)
                end_if(rows_launch(&r, m, b->d.stream), "rows_launch");
        });
        snprintf(what, sizeof(what), "o-%u-%s", m, apart ? "apart" : "within");
        say("last", what, t * 1e6, "us");
    }
    cudaFree((void *)r.g);
    cudaFree(r.q);
    cudaFree(r.scale);
    cudaFree(a.y);
    drop_matrix(&w);
}

static void bench_last(struct gpu_bench *b)
{
    take_arrays(b, LAST_ROWS);
    for (uint32_t m = 1; m <= LAST_ROWS; m++)
        bench_last_rows(b, m);
    drop_arrays(b);
}

/* What becomes of the library's sums, without the product. */
static void bench_epilogue(struct gpu_bench *b)
{
    static const uint32_t some[] = { 64, 128, 256, 512, 2048 };
    const struct gpu_sizes z = sizes_of(b);
    size_t n = b->tiny ? 1 : 5;

    take_arrays(b, some[n - 1]);
    for (size_t i = 0; i < 2 * n; i++) {
        bool gate = i >= n;
        struct cuda_matrix w = take_matrix(gate ? z.ffn : z.dim, 64);
        struct scale_args s = {};
        uint64_t room = b->d.plan.bytes[PLAN_SLAB] / 4 / (gate ? 2 : 1);
        char what[64];
        double t, sums;

        s.of = take_args(b, some[i % n], &w, gate ? &w : NULL);
        s.of.add = gate ? NULL : s.of.y;
        room /= 2 * s.of.m;
        s.some = s.ld = room < w.rows ? (uint32_t)room : w.rows;
        s.d = s.d2 = (int32_t *)b->d.at[PLAN_SLAB];
        s.d2 += gate ? (size_t)s.ld * 2 * s.of.m : 0;
        t = seconds_of(b, [=] {
            end_if(scale_launch(&s, false, b->d.stream), "scale_launch");
        });
        sums = (double)s.some * s.of.m;
        snprintf(what, sizeof(what), "%s-%u", gate ? "gate-up" : "o", s.of.m);
        say("epilogue", what, sums * (gate ? 20 : 16) / t / 1e9, "GB/s");
        cudaFree((void *)s.of.y);
        drop_matrix(&w);
    }
    drop_arrays(b);
}

/* ---- the rest of a step -------------------------------------------------- */

#define PAGE 32u
#define AT_ONCE 32u /* rows that attend in one launch */

template <typename T> static T *take_copy(const std::vector<T> &v)
{
    T *p = (T *)take_bytes(v.size() * sizeof(T));

    end_if(cudaMemcpy(p, v.data(), v.size() * sizeof(T),
                      cudaMemcpyHostToDevice), "cudaMemcpy");
    return p;
}

/* For rows that attend to so many keys each, from blocks of their own, n of
 * them at a time. */
static struct attention_args take_keys(const struct gpu_sizes &z, uint32_t rows,
                                       uint32_t n, uint32_t keys)
{
    size_t pool = (size_t)rows * keys * z.kv_heads, heads = n * z.heads;
    std::vector<int32_t> table((size_t)rows * (keys / PAGE));
    struct attention_args a = {};

    for (size_t i = 0; i < table.size(); i++)
        table[i] = (int32_t)i;
    a.k = (int8_t *)take_random(pool * z.hd, 127);
    a.v = (int8_t *)take_random(pool * z.hd, 127);
    a.s_k = take_floats(pool, 0x1p-10f);
    a.s_v = take_floats(pool, 0x1p-10f);
    a.table = take_copy(table);
    a.from = (uint32_t *)take_bytes(rows * 4);
    a.to = take_copy(std::vector<uint32_t>(rows, keys));
    a.q = (int8_t *)take_random(heads * 2 * z.hd, 63);
    a.step = take_floats(heads, 0x1p-12f);
    a.c = 0.088f;
    a.score = (float *)take_bytes(heads * keys * 4);
    a.top = (uint32_t *)take_bytes(heads * 4);
    a.vm = (uint32_t *)take_bytes(heads * 4);
    a.num = (unsigned long long *)take_bytes(heads * z.hd * 8);
    a.z = (unsigned long long *)take_bytes(heads * 8);
    a.o = (float *)take_bytes(heads * z.hd * 4);
    a.done = (uint32_t *)take_bytes(n * 4);
    a.heads = z.heads;
    a.kv_heads = z.kv_heads;
    a.hd = a.hdp = z.hd;
    a.page = PAGE;
    a.table_stride = keys / PAGE;
    a.score_stride = keys;
    return a;
}

/* `within`: the last block of a sequence divides, as in a step of few rows;
 * else a launch of its own. */
static void bench_keys(struct gpu_bench *b, uint32_t rows, uint32_t keys,
                       bool within)
{
    const struct gpu_sizes z = sizes_of(b);
    uint32_t n = rows < AT_ONCE ? rows : AT_ONCE, most = keys / 256 + 1;
    struct attention_args a = take_keys(z, rows, n, keys);
    const void *all[] = { a.k, a.v, a.s_k, a.s_v, a.table, a.from, a.to, a.q,
                          a.step, a.score, a.top, a.vm, a.num, a.z, a.o,
                          a.done };
    char what[48];
    double t = seconds_of(b, [=] {
        for (uint32_t i = 0; i < rows; i += n) {
            struct attention_args some = a;
            uint32_t m = rows - i < n ? rows - i : n;
            uint32_t splits = 2 * b->d.processors / (m * a.kv_heads) + 1;

            some.table = a.table + (size_t)i * a.table_stride;
            some.done = within ? a.done : NULL;
            end_if(attention_launch(&some, m, splits < most ? splits : most,
                                    b->d.stream), "attention_launch");
        }
    });

    snprintf(what, sizeof(what), "%u-%u%s", rows, keys,
             within || rows > LAST_ROWS ? "" : "-apart");
    say("attention", what,
        (double)rows * keys * z.kv_heads * 2 * (z.hd + 4) / t / 1e9, "GB/s");
    for (const void *p : all)
        cudaFree((void *)p);
}

static void bench_attention(struct gpu_bench *b)
{
    static const struct {
        uint32_t rows, keys;
    } some[] = { { 1, 512 }, { 1, 2048 }, { 1, 16384 }, { 64, 512 },
                 { 64, 2048 }, { 64, 16384 }, { 256, 512 }, { 256, 2048 } };

    if (b->tiny)
        bench_keys(b, 3, 64, true);
    for (size_t i = 0; i < 8 && !b->tiny; i++)
        bench_keys(b, some[i].rows, some[i].keys, some[i].rows <= LAST_ROWS);
    for (size_t i = 0; i < 3 && !b->tiny; i++)
        bench_keys(b, some[i].rows, some[i].keys, false);
}

static void bench_rest(struct gpu_bench *b)
{
    const struct gpu_sizes z = sizes_of(b);
    uint32_t rows = b->tiny ? 2 : 256, n_kv = z.layers * z.kv_heads;
    uint32_t words = (8 + 2 * z.hd) / 4;
    struct sample_args s = {};
    struct commit_args c = {};
    struct rows_args r = {};
    struct sample_row draw = {};
    float *logits = take_floats((size_t)rows * z.vocab, 0.25f);
    double t;

    draw.t = 0.8f;
    draw.top_p = 950000;
    draw.best = (0xbfe00000ull << 32) + 0xffffffff - 6; /* 1.75, of id 6 */

    s.logits = logits;
    s.w = (uint32_t *)take_bytes((size_t)rows * z.vocab * 4);
    s.row = take_copy(std::vector<struct sample_row>(rows, draw));
    s.n = z.vocab;
    t = seconds_of(b, [=] {
        end_if(sample_launch(&s, rows, b->d.stream), "sample_launch");
    });
    say("sample", "rows", rows / t, "1/s");
    c.rows = (uint32_t *)take_random((size_t)rows * n_kv * words * 4, 127);
    c.kv = (uint32_t *)take_bytes(rows * 32);
    c.n_rows = n_kv;
    c.row_words = words;
    t = seconds_of(b, [=] {
        end_if(commit_launch(&c, rows, b->d.stream), "commit_launch");
    });
    say("commit", "positions", rows / t, "1/s");
    r = take_rows(z, logits, rows); /* rows of dim of them */
    t = seconds_of(b, [=] {
        end_if(rows_launch(&r, rows, b->d.stream), "rows_launch");
    });
    say("rows", "rows", rows / t, "1/s");
}

/* ---- memory that is not there -------------------------------------------- */

/* Take what is free, down to pieces of 1 MiB. */
static std::vector<void *> take_all(void)
{
    std::vector<void *> all;
    size_t n = 0, total = 0;

    end_if(cudaMemGetInfo(&n, &total), "cudaMemGetInfo");
    while (n >= (size_t)1 << 20) {
        void *p = NULL;

        if (cudaMalloc(&p, n) == cudaSuccess) {
            all.push_back(p);
            continue;
        }
        cudaGetLastError();
        n /= 2;
    }
    return all;
}

static int load_shape(struct backend *d, const struct model *m, struct err *err)
{
    struct backend_load want = {};
    struct backend_plan plan;

    want.slots = want.draws = 2;
    want.rows = 8;
    return d->ops->load(d, m, &want, &plan, err);
}

/* A model is loaded where another one holds the memory: an error that says so,
 * and once that is gone the model is loaded.  It exits with 1 otherwise. */
static void bench_memory(struct gpu_bench *b)
{
    struct cuda_options with = {};
    struct err err = ERR_INIT, denied = ERR_INIT;
    std::vector<void *> all;
    struct model_record rec;
    struct backend *d;
    struct model *m;

    (void)b;
    with.share = true;
    with.libs = "none";
    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err) ||
        cuda_open(&d, &with, &err) || load_shape(d, m, &err))
        end_with(&err);
    all = take_all();
    if (load_shape(d, m, &denied) == 0) {
        fprintf(stderr, "bench/gpu: a model is loaded into no memory\n");
        exit(1);
    }
    printf("memory refused: %s\n", denied.text);
    for (void *p : all)
        cudaFree(p);
    if (load_shape(d, m, &err))
        end_with(&err);
    printf("memory pieces %zu -\n", all.size());
    d->ops->close(d);
    model_close(m);
}

/* ---- options ------------------------------------------------------------- */

static void note(void *, bool, const char *text)
{
    printf("note - 0 %s\n", text);
}

static const struct {
    const char *name;
    void (*run)(struct gpu_bench *b);
} parts[] = { { "device", bench_device }, { "linear", bench_linear },
              { "last", bench_last },
              { "large", bench_large }, { "forms", bench_forms },
              { "epilogue", bench_epilogue },
              { "attention", bench_attention }, { "rest", bench_rest },
              { "memory", bench_memory } };

static int run_part(struct gpu_bench *b, const char *name)
{
    for (const auto &p : parts) {
        if (strcmp(p.name, name) != 0)
            continue;
        p.run(b);
        return 0;
    }
    return -1;
}

int main(int argc, char **argv)
{
    static struct gpu_bench b;
    struct err err = ERR_INIT;
    const char *libs = getenv("APUS_CUDA_LIBS");

    b.least = 0.2;
    b.d.caller.note = note;
    b.d.libs = (char *)(libs ? libs : "");
    if (argc > 1 && strcmp(argv[1], "--tiny") == 0) {
        b.tiny = true;
        b.least = 0;
        argc--;
        argv++;
    }
    if (argc < 2) {
        fputs("usage: bench/gpu [--tiny]"
              " device|linear|last|large|forms|epilogue|attention|rest|memory"
              "...\n", stderr);
        return 2;
    }
    if (device_find(&b.d, 0, true, &err) || products_open(&b.d, &err))
        end_with(&err);
    b.d.products.mixed = false; /* the library serves wherever it can */
    for (int i = 1; i < argc; i++)
        if (run_part(&b, argv[i])) {
            fprintf(stderr, "bench/gpu: no part \"%s\"\n", argv[i]);
            return 2;
        }
    return 0;
}
