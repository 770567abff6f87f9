/*
 * The table of operations (kernels/kernels.h) whose every operation goes to
 * the emulated device and back, for the vectors of X1.  Its name is "sim"; it
 * takes the place of kernels/levels.c in a program that links it, so that such
 * a program knows no other level; tokens are drawn there, too.  Forms are the
 * reference's: weights where they lie, rows of int16, blocks that put and fetch
 * fill and read.
 *
 * APUS_LARGE=1: linears are those of kernels/cuda/large.cu, whatever the rows.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/attention.cu"
#include "kernels/cuda/large.cu"
#include "kernels/cuda/linear.cu"
#include "kernels/cuda/rowwise.cu"
#include "kernels/cuda/sample.cu"
#include "tests/cusim/array.h"
#include "tests/cusim/draws.h"

extern "C" {
#include "kernels/levels.h"
}

static struct x1_kernels ref;

/* The integers of slices: 256 hi + lo, or one slice. */
static void join(int16_t *q, const std::vector<int8_t> &slice, size_t m,
                 size_t k, size_t ldk, bool a8)
{
    size_t S = a8 ? 1 : 2;

    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++) {
            const int8_t *r = &slice[i * S * ldk + j];

            q[i * k + j] = (int16_t)(a8 ? r[0] : 256 * r[0] + r[ldk]);
        }
}

static void sim_quantise(struct x1_rows *out, const float *x, size_t stride,
                         int32_t *fault, size_t from, size_t to)
{
    size_t m = to - from, n = m ? (m - 1) * stride + out->k : 0;
    uint32_t ldk = slice_bytes(out->k), S = out->a8 ? 1 : 2;
    struct rows_args a = {};

    if (m == 0)
        return;
    array<float> dx(x + from * stride, n), ds(m);
    array<int8_t> dq(m * S * ldk);
    array<int32_t> df(m);

    a.x = dx.p;
    a.q = dq.p;
    a.scale = ds.p;
    a.fault_y = df.p;
    a.k = (uint32_t)out->k;
    a.ldk = ldk;
    a.stride = (uint32_t)stride;
    a.a8 = out->a8;
    must(rows_launch(&a, (uint32_t)m, nullptr));
    ds.get(out->scale + from);
    df.get(fault + from);
    join((int16_t *)out->q + from * out->k, dq.get(), m, out->k, ldk, out->a8);
}

/* Rows [from, to) of a matrix, padded to ldk. */
static std::vector<int8_t> rows_of(const struct x1_weights *w, size_t from,
                                   size_t to)
{
    size_t ldk = slice_bytes(w->cols);
    std::vector<int8_t> p((to - from) * ldk, 0);

    for (size_t r = from; r < to; r++)
        memcpy(&p[(r - from) * ldk],
               (const int8_t *)w->data + r * w->cols, w->cols);
    return p;
}

/* By the kernel for few rows, or, in turn, each form of that for many. */
static void launch_linear(struct linear_args a, bool a8)
{
    static const bool large = getenv("APUS_LARGE") != nullptr;
    static uint32_t turn;
    struct large_way way = { (enum large_form)(turn++ % LARGE_FORMS),
                             1 + a.n % 2 };

    if (!large) {
        must(linear_launch(&a, a8, way.splits, nullptr));
        return;
    }
    struct large_needs needs = large_needs_of(way.form, &a, a8);
    array<int32_t> sum(needs.sums);
    array<uint32_t> count(needs.counts);

    sum.zero();
    count.zero();
    a.sum = sum.p;
    a.count = count.p;
    must(large_launch(&a, a8, way, nullptr));
}

/* Outputs [from, to) of all rows, LINEAR_ROWS at a time; w2 or NULL. */
static void linears(float *y, size_t stride, const struct x1_weights *w,
                    const struct x1_weights *w2, const float *b, bool add,
                    const struct x1_rows *in, size_t from, size_t to)
{
    size_t n = to - from, ldk = slice_bytes(in->k), most = LINEAR_ROWS;
    struct linear_args a = {};

    if (n == 0)
        return;
    array<int8_t> dw(rows_of(w, from, to)), dw2(rows_of(w2 ? w2 : w, from, to));
    array<float> ds(w->scale + from, n), ds2((w2 ? w2 : w)->scale + from, n);
    array<float> db(b ? b + from : w->scale + from, n);
    array<int32_t> sum(linear_scratch(n, w2 != nullptr));
    array<uint32_t> count(n);

    sum.zero();
    count.zero();
    a.w = dw.p;
    a.s_w = ds.p;
    a.w2 = w2 ? dw2.p : nullptr;
    a.s_w2 = ds2.p;
    a.bias = b ? db.p : nullptr;
    a.sum = sum.p;
    a.count = count.p;
    a.n = (uint32_t)n;
    a.ldk = (uint32_t)ldk;
    a.ldy = (uint32_t)n;
    for (size_t i = 0; i < in->m; i += most) {
        size_t m = in->m - i < most ? in->m - i : most;
        const int16_t *q = (const int16_t *)in->q + i * in->k;
        array<int8_t> dq(slices_of(q, m, in->k, ldk, in->a8));
        array<float> dt(in->scale + i, m), dy(m * n);

        for (size_t r = 0; add && r < m; r++)
            cudaMemcpy(dy.p + r * n, y + (i + r) * stride + from,
                       n * sizeof(float), cudaMemcpyHostToDevice);
        a.q = dq.p;
        a.step = dt.p;
        a.y = dy.p;
        a.add = add ? dy.p : nullptr;
        a.m = (uint32_t)m;
        launch_linear(a, in->a8);
        for (size_t r = 0; r < m; r++)
            memcpy(y + (i + r) * stride + from, &dy.get()[r * n],
                   n * sizeof(float));
    }
}

static void sim_linear(float *y, size_t stride, const struct x1_weights *w,
                       const float *b, bool add, const struct x1_rows *in,
                       size_t from, size_t to)
{
    linears(y, stride, w, nullptr, b, add, in, from, to);
}

static void sim_swiglu(float *h, size_t stride, const struct x1_weights *g,
                       const struct x1_weights *u, const struct x1_rows *in,
                       size_t from, size_t to)
{
    linears(h, stride, g, u, nullptr, false, in, from, to);
}

static void sim_embed(float *x, const struct x1_weights *w, uint32_t id)
{
    uint32_t zero = 0;
    array<int8_t> dw(rows_of(w, id, id + 1));
    array<float> ds(w->scale + id, 1), dx(w->cols);
    array<uint32_t> di(&zero, 1);

    struct embed_args a = {};

    a.x = dx.p;
    a.w = dw.p;
    a.scale = ds.p;
    a.id = di.p;
    a.k = w->cols;
    a.ldk = slice_bytes(w->cols);
    must(embed_launch(&a, 1, nullptr));
    dx.get(x);
}

static void sim_rmsnorm(float *y, const float *x, size_t stride,
                        const float *g, float eps, size_t m, size_t k,
                        int32_t *fault)
{
    size_t n = m ? (m - 1) * stride + k : 0;
    struct rows_args a = {};

    if (m == 0)
        return;
    array<float> dx(x, n), dy(n), dg(g, k);
    array<int32_t> df(m);

    a.x = dx.p;
    a.g = dg.p;
    a.y = dy.p;
    a.fault_x = df.p;
    a.k = (uint32_t)k;
    a.ldk = slice_bytes(k);
    a.stride = (uint32_t)stride;
    a.eps = eps;
    must(rows_launch(&a, (uint32_t)m, nullptr));
    df.get(fault);
    for (size_t i = 0; i < m; i++)
        cudaMemcpy(y + i * stride, dy.p + i * stride, k * sizeof(float),
                   cudaMemcpyDeviceToHost);
}

static void sim_rope(float *x, size_t heads, size_t hd, const float *cos,
                     const float *sin)
{
    array<float> dx(x, heads * hd), dc(cos, hd / 2), ds(sin, hd / 2);

    must(rope_launch(dx.p, dc.p, ds.p, 1, (uint32_t)heads, (uint32_t)hd,
                     nullptr));
    dx.get(x);
}

static void sim_quantise_kv(unsigned char *block, size_t at, const float *k,
                            const float *v, size_t hd, int32_t fault[2])
{
    std::vector<float> x(k, k + hd);
    std::vector<int16_t> wide(2 * hd);
    std::vector<int8_t> q(2 * hd);
    float scale[2];
    struct x1_rows rows = { 2, hd, true, wide.data(), scale };

    x.insert(x.end(), v, v + hd);
    sim_quantise(&rows, x.data(), hd, fault, 0, 2);
    for (size_t i = 0; i < 2 * hd; i++)
        q[i] = (int8_t)wide[i];
    ref.put(block, at, q.data(), q.data() + hd, scale[0], scale[1], hd);
}

/* The keys that a query attends to, in blocks of 16 in reverse order. */
struct keys {
    std::vector<int8_t> k, v;
    std::vector<float> s_k, s_v;
    std::vector<int32_t> table;
};

static void fetch(keys *p, const struct x1_blocks *kv, uint32_t from,
                  uint32_t to, size_t hd, size_t hdp)
{
    uint32_t blocks = (to - from + 15) / 16;
    std::vector<int8_t> k(hd), v(hd);

    for (uint32_t i = 0; i < blocks; i++)
        p->table.push_back((int32_t)(blocks - 1 - i));
    p->k.assign(blocks * 16 * hdp, 0);
    p->v.assign(blocks * 16 * hdp, 0);
    p->s_k.assign(blocks * 16, 0);
    p->s_v.assign(blocks * 16, 0);
    for (uint32_t t = from; t < to; t++) {
        size_t n = t - from, at = (size_t)p->table[n / 16] * 16 + n % 16;

        ref.fetch(k.data(), v.data(), &p->s_k[at], &p->s_v[at],
                  kv->block[t / X1_BLOCK] + kv->offset, t % X1_BLOCK, hd);
        memcpy(&p->k[at * hdp], k.data(), hd);
        memcpy(&p->v[at * hdp], v.data(), hd);
    }
}

static void attend(struct x1_query *x, float c, const struct x1_blocks *kv,
                   size_t hd)
{
    uint32_t hdp = (uint32_t)(hd + 31) / 32 * 32, n = x->to - x->from;
    uint32_t zero = 0;
    struct attention_args a = {};
    std::vector<int16_t> q(hd);
    float step;
    struct x1_rows rows = { 1, hd, false, q.data(), &step };
    keys p;

    sim_quantise(&rows, x->q, hd, &x->fault, 0, 1);
    fetch(&p, kv, x->from, x->to, hd, hdp);
    array<int8_t> dk(p.k), dv(p.v), dq(slices_of(q.data(), 1, hd, hdp, false));
    array<float> dsk(p.s_k), dsv(p.s_v), dt(&step, 1), score(n), dout(hd);
    array<int32_t> table(p.table);
    array<uint32_t> from(&zero, 1), to(&n, 1), top(&zero, 1), vm(&zero, 1);
    array<unsigned long long> num(hdp), z(1);

    num.zero();
    z.zero();
    a.k = dk.p;
    a.v = dv.p;
    a.s_k = dsk.p;
    a.s_v = dsv.p;
    a.table = table.p;
    a.from = from.p;
    a.to = to.p;
    a.q = dq.p;
    a.step = dt.p;
    a.c = c;
    a.score = score.p;
    a.top = top.p;
    a.vm = vm.p;
    a.num = num.p;
    a.z = z.p;
    a.o = dout.p;
    a.heads = a.kv_heads = 1;
    a.hd = (uint32_t)hd;
    a.hdp = hdp;
    a.page = 16;
    a.table_stride = (uint32_t)p.table.size();
    a.score_stride = n;
    must(attention_launch(&a, 1, 1 + n % 3, nullptr));
    dout.get(x->o);
}

/* No kernel has soft caps. */
static void sim_attention(struct x1_query *query, size_t m,
                          struct x1_scoring c, const struct x1_blocks *kv,
                          size_t hd, void *scratch)
{
    if (c.cap != 0) {
        ref.attention(query, m, c, kv, hd, scratch);
        return;
    }
    for (size_t i = 0; i < m; i++)
        attend(&query[i], c.scale, kv, hd);
}

static void each(float *y, const float *x, size_t n, enum each f)
{
    array<float> dx(x, n), dy(n);

    must(each_launch(dy.p, dx.p, nullptr, (uint32_t)n, f, nullptr));
    dy.get(y);
}

static void sim_exp32(float *y, const float *x, size_t n)
{
    each(y, x, n, EACH_EXP32);
}

static void sim_silu(float *y, const float *x, size_t n)
{
    each(y, x, n, EACH_SILU);
}

/* -- in the place of src/engine/sampler.c ------------------------------- */

extern "C" void sampler_draw(struct drawn *out, const float *logits, size_t n,
                             const struct sampling *s, uint32_t position,
                             const struct x1_kernels *, uint32_t *)
{
    struct sample_row r = row_of(*s, position, SAMPLE_NOWHERE);

    r.best = best_of(logits, (uint32_t)n);

    array<float> dl(logits, n);
    array<uint32_t> dw(n);
    array<struct sample_row> dr(&r, 1);
    struct sample_args a = { dl.p, dw.p, dr.p, nullptr, nullptr, (uint32_t)n };

    must(sample_launch(&a, 1, nullptr));
    r = dr.get()[0];
    *out = {};
    out->token = r.token;
    if (s->temperature == 0)
        return;
    out->kept = r.kept;
    out->sum_k = r.sum_k;
    out->sum_p = r.sum_p;
    out->r = r.r;
}

extern "C" void sampler_draw_best(struct drawn *out, const float *logits,
                                  size_t n, size_t, const struct sampling *s,
                                  uint32_t position, const struct x1_kernels *k,
                                  uint32_t *weight)
{
    sampler_draw(out, logits, n, s, position, k, weight);
}

/* -- in the place of kernels/levels.c ----------------------------------- */

static const struct x1_level sim = { "sim", 0 };

extern "C" void x1_kernels_init(struct x1_kernels *k, unsigned)
{
    x1_reference_init(&ref);
    *k = ref;
    k->name = sim.name;
    k->quantise = sim_quantise;
    k->linear = sim_linear;
    k->swiglu = sim_swiglu;
    k->embed = sim_embed;
    k->rmsnorm = sim_rmsnorm;
    k->rope = sim_rope;
    k->quantise_kv = sim_quantise_kv;
    k->attention = sim_attention;
    k->exp32 = sim_exp32;
    k->silu = sim_silu;
}

extern "C" unsigned x1_cpu(void)
{
    return 0;
}

extern "C" const struct x1_level *x1_level(size_t i)
{
    return i == 0 ? &sim : nullptr;
}

extern "C" const char *x1_level_name(size_t i)
{
    return i == 0 ? sim.name : nullptr;
}

extern "C" int x1_kernels_find(struct x1_kernels *k, const char *name)
{
    if (strcmp(name, "auto") != 0 && strcmp(name, sim.name) != 0)
        return -1;
    x1_kernels_init(k, 0);
    return 0;
}

extern "C" void x1_pack(const struct x1_kernels *k, struct x1_weights *w,
                        const struct x1_matrix *m, void *room)
{
    if (k->pack_bytes(m))
        k->pack(room, m, 0, m->rows);
    k->weights(w, m, room);
}
