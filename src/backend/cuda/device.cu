/*
 * A step on the device, and the life of its backend.  The host orders the
 * rows, sends their numbers, launches everything and waits once, in collect.
 */
#include "backend/cuda/device.cuh"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_EVERY 1000
#define RESERVED 3       /* of 100 bytes, and .. */
#define CONTEXT_BYTES ((uint64_t)300 << 20) /* .. what libraries need */

static_assert(sizeof(struct sample_row) <= 72, "SAMPLE_ROW_BYTES");
static_assert(sizeof(struct prefill_tile) == 20, "TILE_BYTES");

/* ---- a step: what goes to the device ------------------------------------- */

static void fill_rows(struct device *d)
{
    size_t rows = d->plan.rows, angles = d->plan.angles;
    uint32_t window = 0;

    for (uint32_t l = 0; l < d->model->rec.n_layers; l++)
        if (d->model->layers[l].window)
            window = d->model->layers[l].window;
    for (size_t i = 0; i < d->n; i++) {
        const struct backend_row *r = &d->row[i].r;
        uint32_t to = r->position + 1, *w = d->words + i;

        w[0] = r->slot;
        w[rows] = to;
        w[2 * rows] = 0;
        w[3 * rows] = window && to > window ? to - window : 0;
        w[4 * rows] = r->token == BACKEND_DRAWN ? d->drawn[r->slot] : r->token;
        x1_rope_row(d->angles + i * angles,
                    d->angles + (rows + i) * angles, d->model->inv_freq,
                    angles, r->position);
    }
}

static void fill_draws(struct device *d)
{
    for (size_t i = 0; i < d->n_logits; i++) {
        const struct backend_row *r = &d->row[i].r;
        const struct sampling *s = r->sampling;
        struct sample_row *w = &d->draws[i];

        memset(w, 0, sizeof(*w));
        if (!s)
            continue;
        w->t = (float)((double)s->temperature / 1e6);
        w->top_p = s->top_p;
        w->top_k = s->top_k;
        w->choice = s->choice;
        w->position = r->position + 1;
        w->seed[0] = (uint32_t)s->seed;
        w->seed[1] = (uint32_t)(s->seed >> 32);
    }
}

static int send(struct device *d, enum plan_array to, const void *from,
                size_t n, struct err *err)
{
    if (n > 0)
        CUDA_TRY(cudaMemcpyAsync(d->at[to], from, n, cudaMemcpyHostToDevice,
                                 d->stream), err);
    return 0;
}

static int enter_blocks(struct device *d, const struct backend_step *s,
                        struct err *err)
{
    if (s->n_entries > d->plan.entries)
        return err_set(err, ERR_FATAL, "a step enters %zu blocks, the plan has"
                       " %zu", s->n_entries, d->plan.entries);
    for (size_t i = 0; i < s->n_entries; i++) {
        const struct backend_entry *e = &s->entry[i];

        if (e->slot >= d->plan.slots || e->index >= d->plan.stride ||
            e->block >= d->plan.n_blocks)
            return err_set(err, ERR_FATAL, "block %u of slot %u, %u, is not of"
                           " the plan", e->index, e->slot, e->block);
        d->entry[3 * i] = e->slot;
        d->entry[3 * i + 1] = e->index;
        d->entry[3 * i + 2] = e->block;
    }
    if (s->n_entries == 0)
        return 0;
    if (send(d, PLAN_ENTRY, d->entry, s->n_entries * 12, err))
        return -1;
    CUDA_TRY(table_launch(cuda_array<int32_t>(d, PLAN_TABLE),
                          cuda_array<uint32_t>(d, PLAN_ENTRY),
                          (uint32_t)s->n_entries, d->plan.stride, d->stream),
             err);
    return 0;
}

/* Where x_L of the latest row at this place lies that drew in the steps that
 * are kept: an earlier one was another sequence's. */
static const float *find_last(const struct device *d,
                              const struct backend_place *p)
{
    const float *x = cuda_array<float>(d, PLAN_LAST);

    for (size_t s = 0; s < PLAN_KEPT; s++) {
        size_t step = (d->newest + PLAN_KEPT - s) % PLAN_KEPT;
        const struct cuda_kept *k = &d->kept[step];

        for (size_t i = 0; i < k->n; i++)
            if (k->place[i].slot == p->slot &&
                k->place[i].position == p->position)
                return x + (step * d->plan.draws + i) * d->model->rec.dim;
    }
    return NULL;
}

static int take_last(struct device *d, const struct backend_step *s,
                     struct err *err)
{
    size_t dim = d->model->rec.dim;

    for (size_t i = 0; i < s->n_last; i++) {
        const float *x = find_last(d, &s->last[i]);

        if (!x)
            return err_set(err, ERR_FATAL, "x_L of position %u is not kept",
                           s->last[i].position);
        CUDA_TRY(cudaMemcpyAsync(d->last_x + i * dim, x, dim * sizeof(*x),
                                 cudaMemcpyDeviceToHost, d->stream), err);
        d->last[i] = { s->last[i].slot, s->last[i].position,
                       d->last_x + i * dim };
    }
    d->result.n_last = s->n_last;
    return 0;
}

static int send_rows(struct device *d, struct err *err)
{
    size_t angles = 2 * d->plan.rows * d->plan.angles;

    fill_rows(d);
    fill_draws(d);
    order_tiles(d);
    CUDA_TRY(cudaMemsetAsync(d->at[PLAN_LEAST], 0xff, d->plan.slots * 8,
                             d->stream), err);
    return send(d, PLAN_WORDS, d->words, d->plan.bytes[PLAN_WORDS], err) ||
           send(d, PLAN_ANGLES, d->angles, angles * sizeof(float), err) ||
           send(d, PLAN_LIST, d->list, d->n_listed * sizeof(*d->list), err) ||
           send(d, PLAN_TILE, d->tile,
                (d->tiles[1].first + d->tiles[1].n) * sizeof(*d->tile), err) ||
           send(d, PLAN_DRAW, d->draws, d->n_logits * sizeof(*d->draws), err)
               ? -1 : 0;
}

/* ---- a step: what comes back --------------------------------------------- */

static int receive(struct device *d, void *to, const void *from, size_t n,
                   struct err *err)
{
    if (n > 0)
        CUDA_TRY(cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToHost,
                                 d->stream), err);
    return 0;
}

/* Keep x_L of the rows with logits: of which of them drew, the host learns
 * later. */
static int keep_last(struct device *d, struct err *err)
{
    size_t dim = d->model->rec.dim;

    d->newest = (d->newest + 1) % PLAN_KEPT;
    d->kept[d->newest].n = d->n_logits;
    for (size_t i = 0; i < d->n_logits; i++)
        d->kept[d->newest].place[i] = { d->row[i].r.slot,
                                        d->row[i].r.position };
    if (d->n_logits == 0)
        return 0;
    CUDA_TRY(cudaMemcpyAsync(cuda_array<float>(d, PLAN_LAST) +
                                 d->newest * d->plan.draws * dim,
                             d->at[PLAN_X], d->n_logits * dim * sizeof(float),
                             cudaMemcpyDeviceToDevice, d->stream), err);
    return 0;
}

static int receive_all(struct device *d, struct err *err)
{
    size_t vocab = d->model->rec.n_vocab, rows = d->plan.rows;
    const float *logits = cuda_array<float>(d, PLAN_LOGITS);
    const uint32_t *hash = cuda_array<uint32_t>(d, PLAN_HASH);

    for (size_t i = 0; d->logits && i < d->n_logits; i++)
        if (d->row[i].r.tap && receive(d, d->logits + i * vocab,
                                       logits + i * vocab,
                                       vocab * sizeof(float), err))
            return -1;
    return receive(d, d->draws, d->at[PLAN_DRAW],
                   d->n_logits * sizeof(*d->draws), err) ||
           receive(d, d->hash, hash, d->n * 32, err) ||
           receive(d, d->hash + rows * 8, hash + rows * 8, d->n_going * 32,
                   err) ||
           receive(d, d->least, d->at[PLAN_LEAST], d->plan.slots * 8, err) ||
           tap_receive(d, err) || rehash_receive(d, err)
               ? -1 : 0;
}

static int launch_step(struct device *d, const struct backend_step *s,
                       struct err *err)
{
    d->result = {};
    d->tap = {};
    d->again = {};
    d->n = 0;
    if (take_last(d, s, err) || enter_blocks(d, s, err))
        return -1;
    if (s->n_rows == 0)
        return 0;
    order_rows(d, s);
    tap_choose(d);
    rehash_choose(d);
    if (send_rows(d, err) || forward_launch(d, err) || keep_last(d, err))
        return -1;
    return receive_all(d, err);
}

static int device_step(struct backend *b, const struct backend_step *s,
                       struct err *err)
{
    struct device *d = (struct device *)b;
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    if (device_is_lost(d, err))
        return -1;
    d->steps++;
    if (launch_step(d, s, err) == 0)
        return 0;
    return err->code == ERR_RETRY ? device_failed(d, err) : -1;
}

/* ---- collect ------------------------------------------------------------- */

static struct fault fault_of(unsigned long long key)
{
    struct fault f;

    f.position = (uint32_t)(key >> 46);
    f.layer = (uint32_t)(key >> 38) & 255;
    f.layer = f.layer == FAULT_HEAD ? UINT32_MAX : f.layer;
    f.op = (uint32_t)(key >> 34) & 15;
    f.row = (uint32_t)(key >> 18) & 0xffff;
    f.index = (uint32_t)key & 0x3ffff;
    return f;
}

/* Whether the slot of a row had no fault up to this row. */
static bool in_range(const struct device *d, const struct backend_row *r)
{
    unsigned long long key = d->least[r->slot];

    return key == ~0ull || r->position < fault_of(key).position;
}

static void give_faults(struct device *d)
{
    for (size_t i = 0; i < d->n; i++)
        d->told[d->row[i].r.slot] = false;
    for (size_t i = 0; i < d->n; i++) {
        uint32_t slot = d->row[d->where[i]].r.slot;

        if (d->told[slot] || d->least[slot] == ~0ull)
            continue;
        d->told[slot] = true;
        d->fault[d->result.n_faults++] = { slot, fault_of(d->least[slot]) };
    }
}

static void give_draw(struct device *d, size_t i)
{
    const struct backend_row *r = &d->row[i].r;
    const struct sample_row *w = &d->draws[i];
    struct backend_draw *g = &d->draw[d->result.n_draws++];

    memset(g, 0, sizeof(*g));
    g->slot = r->slot;
    g->position = r->position;
    if (r->tap && d->logits && d->least[r->slot] == ~0ull)
        g->logits = d->logits + i * d->model->rec.n_vocab;
    g->drew = r->sampling && in_range(d, r);
    if (!g->drew)
        return;
    g->d.token = w->token;
    if (r->sampling->temperature) {
        g->d.kept = w->kept;
        g->d.sum_k = w->sum_k;
        g->d.sum_p = w->sum_p;
        g->d.r = w->r;
    }
    d->drawn[r->slot] = w->token;
}

static void give_digest(struct device *d, size_t i)
{
    const struct backend_row *r = &d->row[i].r;
    struct backend_digest *g = &d->digest[d->result.n_digests++];

    memset(g, 0, sizeof(*g));
    g->slot = r->slot;
    g->position = r->position;
    g->has_fin = r->logits ? r->sampling != NULL : r->fin;
    memcpy(&g->kv, d->hash + i * 8, 32);
    if (g->has_fin)
        memcpy(&g->fin, d->hash + (d->plan.rows + i) * 8, 32);
}

static int device_collect(struct backend *b, struct backend_result *out,
                          struct err *err)
{
    struct device *d = (struct device *)b;
    struct backend_result *r = &d->result;

    if (device_wait(d, NULL, err) || tap_check(d, err) ||
        rehash_check(d, err))
        return device_failed(d, err);
    give_faults(d);
    for (size_t i = 0; i < d->n; i++) {
        size_t at = d->where[i];

        if (d->row[at].r.logits)
            give_draw(d, at);
        if (d->row[at].r.commit && in_range(d, &d->row[at].r))
            give_digest(d, at);
    }
    d->n = 0;
    r->draw = d->draw;
    r->fault = d->fault;
    r->digest = d->digest;
    r->last = d->last;
    *out = *r;
    return 0;
}

/* ---- blocks -------------------------------------------------------------- */

/* One array's part of a block, in every layer. */
static int copy_block(struct device *d, enum plan_array a, uint32_t from,
                      uint32_t to, struct err *err)
{
    uint32_t layers = d->model->rec.n_layers;
    size_t n = (size_t)(d->plan.bytes[a] / layers / d->plan.n_blocks);

    for (uint32_t l = 0; l < layers; l++) {
        unsigned char *at = d->at[a] + (size_t)l * d->plan.n_blocks * n;

        CUDA_TRY(cudaMemcpyAsync(at + to * n, at + from * n, n,
                                 cudaMemcpyDeviceToDevice, d->stream), err);
    }
    return 0;
}

static int device_copy(struct backend *b, uint32_t from, uint32_t to,
                       struct err *err)
{
    static const enum plan_array all[] = { PLAN_K, PLAN_V, PLAN_S_K,
                                           PLAN_S_V };
    struct device *d = (struct device *)b;

    if (from >= d->plan.n_blocks || to >= d->plan.n_blocks)
        return err_set(err, ERR_FATAL, "a copy of block %u to %u, the plan has"
                       " %" PRIu64, from, to, d->plan.n_blocks);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (copy_block(d, all[i], from, to, err))
            return -1;
    return 0;
}

/* ---- its life ------------------------------------------------------------ */

static void unload(struct device *d)
{
    void *pinned[] = { d->words, d->entry, d->angles, d->logits, d->last_x,
                       d->draws, d->hash, d->least, d->list, d->tile,
                       d->tap_words, d->tapped, d->tap_q, d->again_rows,
                       d->again_x };

    for (size_t i = 0; i < PLAN_ARRAYS; i++) {
        if (!d->lost)
            cudaFree(d->at[i]);
        d->at[i] = NULL;
    }
    for (size_t i = 0; i < sizeof(pinned) / sizeof(*pinned); i++)
        if (pinned[i] && !d->lost)
            cudaFreeHost(pinned[i]);
    for (size_t i = 0; i < PLAN_KEPT; i++) {
        free(d->kept[i].place);
        d->kept[i] = {};
    }
    free(d->row);
    free(d->where);
    free(d->in_slot);
    free(d->taken);
    free(d->drawn);
    free(d->told);
    free(d->draw);
    free(d->fault);
    free(d->digest);
    free(d->last);
    d->words = d->entry = d->hash = d->list = d->in_slot = NULL;
    d->tile = NULL;
    d->tap_words = NULL;
    d->tapped = NULL;
    d->tap_q = NULL;
    d->again_rows = NULL;
    d->again_x = NULL;
    d->taken = NULL;
    d->angles = d->logits = d->last_x = NULL;
    d->draws = NULL;
    d->least = NULL;
    d->row = NULL;
    d->where = NULL;
    d->drawn = NULL;
    d->told = NULL;
    d->draw = NULL;
    d->fault = NULL;
    d->digest = NULL;
    d->last = NULL;
    d->model = NULL;
}

/* Some kernels expect zeros and leave zeros behind. */
static int alloc_arrays(struct device *d, struct err *err)
{
    for (size_t i = 0; i < PLAN_ARRAYS; i++)
        if (cudaMalloc((void **)&d->at[i], d->plan.bytes[i]) != cudaSuccess)
            return cuda_plan_denied(&d->plan, d->plan.bytes[i], err);
    for (size_t i = 0; i < PLAN_K; i++)
        CUDA_TRY(cudaMemsetAsync(d->at[i], 0, d->plan.bytes[i], d->stream),
                 err);
    return 0;
}

template <typename T>
static cudaError_t pin(T **out, size_t n)
{
    cudaError_t e = cudaMallocHost((void **)out, n * sizeof(T));

    if (e == cudaSuccess)
        memset(*out, 0, n * sizeof(T));
    return e;
}

static int alloc_pinned(struct device *d, unsigned taps, struct err *err)
{
    const struct cuda_plan *p = &d->plan;

    CUDA_TRY(pin(&d->words, PLAN_ROW_WORDS * p->rows), err);
    CUDA_TRY(pin(&d->entry, 3 * p->entries), err);
    CUDA_TRY(pin(&d->angles, 2 * p->rows * p->angles), err);
    CUDA_TRY(pin(&d->last_x, p->slots * d->model->rec.dim), err);
    CUDA_TRY(pin(&d->list, 2 * p->rows), err);
    CUDA_TRY(pin(&d->tile, 2 * p->rows), err);
    CUDA_TRY(pin(&d->draws, p->draws), err);
    CUDA_TRY(pin(&d->hash, 2 * p->rows * 8), err);
    CUDA_TRY(pin(&d->least, p->slots), err);
    CUDA_TRY(pin(&d->tap_words, 2), err);
    CUDA_TRY(pin(&d->tapped, p->bytes[PLAN_TAPPED] / 4), err);
    CUDA_TRY(pin(&d->tap_q, p->bytes[PLAN_TAP_Q]), err);
    CUDA_TRY(pin(&d->again_rows, p->ring_row), err);
    CUDA_TRY(pin(&d->again_x, d->model->rec.dim), err);
    if (taps & BACKEND_TAP_LOGITS)
        CUDA_TRY(pin(&d->logits, p->draws * d->model->rec.n_vocab), err);
    return 0;
}

template <typename T> static void alloc(T **out, size_t n)
{
    *out = (T *)xcalloc(n, sizeof(T));
}

static void alloc_host(struct device *d)
{
    const struct cuda_plan *p = &d->plan;

    alloc(&d->row, p->rows);
    alloc(&d->where, p->rows);
    alloc(&d->taken, p->rows);
    alloc(&d->in_slot, p->slots);
    alloc(&d->drawn, p->slots);
    alloc(&d->told, p->slots);
    alloc(&d->draw, p->draws);
    alloc(&d->fault, p->slots);
    alloc(&d->digest, p->rows);
    alloc(&d->last, p->slots);
    for (size_t i = 0; i < PLAN_KEPT; i++)
        alloc(&d->kept[i].place, p->draws);
}

/* What there is to plan with: all that is free, and what the weights have
 * already. */
static int usable(struct device *d, struct cuda_memory *out, struct err *err)
{
    size_t free_bytes, all;
    uint64_t n;

    CUDA_TRY(cudaMemGetInfo(&free_bytes, &all), err);
    n = free_bytes / 100 * (100 - RESERVED);
    n = n > CONTEXT_BYTES ? n - CONTEXT_BYTES : 0;
    *out = { n + d->weights.bytes, d->weights.bytes, products_slab(d), 0 };
    if (out->slab)
        out->workspace = blas_workspace(d->products.blas);
    return 0;
}

static int make_device(struct device *d, const struct backend_load *want,
                       struct err *err)
{
    struct cuda_memory memory;

    if (weights_finish(d, d->model, err) || usable(d, &memory, err) ||
        cuda_plan_make(&d->plan, &d->model->rec, want, &memory, err) ||
        alloc_arrays(d, err) || alloc_pinned(d, want->taps, err))
        return -1;
    alloc_host(d);
    return 0;
}

static int device_load(struct backend *b, const struct model *m,
                       const struct backend_load *want,
                       struct backend_plan *plan, struct err *err)
{
    struct device *d = (struct device *)b;

    if (device_is_lost(d, err))
        return -1;
    unload(d);
    d->model = m;
    if (products_open(d, err) || make_device(d, want, err)) {
        unload(d);
        cudaGetLastError(); /* or the next launch is taken for it */
        return -1;
    }
    *plan = {};
    plan->block_positions = d->plan.page;
    plan->block_bytes = d->plan.block_bytes;
    plan->n_blocks = d->plan.n_blocks;
    plan->slots = want->slots;
    plan->rows = want->rows;
    plan->draws = want->draws;
    return 0;
}

static void drop_claim(struct device *d)
{
    if (d->claim >= 0)
        close(d->claim);
}

/* What a lost device holds ends with the process: to free it might wait for
 * ever. */
static void device_close(struct backend *b)
{
    struct device *d = (struct device *)b;

    if (!d->lost && device_wait(d, NULL, NULL))
        d->lost = true;
    unload(d);
    weights_drop(d);
    if (!d->lost)
        products_close(d);
    if (!d->lost)
        cudaStreamDestroy(d->stream);
    drop_claim(d);
    free(d->libs);
    free(d);
}

/* ---- matrices as they come ----------------------------------------------- */

static int sink_begin(void *self, const struct model_record *rec,
                      struct err *err)
{
    struct device *d = (struct device *)self;

    if (device_is_lost(d, err))
        return -1;
    unload(d);
    if (weights_take(d, rec, err) == 0)
        return 0;
    cudaGetLastError();
    return -1;
}

static void sink_rows(void *self, uint32_t tensor, const struct x1_matrix *m,
                      size_t from, size_t to)
{
    weights_put((struct device *)self, tensor, m, from, to);
}

static void sink_end(void *self, const struct id *id)
{
    struct device *d = (struct device *)self;

    if (!id) {
        weights_drop(d);
        return;
    }
    d->weights.id = *id;
    d->weights.whole = true;
}

static const struct backend_ops ops = {
    device_load, device_step, device_collect, device_copy, device_close,
};

int cuda_open(struct backend **out, const struct cuda_options *o,
              struct err *err)
{
    struct device *d = (struct device *)xcalloc(1, sizeof(*d));

    d->checks = o->checks;
    d->hash_every = o->hash_every ? o->hash_every : HASH_EVERY;
    if (freivalds_key(d->key, err)) {
        free(d);
        return -1;
    }
    d->libs = xstrdup(o->libs ? o->libs : "");
    d->gemm = o->gemm;
    d->caller = caller_or_none(o->caller);
    if (device_find(d, o->local, o->share, err)) {
        drop_claim(d);
        free(d->libs);
        free(d);
        return -1;
    }
    d->sink.begin = sink_begin;
    d->sink.rows = sink_rows;
    d->sink.end = sink_end;
    d->sink.self = d;
    d->base.ops = &ops;
    d->base.name = "cuda";
    d->base.sink = &d->sink;
    *out = &d->base;
    return 0;
}
