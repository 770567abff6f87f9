/*
 * kernels/cuda/rowwise.cu on the emulated device against the reference, bit for
 * bit: norm, A14 and A8 with their faults, rotation, elements, embedding.
 */
#include <algorithm>
#include <string.h>

#include "kernels/cuda/rowwise.cu"
#include "tests/cusim/array.h"

extern "C" {
#include "tests/tap.h"
}

static struct random_numbers rnd(7), tap_rnd(8);
static struct x1_kernels ref;

template <typename T>
static bool same(const std::vector<T> &a, const std::vector<T> &b)
{
    return a.size() == b.size() &&
           memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/* Rows of many sizes of numbers; some are zeros, tiny, or have faults. */
static std::vector<float> make_rows(size_t m, size_t stride, size_t k)
{
    static const float odd[] = { __builtin_inff(), 0x1p40f, -0x1p41f,
                                 __builtin_nanf(""), 0x1.fffffep39f };
    std::vector<float> x(m * stride, 0.0f);

    for (size_t i = 0; i < m; i++) {
        int e = (int)rnd.below(140) - 110, kind = (int)rnd.below(8);

        for (size_t j = 0; j < k; j++)
            x[i * stride + j] = kind == 0 ? 0.0f : rnd.real(e);
        if (kind == 1)
            for (int n = 0; n < 3; n++)
                x[i * stride + rnd.below((uint32_t)k)] = odd[rnd.below(5)];
    }
    return x;
}

struct shape {
    size_t m, k, stride;
    bool norm, a8;
    bool level; /* all elements are alike: the largest sums */
};

static bool rows_equal(const shape &s)
{
    uint32_t S = s.a8 ? 1 : 2, ldk = slice_bytes(s.k);
    std::vector<float> x = s.level ? std::vector<float>(s.m * s.stride, 3.0f)
                                   : make_rows(s.m, s.stride, s.k);
    std::vector<float> y = x, g(s.k);
    std::vector<float> scale(s.m), got;
    std::vector<int32_t> fault_x(s.m, -1), fault_y(s.m);
    std::vector<int16_t> q(s.m * s.k);
    struct x1_rows out = { s.m, s.k, s.a8, nullptr, scale.data() };
    std::vector<unsigned char> form(ref.rows_bytes(s.m, s.k));
    struct rows_args a = {};
    float eps = 1e-5f;

    for (auto &v : g)
        v = rnd.real((int)rnd.below(4));
    array<float> dx(x), dy(x), dg(g), ds(s.m);
    array<int8_t> dq(s.m * S * ldk);
    array<int32_t> fx(fault_x), fy(s.m);
    /* of the linears 4 and 5, or of one that reads other rows */
    struct linear_tap at = { 4 + tap_rnd.below(3),
                             tap_rnd.below((uint32_t)s.m) };
    array<struct linear_tap> tap(&at, 1);
    std::vector<int8_t> tapped(S * ldk, 99), all;
    array<int8_t> dt(tapped);

    a.x = dx.p;
    a.g = s.norm ? dg.p : nullptr;
    a.y = s.norm ? dy.p : nullptr;
    a.q = dq.p;
    a.scale = ds.p;
    a.fault_x = fx.p;
    a.fault_y = fy.p;
    a.tap = tap.p;
    a.tapped_q = dt.p;
    a.reader[0] = 4;
    a.reader[1] = 5;
    a.k = (uint32_t)s.k;
    a.ldk = ldk;
    a.stride = (uint32_t)s.stride;
    a.eps = eps;
    a.a8 = s.a8;
    must(rows_launch(&a, (uint32_t)s.m, nullptr));
    if (s.norm)
        ref.rmsnorm(y.data(), x.data(), s.stride, g.data(), eps, s.m, s.k,
                    fault_x.data());
    out.q = form.data();
    ref.quantise(&out, y.data(), s.stride, fault_y.data(), 0, s.m);
    for (size_t i = 0; i < s.m; i++)
        ref.integers(&q[i * s.k], &out, i);
    all = slices_of(q.data(), s.m, s.k, ldk, s.a8);
    if (at.number < 6)
        std::copy_n(&all[at.row * S * ldk], S * ldk, tapped.begin());
    return same(dq.get(), all) && same(dt.get(), tapped) &&
           same(ds.get(), scale) && same(fx.get(), fault_x) &&
           same(fy.get(), fault_y) && (!s.norm || same(dy.get(), y));
}

static void test_rows(void)
{
    static const size_t ks[] = { 1, 2, 31, 64, 65, 255, 256, 257, 700, 2048 };
    int bad = 0, n = 60;

    for (int i = 0; i < n; i++) {
        shape s = { 1 + rnd.below(4), ks[rnd.below(10)], 0, i % 3 != 0,
                    rnd.below(2) != 0, false };

        s.stride = s.k + rnd.below(9);
        bad += !rows_equal(s);
    }
    ok(bad == 0, "norms and quantises %d shapes of rows as the reference", n);
    ok(rows_equal({ 1, 8192, 8192, true, false, true }),
       "a thread's sum of squares passes 32 bits");
}

static void test_rope(void)
{
    int bad = 0;

    for (int i = 0; i < 10; i++) {
        uint32_t m = 1 + rnd.below(3), heads = 1 + rnd.below(4);
        uint32_t hd = 2 * (1 + rnd.below(80));
        std::vector<float> x(m * heads * hd), c(m * hd / 2), s(c.size());

        for (auto &v : x)
            v = rnd.real(3);
        for (size_t j = 0; j < c.size(); j++) {
            c[j] = rnd.real(0);
            s[j] = rnd.real(0);
        }
        array<float> dx(x), dc(c), ds(s);

        must(rope_launch(dx.p, dc.p, ds.p, m, heads, hd, nullptr));
        for (uint32_t r = 0; r < m; r++)
            ref.rope(&x[r * heads * hd], heads, hd, &c[r * hd / 2],
                     &s[r * hd / 2]);
        bad += !same(dx.get(), x);
    }
    ok(bad == 0, "rotates heads as the reference");
}

static void test_each(void)
{
    uint32_t n = 5000;
    std::vector<float> a(n), b(n), y(n);

    for (uint32_t i = 0; i < n; i++) {
        a[i] = rnd.real(7) < 0 ? rnd.real(-30) : rnd.real(6);
        b[i] = rnd.real(4);
    }
    array<float> da(a), db(b), dy(n);

    must(each_launch(dy.p, da.p, nullptr, n, EACH_EXP32, nullptr));
    ref.exp32(y.data(), a.data(), n);
    ok(same(dy.get(), y), "exp32 is the reference's");
    must(each_launch(dy.p, da.p, nullptr, n, EACH_SILU, nullptr));
    ref.silu(y.data(), a.data(), n);
    ok(same(dy.get(), y), "silu is the reference's");
    must(each_launch(da.p, da.p, db.p, n, EACH_GATE, nullptr));
    for (uint32_t i = 0; i < n; i++)
        a[i] = y[i] * b[i];
    ok(same(da.get(), a), "silu times up, in place");
    must(each_launch(dy.p, da.p, db.p, n, EACH_GELU, nullptr));
    y = a;
    x1_gelu(&ref, y.data(), b.data(), n);
    ok(same(dy.get(), y), "gelu times up is the reference's");
    must(each_launch(dy.p, da.p, db.p, n, EACH_ADD, nullptr));
    for (uint32_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
    ok(same(dy.get(), y), "a sum of rows");
}

/* Of x, and of the norm's result, into the least of a slot. */
static void test_sink(void)
{
    std::vector<float> x(64, 1.0f), g(64, 1.0f);
    std::vector<uint32_t> slot = { 0 }, to = { 3 };
    std::vector<unsigned long long> least(1, (unsigned long long)-1);
    struct rows_args a = {};

    g[7] = 0x1p41f;
    array<float> dx(x), dg(g), ds(1);
    array<int8_t> dq(128);
    array<uint32_t> dslot(slot), dto(to);
    array<unsigned long long> dl(least);

    a.x = dx.p;
    a.g = dg.p;
    a.q = dq.p;
    a.scale = ds.p;
    a.fault = { dl.p, dslot.p, dto.p, 4 };
    a.op_x = 8;
    a.op_y = 9;
    a.k = a.ldk = a.stride = 64;
    must(rows_launch(&a, 1, nullptr));
    ok(dl.get()[0] == fault_key(2, 4, 9, 0, 7), "a norm's fault is noted");
    x[63] = 0x1p41f;
    array<float> bad(x);

    a.x = bad.p;
    must(rows_launch(&a, 1, nullptr));
    ok(dl.get()[0] == fault_key(2, 4, 8, 0, 63), ".. and that of its input");
}

/* Of a launch for five rows, three that a step has. */
static void test_live(void)
{
    const size_t m = 5, k = 70, n = 3, ldk = 128;
    std::vector<float> x = make_rows(m, k, k), g(k, 1.5f), y(m * k, 7.0f);
    std::vector<float> scale(m, 7.0f), all_y, all_scale;
    std::vector<int8_t> q(m * 2 * ldk, 7), all_q;
    std::vector<unsigned long long> least(m, ~0ull);
    std::vector<uint32_t> slot = { 0, 1, 2, 3, 4 }, to(m, 1), live = { n };
    struct rows_args a = {};
    bool good = true;

    x[4 * k] = 0x1p41f; /* a fault of nobody */
    array<float> dx(x), dg(g);
    array<uint32_t> dslot(slot), dto(to), dlive(live);

    a.x = dx.p;
    a.g = dg.p;
    a.k = a.stride = (uint32_t)k;
    a.ldk = (uint32_t)ldk;
    a.eps = 1e-5f;
    for (int i = 0; i < 2; i++) {
        array<float> dy(y), ds(scale);
        array<int8_t> dq(q);
        array<unsigned long long> dl(least);

        a.y = dy.p;
        a.q = dq.p;
        a.scale = ds.p;
        a.fault = { dl.p, dslot.p, dto.p, 0 };
        a.live = i ? dlive.p : nullptr;
        must(rows_launch(&a, (uint32_t)m, nullptr));
        if (i)
            good = first_alone(dy.get(), all_y, n * k, 7.0f) &&
                   first_alone(ds.get(), all_scale, n, 7.0f) &&
                   first_alone(dq.get(), all_q, n * 2 * ldk, (int8_t)7) &&
                   dl.get()[4] == ~0ull;
        all_y = dy.get();
        all_scale = ds.get();
        all_q = dq.get();
    }
    ok(good, "rows behind those of the step stay as they are");
}

/* Columns [first, first + k) of the rows x, as a row of its own each, and back:
 * the others of y are zeros, or stay. */
static bool columns_right(const std::vector<float> &x, size_t m, size_t width,
                          size_t first, size_t k)
{
    std::vector<float> cut(m * k), back(m * width, 0.0f);
    array<float> dx(x), dc(m * k + 1), db(m * width);
    struct columns_args a = { dc.p, dx.p, (uint32_t)k, 0, (uint32_t)width,
                              (uint32_t)first, (uint32_t)k, false };

    for (size_t i = 0; i < m * k; i++)
        cut[i] = back[i / k * width + first + i % k] =
            x[i / k * width + first + i % k];
    must(columns_launch(&a, (uint32_t)m, nullptr));
    a = { db.p, dc.p, (uint32_t)width, (uint32_t)first, (uint32_t)k, 0,
          (uint32_t)k, true };
    must(columns_launch(&a, (uint32_t)m, nullptr));
    if (!same(db.get(), back))
        return false;
    a.y = dx.p;
    a.clear = false;
    must(columns_launch(&a, (uint32_t)m, nullptr));
    cut.push_back(dc.get()[m * k]);
    return same(dc.get(), cut) && same(dx.get(), x);
}

/* One part of rows whose greatest sizes are known: slices and scales are those
 * of the whole rows, and a fault has its place in these. */
static bool part_right(const std::vector<float> &x, size_t m, size_t k,
                       size_t first, size_t part, bool a8,
                       const std::vector<uint32_t> &amax)
{
    uint32_t S = a8 ? 1 : 2, ldk = slice_bytes(part), whole = slice_bytes(k);
    std::vector<uint32_t> slot, to(m, 1);
    std::vector<unsigned long long> least(m, ~0ull), want(m, ~0ull);
    std::vector<float> cut(m * part + 1);
    std::vector<int8_t> all, got;
    bool good = true;

    for (size_t i = 0; i < m; i++) {
        slot.push_back((uint32_t)i);
        for (size_t j = part; j-- > 0;) {
            cut[i * part + j] = x[i * k + first + j];
            if ((x1_bits(cut[i * part + j]) & 0x7fffffffu) >= ROW_LIMIT)
                want[i] = fault_key(0, 4, 9, 0, (uint32_t)(first + j));
        }
    }
    array<float> dx(x), dc(cut), ds(m), dw(m);
    array<int8_t> dq(m * S * whole), dp(m * S * ldk + 1);
    array<uint32_t> da(amax), dslot(slot), dto(to);
    array<unsigned long long> dl(least);
    struct rows_args a = {};

    a.x = dx.p;
    a.q = dq.p;
    a.scale = dw.p;
    a.k = a.stride = (uint32_t)k;
    a.ldk = whole;
    a.a8 = a8;
    must(rows_launch(&a, (uint32_t)m, nullptr));
    a.x = dc.p;
    a.q = dp.p;
    a.scale = ds.p;
    a.k = a.stride = (uint32_t)part;
    a.ldk = ldk;
    a.amax = da.p;
    a.first = (uint32_t)first;
    a.fault = { dl.p, dslot.p, dto.p, 4 };
    a.op_y = 9;
    must(rows_launch(&a, (uint32_t)m, nullptr));
    all = dq.get();
    got = dp.get();
    for (size_t i = 0; i < m * S; i++)
        good = good && std::equal(&got[i * ldk], &got[i * ldk] + part,
                                  &all[i * whole + first]);
    return good && same(ds.get(), dw.get()) && same(dl.get(), want);
}

/* Rows in two parts, one of which may be empty. */
static void test_parts(void)
{
    int bad = 0, n = 24;

    for (int i = 0; i < n; i++) {
        size_t m = 1 + rnd.below(4), k = 1 + rnd.below(400);
        size_t first = i % 4 ? rnd.below((uint32_t)k) : 0;
        std::vector<float> x = make_rows(m, k, k);
        std::vector<uint32_t> most(m, 0);
        array<float> dx(x);
        array<uint32_t> amax(m);

        for (size_t j = 0; j < m * k; j++) {
            uint32_t b = x1_bits(x[j]) & 0x7fffffffu;

            most[j / k] = b > most[j / k] ? b : most[j / k];
        }
        must(amax_launch(amax.p, dx.p, (uint32_t)k, (uint32_t)k, (uint32_t)m,
                         nullptr));
        bad += !same(amax.get(), most) ||
               !columns_right(x, m, k, first, k - first) ||
               !part_right(x, m, k, 0, first, i % 3 == 0, most) ||
               !part_right(x, m, k, first, k - first, i % 3 == 0, most);
    }
    ok(bad == 0, "%d times rows in two parts are the whole ones", n);
}

static void test_table(void)
{
    std::vector<int32_t> table(12, -1), want(12, -1);
    std::vector<uint32_t> entry = { 2, 3, 7, 0, 1, 5 };

    array<int32_t> dt(table);
    array<uint32_t> de(entry);

    must(table_launch(dt.p, de.p, 2, 4, nullptr));
    want[11] = 7;
    want[1] = 5;
    ok(same(dt.get(), want), "enters blocks into the table");
}

static void test_embed(void)
{
    uint32_t rows = 9, k = 70, ldk = slice_bytes(k);
    std::vector<int8_t> w(rows * k), padded(rows * ldk, 0);
    std::vector<uint32_t> id = { 8, 0, 3 };
    std::vector<float> scale(rows), x(id.size() * k);
    struct x1_matrix m = { rows, k, scale.data(), w.data() };
    struct x1_weights packed;

    for (uint32_t r = 0; r < rows; r++) {
        scale[r] = rnd.real(0);
        for (uint32_t i = 0; i < k; i++)
            padded[r * ldk + i] = w[r * k + i] =
                (int8_t)((int)rnd.below(255) - 127);
    }
    array<int8_t> dw(padded);
    array<float> ds(scale), dx(x.size());
    /* one of them is what its slot has drawn */
    std::vector<uint32_t> given(id), slot(id.size(), 2);
    std::vector<uint32_t> last = { 0, 0, id[1] };

    given[1] = EMBED_DRAWN;
    array<uint32_t> di(given), dt(slot), dd(last);
    struct embed_args a = { dx.p, dw.p, ds.p, di.p, dt.p, dd.p, nullptr,
                            k,    ldk };

    must(embed_launch(&a, (uint32_t)id.size(), nullptr));
    x1_pack(&ref, &packed, &m, nullptr);
    for (size_t i = 0; i < id.size(); i++)
        ref.embed(&x[i * k], &packed, id[i]);
    ok(same(dx.get(), x), "embeds as the reference");
    array<uint32_t> two(std::vector<uint32_t>(1, 2));
    array<float> other(std::vector<float>(x.size(), 7.0f));

    a.x = other.p;
    a.live = two.p;
    must(embed_launch(&a, (uint32_t)id.size(), nullptr));
    ok(first_alone(other.get(), x, 2 * k, 7.0f), "two rows that a step has");
}

int main(void)
{
    ref = reference_kernels();
    test_rows();
    test_rope();
    test_each();
    test_sink();
    test_live();
    test_parts();
    test_table();
    test_embed();
    return done();
}
