/*
 * Which way a linear is computed.  Up to LINEAR_ROWS rows by k_linear, which
 * reads each weight once; above them by the library, where there is one that
 * adds exactly and has an algorithm for the shape, else by k_large.  The bytes
 * are the same.
 *
 * Above MIXED_ROWS rows k_large goes before the library on devices whose int8
 * units mma.sync can keep busy (8.x and 12.x): its outputs need no sums in
 * memory.  That is reckoned; no device has been asked yet.
 *
 * The library leaves sums of 32 bits in memory, which scale_launch makes
 * outputs of.  It gets some outputs at a time, so that their sums stay in the
 * device's L2 in between.
 */
#include "backend/cuda/device.cuh"

#include "backend/op_numbers.h"

#include <stdlib.h>
#include <string.h>

#define OUTS 16u         /* the library takes multiples of it; .. */
#define OUTS_WIDE 128u   /* .. and likes those of this */
#define LONGEST 131072u  /* elements of a row, at most */
#define CHECK_COLS 8u
#define MIXED_ROWS 512u

/* A shape that was asked for; product NULL: the library has none. */
struct cuda_shape {
    uint32_t n, cols, ldk;
    struct blas_product *product;
};

/* ---- the library --------------------------------------------------------- */

void products_close(struct device *d)
{
    struct cuda_products *p = &d->products;

    for (size_t i = 0; i < p->n_shapes; i++)
        blas_free(p->shape[i].product);
    free(p->shape);
    blas_close(p->blas);
    *p = {};
}

/* The sums of the longest row of the least elements with weights of 127 and of
 * -127: 2^31 less 16,777,216, the largest that int32 has to hold. */
struct extremes {
    int8_t *w, *q;
    int32_t *d;
    void *workspace;
};

static int fill_extremes(struct device *d, const struct extremes *x,
                         struct err *err)
{
    const size_t half = (size_t)OUTS / 2 * LONGEST;

    CUDA_TRY(cudaMemsetAsync(x->w, 127, half, d->stream), err);
    CUDA_TRY(cudaMemsetAsync(x->w + half, -127, half, d->stream), err);
    CUDA_TRY(cudaMemsetAsync(x->q, -128, (size_t)CHECK_COLS * LONGEST,
                             d->stream), err);
    CUDA_TRY(cudaMemsetAsync(x->d, 0, OUTS * CHECK_COLS * sizeof(*x->d),
                             d->stream), err);
    return 0;
}

/* 1: the library is exact, 0: it is not; -1: the device fails. */
static int is_exact(struct device *d, const struct extremes *x,
                    struct err *err)
{
    struct blas *b = d->products.blas;
    struct blas_product *p = blas_make(b, OUTS, CHECK_COLS, LONGEST);
    int32_t got[OUTS * CHECK_COLS] = {};
    bool good = true;
    int rc;

    if (!p)
        return 0;
    rc = fill_extremes(d, x, err);
    if (rc == 0 && blas_run(b, p, x->d, x->w, x->q, x->workspace, d->stream,
                            NULL))
        good = false;
    if (rc == 0)
        rc = device_wait(d, NULL, err);
    blas_free(p);
    if (rc || !good)
        return rc;
    CUDA_TRY(cudaMemcpy(got, x->d, sizeof(got), cudaMemcpyDeviceToHost), err);
    for (uint32_t i = 0; i < OUTS * CHECK_COLS; i++)
        good = good &&
               got[i] == (i % OUTS < OUTS / 2 ? -128 * 127 : 128 * 127) *
                             (int32_t)LONGEST;
    return good;
}

static int take_extremes(struct device *d, struct extremes *x,
                         struct err *err)
{
    return device_take(d, &x->w, (size_t)OUTS * LONGEST, err) ||
                   device_take(d, &x->q, (size_t)CHECK_COLS * LONGEST, err) ||
                   device_take(d, &x->d, OUTS * CHECK_COLS * sizeof(*x->d),
                               err) ||
                   device_take(d, &x->workspace,
                               blas_workspace(d->products.blas), err)
               ? -1 : 0;
}

/* .. with memory for it. */
static int check_exact(struct device *d, struct err *err)
{
    struct extremes x = {};
    int rc = take_extremes(d, &x, err);

    if (rc == 0) {
        rc = is_exact(d, &x, err);
        if (rc < 0)
            return device_failed(d, err);
    }
    cudaFree(x.workspace);
    cudaFree(x.d);
    cudaFree(x.q);
    cudaFree(x.w);
    return rc;
}

/* The library does not serve, and why; an error if nothing else may. */
static int go_without(struct device *d, struct err *why, struct err *err)
{
    if (d->gemm == CUDA_GEMM_LT) {
        d->products.tried = false;
        return err_set(err, ERR_INPUT, "%s", why->text);
    }
    err_prefix(why, "kernels of our own compute large products");
    caller_note(&d->caller, false, why->text);
    return 0;
}

/* Whether mma.sync is the full rate of int8, as on 8.x and 12.x: the rest has
 * other instructions for it. */
static bool has_full_rate(const struct device *d)
{
    int major = 0;

    return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor,
                                  d->number) == cudaSuccess &&
           (major == 8 || major == 12);
}

int products_open(struct device *d, struct err *err)
{
    struct cuda_products *p = &d->products;
    struct err why = ERR_INIT;
    int rc;

    if (p->tried)
        return 0;
    p->tried = true;
    if (d->gemm != CUDA_GEMM_LT &&
        (d->gemm == CUDA_GEMM_OWN || strcmp(d->libs, "none") == 0))
        return 0;
    if (blas_open(&p->blas, d->libs, &why) == 0) {
        rc = check_exact(d, err);
        if (rc < 0) {
            if (!d->lost)
                products_close(d);
            return -1;
        }
        if (rc == 0) {
            products_close(d);
            p->tried = true;
            err_set(&why, ERR_INPUT, "cublasLt does not add exactly here");
        }
    }
    p->mixed = d->gemm == CUDA_GEMM_AUTO && has_full_rate(d);
    return why.code ? go_without(d, &why, err) : 0;
}

uint64_t products_slab(const struct device *d)
{
    int l2 = 0;

    if (!d->products.blas ||
        cudaDeviceGetAttribute(&l2, cudaDevAttrL2CacheSize, d->number) !=
            cudaSuccess)
        return 0;
    return (uint64_t)l2 / 3;
}

/* ---- shapes -------------------------------------------------------------- */

/* Columns are rounded up, by less than an eighth, so that shapes are few: what
 * comes of the columns past the last is read by nobody. */
static uint32_t round_columns(uint32_t cols, uint32_t most)
{
    uint32_t step = 8, up;

    while (step * 16 <= cols)
        step *= 2;
    up = (cols + step - 1) / step * step;
    return up < most ? up : most;
}

static const struct blas_product *find_shape(struct device *d, uint32_t n,
                                             uint32_t cols, uint32_t ldk)
{
    struct cuda_products *p = &d->products;
    struct cuda_shape *s;

    for (size_t i = 0; i < p->n_shapes; i++) {
        s = &p->shape[i];
        if (s->n == n && s->cols == cols && s->ldk == ldk)
            return s->product;
    }
    p->shape = (struct cuda_shape *)xrealloc(
        p->shape, (p->n_shapes + 1) * sizeof(*p->shape));
    s = &p->shape[p->n_shapes++];
    *s = { n, cols, ldk, blas_make(p->blas, n, cols, ldk) };
    return s->product;
}

/* Outputs that are made at a time, so that sums of `cols` columns fit `bytes`:
 * pieces of the same size. */
static uint32_t slab_outputs(uint64_t bytes, uint32_t cols, uint32_t n)
{
    uint64_t most = bytes / 4 / cols, pieces, each, unit;

    unit = most >= OUTS_WIDE && n >= OUTS_WIDE ? OUTS_WIDE : OUTS;
    most = most / unit * unit;
    if (most == 0)
        return 0;
    pieces = (n + most - 1) / most;
    each = (n + pieces - 1) / pieces;
    each = (each + unit - 1) / unit * unit;
    /* weights are there up to the next OUTS alone */
    return pieces == 1 ? (n + OUTS - 1) / OUTS * OUTS : (uint32_t)each;
}

/* ---- products ------------------------------------------------------------ */

static struct linear_args arguments(const struct device *d,
                                    const struct cuda_product *p)
{
    struct linear_args a = {};

    a.w = p->w->w;
    a.s_w = p->w->scale;
    a.w2 = p->up ? p->up->w : NULL;
    a.s_w2 = p->up ? p->up->scale : NULL;
    a.bias = p->bias;
    a.q = cuda_array<int8_t>(d, PLAN_SLICES);
    a.step = cuda_array<float>(d, PLAN_SCALE);
    a.y = p->y;
    a.add = p->add ? p->y : NULL;
    a.live = p->live;
    a.n = p->w->rows;
    a.ldy = p->ldy ? p->ldy : a.n;
    a.sums = p->sums;
    a.first = p->first;
    a.m = p->m;
    a.ldk = p->w->ldk;
    a.then = { p->then, p->n_then, cuda_array<uint32_t>(d, PLAN_DONE) };
    tap_linear(d, p->w, &a);
    if (!p->logits)
        return a;
    a.draw = cuda_array<struct sample_row>(d, PLAN_DRAW);
    a.fault = *p->logits;
    a.op = HEAD_LOGITS;
    return a;
}

/* Whether sums of splits fit what the plan has for them: of an inner linear
 * they do, of the head of a part, which has few outputs, they may not. */
static bool may_split(const struct device *d, const struct cuda_product *p,
                      uint32_t tiles)
{
    size_t n = linear_sums(p->w->rows, p->m * (p->a8 ? 1 : 2), p->up != NULL);

    return n * sizeof(int32_t) <= d->plan.bytes[PLAN_SUM] &&
           tiles * sizeof(uint32_t) <= d->plan.bytes[PLAN_COUNT];
}

/* Few rows. */
static int by_linear(struct device *d, const struct cuda_product *p,
                     struct err *err)
{
    uint32_t outs = p->up ? 8 : 16, tiles = (p->w->rows + outs - 1) / outs;
    uint32_t most = p->w->ldk / 512, splits = 2 * d->processors / tiles;
    struct linear_args a = arguments(d, p);

    if (splits > most)
        splits = most;
    if (splits > 1 && !may_split(d, p, tiles))
        splits = 1;
    a.sum = cuda_array<int32_t>(d, PLAN_SUM);
    a.count = cuda_array<uint32_t>(d, PLAN_COUNT);
    CUDA_TRY(linear_launch(&a, p->a8, splits, d->stream), err);
    return 0;
}

/* Many. */
static int by_large(struct device *d, const struct cuda_product *p,
                    struct err *err)
{
    const struct large_needs most = { d->plan.bytes[PLAN_SUM] / 4,
                                      d->plan.bytes[PLAN_COUNT] / 4 };
    struct linear_args a = arguments(d, p);

    a.sum = cuda_array<int32_t>(d, PLAN_SUM);
    a.count = cuda_array<uint32_t>(d, PLAN_COUNT);
    CUDA_TRY(large_launch(&a, p->a8,
                          large_choose(&a, p->a8, d->processors, most),
                          d->stream), err);
    return 0;
}

#define PIECE_LAUNCHES 3 /* at most */

/* One piece by the library: its sums, then its outputs. */
static int run_piece(struct device *d, const struct scale_args *s, bool a8,
                     const struct blas_product *shape, struct err *err)
{
    size_t at = (size_t)s->first * s->of.ldk;
    struct blas *b = d->products.blas;
    void *work = d->at[PLAN_WORKSPACE];

    if (blas_run(b, shape, (int32_t *)s->d, s->of.w + at, s->of.q, work,
                 d->stream, err) ||
        (s->of.w2 && blas_run(b, shape, (int32_t *)s->d2, s->of.w2 + at,
                              s->of.q, work, d->stream, err)))
        return -1;
    CUDA_TRY(scale_launch(s, a8, d->stream), err);
    return 0;
}

/* 1: done, 0: the library has no algorithm for a piece, and nothing was
 * launched. */
static int by_library(struct device *d, const struct cuda_product *p,
                      struct err *err)
{
    uint64_t bytes = d->plan.bytes[PLAN_SLAB] / (p->up ? 2 : 1);
    uint32_t n = p->w->rows, ldk = p->w->ldk, each, rest;
    uint32_t cols = round_columns(p->m * (p->a8 ? 1 : 2),
                                  (uint32_t)d->plan.rows * 2);
    const struct blas_product *whole, *last;
    struct scale_args s = {};

    each = slab_outputs(bytes, cols, n);
    if (each == 0)
        return 0;
    rest = (n % each + OUTS - 1) / OUTS * OUTS;
    whole = n >= each ? find_shape(d, each, cols, ldk) : NULL;
    last = rest ? find_shape(d, rest, cols, ldk) : whole;
    if (!last || (n >= each && !whole))
        return 0;
    s.of = arguments(d, p);
    s.d = cuda_array<int32_t>(d, PLAN_SLAB);
    s.d2 = s.d + bytes / 4 / 4 * 4; /* aligned to 16 bytes */
    for (uint32_t i = 0; i < n; i += each) {
        bool full = n - i >= each;

        s.first = i;
        s.some = full ? each : n - i;
        s.ld = full ? each : rest;
        if (device_keep_near(d, PIECE_LAUNCHES, err) ||
            run_piece(d, &s, p->a8, full ? whole : last, err))
            return -1;
    }
    return 1;
}

int product_launch(struct device *d, const struct cuda_product *p,
                   struct err *err)
{
    int rc = 0;

    if (p->m <= LINEAR_ROWS)
        return by_linear(d, p, err);
    if (d->products.blas && (p->m <= MIXED_ROWS || !d->products.mixed))
        rc = by_library(d, p, err);
    return rc ? rc < 0 ? -1 : 0 : by_large(d, p, err);
}
