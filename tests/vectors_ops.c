/*
 * Vectors of single operators against a backend.
 */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/sampler.h"
#include "kernels/philox.h"
#include "model/rotate.h"
#include "tests/vectors.h"

/* One case: its arrays by name, and the results that the vector wants. */
struct vector {
    const struct json *in, *out;
    const struct x1_kernels *k;
    bool want_error; /* "activation out of range" */
};

typedef int op_fn(const struct vector *v); /* 1 right, 0 wrong, -1 malformed */

/* Memory of a level's own form. */
static void *room(size_t n)
{
    struct err err = ERR_INIT;
    void *p;

    if (mem_big(&p, n, 1, "a form", &err))
        abort();
    return p;
}

static bool same(const struct vector *v, const char *name, const void *data,
                 size_t bytes)
{
    struct array a;
    bool good;

    if (array_read(&a, json_get(v->out, name)))
        return false;
    good = a.n * a.size == bytes && memcmp(a.data, data, bytes) == 0;
    array_clear(&a);
    return good;
}

static bool any_fault(const int32_t *fault, size_t m)
{
    for (size_t i = 0; i < m; i++)
        if (fault[i] >= 0)
            return true;
    return false;
}

static int op_unary(const struct vector *v, const char *arg,
                    void (*f)(float *, const float *, size_t))
{
    struct array x;
    float *y;
    int good;

    if (array_read(&x, json_get(v->in, arg)))
        return -1;
    y = xcalloc(x.n, sizeof(*y));
    f(y, x.data, x.n);
    good = same(v, "y", y, x.n * sizeof(*y));
    free(y);
    array_clear(&x);
    return good;
}

static int op_exp32(const struct vector *v)
{
    return op_unary(v, "x", v->k->exp32);
}

static int op_silu(const struct vector *v)
{
    return op_unary(v, "g", v->k->silu);
}

static int op_gelu(const struct vector *v)
{
    struct array g, u;
    int good = -1;

    if (array_read(&g, json_get(v->in, "g")))
        return -1;
    if (array_read(&u, json_get(v->in, "u")) == 0) {
        if (g.n == u.n && g.size == 4 && u.size == 4) {
            x1_gelu(v->k, g.data, u.data, g.n);
            good = same(v, "y", g.data, g.n * sizeof(float));
        }
        array_clear(&u);
    }
    array_clear(&g);
    return good;
}

/* A soft cap, where a vector has one. */
static int read_cap(float *cap, const struct vector *v)
{
    struct array a;
    int rc;

    if (!json_get(v->in, "cap"))
        return 0;
    if (array_read(&a, json_get(v->in, "cap")))
        return -1;
    rc = a.n == 1 && a.size == 4 ? 0 : -1;
    if (rc == 0)
        *cap = *(float *)a.data;
    array_clear(&a);
    return rc;
}

static int op_soft_cap(const struct vector *v)
{
    struct array x;
    float cap = 0;
    int good = -1;

    if (read_cap(&cap, v) || array_read(&x, json_get(v->in, "x")))
        return -1;
    if (x.size == 4) {
        x1_soft_caps(v->k, x.data, x.n, cap);
        good = same(v, "y", x.data, x.n * sizeof(float));
    }
    array_clear(&x);
    return good;
}

/* Quantised rows of an array [m, k], with their faults. */
struct quantised {
    struct x1_rows rows;
    int16_t *q; /* m x k: their integers */
    int32_t *fault;
};

static void quantise(struct quantised *q, const struct x1_kernels *k,
                     const float *x, size_t m, size_t n, bool a8)
{
    q->rows.m = m;
    q->rows.k = n;
    q->rows.a8 = a8;
    q->rows.q = room(k->rows_bytes(m, n));
    q->rows.scale = xcalloc(m, sizeof(*q->rows.scale));
    q->fault = xcalloc(m, sizeof(*q->fault));
    q->q = xcalloc(m * n, sizeof(*q->q));
    k->quantise(&q->rows, x, n, q->fault, 0, m);
    for (size_t i = 0; i < m; i++)
        k->integers(q->q + i * n, &q->rows, i);
}

static void quantised_clear(struct quantised *q)
{
    free(q->rows.q);
    free(q->rows.scale);
    free(q->q);
    free(q->fault);
}

static int op_a14(const struct vector *v)
{
    struct quantised q;
    struct array x;
    int32_t *wide;
    int good;

    if (array_read(&x, json_get(v->in, "x")) || x.n_dims != 2)
        return -1;
    quantise(&q, v->k, x.data, x.dim[0], x.dim[1], false);
    wide = xcalloc(x.n, sizeof(*wide));
    for (size_t i = 0; i < x.n; i++)
        wide[i] = q.q[i];
    if (v->want_error)
        good = any_fault(q.fault, x.dim[0]);
    else
        good = !any_fault(q.fault, x.dim[0]) &&
               same(v, "q", wide, x.n * sizeof(*wide)) &&
               same(v, "step", q.rows.scale, x.dim[0] * sizeof(float));
    free(wide);
    quantised_clear(&q);
    array_clear(&x);
    return good;
}

/* A row as K of the cache; its fault.  V is the same row. */
static int32_t store_row(const struct x1_kernels *k, int8_t *q, float *s,
                         const float *x, size_t n)
{
    unsigned char *block = room(k->block_bytes(n));
    int8_t *other = xcalloc(n, 1);
    int32_t fault[2];
    float s_v;

    k->quantise_kv(block, X1_BLOCK - 1, x, x, n, fault);
    k->fetch(q, other, s, &s_v, block, X1_BLOCK - 1, n);
    if (memcmp(q, other, n) != 0 || memcmp(s, &s_v, sizeof(s_v)) != 0)
        fault[0] = INT32_MAX;
    free(other);
    free(block);
    return fault[0];
}

/* A8 as a row of the cache and as the input of a linear: both must agree. */
static int op_a8(const struct vector *v)
{
    struct quantised q;
    struct array x;
    int8_t *narrow;
    float *s;
    int good = 1;

    if (array_read(&x, json_get(v->in, "x")) || x.n_dims != 2)
        return -1;
    quantise(&q, v->k, x.data, x.dim[0], x.dim[1], true);
    narrow = xcalloc(x.n, 1);
    s = xcalloc(x.dim[0], sizeof(*s));
    for (size_t i = 0; i < x.dim[0]; i++)
        good = good && store_row(v->k, narrow + i * x.dim[1], &s[i],
                                 (float *)x.data + i * x.dim[1],
                                 x.dim[1]) == q.fault[i];
    for (size_t i = 0; i < x.n; i++)
        good = good && narrow[i] == q.q[i];
    if (v->want_error)
        good = good && any_fault(q.fault, x.dim[0]);
    else
        good = good && !any_fault(q.fault, x.dim[0]) &&
               same(v, "q", narrow, x.n) &&
               same(v, "s", s, x.dim[0] * sizeof(*s)) &&
               same(v, "s", q.rows.scale, x.dim[0] * sizeof(*s));
    free(narrow);
    free(s);
    quantised_clear(&q);
    array_clear(&x);
    return good;
}

static int op_w8(const struct vector *v)
{
    struct array w;
    int8_t *q;
    float *s;
    int good;

    if (array_read(&w, json_get(v->in, "W")) || w.n_dims != 2)
        return -1;
    q = xcalloc(w.n, 1);
    s = xcalloc(w.dim[0], sizeof(*s));
    for (size_t i = 0; i < w.dim[0]; i++)
        x1_w8_row(q + i * w.dim[1], &s[i], (float *)w.data + i * w.dim[1],
                  w.dim[1]);
    good = same(v, "w", q, w.n) && same(v, "s_w", s, w.dim[0] * sizeof(*s));
    free(q);
    free(s);
    array_clear(&w);
    return good;
}

/* y computed in two ranges of rows, the cut near the middle. */
static int linear(const struct vector *v, bool a8)
{
    struct array x, w, s, b;
    struct x1_weights packed;
    struct x1_matrix mat;
    struct quantised q;
    size_t m, cut;
    void *weights;
    float *y;
    int good;

    if (array_read(&x, json_get(v->in, "x")) || x.n_dims != 2 ||
        array_read(&w, json_get(v->in, "w")) || w.n_dims != 2 ||
        array_read(&s, json_get(v->in, "s_w")))
        return -1;
    if (array_read(&b, json_get(v->in, "b")))
        b.data = NULL;
    m = x.dim[0];
    mat.rows = (uint32_t)w.dim[0];
    mat.cols = (uint32_t)w.dim[1];
    mat.scale = s.data;
    mat.w = w.data;
    quantise(&q, v->k, x.data, m, x.dim[1], a8);
    y = xcalloc(m * mat.rows, sizeof(*y));
    weights = room(v->k->pack_bytes(&mat));
    x1_pack(v->k, &packed, &mat, weights);
    cut = mat.rows / 2 / X1_GROUP * X1_GROUP;
    v->k->linear(y, mat.rows, &packed, b.data, false, &q.rows, cut, mat.rows);
    v->k->linear(y, mat.rows, &packed, b.data, false, &q.rows, 0, cut);
    if (v->want_error)
        good = any_fault(q.fault, m);
    else
        good = !any_fault(q.fault, m) &&
               same(v, "y", y, m * mat.rows * sizeof(*y));
    free(y);
    free(weights);
    quantised_clear(&q);
    array_clear(&x);
    array_clear(&w);
    array_clear(&s);
    array_clear(&b);
    return good;
}

static int op_linear(const struct vector *v)
{
    return linear(v, false);
}

static int op_linear_a8(const struct vector *v)
{
    return linear(v, true);
}

static int op_rmsnorm(const struct vector *v)
{
    struct array x, g, eps;
    int32_t *fault;
    float *y;
    int good;

    if (array_read(&x, json_get(v->in, "x")) || x.n_dims != 2 ||
        array_read(&g, json_get(v->in, "g")) ||
        array_read(&eps, json_get(v->in, "eps")))
        return -1;
    fault = xcalloc(x.dim[0], sizeof(*fault));
    y = xcalloc(x.n, sizeof(*y));
    v->k->rmsnorm(y, x.data, x.dim[1], g.data, *(float *)eps.data, x.dim[0],
                  x.dim[1], fault);
    if (v->want_error)
        good = any_fault(fault, x.dim[0]);
    else
        good = !any_fault(fault, x.dim[0]) &&
               same(v, "y", y, x.n * sizeof(*y));
    free(y);
    free(fault);
    array_clear(&x);
    array_clear(&g);
    array_clear(&eps);
    return good;
}

static int op_rope_table(const struct vector *v)
{
    struct array f, pos;
    float *c, *s;
    size_t n;
    int good;

    if (array_read(&f, json_get(v->in, "inv_freq")) ||
        array_read(&pos, json_get(v->in, "pos")))
        return -1;
    n = f.n * pos.n;
    c = xcalloc(n, sizeof(*c));
    s = xcalloc(n, sizeof(*s));
    for (size_t i = 0; i < pos.n; i++)
        x1_rope_row(c + i * f.n, s + i * f.n, f.data, f.n,
                    ((uint32_t *)pos.data)[i]);
    good = same(v, "cos", c, n * sizeof(*c)) &&
           same(v, "sin", s, n * sizeof(*s));
    free(c);
    free(s);
    array_clear(&f);
    array_clear(&pos);
    return good;
}

static int op_rope(const struct vector *v)
{
    struct array x, c, s;
    size_t heads, hd;
    int good;

    if (array_read(&x, json_get(v->in, "x")) || x.n_dims != 3 ||
        array_read(&c, json_get(v->in, "cos")) ||
        array_read(&s, json_get(v->in, "sin")))
        return -1;
    heads = x.dim[1];
    hd = x.dim[2];
    for (size_t i = 0; i < x.dim[0]; i++)
        v->k->rope((float *)x.data + i * heads * hd, heads, hd,
                   (float *)c.data + i * (hd / 2),
                   (float *)s.data + i * (hd / 2));
    good = same(v, "y", x.data, x.n * sizeof(float));
    array_clear(&x);
    array_clear(&c);
    array_clear(&s);
    return good;
}

/* One query over keys that begin at position `from`; its fault is told. */
static bool attend(const struct vector *v, const struct array *x,
                   struct x1_scoring c, const struct array kv[4], size_t from,
                   int32_t *fault)
{
    size_t t = kv[0].dim[0], hd = x->n, n = (from + t) / X1_BLOCK + 1;
    size_t bytes = (v->k->block_bytes(hd) + 63) / 64 * 64;
    unsigned char **block = xcalloc(n, sizeof(*block));
    unsigned char *data = room(n * bytes);
    struct x1_blocks blocks = { block, 0 };
    float *o = xcalloc(hd, sizeof(*o));
    struct x1_query query = { x->data, o, (uint32_t)from,
                              (uint32_t)(from + t), -1 };
    void *scratch = room(v->k->attention_bytes(t, hd));
    bool good;

    for (size_t i = 0; i < n; i++)
        block[i] = data + i * bytes;
    for (size_t i = 0, at = from; i < t; i++, at++)
        v->k->put(block[at / X1_BLOCK], at % X1_BLOCK,
                  (int8_t *)kv[0].data + i * hd, (int8_t *)kv[2].data + i * hd,
                  ((float *)kv[1].data)[i], ((float *)kv[3].data)[i], hd);
    v->k->attention(&query, 1, c, &blocks, hd, scratch);
    *fault = query.fault;
    good = same(v, "o", o, hd * sizeof(*o));
    free(scratch);
    free(block);
    free(data);
    free(o);
    return good;
}

static int op_attention(const struct vector *v)
{
    static const char *const name[4] = { "k", "s_k", "v", "s_v" };
    static const size_t from[] = { 0, 7, 64, 120 };
    struct array x, c, kv[4];
    struct x1_scoring s = { 0, 0 };
    int32_t fault;
    int good = 1;

    if (array_read(&x, json_get(v->in, "q")) ||
        array_read(&c, json_get(v->in, "scale")))
        return -1;
    for (int i = 0; i < 4; i++)
        if (array_read(&kv[i], json_get(v->in, name[i])))
            return -1;
    s.scale = *(float *)c.data;
    if (read_cap(&s.cap, v))
        return -1;
    for (size_t i = 0; i < sizeof(from) / sizeof(*from); i++) {
        bool equal = attend(v, &x, s, kv, from[i], &fault);

        good = good && (v->want_error ? fault >= 0 : equal && fault < 0);
    }
    array_clear(&x);
    array_clear(&c);
    for (int i = 0; i < 4; i++)
        array_clear(&kv[i]);
    return good;
}

static bool same_words(const struct json *list, const uint32_t *word)
{
    const struct json *w = json_first(list);

    for (int i = 0; i < 4; i++, w = w ? json_next(w) : NULL) {
        const char *text = json_string(w);

        if (!text || strtoul(text, NULL, 16) != word[i])
            return false;
    }
    return true;
}

static int op_philox(const struct vector *v)
{
    static const uint32_t zero[4], ones[4] = { UINT32_MAX, UINT32_MAX,
                                               UINT32_MAX, UINT32_MAX };
    uint32_t a[4], b[4];

    philox4x32(a, zero, zero);
    philox4x32(b, ones, ones);
    return same_words(json_get(v->out, "zero"), a) &&
           same_words(json_get(v->out, "ones"), b);
}

static bool field(const struct json *v, const char *key, uint64_t *out)
{
    const char *text = json_string(json_get(v, key));

    return (text ? json_u64_text(text, out)
                 : json_u64(json_get(v, key), out)) == 0;
}

static int op_sample(const struct vector *v)
{
    static const char *const name[] = { "temperature", "top_p", "top_k",
                                        "seed", "choice", "position" };
    uint32_t *weight;
    uint64_t f[6], token, want;
    struct sampling s;
    struct drawn d;
    struct array l;
    int good;

    for (int i = 0; i < 6; i++)
        if (!field(v->in, name[i], &f[i]))
            return -1;
    if (!field(v->out, "token", &token) ||
        array_read(&l, json_get(v->in, "logits")))
        return -1;
    s.temperature = (uint32_t)f[0];
    s.top_p = (uint32_t)f[1];
    s.top_k = (uint32_t)f[2];
    s.seed = f[3];
    s.choice = (uint32_t)f[4];
    weight = xcalloc(l.n, sizeof(*weight));
    sampler_draw(&d, l.data, l.n, &s, (uint32_t)f[5], v->k, weight);
    good = d.token == token;
    if (field(v->out, "W", &want))
        good = good && want == d.sum_k;
    if (field(v->out, "kept", &want))
        good = good && want == d.kept;
    if (field(v->out, "W2", &want))
        good = good && want == d.sum_p;
    if (field(v->out, "r", &want))
        good = good && want == d.r;
    free(weight);
    array_clear(&l);
    return good;
}

/* ---- rotation ------------------------------------------------------------ */

static int op_block(const struct vector *v)
{
    uint64_t d, block;

    if (json_u64(json_get(v->in, "d"), &d) ||
        json_u64(json_get(v->out, "block"), &block))
        return -1;
    return rotate_block(d) == block;
}

static int op_signs(const struct vector *v)
{
    struct rotation r;
    int8_t *sign;
    uint64_t d;
    int good;

    if (json_u64(json_get(v->in, "d"), &d) || d < 1 || d > 1 << 20)
        return -1;
    rotate_init(&r, d);
    sign = xmalloc(d);
    for (size_t i = 0; i < d; i++)
        sign[i] = r.negative[i] ? -1 : 1;
    good = same(v, "signs", sign, d) && op_block(v) == 1;
    free(sign);
    rotate_clear(&r);
    return good;
}

/* The array of this name, each row rotated. */
static int rotated(struct array *x, const struct vector *v, const char *name)
{
    struct array g = { .data = NULL };
    struct rotation r;

    if (array_read(x, json_get(v->in, name)) || x->n_dims != 2)
        return -1;
    if (json_get(v->in, "g") &&
        (array_read(&g, json_get(v->in, "g")) || g.n != x->dim[1])) {
        array_clear(x);
        return -1;
    }
    rotate_init(&r, x->dim[1]);
    for (size_t i = 0; i < x->dim[0]; i++)
        rotate_row(&r, (float *)x->data + i * x->dim[1], g.data);
    rotate_clear(&r);
    array_clear(&g);
    return 0;
}

static int op_rotate(const struct vector *v)
{
    struct array x;
    int good;

    if (rotated(&x, v, "x"))
        return -1;
    good = same(v, "y", x.data, x.n * sizeof(float));
    array_clear(&x);
    return good;
}

static int op_rotate_columns(const struct vector *v)
{
    struct rotation r;
    struct array x;
    int good;

    if (array_read(&x, json_get(v->in, "x")) || x.n_dims != 2)
        return -1;
    rotate_init(&r, x.dim[0]);
    for (size_t i = 0; i < x.dim[0]; i += r.block)
        rotate_columns(&r, (float *)x.data + i * x.dim[1], i, x.dim[1]);
    rotate_clear(&r);
    good = same(v, "y", x.data, x.n * sizeof(float));
    array_clear(&x);
    return good;
}

static int op_rotate_w8(const struct vector *v)
{
    struct array x;
    float *scale;
    int8_t *w;
    int good;

    if (rotated(&x, v, "W"))
        return -1;
    w = xcalloc(x.n, 1);
    scale = xcalloc(x.dim[0], sizeof(*scale));
    for (size_t i = 0; i < x.dim[0]; i++)
        x1_w8_row(w + i * x.dim[1], &scale[i],
                  (float *)x.data + i * x.dim[1], x.dim[1]);
    good = same(v, "w", w, x.n) &&
           same(v, "s_w", scale, x.dim[0] * sizeof(*scale));
    free(w);
    free(scale);
    array_clear(&x);
    return good;
}

/* ---- by name ------------------------------------------------------------- */

static const struct {
    const char *name;
    op_fn *run;
} ops[] = {
    { "exp32", op_exp32 },
    { "silu", op_silu },
    { "gelu", op_gelu },
    { "soft_cap", op_soft_cap },
    { "a14", op_a14 },
    { "a8", op_a8 },
    { "w8", op_w8 },
    { "linear", op_linear },
    { "linear_a8", op_linear_a8 },
    { "rmsnorm", op_rmsnorm },
    { "rope_table", op_rope_table },
    { "rope", op_rope },
    { "attention", op_attention },
    { "philox4x32-10", op_philox },
    { "block", op_block },
    { "signs", op_signs },
    { "rotate", op_rotate },
    { "rotate_columns", op_rotate_columns },
    { "rotate_w8", op_rotate_w8 },
    { "sample", op_sample },
};

static int run_case(const struct json *c, const char *op,
                    const struct x1_kernels *k)
{
    struct vector v = { json_get(c, "in"), json_get(c, "out"), k, false };

    v.want_error = json_get(v.out, "error") != NULL;
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        if (strcmp(op, ops[i].name) == 0)
            return ops[i].run(&v);
    return -1;
}

void vectors_ops(struct tally *t, const char *file, const struct json *cases,
                 const struct x1_kernels *k)
{
    size_t i = 0;

    for (const struct json *c = json_first(cases); c; c = json_next(c), i++) {
        const char *op = json_string(json_get(c, "op"));
        const char *note = json_string(json_get(c, "note"));
        int r = op ? run_case(c, op, k) : -1;

        tally_add(t, r > 0, file, op ? op : "(no op)",
                  r < 0 ? "malformed or unknown" : note ? note : "", i);
    }
}
