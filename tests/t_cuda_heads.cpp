/*
 * kernels/cuda/heads.cu on the emulated device against the reference, bit for
 * bit: queries, keys and values of heads, where they go, and faults.
 */
#include <string.h>

#include "kernels/cuda/heads.cu"
#include "tests/cusim/array.h"

extern "C" {
#include "tests/tap.h"
}

#define NONE ((unsigned long long)-1)
#define BEFORE 0x55 /* what memory has, padding too, until it is written */

static struct random_numbers rnd(11);
static struct x1_kernels ref;

struct shape {
    uint32_t m, m_q, heads, kv_heads, hd;
    bool norm;
};

/* What the reference makes of a vector: its integers and scale. */
struct made {
    std::vector<int16_t> q;
    float scale;
    int32_t norm_fault, fault;
};

static made make(const float *x, const float *g, const float *cos,
                 const float *sin, uint32_t hd, bool a8)
{
    std::vector<float> v(x, x + hd);
    made out = { std::vector<int16_t>(hd), 0, -1, -1 };
    struct x1_rows rows = { 1, hd, a8, nullptr, &out.scale };
    std::vector<unsigned char> form(ref.rows_bytes(1, hd));

    if (g)
        ref.rmsnorm(v.data(), v.data(), hd, g, 1e-6f, 1, hd, &out.norm_fault);
    if (cos)
        ref.rope(v.data(), 1, hd, cos, sin);
    rows.q = form.data();
    ref.quantise(&rows, v.data(), hd, &out.fault, 0, 1);
    ref.integers(out.q.data(), &rows, 0);
    return out;
}

/* All that the kernel reads and writes. */
struct heads_case {
    shape s;
    uint32_t hdp, page, stride;
    uint32_t live, frame; /* rows that the step has; of the ring's two */
    std::vector<float> x, gq, gk, cos, sin;
    std::vector<int32_t> table;
    std::vector<uint32_t> slot, to;
    std::vector<int8_t> q, k, v;
    std::vector<float> step, s_k, s_v;
    std::vector<uint8_t> ring;
    std::vector<unsigned long long> least;

    explicit heads_case(const shape &s);
    size_t ring_row() const
    {
        return (size_t)s.kv_heads * (8 + 2 * s.hd);
    }
    void expect();
    void key(uint32_t row, uint32_t g, bool value, const made &m);
    void fault(uint32_t row, uint32_t op, uint32_t head, int32_t index);
    bool equal();
};

static std::vector<float> reals(size_t n, int e)
{
    std::vector<float> v(n);

    for (auto &f : v)
        f = rnd.real(e);
    return v;
}

/* Row i is at position 3 i of slot 0, or of slot 1. */
heads_case::heads_case(const shape &s) : s(s)
{
    uint32_t vectors = s.heads + 2 * s.kv_heads, blocks;

    live = rnd.below(2) ? s.m : 1 + rnd.below(s.m);
    frame = rnd.below(2);
    hdp = (s.hd + 31) / 32 * 32;
    page = s.hd > 256 ? 16 : 32;
    stride = 3 * s.m / page + 1;
    blocks = 2 * stride;
    x = reals((size_t)s.m * vectors * s.hd, (int)rnd.below(20) - 10);
    if (rnd.below(3) == 0)
        for (int i = 0; i < 3; i++)
            x[rnd.below((uint32_t)x.size())] = 0x1p41f;
    gq = reals(s.hd, 1);
    gk = reals(s.hd, 1);
    cos = reals((size_t)s.m * s.hd / 2, 0);
    sin = reals(cos.size(), 0);
    for (uint32_t i = 0; i < blocks; i++)
        table.push_back((int32_t)(blocks - 1 - i));
    for (uint32_t i = 0; i < s.m; i++) {
        slot.push_back(rnd.below(2));
        to.push_back(3 * i + 1);
    }
    q.assign((size_t)s.m_q * s.heads * 2 * hdp, BEFORE);
    step.assign((size_t)s.m_q * s.heads, 0);
    k.assign((size_t)blocks * s.kv_heads * page * hdp, BEFORE);
    v = k;
    s_k.assign((size_t)blocks * s.kv_heads * page, 0);
    s_v = s_k;
    ring.assign(2 * s.m * ring_row(), 0);
    least.assign(2, NONE);
}

void heads_case::fault(uint32_t row, uint32_t op, uint32_t head, int32_t index)
{
    unsigned long long f = fault_key(to[row] - 1, 5, op, head, index);

    if (index >= 0 && f < least[slot[row]])
        least[slot[row]] = f;
}

void heads_case::key(uint32_t row, uint32_t g, bool value, const made &m)
{
    uint32_t p = to[row] - 1;
    size_t block = table[slot[row] * stride + p / page];
    size_t at = (block * s.kv_heads + g) * page + p % page;
    uint8_t *r = &ring[(frame * s.m + row) * ring_row() +
                       g * (8 + 2 * s.hd)];

    (value ? s_v : s_k)[at] = m.scale;
    memcpy(r + (value ? 4 : 0), &m.scale, 4);
    memset(&(value ? v : k)[at * hdp], 0, hdp);
    for (uint32_t i = 0; i < s.hd; i++) {
        (value ? v : k)[at * hdp + i] = (int8_t)m.q[i];
        r[8 + (value ? s.hd : 0) + i] = (uint8_t)m.q[i];
    }
    fault(row, value ? 6 : 5, g, m.fault);
}

void heads_case::expect()
{
    for (uint32_t i = 0; i < live; i++) {
        const float *at = &x[(size_t)i * (s.heads + 2 * s.kv_heads) * s.hd];
        const float *c = &cos[i * s.hd / 2], *n = &sin[i * s.hd / 2];

        for (uint32_t h = 0; h < s.heads; h++, at += s.hd) {
            made m = make(at, s.norm ? gq.data() : nullptr, c, n, s.hd, false);

            if (i >= s.m_q)
                continue;
            std::vector<int8_t> two =
                slices_of(m.q.data(), 1, s.hd, hdp, false);
            memcpy(&q[((size_t)i * s.heads + h) * 2 * hdp], two.data(),
                   2 * hdp);
            step[i * s.heads + h] = m.scale;
            fault(i, 2, h, m.norm_fault);
            fault(i, 4, h, m.fault);
        }
        for (uint32_t g = 0; g < s.kv_heads; g++, at += s.hd) {
            made m = make(at, s.norm ? gk.data() : nullptr, c, n, s.hd, true);

            fault(i, 3, g, m.norm_fault);
            key(i, g, false, m);
        }
        for (uint32_t g = 0; g < s.kv_heads; g++, at += s.hd)
            key(i, g, true, make(at, nullptr, nullptr, nullptr, s.hd, true));
    }
}

template <typename T>
static bool same(const array<T> &a, const std::vector<T> &b)
{
    return memcmp(a.get().data(), b.data(), b.size() * sizeof(T)) == 0;
}

bool heads_case::equal()
{
    array<float> dx(x), dgq(gq), dgk(gk), dc(cos), ds(sin), dstep(step);
    array<float> dsk(s_k), dsv(s_v);
    array<int8_t> dq(q), dk(k), dv(v);
    array<int32_t> dt(table);
    array<uint32_t> dslot(slot), dto(to), dlive(&live, 1), df(&frame, 1);
    array<uint8_t> dr(ring);
    array<unsigned long long> dl(least);
    struct heads_args a = {};

    a.x = dx.p;
    a.q_norm = s.norm ? dgq.p : nullptr;
    a.k_norm = s.norm ? dgk.p : nullptr;
    a.cos = dc.p;
    a.sin = ds.p;
    a.q = dq.p;
    a.step = dstep.p;
    a.k = dk.p;
    a.v = dv.p;
    a.s_k = dsk.p;
    a.s_v = dsv.p;
    a.table = dt.p;
    a.ring = dr.p;
    a.frame = frame ? df.p : nullptr;
    a.frame_bytes = s.m * ring_row();
    a.fault = { dl.p, dslot.p, dto.p, 5 };
    a.live = live < s.m ? dlive.p : nullptr;
    for (uint32_t i = 0; i < 5; i++)
        a.op[i] = 2 + i;
    a.heads = s.heads;
    a.kv_heads = s.kv_heads;
    a.hd = s.hd;
    a.hdp = hdp;
    a.page = page;
    a.table_stride = stride;
    a.m_q = s.m_q;
    a.ldx = (s.heads + 2 * s.kv_heads) * s.hd;
    a.angles = s.hd / 2;
    a.ring_row = ring_row();
    a.eps = 1e-6f;
    must(heads_launch(&a, s.m, nullptr));
    expect();
    return same(dq, q) && same(dstep, step) && same(dk, k) && same(dv, v) &&
           same(dsk, s_k) && same(dsv, s_v) && same(dr, ring) &&
           same(dl, least);
}

int main(void)
{
    static const uint32_t dims[] = { 2, 8, 30, 64, 80, 128, 258 };
    int bad = 0, n = 40;

    ref = reference_kernels();
    for (int i = 0; i < n; i++) {
        shape s = { 1 + rnd.below(5), 0, 0, 1 + rnd.below(4),
                    dims[rnd.below(7)], rnd.below(2) != 0 };

        s.m_q = rnd.below(s.m + 1);
        s.heads = s.kv_heads * (1 + rnd.below(4));
        bad += !heads_case(s).equal();
    }
    ok(bad == 0, "queries, keys, values and faults of %d shapes", n);
    return done();
}
