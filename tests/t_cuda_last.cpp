/*
 * What the last block of a kernel goes on with, on the emulated device: bit
 * for bit what launches of their own make, over what the kernel read, and
 * again where it is launched again.
 */
#include <algorithm>
#include <string.h>

#include "kernels/cuda/attention.cu"
#include "kernels/cuda/linear.cu"
#include "kernels/cuda/rowwise.cu"
#include "tests/cusim/array.h"

extern "C" {
#include "tests/tap.h"
}

static struct random_numbers rnd(21);

static std::vector<int8_t> bytes(size_t n)
{
    std::vector<int8_t> v(n);

    for (auto &x : v)
        x = (int8_t)((int)rnd.below(255) - 127);
    return v;
}

static std::vector<float> floats(size_t n, int e)
{
    std::vector<float> v(n);

    for (auto &x : v)
        x = rnd.real(e);
    return v;
}

static std::vector<uint32_t> counted(uint32_t n, uint32_t from)
{
    std::vector<uint32_t> v(n);

    for (uint32_t i = 0; i < n; i++)
        v[i] = from + i;
    return v;
}

/* Rows of a step, their slots and positions, of which it may have fewer; the
 * row that a linear, 4 or 5, or another one has tapped. */
struct step_rows {
    uint32_t m, live;
    struct linear_tap at;
    array<uint32_t> slot, to, there;
    array<struct linear_tap> tap;
    array<float> gains;

    step_rows(uint32_t m, uint32_t k)
        : m(m), live(1 + rnd.below(m)), at{ 4 + rnd.below(3), rnd.below(m) },
          slot(counted(m, 0)), to(counted(m, 9)), there(&live, 1),
          tap(&at, 1), gains(floats(k, 2))
    {
    }
    const uint32_t *few() const
    {
        return live < m ? there.p : nullptr;
    }
};

/* What is made of rows. */
struct made {
    array<int8_t> q, tapped;
    array<float> scale;
    array<unsigned long long> least;

    made(const std::vector<int8_t> &q, const std::vector<float> &scale)
        : q(q), tapped(std::vector<int8_t>(q.size(), 99)), scale(scale),
          least(std::vector<unsigned long long>(scale.size(), ~0ull))
    {
    }
    bool operator==(const made &o) const
    {
        return q.get() == o.q.get() && tapped.get() == o.tapped.get() &&
               scale.get() == o.scale.get() && least.get() == o.least.get();
    }
};

/* Rows of k floats at x into `out`. */
static struct rows_args rows_of(const step_rows &s, const float *x, uint32_t k,
                                bool norm, bool a8)
{
    struct rows_args r = {};

    r.x = x;
    r.g = norm ? s.gains.p : nullptr;
    r.fault = { nullptr, s.slot.p, s.to.p, 3 };
    r.tap = s.tap.p;
    r.reader[0] = 4;
    r.reader[1] = 5;
    r.live = s.few();
    r.op_x = 6;
    r.op_y = 7;
    r.k = r.stride = k;
    r.ldk = slice_bytes(k);
    r.eps = 1e-5f;
    r.a8 = a8;
    return r;
}

static void into(struct rows_args *r, const made &out)
{
    r->q = out.q.p;
    r->tapped_q = out.tapped.p;
    r->scale = out.scale.p;
    r->fault.least = out.least.p;
}

struct shape {
    uint32_t m, some, n, k, splits; /* the rows of some are made of m */
    bool a8, gate, add, norm, then_a8;
};

/* A product and the rows that it makes, in one launch and in two. */
static bool linear_equal(const shape &s)
{
    const uint32_t ldk = slice_bytes(s.k), ldn = slice_bytes(s.n);
    const size_t n_w = (size_t)s.n * ldk;
    std::vector<int8_t> q = bytes((size_t)s.m * 2 * std::max(ldk, ldn));
    std::vector<float> step = floats(s.m, -9), scale = floats(s.n, -9);
    step_rows rows(s.m, s.n);
    struct linear_args a = {};
    bool good = true;

    if (rnd.below(3) == 0) /* a fault */
        scale[rnd.below(s.n)] = 0x1p60f;
    array<int8_t> w(bytes(n_w)), w2(bytes(s.gate ? n_w : 1));
    array<float> s_w(scale), s_w2(floats(s.n, -3)), y(floats(s.m * s.n, 3));
    array<uint32_t> count(s.n), ended(1);
    array<int32_t> sum(linear_scratch(s.n, s.gate));

    count.zero();
    ended.zero();
    sum.zero();
    a.w = w.p;
    a.w2 = s.gate ? w2.p : nullptr;
    a.s_w = s_w.p;
    a.s_w2 = s_w2.p;
    a.y = y.p;
    a.sum = sum.p;
    a.count = count.p;
    a.add = s.add ? y.p : nullptr;
    a.live = rows.few();
    a.n = a.ldy = s.n;
    a.m = s.m;
    a.ldk = ldk;
    a.then = { rows_of(rows, y.p, s.n, s.norm, s.then_a8), s.some, ended.p };
    for (int i = 0; i < 2; i++) {
        made one(q, step), two(q, step);

        a.q = one.q.p;
        a.step = one.scale.p;
        into(&a.then.rows, one);
        must(linear_launch(&a, s.a8, s.splits, nullptr));
        /* y stays as it is: it may have been added to */
        into(&a.then.rows, two);
        must(rows_launch(&a.then.rows, s.some, nullptr));
        good = good && one == two;
    }
    return good && ended.get()[0] == 0;
}

static void test_linear(void)
{
    int bad = 0, n = 32;

    for (int i = 0; i < n; i++) {
        shape s = {};

        s.m = 1 + (uint32_t)i % LAST_ROWS;
        s.some = 1 + rnd.below(s.m);
        s.n = 1 + rnd.below(i % 5 ? 200 : 700);
        s.k = 1 + rnd.below(600);
        s.splits = 1 + rnd.below(3);
        s.a8 = rnd.below(3) == 0;
        s.gate = i / 4 % 3 == 0;
        s.norm = !s.gate;
        s.add = s.norm && rnd.below(3);
        s.then_a8 = rnd.below(2) != 0;
        if (linear_equal(s))
            continue;
        printf("# m %u (%u) n %u k %u splits %u a8 %d %d gate %d add %d\n",
               s.m, s.some, s.n, s.k, s.splits, s.a8, s.then_a8, s.gate,
               s.add);
        bad++;
    }
    ok(bad == 0, "%d products: the next linear's rows, by the last block", n);
}

/* Sequences of `keys` keys each, in blocks of PAGE. */
struct attended {
    uint32_t seqs, heads, kv_heads, hd, keys, splits;
    bool a8;
};
#define PAGE 16u

/* Attention and the rows from the first of a step on, in two launches and in
 * four; rows before a.row do not attend. */
static bool rows_equal(struct attention_args a, const attended &s,
                       const step_rows &rows, uint32_t *ended)
{
    const uint32_t k = s.heads * s.hd;
    std::vector<int8_t> q(rows.m * 2 * slice_bytes(k), 99);
    std::vector<float> was(rows.m, 7.0f), o((size_t)rows.m * k, 5.0f);
    made one(q, was), two(q, was);
    array<float> x(o), y(o);
    struct rows_args r = rows_of(rows, y.p, k, false, s.a8);

    a.o = y.p + a.row * k;
    must(attention_launch(&a, s.seqs, s.splits, nullptr));
    into(&r, two);
    must(rows_launch(&r, rows.m, nullptr));
    a.done = ended;
    a.then = rows_of(rows, x.p, k, false, s.a8);
    into(&a.then, one);
    a.o = x.p + a.row * k;
    must(attention_launch(&a, s.seqs, s.splits, nullptr));
    into(&r, one);
    if (a.row)
        must(rows_launch(&r, a.row, nullptr));
    return one == two && x.get() == y.get();
}

static bool attention_equal(const attended &s)
{
    const uint32_t hdp = (s.hd + 31) / 32 * 32;
    const uint32_t stride = (s.keys + PAGE - 1) / PAGE, first = rnd.below(3);
    const size_t pool = (size_t)s.seqs * stride * s.kv_heads * PAGE;
    const size_t n = s.seqs * s.heads;
    std::vector<float> scale = floats(pool, -9);
    step_rows rows(first + s.seqs, 1);
    struct attention_args a = {};
    bool good = true;

    for (auto &x : scale)
        x = __builtin_fabsf(x);
    array<int8_t> keys(bytes(pool * hdp)), values(bytes(pool * hdp));
    array<int8_t> queries(bytes(n * 2 * hdp));
    array<float> s_kv(scale), step(floats(n, -9)), score(n * s.keys);
    array<uint32_t> table(counted(s.seqs * stride, 0)), ended(s.seqs);
    array<uint32_t> from(std::vector<uint32_t>(s.seqs, 0)), top(n), vm(n);
    array<uint32_t> to(std::vector<uint32_t>(s.seqs, s.keys));
    array<unsigned long long> num(n * hdp), z(n);

    ended.zero();
    top.zero();
    vm.zero();
    num.zero();
    z.zero();
    a.k = keys.p;
    a.v = values.p;
    a.s_k = a.s_v = s_kv.p;
    a.table = (const int32_t *)table.p;
    a.from = from.p;
    a.to = to.p;
    a.q = queries.p;
    a.step = step.p;
    a.c = 0.1f;
    a.score = score.p;
    a.top = top.p;
    a.vm = vm.p;
    a.num = num.p;
    a.z = z.p;
    a.live = rows.few();
    a.row = first;
    a.heads = s.heads;
    a.kv_heads = s.kv_heads;
    a.hd = s.hd;
    a.hdp = hdp;
    a.page = PAGE;
    a.table_stride = stride;
    a.score_stride = s.keys;
    for (int i = 0; i < 2; i++)
        good = good && rows_equal(a, s, rows, ended.p);
    return good && ended.get() == std::vector<uint32_t>(s.seqs);
}

static void test_attention(void)
{
    static const uint32_t dims[] = { 18, 64, 96 };
    int bad = 0, n = 24;

    for (int i = 0; i < n; i++) {
        attended s = {};

        s.seqs = 1 + (uint32_t)i % LAST_ROWS;
        s.kv_heads = 1 + rnd.below(3);
        s.heads = s.kv_heads * (1 + rnd.below(i % 6 ? 4 : 9));
        s.hd = dims[rnd.below(3)];
        s.keys = 1 + rnd.below(200);
        s.splits = 1 + rnd.below(4);
        s.a8 = rnd.below(2) != 0;
        if (attention_equal(s))
            continue;
        printf("# seqs %u heads %u/%u hd %u keys %u splits %u a8 %d\n",
               s.seqs, s.heads, s.kv_heads, s.hd, s.keys, s.splits, s.a8);
        bad++;
    }
    ok(bad == 0, "%d rows attend: slices for o, by the last block", n);
}

static void test_refused(void)
{
    struct linear_args a = {};

    a.n = 1;
    a.m = LAST_ROWS + 1;
    a.then.m = 1;
    ok(linear_launch(&a, false, 1, nullptr) == cudaErrorInvalidValue,
       "refuses rows of a launch of many");
    a.m = 1;
    a.then.m = 2;
    ok(linear_launch(&a, false, 1, nullptr) == cudaErrorInvalidValue,
       "refuses more rows than are made");
}

int main(void)
{
    test_linear();
    test_attention();
    test_refused();
    return done();
}
