/*
 * kernels/cuda/attention.cu on the emulated device against the reference, bit
 * for bit: groups, windows, pages in any order, and the bounds of the sums.
 */
#include <math.h>
#include <algorithm>
#include <string.h>

#include "kernels/cuda/attention.cu"
#include "tests/cusim/array.h"

extern "C" {
#include "tests/tap.h"
}

static struct random_numbers rnd(3), done_rnd(4);
static struct x1_kernels ref;

struct shape {
    uint32_t seqs, heads, kv_heads, hd, page, context, splits;
    bool window, extreme;
};

/* The pool and the queries of a case, as the device has them. */
struct pool {
    uint32_t hdp, stride;
    std::vector<int8_t> k, v, q;
    std::vector<float> s_k, s_v, step;
    std::vector<int16_t> q16;
    std::vector<int32_t> table;
    std::vector<uint32_t> from, to;
};

static size_t key_of(const pool &p, const shape &s, uint32_t seq, uint32_t kv,
                     uint32_t t)
{
    size_t block = (size_t)p.table[seq * p.stride + t / s.page];

    return (block * s.kv_heads + kv) * s.page + t % s.page;
}

static void make_table(pool *p, const shape &s)
{
    uint32_t blocks = s.seqs * p->stride + 3;
    std::vector<int32_t> order(blocks);

    for (uint32_t i = 0; i < blocks; i++)
        order[i] = (int32_t)i;
    for (uint32_t i = blocks; i > 1; i--)
        std::swap(order[i - 1], order[rnd.below(i)]);
    p->table.assign(s.seqs * p->stride, -1);
    for (uint32_t i = 0; i < s.seqs; i++) {
        p->to[i] = s.extreme ? s.context : 1 + rnd.below(s.context);
        p->from[i] = s.window && rnd.below(2) ? rnd.below(p->to[i]) : 0;
        for (uint32_t j = p->from[i] / s.page; j <= (p->to[i] - 1) / s.page;
             j++)
            p->table[i * p->stride + j] = order[i * p->stride + j];
    }
}

static void make_key(pool *p, const shape &s, size_t at)
{
    for (uint32_t d = 0; d < p->hdp; d++) {
        int8_t x = (int8_t)((int)rnd.below(255) - 127);
        int8_t y = (int8_t)((int)rnd.below(255) - 127);

        p->k[at * p->hdp + d] = d >= s.hd ? 0 : s.extreme ? 127 : x;
        p->v[at * p->hdp + d] = d >= s.hd ? 0 : s.extreme ? 127 : y;
    }
    p->s_k[at] = s.extreme ? 0x1p-6f : (float)rnd.below(1000) * 0x1p-15f;
    p->s_v[at] = s.extreme ? 0x1p-6f * 1.999f
                           : (float)rnd.below(5000) * 0x1p-17f;
}

static void make(pool *p, const shape &s)
{
    size_t keys, rows = s.seqs * s.heads;

    p->hdp = (s.hd + 31) / 32 * 32;
    p->stride = s.context / s.page + 2;
    p->from.resize(s.seqs);
    p->to.resize(s.seqs);
    make_table(p, s);
    keys = (size_t)(s.seqs * p->stride + 3) * s.kv_heads * s.page;
    p->k.assign(keys * p->hdp, 99); /* what no sequence has is never read */
    p->v.assign(keys * p->hdp, 99);
    p->s_k.assign(keys, NAN);
    p->s_v.assign(keys, NAN);
    for (uint32_t i = 0; i < s.seqs; i++)
        for (uint32_t g = 0; g < s.kv_heads; g++)
            for (uint32_t t = p->from[i]; t < p->to[i]; t++)
                make_key(p, s, key_of(*p, s, i, g, t));
    p->q16.resize(rows * s.hd);
    for (auto &x : p->q16)
        x = (int16_t)(s.extreme ? 16384 : (int)rnd.below(32767) - 16383);
    /* the reference quantises: these make it choose the step */
    for (size_t row = 0; row < rows && !s.extreme; row++)
        p->q16[row * s.hd + rnd.below(s.hd)] = 16383;
    p->q = slices_of(p->q16.data(), rows, s.hd, p->hdp, false);
    p->step.resize(rows);
    for (auto &x : p->step)
        x = x1_pow2(-12 - (int)rnd.below(6));
}

/* The reference's blocks of one sequence and kv head. */
struct blocks {
    std::vector<std::vector<unsigned char>> data;
    std::vector<unsigned char *> at;
    struct x1_blocks kv;
};

static void fill(blocks *b, const pool &p, const shape &s, uint32_t seq,
                 uint32_t kv)
{
    size_t n = (p.to[seq] + X1_BLOCK - 1) / X1_BLOCK;

    for (size_t i = 0; i < n; i++)
        b->data.emplace_back(ref.block_bytes(s.hd));
    for (auto &d : b->data)
        b->at.push_back(d.data());
    b->kv.block = b->at.data();
    b->kv.offset = 0;
    for (uint32_t t = p.from[seq]; t < p.to[seq]; t++) {
        size_t at = key_of(p, s, seq, kv, t);

        ref.put(b->at[t / X1_BLOCK], t % X1_BLOCK, &p.k[at * p.hdp],
                &p.v[at * p.hdp], p.s_k[at], p.s_v[at], s.hd);
    }
}

/* The query that A14 makes these integers and this step of.  (16384 times a
 * step is a power of two, which it makes 8192 of twice the step of: the same
 * scores.) */
static std::vector<float> query(const pool *p, const shape &s, size_t row)
{
    std::vector<float> q(s.hd);

    for (uint32_t d = 0; d < s.hd; d++)
        q[d] = (float)p->q16[row * s.hd + d] * p->step[row];
    return q;
}

static std::vector<float> want(const pool *p, const shape &s, float c)
{
    uint32_t group = s.heads / s.kv_heads;
    std::vector<float> o((size_t)s.seqs * s.heads * s.hd);

    for (uint32_t row = 0; row < s.seqs * s.heads; row++) {
        uint32_t seq = row / s.heads, kv = row % s.heads / group;
        std::vector<unsigned char> scratch(
            ref.attention_bytes(p->to[seq], s.hd) + 64);
        std::vector<float> q = query(p, s, row);
        struct x1_query x = { q.data(), &o[row * s.hd], p->from[seq],
                              p->to[seq], 0 };
        uintptr_t at = ((uintptr_t)scratch.data() + 63) / 64 * 64;
        blocks b;

        fill(&b, *p, s, seq, kv);
        ref.attention(&x, 1, { c, 0 }, &b.kv, s.hd, (void *)at);
    }
    return o;
}

/* The table's rows in reverse order, and where that of a sequence is. */
static std::vector<uint32_t> reverse(pool *p, const shape &s)
{
    std::vector<int32_t> table = p->table;
    std::vector<uint32_t> slot;

    for (uint32_t i = 0; i < s.seqs; i++) {
        slot.push_back(s.seqs - 1 - i);
        std::copy(&table[i * p->stride], &table[i * p->stride] + p->stride,
                  &p->table[slot[i] * p->stride]);
    }
    return slot;
}

static struct attention_args sizes_of(const pool &p, const shape &s)
{
    struct attention_args a = {};

    a.row = 3;
    a.heads = s.heads;
    a.kv_heads = s.kv_heads;
    a.hd = s.hd;
    a.hdp = p.hdp;
    a.page = s.page;
    a.table_stride = p.stride;
    a.score_stride = s.context;
    return a;
}

static bool equal(const shape &s)
{
    float c = s.extreme ? 1.0f : 1.0f / 11;
    bool good = true;
    pool p;

    make(&p, s);

    struct attention_args a = sizes_of(p, s);
    std::vector<float> expected = want(&p, s, c);
    bool by_slot = rnd.below(2) != 0;
    std::vector<uint32_t> slots =
        by_slot ? reverse(&p, s) : std::vector<uint32_t>(s.seqs);
    size_t rows = s.seqs * s.heads;
    /* the first are rows 3, .. of a step, which may have no more */
    uint32_t some = rnd.below(3) ? s.seqs : 1 + rnd.below(s.seqs);
    uint32_t there = 3 + some;
    array<int8_t> k(p.k), v(p.v), q(p.q);
    array<float> s_k(p.s_k), s_v(p.s_v), step(p.step);
    array<float> o(std::vector<float>(rows * s.hd, 7.0f));
    array<float> score(rows * s.context);
    array<int32_t> table(p.table);
    array<uint32_t> slot(slots), live(&there, 1);
    array<uint32_t> from(p.from), to(p.to), top(rows), vm(rows);
    array<unsigned long long> num(rows * p.hdp), z(rows);
    array<uint32_t> ended(s.seqs);

    ended.zero();
    top.zero();
    vm.zero();
    num.zero();
    z.zero();
    a.k = k.p;
    a.v = v.p;
    a.s_k = s_k.p;
    a.s_v = s_v.p;
    a.table = table.p;
    a.slot = by_slot ? slot.p : nullptr;
    a.from = from.p;
    a.to = to.p;
    a.q = q.p;
    a.step = step.p;
    a.c = c;
    a.score = score.p;
    a.top = top.p;
    a.vm = vm.p;
    a.num = num.p;
    a.z = z.p;
    a.o = o.p;
    a.done = done_rnd.below(2) ? ended.p : nullptr;
    a.live = some < s.seqs ? live.p : nullptr;
    for (int twice = 0; twice < 2; twice++) {
        must(attention_launch(&a, s.seqs, s.splits, nullptr));
        good = good && first_alone(o.get(), expected,
                                   (size_t)some * s.heads * s.hd, 7.0f);
    }
    /* for the next step */
    good = good && top.get() == std::vector<uint32_t>(rows) &&
           vm.get() == std::vector<uint32_t>(rows) &&
           ended.get() == std::vector<uint32_t>(s.seqs);
    if (!good)
        printf("# seqs %u heads %u/%u hd %u page %u context %u splits %u"
               " last %d\n", s.seqs, s.heads, s.kv_heads, s.hd, s.page,
               s.context, s.splits, a.done != nullptr);
    return good;
}

int main(void)
{
    static const uint32_t hds[] = { 8, 18, 32, 64, 80, 96, 128, 160 };
    int bad = 0, n = 40;

    ref = reference_kernels();
    for (int i = 0; i < n; i++) {
        shape s = {};

        s.seqs = 1 + rnd.below(3);
        s.kv_heads = 1 + rnd.below(2);
        s.heads = s.kv_heads * (1 + rnd.below(i % 8 ? 8 : 20));
        s.hd = hds[rnd.below(8)];
        s.page = rnd.below(2) ? 16 : 32;
        s.context = 1 + rnd.below(i % 4 ? 100 : 500);
        s.splits = 1 + rnd.below(4);
        s.window = rnd.below(2) != 0;
        bad += !equal(s);
    }
    ok(bad == 0, "%d cases equal the reference", n);
    ok(equal({ 1, 1, 1, 32, 32, 131072, 4, false, true }),
       "the longest context, all keys alike and the largest");
    ok(equal({ 1, 1, 1, 1024, 16, 64, 1, false, true }),
       "the longest head, all keys alike and the largest");
    return done();
}
