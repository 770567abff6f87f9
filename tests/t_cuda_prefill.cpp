/*
 * kernels/cuda/prefill.cu on the emulated device: rows in tiles attend as they
 * do one by one (attention.cu, which is compared with the reference), bit for
 * bit: groups, windows, pages in any order, rows in any order.
 */
#include <string.h>
#include <algorithm>

#include "kernels/cuda/attention.cu"
#include "kernels/cuda/prefill.cu"
#include "tests/cusim/array.h"

extern "C" {
#include "tests/tap.h"
}

static struct random_numbers rnd(5);

struct shape {
    uint32_t slots, m, heads, kv_heads, hd, context, window;
    bool extreme;
};

/* Keys of all slots and the rows of a step. */
struct step {
    uint32_t hdp, page, stride;
    std::vector<int8_t> k, v, q;
    std::vector<float> s_k, s_v, scale;
    std::vector<int32_t> table;
    std::vector<uint32_t> slot, from, to, list;
    std::vector<prefill_tile> tile;
};

static int8_t byte(bool extreme)
{
    return (int8_t)(extreme ? 127 : (int)rnd.below(255) - 127);
}

static void make_pool(step *p, const shape &s)
{
    size_t keys;

    p->hdp = (s.hd + 31) / 32 * 32;
    p->page = s.hd > 256 ? 16 : 32;
    p->stride = (s.context + p->page - 1) / p->page;
    for (uint32_t i = 0; i < s.slots * p->stride; i++)
        p->table.push_back((int32_t)i);
    for (size_t i = p->table.size(); i > 1; i--)
        std::swap(p->table[i - 1], p->table[rnd.below((uint32_t)i)]);
    keys = p->table.size() * s.kv_heads * p->page;
    for (size_t i = 0; i < keys; i++) {
        p->s_k.push_back(rnd.real(-3));
        p->s_v.push_back(rnd.below(9) ? rnd.real(2) : 0);
        p->s_v.back() = p->s_v.back() < 0 ? -p->s_v.back() : p->s_v.back();
        for (uint32_t d = 0; d < p->hdp; d++) {
            p->k.push_back(d < s.hd ? byte(s.extreme) : 0);
            p->v.push_back(d < s.hd ? byte(s.extreme) : 0);
        }
    }
}

/* The last rows of each slot in a random order, and their tiles. */
static void make_rows(step *p, const shape &s)
{
    uint32_t most = TILE_QUERIES / (s.heads / s.kv_heads);

    for (uint32_t i = 0; i < s.m; i++) {
        p->slot.push_back(rnd.below(s.slots));
        p->to.push_back(1 + rnd.below(s.context));
        p->from.push_back(s.window && p->to[i] > s.window
                              ? p->to[i] - s.window : 0);
        for (uint32_t h = 0; h < s.heads; h++) {
            p->scale.push_back(x1_pow2(-8 - (int)rnd.below(6)));
            for (uint32_t d = 0; d < 2 * p->hdp; d++)
                p->q.push_back((int8_t)(d % p->hdp >= s.hd ? 0
                                        : d < p->hdp ? (int)rnd.below(128) - 64
                                                     : (int)rnd.below(256)));
        }
    }
    for (uint32_t slot = 0; slot < s.slots; slot++)
        for (uint32_t i = s.m; i-- > 0;) {
            prefill_tile *t = p->tile.empty() ? nullptr : &p->tile.back();

            if (p->slot[i] != slot)
                continue;
            if (!t || t->slot != slot || t->count == most) {
                p->tile.push_back({ slot, (uint32_t)p->list.size(), 0,
                                    0xffffffffu, 0 });
                t = &p->tile.back();
            }
            p->list.push_back(i);
            t->count++;
            t->from = std::min(t->from, p->from[i]);
            t->to = std::max(t->to, p->to[i]);
        }
}

static bool equal(const shape &s)
{
    struct attention_args a = {};
    struct prefill_args t = {};
    step p;

    make_pool(&p, s);
    make_rows(&p, s);
    size_t rows = (size_t)s.m * s.heads;
    array<int8_t> k(p.k), v(p.v), q(p.q);
    array<float> s_k(p.s_k), s_v(p.s_v), step(p.scale), one(rows * s.hd);
    array<float> all(rows * s.hd), score(rows * s.context);
    array<int32_t> table(p.table);
    array<uint32_t> slot(p.slot), from(p.from), to(p.to), list(p.list);
    array<uint32_t> top(rows), vm(rows), tops(rows), vms(rows);
    array<unsigned long long> num(rows * p.hdp), z(rows);
    array<prefill_tile> tile(p.tile);

    top.zero();
    vm.zero();
    num.zero();
    z.zero();
    a.k = t.k = k.p;
    a.v = t.v = v.p;
    a.s_k = t.s_k = s_k.p;
    a.s_v = t.s_v = s_v.p;
    a.table = t.table = table.p;
    a.from = t.from = from.p;
    a.to = t.to = to.p;
    a.slot = slot.p;
    a.q = t.q = q.p;
    a.step = t.step = step.p;
    a.c = t.c = 0.37f;
    a.score = score.p;
    a.top = top.p;
    a.vm = vm.p;
    a.num = num.p;
    a.z = z.p;
    a.o = one.p;
    a.heads = t.heads = s.heads;
    a.kv_heads = t.kv_heads = s.kv_heads;
    a.hd = t.hd = s.hd;
    a.hdp = t.hdp = p.hdp;
    a.page = t.page = p.page;
    a.table_stride = t.table_stride = p.stride;
    a.score_stride = s.context;
    t.whole = s.window == 0;
    t.tile = tile.p;
    t.list = list.p;
    t.top = tops.p;
    t.vm = vms.p;
    t.o = all.p;
    must(attention_launch(&a, s.m, 1, nullptr));
    must(prefill_launch(&t, (uint32_t)p.tile.size(), nullptr));
    return memcmp(one.get().data(), all.get().data(),
                  rows * s.hd * sizeof(float)) == 0;
}

int main(void)
{
    static const uint32_t dims[] = { 8, 30, 64, 96, 128, 320 };
    static const uint32_t groups[] = { 1, 2, 3, 5, 8, 12, 64 };
    int bad = 0, n = 24;

    for (int i = 0; i < n; i++) {
        shape s = { 1 + rnd.below(3), 1 + rnd.below(30), 0, 1 + rnd.below(2),
                    dims[rnd.below(6)], 1 + rnd.below(150),
                    rnd.below(2) * (1 + rnd.below(40)), false };

        s.heads = s.kv_heads * groups[rnd.below(7)];
        if (s.heads > 16)
            s.m = 1 + s.m % 3;
        bad += !equal(s);
    }
    ok(bad == 0, "rows in tiles attend as one by one, %d shapes", n);
    ok(equal({ 1, 3, 4, 2, 64, 3000, 0, true }),
       "a long context, all keys alike and the largest");

    struct prefill_args a = {};

    a.heads = TILE_QUERIES + 1;
    a.kv_heads = 1;
    a.hdp = a.page = 32;
    ok(prefill_launch(&a, 1, nullptr) == cudaErrorInvalidValue,
       "a group larger than a tile is refused");
    return done();
}
