/*
 * The layers of a step on the device, in the order of the paper and with the
 * numbers of operators of src/backend/cpu/forward.c.  Rows with logits are the
 * first, then those whose x_L is asked for: in the last layer the others stop
 * at their keys and values.
 *
 * A plain layer is 12 launches: rows (the norm and its slices), q k v, heads,
 * scores, mix, finish, rows, o, rows, gate and up, rows, down.  Of at most
 * LAST_ROWS rows it is 7: finish and rows are what the last block of the kernel
 * before goes on with (kernels/cuda/last.cuh), and only the rows of the first
 * layer are a launch, behind the embedding.  These stay launches: where o and
 * down have a norm after them, it, the sum and the rows of the next linear;
 * with GELU the rows of down; norms over all heads, two a layer; and all rows
 * of a member of a group, since members meet between a product and its row.
 */
#include "backend/cuda/device.cuh"

#include "backend/op_numbers.h"

#define KEYS_OF_SPLIT 256 /* at least */

/* About the launches of a layer, a member's with what it exchanges, but for the
 * pieces of products by the library. */
#define LAYER_LAUNCHES 20

static_assert(PLAN_DONE_WORDS >= LAST_ROWS, "a word for each of few rows");

/* What the pieces of a layer have in common. */
struct layer_pass {
    struct device *d;
    const struct model_record *rec;
    const struct cuda_extent *e;
    const uint32_t *live; /* how many rows there are; NULL: all */
    uint32_t layer; /* FAULT_HEAD: the head */
    uint32_t m;     /* rows that are still computed */
    bool entered;   /* the input of the next linear is there already */
};

/* Words of the step as a whole: how many rows it has, and its frame. */
static const uint32_t *step_words(const struct device *d)
{
    return cuda_array<uint32_t>(d, PLAN_WORDS) +
           d->plan.row_words * d->plan.rows;
}

static struct fault_sink sink_of(const struct layer_pass *p)
{
    const uint32_t *words = cuda_array<uint32_t>(p->d, PLAN_WORDS);

    return { cuda_array<unsigned long long>(p->d, PLAN_LEAST), words,
             words + p->d->plan.rows, p->layer };
}

/* ---- rows ---------------------------------------------------------------- */

bool forward_is_a8(const struct model_record *rec, uint32_t layer, uint32_t op)
{
    return rec->flags & MODEL_A8 ||
           (rec->flags & MODEL_A8R && layer != FAULT_HEAD && op != OP_DOWN);
}

static bool is_a8(const struct layer_pass *p, uint32_t op)
{
    return forward_is_a8(p->rec, p->layer, op);
}

/* Rows of floats as the input of the next linear, w (and `up`), `op`: x itself,
 * or with gains its norm, whose input is op - 1. */
static struct rows_args rows_of_input(const struct layer_pass *p,
                                      const float *x,
                                      const struct cuda_matrix *w,
                                      const struct cuda_matrix *up,
                                      const float *g, uint32_t op)
{
    struct rows_args a = {};

    a.x = x;
    a.g = g;
    a.q = cuda_array<int8_t>(p->d, PLAN_SLICES);
    a.scale = cuda_array<float>(p->d, PLAN_SCALE);
    a.fault = sink_of(p);
    a.op_x = op - 1;
    a.op_y = op;
    a.k = a.stride = w->cols;
    a.ldk = w->ldk;
    a.live = p->live;
    a.eps = p->rec->eps;
    a.a8 = is_a8(p, op);
    tap_rows(p->d, w, up, &a);
    return a;
}

/* The norms of x that are the inputs of a layer, and of the head. */
static struct rows_args input_of_qkv(const struct layer_pass *p)
{
    const struct cuda_layer *y = &p->d->weights.layer[p->layer];

    return rows_of_input(p, cuda_array<float>(p->d, PLAN_X), &y->qkv, NULL,
                         y->attn_norm, OP_ATTN_NORM);
}

static struct rows_args input_of_ffn(const struct layer_pass *p)
{
    const struct cuda_layer *y = &p->d->weights.layer[p->layer];

    return rows_of_input(p, cuda_array<float>(p->d, PLAN_X), &y->gate, &y->up,
                         y->ffn_norm, OP_FFN_NORM);
}

static struct rows_args input_of_head(const struct layer_pass *p)
{
    const struct cuda_weights *w = &p->d->weights;

    return rows_of_input(p, cuda_array<float>(p->d, PLAN_X), &w->head, NULL,
                         w->final_norm, HEAD_NORM);
}

/* .. of what comes after the pass's layer, and how many rows that has. */
static struct rows_args input_after(const struct layer_pass *p, uint32_t *m)
{
    struct layer_pass next = *p;

    *m = p->m;
    if (++next.layer < p->rec->n_layers)
        return input_of_qkv(&next);
    next.layer = FAULT_HEAD;
    *m = p->e->n_logits;
    return input_of_head(&next);
}

/* Make the input of the next linear, unless the kernel before has. */
static cudaError_t enter(struct layer_pass *p, const struct rows_args *a)
{
    bool entered = p->entered;

    p->entered = false;
    return entered ? cudaSuccess : rows_launch(a, p->m, p->d->stream);
}

/* Whether the last block of a kernel makes the input of the next linear of
 * what that kernel writes.  Members of a group meet in between. */
static bool goes_on(const struct layer_pass *p)
{
    return p->m <= LAST_ROWS && !p->d->in_group;
}

/* Rows of k floats, `stride` apart, become their norm. */
static cudaError_t norm(const struct layer_pass *p, float *x, uint32_t k,
                        uint32_t stride, const float *g, uint32_t op,
                        uint32_t m)
{
    struct rows_args a = {};

    a.x = a.y = x;
    a.g = g;
    a.fault = sink_of(p);
    a.op_x = op;
    a.live = p->live;
    a.k = k;
    a.stride = stride;
    a.eps = p->rec->eps;
    return rows_launch(&a, m, p->d->stream);
}

/* ---- linears ------------------------------------------------------------- */

/* y = w times the input, which is that of the operator, of all rows of the
 * pass. */
static struct cuda_product product_of(const struct layer_pass *p,
                                      const struct cuda_matrix *w, float *y,
                                      uint32_t op)
{
    struct cuda_product of = {};

    of.w = w;
    of.y = y;
    of.live = p->live;
    of.m = p->m;
    of.a8 = is_a8(p, op);
    return of;
}

static int linear(const struct layer_pass *p, const struct cuda_product *of,
                  struct err *err)
{
    return of->w->rows ? product_launch(p->d, of, err) : 0;
}

/* The first n rows of a product become the input of the next linear, where
 * the same launch can do that. */
static void go_on(struct layer_pass *p, struct cuda_product *of,
                  const struct rows_args *rows, uint32_t n)
{
    if (!goes_on(p) || n == 0)
        return;
    of->then = *rows;
    of->n_then = n;
    p->entered = true;
}

/* Rows whose columns lie with the members of a group, and the product on them:
 * x are this member's columns, from `first` on. */
struct cut_product {
    const float *x;
    uint32_t first;
    const struct cuda_matrix *w;
    uint32_t op; /* of x */
    /* what the first n_next rows of the sum become the input of */
    struct rows_args next;
    uint32_t n_next;
};

/* PLAN_SUMS = this member's part of the sums, of rows that are quantised by the
 * greatest size that any member has of them.  It may have no columns. */
static int sum_columns(const struct layer_pass *p, const struct cut_product *c,
                       struct err *err)
{
    struct device *d = p->d;
    uint32_t *amax = cuda_array<uint32_t>(d, PLAN_AMAX), k = c->w->cols;
    struct cuda_product of = {};
    struct rows_args a;

    if (k)
        CUDA_TRY(amax_launch(amax, c->x, k, k, p->m, d->stream), err);
    else
        CUDA_TRY(cudaMemsetAsync(amax, 0, p->m * sizeof(*amax), d->stream),
                 err);
    if (members_amax(d, p->m, err))
        return -1;
    of.w = c->w;
    of.m = p->m;
    of.a8 = is_a8(p, c->op);
    of.sums = cuda_array<int32_t>(d, PLAN_SUMS);
    a = rows_of_input(p, c->x, c->w, NULL, NULL, c->op);
    a.amax = amax;
    a.first = c->first;
    CUDA_TRY(rows_launch(&a, p->m, d->stream), err);
    if (k)
        return product_launch(d, &of, err);
    CUDA_TRY(cudaMemsetAsync(of.sums, 0, (size_t)p->m * (of.a8 ? 1 : 2) *
                                             c->w->rows * sizeof(*of.sums),
                             d->stream), err);
    return 0;
}

/* y = w times the whole rows, or y + that: the same numbers as linear's. */
static int linear_together(const struct layer_pass *p,
                           const struct cut_product *c, float *y, bool add,
                           struct err *err)
{
    struct device *d = p->d;
    bool a8 = is_a8(p, c->op);
    struct scale_args s = {};

    if (sum_columns(p, c, err) ||
        members_sums(d, (size_t)p->m * (a8 ? 1 : 2) * c->w->rows, err))
        return -1;
    s.d = cuda_array<int32_t>(d, PLAN_SUMS);
    s.some = s.ld = s.of.n = s.of.ldy = c->w->rows;
    s.of.s_w = c->w->scale;
    s.of.step = cuda_array<float>(d, PLAN_SCALE);
    s.of.m = p->m;
    s.of.y = y;
    s.of.add = add ? y : NULL;
    CUDA_TRY(scale_launch(&s, a8, d->stream), err);
    return 0;
}

/* The same for a device that may be alone. */
static int linear_of(struct layer_pass *p, const struct cut_product *c,
                     float *y, bool add, struct err *err)
{
    struct rows_args a = rows_of_input(p, c->x, c->w, NULL, NULL, c->op);
    struct cuda_product of = product_of(p, c->w, y, c->op);

    if (p->d->in_group)
        return linear_together(p, c, y, add, err);
    of.add = add;
    CUDA_TRY(enter(p, &a), err);
    if (add)
        go_on(p, &of, &c->next, c->n_next);
    return linear(p, &of, err);
}

/* x = x + product, or x + norm(product) with gains. */
static int add(struct layer_pass *p, const struct cut_product *c,
               const float *gains, uint32_t out, struct err *err)
{
    struct device *d = p->d;
    float *x = cuda_array<float>(d, PLAN_X), *h = cuda_array<float>(d, PLAN_H);
    const struct cuda_matrix *w = c->w;

    if (!gains)
        return linear_of(p, c, x, true, err);
    if (linear_of(p, c, h, false, err))
        return -1;
    CUDA_TRY(norm(p, h, w->rows, w->rows, gains, out, p->m), err);
    CUDA_TRY(each_launch(x, x, h, p->m * w->rows, EACH_ADD, d->stream), err);
    return 0;
}

/* ---- attention ----------------------------------------------------------- */

/* Where the blocks of this layer begin, in keys. */
static size_t pool_at(const struct layer_pass *p)
{
    const struct cuda_plan *n = &p->d->plan;

    return (size_t)p->layer * n->n_blocks * p->rec->n_kv_heads * n->page;
}

/* Keys and values of the pass's layer, for the arguments of any kernel. */
template <class A>
static void set_pool(A &a, const struct layer_pass *p)
{
    const struct device *d = p->d;
    size_t at = pool_at(p);

    a.k = cuda_array<int8_t>(d, PLAN_K) + at * d->plan.hdp;
    a.v = cuda_array<int8_t>(d, PLAN_V) + at * d->plan.hdp;
    a.s_k = cuda_array<float>(d, PLAN_S_K) + at;
    a.s_v = cuda_array<float>(d, PLAN_S_V) + at;
    a.table = cuda_array<int32_t>(d, PLAN_TABLE);
}

static cudaError_t heads(const struct layer_pass *p, uint32_t m_q)
{
    const struct device *d = p->d;
    const struct cuda_layer *y = &d->weights.layer[p->layer];
    const struct model_layer *l = &d->model->layers[p->layer];
    bool wide = p->rec->flags & MODEL_WIDE_NORM;
    struct heads_args a = {};

    a.x = cuda_array<float>(d, PLAN_QKV);
    a.q_norm = wide ? NULL : y->q_norm;
    a.k_norm = wide ? NULL : y->k_norm;
    a.cos = cuda_array<float>(d, PLAN_ANGLES) +
            (l->inv_freq - d->model->inv_freq);
    a.sin = a.cos + d->plan.rows * d->plan.angles;
    a.q = cuda_array<int8_t>(d, PLAN_Q);
    a.step = cuda_array<float>(d, PLAN_STEP);
    set_pool(a, p);
    a.ring = cuda_array<uint8_t>(d, PLAN_RING) +
             (size_t)p->layer * (d->plan.ring_row / p->rec->n_layers);
    a.frame = step_words(d) + 1;
    a.frame_bytes = d->plan.bytes[PLAN_RING] / PLAN_KEPT;
    a.live = p->live;
    a.fault = sink_of(p);
    a.op[HEADS_Q_NORM] = OP_Q_HEAD;
    a.op[HEADS_K_NORM] = OP_K_HEAD;
    a.op[HEADS_Q] = OP_Q_ROPE;
    a.op[HEADS_K] = OP_K;
    a.op[HEADS_V] = OP_V;
    a.heads = p->rec->n_heads;
    a.kv_heads = p->rec->n_kv_heads;
    a.first = (uint32_t)d->part.q_first;
    a.kv_first = (uint32_t)d->part.kv_first;
    a.hd = p->rec->head_dim;
    a.hdp = d->plan.hdp;
    a.page = d->plan.page;
    a.table_stride = d->plan.stride;
    a.m_q = m_q;
    a.ldx = y->qkv.rows;
    a.angles = (uint32_t)d->plan.angles;
    a.ring_row = d->plan.ring_row;
    a.eps = p->rec->eps;
    return heads_launch(&a, p->m, d->stream);
}

/* Keys of the row that attends to most, of those from i on; where the device
 * knows which there are, as many as any may. */
static uint32_t most_keys(const struct layer_pass *p, uint32_t i, uint32_t n,
                          uint32_t window)
{
    const struct device *d = p->d;
    uint32_t most = p->live ? p->rec->context : 1;

    for (uint32_t j = i; j < i + n && !p->live; j++)
        if (d->f->row[j].r.position + 1 > most)
            most = d->f->row[j].r.position + 1;
    return window && most > window ? window : most;
}

/* o = attention of the first `alone` rows, one by one. */
static int attend_alone(struct layer_pass *p, uint32_t alone, struct err *err)
{
    const struct device *d = p->d;
    const struct model_layer *l = &d->model->layers[p->layer];
    const uint32_t *words = cuda_array<uint32_t>(d, PLAN_WORDS);
    size_t rows = d->plan.rows;
    size_t q_dim = (size_t)p->rec->n_heads * p->rec->head_dim;
    uint32_t n = (uint32_t)d->plan.attended, splits, most;
    const struct cuda_matrix *o = &d->weights.layer[p->layer].o;
    struct attention_args a = {};

    set_pool(a, p);
    a.c = l->attn_scale;
    a.score = cuda_array<float>(d, PLAN_SCORE);
    a.top = cuda_array<uint32_t>(d, PLAN_TOP);
    a.vm = cuda_array<uint32_t>(d, PLAN_VM);
    a.num = cuda_array<unsigned long long>(d, PLAN_NUM);
    a.z = cuda_array<unsigned long long>(d, PLAN_Z);
    a.heads = p->rec->n_heads;
    a.kv_heads = p->rec->n_kv_heads;
    a.hd = p->rec->head_dim;
    a.hdp = d->plan.hdp;
    a.page = d->plan.page;
    a.table_stride = d->plan.stride;
    a.score_stride = p->rec->context;
    a.done = alone <= LAST_ROWS ? cuda_array<uint32_t>(d, PLAN_DONE) : NULL;
    a.live = p->live;
    if (goes_on(p) && alone == p->m) {
        a.then = rows_of_input(p, cuda_array<float>(d, PLAN_O), o, NULL, NULL,
                               OP_O);
        p->entered = true;
    }
    for (uint32_t i = 0; i < alone; i += n) {
        n = alone - i < n ? alone - i : n;
        a.row = i;
        a.slot = words + i;
        a.to = words + rows + i;
        a.from = words + order_window(d, l->window) * rows + i;
        a.q = cuda_array<int8_t>(d, PLAN_Q) + i * a.heads * 2 * a.hdp;
        a.step = cuda_array<float>(d, PLAN_STEP) + i * a.heads;
        a.o = cuda_array<float>(d, PLAN_O) + i * q_dim;
        most = most_keys(p, i, n, l->window) / KEYS_OF_SPLIT;
        splits = 2 * d->processors / (n * a.kv_heads) + 1;
        CUDA_TRY(attention_launch(&a, n, splits < most ? splits : most + 1,
                                  d->stream), err);
    }
    return 0;
}

/* .. and of the others, in tiles. */
static int attend_tiles(const struct layer_pass *p, const struct cuda_tiles *t,
                        struct err *err)
{
    const struct device *d = p->d;
    const struct model_layer *l = &d->model->layers[p->layer];
    const uint32_t *words = cuda_array<uint32_t>(d, PLAN_WORDS);
    struct prefill_args a = {};

    set_pool(a, p);
    a.tile = cuda_array<struct prefill_tile>(d, PLAN_TILE) + t->first;
    a.list = cuda_array<uint32_t>(d, PLAN_LIST);
    a.to = words + d->plan.rows;
    a.from = words + order_window(d, l->window) * d->plan.rows;
    a.q = cuda_array<int8_t>(d, PLAN_Q);
    a.step = cuda_array<float>(d, PLAN_STEP);
    a.c = l->attn_scale;
    a.top = cuda_array<uint32_t>(d, PLAN_TOPS);
    a.vm = cuda_array<uint32_t>(d, PLAN_VMS);
    a.o = cuda_array<float>(d, PLAN_O);
    a.heads = p->rec->n_heads;
    a.kv_heads = p->rec->n_kv_heads;
    a.hd = p->rec->head_dim;
    a.hdp = d->plan.hdp;
    a.page = d->plan.page;
    a.table_stride = d->plan.stride;
    a.whole = l->window == 0;
    CUDA_TRY(prefill_launch(&a, (uint32_t)t->n, d->stream), err);
    return 0;
}

/* o = attention of every row over what its sequence remembers. */
static int attend_blocks(struct layer_pass *p, struct err *err)
{
    const struct device *d = p->d;
    bool last = p->layer + 1 == p->rec->n_layers;
    const struct cuda_tiles *t = &d->f->tiles[last];
    uint32_t single = p->e->n_single;

    if (attend_alone(p, single < p->m ? single : p->m, err))
        return -1;
    return single < p->m ? attend_tiles(p, t, err) : 0;
}

/* ---- layers -------------------------------------------------------------- */

/* The norm of rows over all heads, of which this member has some, from the
 * element `first` on: k of them, of k * size. */
static int norm_together(const struct layer_pass *p, float *x, uint32_t k,
                         uint32_t stride, uint32_t first, const float *g,
                         uint32_t op, uint32_t m, struct err *err)
{
    struct device *d = p->d;
    uint32_t width = k * d->part.size;
    float *whole = cuda_array<float>(d, PLAN_WHOLE);
    const struct columns_args out = { whole, x, width, first, stride, 0, k,
                                      true };
    const struct columns_args back = { x, whole, stride, 0, width, first, k,
                                       false };

    CUDA_TRY(columns_launch(&out, m, d->stream), err);
    if (members_rows(d, m, width, err))
        return -1;
    CUDA_TRY(norm(p, whole, width, width, g, op, m), err);
    CUDA_TRY(columns_launch(&back, m, d->stream), err);
    return 0;
}

/* Norms of q and k that are over all heads. */
static int wide_norms(const struct layer_pass *p, uint32_t m_q, struct err *err)
{
    const struct cuda_layer *y = &p->d->weights.layer[p->layer];
    uint32_t q = p->rec->n_heads * p->rec->head_dim, width = y->qkv.rows;
    uint32_t kv = p->rec->n_kv_heads * p->rec->head_dim;
    float *x = cuda_array<float>(p->d, PLAN_QKV);
    const struct model_part *part = &p->d->part;
    uint32_t q_first = (uint32_t)part->q_first * p->rec->head_dim;
    uint32_t kv_first = (uint32_t)part->kv_first * p->rec->head_dim;

    if (p->d->in_group)
        return (m_q && norm_together(p, x, q, width, q_first, y->q_norm,
                                     OP_Q_HEAD, m_q, err)) ||
               norm_together(p, x + q, kv, width, kv_first, y->k_norm,
                             OP_K_HEAD, p->m, err) ? -1 : 0;
    if (m_q)
        CUDA_TRY(norm(p, x, q, width, y->q_norm, OP_Q_HEAD, m_q), err);
    CUDA_TRY(norm(p, x + q, kv, width, y->k_norm, OP_K_HEAD, p->m), err);
    return 0;
}

/* x = x + o(attention); p->m becomes m_q, the rows that go on. */
static int attention_part(struct layer_pass *p, uint32_t m_q, struct err *err)
{
    struct device *d = p->d;
    const struct cuda_layer *y = &d->weights.layer[p->layer];
    float *qkv = cuda_array<float>(d, PLAN_QKV);
    const struct rows_args input = input_of_qkv(p);
    const struct cut_product o = {
        cuda_array<float>(d, PLAN_O),
        (uint32_t)d->part.q_first * p->rec->head_dim, &y->o, OP_O,
        input_of_ffn(p), m_q
    };
    struct cuda_product of = product_of(p, &y->qkv, qkv, OP_ATTN_NORM);

    of.bias = y->bias;
    CUDA_TRY(enter(p, &input), err);
    if (linear(p, &of, err))
        return -1;
    if (p->rec->flags & MODEL_WIDE_NORM && wide_norms(p, m_q, err))
        return -1;
    CUDA_TRY(heads(p, m_q), err);
    p->m = m_q;
    if (p->m == 0)
        return 0;
    if (attend_blocks(p, err))
        return -1;
    return add(p, &o, y->attn_after, OP_O_OUT, err);
}

/* x = x + down(silu(gate(h)) * up(h)), or gelu. */
static int ffn_part(struct layer_pass *p, struct err *err)
{
    struct device *d = p->d;
    const struct cuda_layer *y = &d->weights.layer[p->layer];
    float *g = cuda_array<float>(d, PLAN_GATE);
    const struct rows_args input = input_of_ffn(p);
    const struct rows_args rest = rows_of_input(p, g, &y->down, NULL, NULL,
                                                OP_DOWN);
    float *u = cuda_array<float>(d, PLAN_UP);
    struct cut_product down = { g, (uint32_t)d->part.ffn_first, &y->down,
                                OP_DOWN, {}, 0 };
    struct cuda_product gate = product_of(p, &y->gate, g, OP_FFN_NORM);
    struct cuda_product up = product_of(p, &y->up, u, OP_FFN_NORM);

    down.next = input_after(p, &down.n_next);
    CUDA_TRY(enter(p, &input), err);
    if (p->rec->flags & MODEL_GELU) {
        if (linear(p, &gate, err) || linear(p, &up, err))
            return -1;
        if (y->gate.rows)
            CUDA_TRY(each_launch(g, g, u, p->m * y->gate.rows, EACH_GELU,
                                 d->stream), err);
    } else {
        gate.up = &y->up;
        go_on(p, &gate, &rest, p->m);
        if (linear(p, &gate, err))
            return -1;
    }
    return add(p, &down, y->ffn_after, OP_DOWN_OUT, err);
}

/* Logits of the pass's rows, and what they draw. */
static int head(struct layer_pass *p, struct err *err)
{
    const struct rows_args input = input_of_head(p);
    struct device *d = p->d;
    float *logits = cuda_array<float>(d, PLAN_LOGITS);
    const struct fault_sink sink = sink_of(p);
    struct cuda_product of = {};
    struct sample_args a = {};

    of.w = &d->weights.head;
    of.y = logits + d->part.vocab_first;
    of.live = p->live;
    of.m = p->m;
    of.a8 = is_a8(p, HEAD_NORM);
    of.logits = &sink;
    of.ldy = p->rec->n_vocab;
    of.first = (uint32_t)d->part.vocab_first;

    CUDA_TRY(enter(p, &input), err);
    if (of.w->rows && product_launch(d, &of, err))
        return -1;
    if (d->in_group && members_draws(d, p->m, err))
        return -1;
    a.logits = logits;
    a.w = cuda_array<uint32_t>(d, PLAN_WEIGHT);
    a.row = cuda_array<struct sample_row>(d, PLAN_DRAW);
    a.drawn = cuda_array<uint32_t>(d, PLAN_DRAWN);
    a.live = p->live;
    a.n = p->rec->n_vocab;
    CUDA_TRY(sample_launch(&a, p->m, d->stream), err);
    return 0;
}

/* The roots of x_L of the rows [from, to) of a step, which lie at x. */
static int hash_last(const struct device *d, const void *x, size_t from,
                     size_t to, cudaStream_t stream, struct err *err)
{
    struct commit_args a = {};

    if (from == to)
        return 0;
    a.x = (const uint32_t *)x;
    a.fin = (uint32_t *)frame_part(d, d->f, PLAN_HASH) +
            (d->plan.trees * d->plan.rows + from) * 8;
    a.d = d->model->rec.dim;
    CUDA_TRY(commit_launch(&a, (uint32_t)(to - from), stream), err);
    return 0;
}

int fin_launch(struct device *d, struct err *err)
{
    const float *x = cuda_array<float>(d, PLAN_X);
    const struct cuda_frame *f = d->f;

    return hash_last(d, x + f->n_logits * d->model->rec.dim, f->n_logits,
                     f->n_going, d->stream, err);
}

int hashes_launch(struct device *d, struct err *err)
{
    const struct cuda_frame *f = d->f;
    uint32_t *hash = (uint32_t *)frame_part(d, f, PLAN_HASH);
    const size_t trees = d->plan.trees, fin = trees * d->plan.rows * 8;
    struct commit_args kv = {};

    CUDA_TRY(cudaStreamWaitEvent(d->side, f->done, 0), err);
    kv.rows = (const uint32_t *)frame_part(d, f, PLAN_RING);
    kv.kv = hash;
    kv.n_rows = (uint32_t)d->plan.leaves;
    kv.row_words = (8 + 2 * d->mine.head_dim) / 4;
    CUDA_TRY(commit_launch(&kv, (uint32_t)(f->n * trees), d->side), err);
    if (hash_last(d, frame_part(d, f, PLAN_LAST), 0, f->n_logits, d->side,
                  err))
        return -1;
    CUDA_TRY(cudaMemcpyAsync(f->hash, hash, f->n * trees * 32,
                             cudaMemcpyDeviceToHost, d->side), err);
    if (f->n_going)
        CUDA_TRY(cudaMemcpyAsync(f->hash + fin, hash + fin, f->n_going * 32,
                                 cudaMemcpyDeviceToHost, d->side), err);
    CUDA_TRY(cudaEventRecord(f->hashed, d->side), err);
    return 0;
}

static cudaError_t embed(const struct layer_pass *p)
{
    const struct device *d = p->d;
    const struct cuda_matrix *w = &d->weights.embed;
    const uint32_t *words = cuda_array<uint32_t>(d, PLAN_WORDS);
    struct embed_args a = {};

    a.x = cuda_array<float>(d, PLAN_X);
    a.w = w->w;
    a.scale = w->scale;
    a.id = words + WORDS_TOKEN * d->plan.rows;
    a.slot = words;
    a.drawn = cuda_array<uint32_t>(d, PLAN_DRAWN);
    a.live = p->live;
    a.k = w->cols;
    a.ldk = w->ldk;
    return embed_launch(&a, p->m, d->stream);
}

int forward_launch(struct device *d, const struct cuda_extent *e,
                   struct err *err)
{
    const struct model_record *rec = &d->mine;
    struct layer_pass p = { d, rec, e, e->fewer ? step_words(d) : NULL, 0,
                            e->n, false };

    CUDA_TRY(embed(&p), err);
    for (p.layer = 0; p.layer < rec->n_layers; p.layer++) {
        bool last = p.layer + 1 == rec->n_layers;

        if (device_keep_near(d, LAYER_LAUNCHES, err))
            return -1;
        if (attention_part(&p, last ? e->n_going : p.m, err))
            return -1;
        if (p.m > 0 && ffn_part(&p, err))
            return -1;
    }
    p.layer = FAULT_HEAD;
    p.m = e->n_logits;
    return p.m > 0 ? head(&p, err) : 0;
}
