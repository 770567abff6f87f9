/*
 * kernels/cuda/linear.cu on the emulated device against the reference, bit for
 * bit, over random shapes and at the bounds of its sums; and its tap.  Then
 * kernels/cuda/large.cu, and kernels/cuda/gemm.cu over sums of the library's
 * twin.
 */
#include <algorithm>
#include <string.h>

#include "kernels/cuda/gemm.cu"
#include "kernels/cuda/large.cu"
#include "kernels/cuda/linear.cu"
#include "tests/cusim/array.h"
#include "tests/cusim/blas_host.cpp"

extern "C" {
#include "tests/tap.h"
}

static struct random_numbers rnd(11), rows_rnd(5);
static struct x1_kernels ref;

/* What the numbers are: any; the largest; large and all positive, so that sums
 * of slices pass 2^24 with all their bits. */
enum values { ANY, EXTREME, LARGE };

struct shape {
    uint32_t m, n, k, splits;
    bool a8, bias, add, gate;
    enum values values;
    uint32_t slab; /* outputs that the library makes at a time; 0: not it */
    bool large;    /* by large.cu, in this form */
    enum large_form form;
    bool head;     /* y are logits, some of which are faults */
};

static shape sized(uint32_t m, uint32_t n, uint32_t k, uint32_t splits,
                   enum values values)
{
    shape s = {};

    s.m = m;
    s.n = n;
    s.k = k;
    s.splits = splits;
    s.values = values;
    return s;
}

/* A product's operands as the host has them. */
struct operands {
    std::vector<int8_t> w[2];
    std::vector<float> s_w[2], bias, step, add;
    std::vector<int16_t> q;
};

static int8_t weight(enum values v)
{
    return v == EXTREME ? 127
           : v == LARGE ? (int8_t)(100 + rnd.below(28))
                        : (int8_t)((int)rnd.below(255) - 127);
}

static int16_t activation(enum values v, bool a8)
{
    int most = a8 ? 127 : 16384;

    if (v == EXTREME)
        return (int16_t)(a8 ? -127 : rnd.below(2) ? 16384 : 16255);
    if (v == LARGE)
        return (int16_t)(most / 2 + (int)rnd.below((uint32_t)most / 2));
    return (int16_t)((int)rnd.below(2 * (uint32_t)most + 1) - most);
}

/* Every logit is the largest that is no fault, but for one, perhaps. */
static void at_limit(operands *o, const shape &s)
{
    std::fill(o->w[0].begin(), o->w[0].end(), 1);
    std::fill(o->q.begin(), o->q.end(), 1);
    std::fill(o->step.begin(), o->step.end(), 1.0f);
    std::fill(o->s_w[0].begin(), o->s_w[0].end(), 0x1.fffffep+39f);
    if (rnd.below(2))
        o->s_w[0][rnd.below(s.n)] = 0x1p40f;
}

static void make(operands *o, const shape &s)
{
    for (int i = 0; i < (s.gate ? 2 : 1); i++) {
        o->w[i].resize((size_t)s.n * s.k);
        for (auto &v : o->w[i])
            v = weight(s.values);
        o->s_w[i].resize(s.n);
        for (auto &v : o->s_w[i])
            v = (float)(rnd.below(1000) + 1) * 0x1p-14f;
    }
    if (s.head && s.k < 4)
        std::fill(o->s_w[0].begin(), o->s_w[0].end(), 0x1p-9f);
    else if (s.head && rnd.below(2))
        o->s_w[0][rnd.below(s.n)] = 0x1p50f;
    o->bias.resize(s.n);
    for (auto &v : o->bias)
        v = rnd.real(1);
    o->step.resize(s.m);
    for (auto &v : o->step)
        v = x1_pow2(-(int)rnd.below(20));
    o->add.resize((size_t)s.m * s.n);
    for (auto &v : o->add)
        v = rnd.real(6);
    o->q.resize((size_t)s.m * s.k);
    for (auto &v : o->q)
        v = activation(s.values, s.a8);
    if (s.head && s.k == 1)
        at_limit(o, s);
}

/* The reference's rows hold int16 (reference.c), so they can be set. */
static std::vector<float> want(operands &o, const shape &s)
{
    struct x1_rows rows = { s.m, s.k, s.a8, o.q.data(), o.step.data() };
    std::vector<float> y = o.add;
    struct x1_weights w[2];

    for (int i = 0; i < (s.gate ? 2 : 1); i++) {
        struct x1_matrix m = { s.n, s.k, o.s_w[i].data(), o.w[i].data() };

        x1_pack(&ref, &w[i], &m, nullptr);
    }
    if (s.gate)
        ref.swiglu(y.data(), s.n, &w[0], &w[1], &rows, 0, s.n);
    else
        ref.linear(y.data(), s.n, &w[0], s.bias ? o.bias.data() : nullptr,
                   s.add, &rows, 0, s.n);
    return y;
}

/* .. of the first rows; the others are what is added to. */
static std::vector<float> want_first(operands &o, const shape &s,
                                     uint32_t live)
{
    std::vector<float> y = want(o, s);
    size_t at = (size_t)live * s.n;

    std::copy(o.add.begin() + at, o.add.end(), y.begin() + at);
    return y;
}

static std::vector<int8_t> padded(const std::vector<int8_t> &w, uint32_t rows,
                                  uint32_t n, uint32_t k, uint32_t ldk)
{
    std::vector<int8_t> p((size_t)rows * ldk, 0);

    for (uint32_t r = 0; r < n; r++)
        memcpy(&p[(size_t)r * ldk], &w[(size_t)r * k], k);
    return p;
}

/* The sums of row `row` as the tap should have them. */
static bool tap_right(const std::vector<int32_t> &tapped, const operands &o,
                      const shape &s, uint32_t row)
{
    uint32_t S = s.a8 ? 1 : 2;

    for (int i = 0; i < (s.gate ? 2 : 1); i++)
        for (uint32_t n = 0; n < s.n; n++) {
            int64_t acc = 0, got = 0;

            for (uint32_t k = 0; k < s.k; k++)
                acc += (int64_t)o.w[i][(size_t)n * s.k + k] *
                       o.q[(size_t)row * s.k + k];
            for (uint32_t j = 0; j < S; j++)
                got = got * 256 + tapped[((size_t)i * S + j) * s.n + n];
            if (acc != got)
                return false;
        }
    return true;
}

static bool amax_right(const std::vector<uint32_t> &amax,
                       const std::vector<float> &y, const shape &s,
                       uint32_t live)
{
    for (uint32_t r = 0; r < s.m; r++) {
        uint32_t m = 0;

        for (uint32_t j = 0; r < live && j < s.n; j++) {
            uint32_t b = x1_bits(y[(size_t)r * s.n + j]) & 0x7fffffffu;

            m = b > m ? b : m;
        }
        if (m != amax[r])
            return false;
    }
    return true;
}

/* The rows of a step as the head has them: two slots, positions from 3 on. */
struct logit_rows {
    std::vector<uint32_t> slot, to;
    std::vector<unsigned long long> least;
    std::vector<struct sample_row> draw;
};

static logit_rows logits_of(const shape &s)
{
    logit_rows h;

    h.least.assign(2, ~0ull);
    h.draw.assign(s.m, {});
    for (uint32_t r = 0; r < s.m; r++) {
        h.slot.push_back(r % 2);
        h.to.push_back(4 + r / 2);
    }
    return h;
}

/* What those logits of the first rows make of it: of equal ones the lowest
 * id. */
static void rank(logit_rows *h, const std::vector<float> &y, const shape &s,
                 uint32_t live)
{
    for (size_t i = 0; i < (size_t)live * s.n; i++) {
        uint32_t r = (uint32_t)(i / s.n), n = (uint32_t)(i % s.n);
        uint32_t u = x1_bits(y[i] + 0.0f);
        unsigned long long key, fault;

        u ^= u >> 31 ? 0xffffffffu : 0x80000000u;
        key = (unsigned long long)u << 32 | (0xffffffffu - n);
        fault = fault_key(h->to[r] - 1, FAULT_HEAD, 2, 0, n);
        if (!(__builtin_fabsf(y[i]) < 0x1p40f)) {
            key = BEST_FAULT;
            if (fault < h->least[h->slot[r]])
                h->least[h->slot[r]] = fault;
        }
        if (key > h->draw[r].best)
            h->draw[r].best = key;
    }
}

static bool head_right(const logit_rows &want,
                       const array<struct sample_row> &draw,
                       const array<unsigned long long> &least)
{
    std::vector<struct sample_row> got = draw.get();

    for (size_t r = 0; r < got.size(); r++)
        if (got[r].best != want.draw[r].best)
            return false;
    return least.get() == want.least;
}

/* The same by the library and gemm.cu, s.slab outputs at a time. */
static void by_library(const struct linear_args &a, const shape &s)
{
    uint32_t cols = s.m * (s.a8 ? 1 : 2);
    array<int32_t> d((size_t)cols * s.slab), d2((size_t)cols * s.slab);
    struct scale_args out = { a, d.p, d2.p, 0, 0, s.slab };
    struct err err = ERR_INIT;
    struct blas *b;

    if (blas_open(&b, NULL, &err))
        exit(2);
    array<int8_t> work(blas_workspace(b));
    struct blas_product *p = blas_make(b, s.slab, cols, a.ldk);

    for (uint32_t i = 0; i < a.n; i += s.slab) {
        size_t at = (size_t)i * a.ldk;

        out.first = i;
        out.some = a.n - i < s.slab ? a.n - i : s.slab;
        if (blas_run(b, p, d.p, a.w + at, a.q, work.p, nullptr, &err) ||
            (a.w2 && blas_run(b, p, d2.p, a.w2 + at, a.q, work.p, nullptr,
                              &err))) {
            printf("# %s\n", err.text);
            exit(2);
        }
        must(scale_launch(&out, s.a8, nullptr));
    }
    blas_free(p);
    blas_close(b);
}

static void launch(const struct linear_args &a, const shape &s)
{
    if (s.slab)
        by_library(a, s);
    else if (s.large)
        must(large_launch(&a, s.a8, { s.form, s.splits }, nullptr));
    else
        must(linear_launch(&a, s.a8, s.splits, nullptr));
}

/* int32s of `sum` and words of `count`. */
static struct large_needs needs_of(const shape &s)
{
    struct linear_args a = {};
    int8_t none = 0;

    a.n = s.n;
    a.m = s.m;
    a.w2 = s.gate ? &none : nullptr;
    return s.large ? large_needs_of(s.form, &a, s.a8)
                   : large_needs{ linear_scratch(s.n, s.gate), s.n };
}

template <typename T> static bool all_zero(const std::vector<T> &v)
{
    for (T x : v)
        if (x)
            return false;
    return true;
}

static void name(const shape &s, uint32_t live)
{
    printf("# m %u (%u) n %u k %u splits %u a8 %d bias %d add %d gate %d"
           " form %d\n", s.m, live, s.n, s.k, s.splits, s.a8, s.bias, s.add,
           s.gate, s.large ? (int)s.form : -1);
}

static bool equal(const shape &s)
{
    uint32_t ldk = slice_bytes(s.k), S = s.a8 ? 1 : 2, second = s.gate;
    /* a slab may go past the last row */
    uint32_t rows = s.slab ? (s.n + s.slab - 1) / s.slab * s.slab : s.n;
    /* of every third launch the step has but some rows */
    uint32_t live = rows_rnd.below(3) ? s.m : 1 + rows_rnd.below(s.m);
    struct linear_tap at = { 5, rnd.below(s.m) % live };
    struct linear_args a = {};
    operands o;

    make(&o, s);
    array<int8_t> w(padded(o.w[0], rows, s.n, s.k, ldk));
    array<int8_t> w2(padded(o.w[second], rows, s.n, s.k, ldk));
    array<int8_t> q(slices_of(o.q.data(), s.m, s.k, ldk, s.a8));
    array<float> s_w(o.s_w[0]), s_w2(o.s_w[second]), bias(o.bias);
    array<float> step(o.step), y(o.add);
    array<uint32_t> amax(s.m), count(needs_of(s).counts);
    array<int32_t> sum(needs_of(s).sums), tapped(2 * S * s.n);
    array<struct linear_tap> tap(&at, 1);
    logit_rows h = logits_of(s);
    array<uint32_t> slot(h.slot), to(h.to), there(&live, 1);
    array<unsigned long long> least(h.least);
    array<struct sample_row> draw(h.draw);

    amax.zero();
    count.zero();
    sum.zero();
    a.w = w.p;
    a.s_w = s_w.p;
    a.w2 = s.gate ? w2.p : nullptr;
    a.s_w2 = s_w2.p;
    a.bias = s.bias ? bias.p : nullptr;
    a.q = q.p;
    a.step = step.p;
    a.y = y.p;
    a.add = s.add ? y.p : nullptr; /* in place */
    a.amax = amax.p;
    a.sum = sum.p;
    a.count = count.p;
    a.tap = tap.p;
    a.tapped = tapped.p;
    a.number = 5;
    a.live = live < s.m || rows_rnd.below(2) ? there.p : nullptr;
    a.n = s.n;
    a.m = s.m;
    a.ldk = ldk;
    a.ldy = s.n;
    a.draw = s.head ? draw.p : nullptr;
    a.fault = { least.p, slot.p, to.p, FAULT_HEAD };
    a.op = 2;
    /* twice where nothing is added, and zeros are left behind */
    for (int i = 0; i < (s.add ? 1 : 2); i++)
        launch(a, s);

    std::vector<float> expected = want_first(o, s, live);
    bool good = memcmp(y.get().data(), expected.data(),
                       expected.size() * sizeof(float)) == 0 &&
                (s.slab || amax_right(amax.get(), expected, s, live)) &&
                all_zero(count.get()) && all_zero(sum.get()) &&
                tap_right(tapped.get(), o, s, at.row);

    rank(&h, expected, s, s.head ? live : 0);
    good = good && head_right(h, draw, least);
    if (!good)
        name(s, live);
    return good;
}

static void test_shapes(void)
{
    static const uint32_t ks[] = { 1, 8, 18, 64, 96, 172, 512, 576, 1100 };
    int bad = 0, n = 48;

    for (int i = 0; i < n; i++) {
        shape s = {};

        s.m = i < 32 ? (uint32_t)i + 1 : 1 + rnd.below(32);
        s.n = 1 + rnd.below(150);
        s.k = ks[rnd.below(9)];
        s.splits = 1 + rnd.below(3);
        s.a8 = rnd.below(3) == 0;
        s.gate = rnd.below(3) == 0;
        s.bias = !s.gate && rnd.below(2);
        s.add = !s.gate && rnd.below(2);
        bad += !equal(s);
    }
    ok(bad == 0, "%d shapes equal the reference, tapped sums too", n);
}

static void test_bounds(void)
{
    shape s = sized(1, 3, 131072, 2, EXTREME);

    ok(equal(s), "the longest row of the largest A14 values");
    s.a8 = true;
    ok(equal(s), "the longest row of the largest A8 values");
    s = sized(3, 130, 6000, 2, LARGE);
    s.bias = true;
    ok(equal(s), "sums of slices past 2^24 with all their bits");
}

/* Rows and outputs of less than a tile, of some, and a ring of chunks that
 * goes round; every combination of slices, gate, bias and residual. */
static void test_large(void)
{
    static const uint32_t ks[] = { 1, 64, 65, 172, 300, 640 };
    static const uint32_t most_n[] = { 200, 260, 300 };
    static const uint32_t most_m[] = { 140, 140, 300 };
    int bad = 0, n = 30;

    for (int i = 0; i < n; i++) {
        int f = i % 6 == 5 ? LARGE_WIDE : i % 2;
        shape s = {};

        s.large = true;
        s.form = (enum large_form)f;
        s.m = i % 5 ? 1 + rnd.below(most_m[f]) : 33;
        s.a8 = i / 2 % 3 == 0;
        s.gate = i / 2 % 4 == 1;
        s.n = 1 + rnd.below(s.gate ? most_n[f] / 2 : most_n[f]);
        s.k = ks[rnd.below(f == LARGE_WIDE ? 4 : 6)];
        s.splits = 1 + rnd.below(3);
        s.bias = !s.gate && rnd.below(2);
        s.add = !s.gate && rnd.below(2);
        bad += !equal(s);
    }
    ok(bad == 0, "%d shapes of many rows equal the reference", n);
    shape s = sized(40, 70, 2400, 2, LARGE);

    s.large = s.bias = s.add = true;
    ok(equal(s), "many rows, sums of slices past 2^24 with all their bits");
    if (!getenv("APUS_LONG"))
        return;
    s = sized(33, 3, 131072, 2, EXTREME);
    s.large = true;
    for (int f = 0; f < LARGE_FORMS; f++) {
        s.form = (enum large_form)f;
        ok(equal(s), "many of the longest rows of the largest values");
    }
}

/* The greatest logit and the faults of rows, whatever makes the product; short
 * rows of A8 for equal ones. */
static void test_head(void)
{
    int bad = 0, n = 24;

    for (int i = 0; i < n; i++) {
        shape s = {};

        s.head = true;
        s.a8 = i % 2;
        s.large = i % 3 == 0;
        s.form = (enum large_form)(i / 3 % LARGE_FORMS);
        s.slab = i % 3 == 1 ? 48 : 0;
        s.m = 1 + rnd.below(s.large ? 70 : 32);
        s.n = 1 + rnd.below(200);
        s.k = 1 + rnd.below(i % 4 == 1 ? 2 : 100);
        s.splits = 1 + rnd.below(2);
        bad += !equal(s);
    }
    ok(bad == 0, "%d shapes of logits: the greatest, and faults", n);
}

/* A form for every number of multiprocessors, and no more splits than there
 * are chunks and words for. */
static void test_large_choice(void)
{
    const struct large_needs enough = { (size_t)1 << 30, 1 << 20 };
    const struct large_needs little = { 1 << 19, 63 };
    struct linear_args a = {};
    int8_t none = 0;

    a.n = 4096;
    a.ldk = 4096;
    a.m = 2048;
    struct large_way w = large_choose(&a, false, 132, enough);
    bool good = w.form == LARGE_WIDE && w.splits == 1;

    a.m = 300;
    w = large_choose(&a, false, 132, enough);
    good = good && w.form == LARGE_MIDDLE && w.splits == 1;
    a.m = 64;
    w = large_choose(&a, false, 132, enough);
    good = good && w.form == LARGE_SMALL && w.splits == 4;
    w = large_choose(&a, false, 132, little);
    good = good && w.splits == 1;
    a.ldk = 1024;
    w = large_choose(&a, false, 132, enough);
    good = good && w.splits == 2;
    a.n = 4096 * 3;
    a.w2 = &none;
    w = large_choose(&a, false, 132, enough);
    good = good && w.form == LARGE_MIDDLE && w.splits == 1;
    ok(good, "forms and splits for a device of 132 multiprocessors");
}

/* The sums of every row, of a product over some columns; y stays as it is. */
static bool sums_right(const shape &s)
{
    uint32_t ldk = slice_bytes(s.k), S = s.a8 ? 1 : 2;
    uint32_t rows = s.slab ? (s.n + s.slab - 1) / s.slab * s.slab : s.n;
    struct linear_tap at = { 5, rnd.below(s.m) };
    struct linear_args a = {};
    std::vector<int32_t> all;
    operands o;
    bool good = true;

    make(&o, s);
    array<int8_t> w(padded(o.w[0], rows, s.n, s.k, ldk));
    array<int8_t> q(slices_of(o.q.data(), s.m, s.k, ldk, s.a8));
    array<float> s_w(o.s_w[0]), step(o.step), y(o.add);
    array<uint32_t> count(needs_of(s).counts);
    array<int32_t> sum(needs_of(s).sums), tapped(2 * S * s.n);
    array<int32_t> sums((size_t)s.m * S * s.n);
    array<struct linear_tap> tap(&at, 1);

    count.zero();
    sum.zero();
    a.w = w.p;
    a.s_w = s_w.p;
    a.q = q.p;
    a.step = step.p;
    a.y = y.p;
    a.sum = sum.p;
    a.count = count.p;
    a.tap = tap.p;
    a.tapped = tapped.p;
    a.number = 5;
    a.n = a.ldy = s.n;
    a.m = s.m;
    a.ldk = ldk;
    a.sums = sums.p;
    launch(a, s);
    all = sums.get();
    for (uint32_t r = 0; r < s.m; r++) {
        auto from = all.begin() + (size_t)r * S * s.n;

        good = good && tap_right({ from, from + S * s.n }, o, s, r);
    }
    all = tapped.get();
    all.resize(S * s.n);
    return good && tap_right(all, o, s, at.row) && y.get() == o.add;
}

static void test_sums(void)
{
    int bad = 0, n = 18;

    for (int i = 0; i < n; i++) {
        shape s = {};

        s.large = i % 3 == 2;
        s.form = (enum large_form)(i / 3 % LARGE_FORMS);
        s.slab = i % 3 == 1 ? 48 : 0;
        s.m = 1 + rnd.below(s.large ? 70 : 32);
        s.n = 1 + rnd.below(150);
        s.k = 1 + rnd.below(900);
        s.splits = 1 + rnd.below(3);
        s.a8 = i % 4 == 1;
        bad += !sums_right(s);
    }
    ok(bad == 0, "%d shapes: sums of some columns, in the place of outputs", n);
}

static void test_library(void)
{
    int bad = 0, n = 12;

    for (int i = 0; i < n; i++) {
        shape s = {};

        s.m = 1 + rnd.below(80);
        s.n = 1 + rnd.below(150);
        s.k = 1 + rnd.below(300);
        s.a8 = i % 3 == 0;
        s.gate = i % 4 == 1;
        s.bias = !s.gate && i % 2;
        s.add = !s.gate && i % 5 < 3;
        s.slab = 16 * (1 + rnd.below(5));
        bad += !equal(s);
    }
    ok(bad == 0, "%d shapes by the library equal the reference", n);
    shape s = sized(1, 3, 131072, 1, EXTREME);

    s.slab = 16;
    ok(equal(s), "the longest row of the largest A14 values, by the library");
}

static void test_library_refused(void)
{
    struct err err = ERR_INIT;
    struct scale_args a = {};
    struct blas *b;

    if (blas_open(&b, NULL, &err))
        exit(2);
    ok(!blas_make(b, 24, 8, 64) && !blas_make(b, 16, 8, 96) &&
           !blas_make(b, 16, 0, 64) && !blas_make(b, 0, 8, 64),
       "the library refuses outputs, columns and rows of other sizes");
    blas_close(b);
    a.of.m = 1;
    a.of.n = 16;
    a.first = 8;
    a.some = 9;
    ok(scale_launch(&a, false, nullptr) == cudaErrorInvalidValue,
       "outputs past the last are refused");
    setenv("CUSIM_BLAS", "0", 1);
    ok(blas_open(&b, NULL, &err) == -1 && err.code == ERR_INPUT,
       "no library: %s", err.text);
    unsetenv("CUSIM_BLAS");
}

static void test_refused(void)
{
    struct linear_args a = {};

    a.n = 1;
    a.m = LINEAR_ROWS + 1;
    ok(linear_launch(&a, false, 1, nullptr) == cudaErrorInvalidValue,
       "refuses more rows than it has sums for");
    a.m = 0;
    ok(linear_launch(&a, false, 1, nullptr) == cudaErrorInvalidValue &&
           large_launch(&a, false, { LARGE_WIDE, 1 }, nullptr) ==
               cudaErrorInvalidValue, "refuses no rows");
    a.m = 1;
    ok(large_launch(&a, false, { LARGE_WIDE, 0 }, nullptr) ==
           cudaErrorInvalidValue, "refuses no splits");
}

int main(void)
{
    ref = reference_kernels();
    test_shapes();
    test_bounds();
    test_large();
    test_large_choice();
    test_head();
    test_sums();
    test_refused();
    test_library();
    test_library_refused();
    return done();
}
