/*
 * A step on the device, and the life of its backend.  The host orders the
 * rows, sends their numbers, launches everything and waits once, in collect.
 * One more step may be launched before: what a row draws is the next token of
 * its slot there, before the host has seen it.
 */
#include "backend/cuda/device.cuh"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern "C" {
#include "backend/group/orders.h"
}

#define HASH_EVERY 1000
#define STEPS_AHEAD 1
#define RESERVED 3       /* of 100 bytes, and .. */
#define CONTEXT_BYTES ((uint64_t)300 << 20) /* .. what libraries need */

static_assert(sizeof(struct sample_row) <= 72, "SAMPLE_ROW_BYTES");
static_assert(sizeof(struct prefill_tile) == 20, "TILE_BYTES");
static_assert(PLAN_KEPT == STEPS_AHEAD + 2, "a frame each");

/* ---- a step: what goes to the device ------------------------------------- */

static void fill_rows(struct device *d)
{
    size_t rows = d->plan.rows, angles = d->plan.angles;
    const struct cuda_frame *f = d->f;

    for (size_t i = 0; i < f->n; i++) {
        const struct backend_row *r = &f->row[i].r;
        uint32_t to = r->position + 1, *w = f->words + i;

        w[WORDS_SLOT * rows] = r->slot;
        w[WORDS_TO * rows] = to;
        w[WORDS_FROM * rows] = 0;
        w[WORDS_TOKEN * rows] = r->token;
        for (size_t k = 0; k < d->n_windows; k++)
            w[(WORDS_WINDOW + k) * rows] = to > d->window[k]
                                               ? to - d->window[k] : 0;
        x1_rope_row(f->angles + i * angles,
                    f->angles + (rows + i) * angles, d->model->inv_freq,
                    angles, r->position);
    }
    f->words[d->plan.row_words * rows] = (uint32_t)f->n;
    f->words[d->plan.row_words * rows + 1] = (uint32_t)(f - d->frame);
}

/* Rows of a slot stand in the order of their positions: the token of the last
 * that draws is the one drawn last. */
static void fill_draws(struct device *d)
{
    const struct cuda_frame *f = d->f;

    for (size_t i = 0; i < f->n_logits; i++)
        d->told[f->row[i].r.slot] = false;
    for (size_t i = f->n_logits; i-- > 0;) {
        const struct backend_row *r = &f->row[i].r;
        const struct sampling *s = r->sampling;
        struct sample_row *w = &f->draws[i];

        memset(w, 0, sizeof(*w));
        w->slot = SAMPLE_NOWHERE;
        if (!s)
            continue;
        w->t = (float)((double)s->temperature / 1e6);
        w->top_p = s->top_p;
        w->top_k = s->top_k;
        w->choice = s->choice;
        w->position = r->position + 1;
        w->seed[0] = (uint32_t)s->seed;
        w->seed[1] = (uint32_t)(s->seed >> 32);
        if (!d->told[r->slot])
            w->slot = r->slot;
        d->told[r->slot] = true;
    }
}

static int send(struct device *d, void *to, const void *from, size_t n,
                struct err *err)
{
    if (n > 0)
        CUDA_TRY(cudaMemcpyAsync(to, from, n, cudaMemcpyHostToDevice,
                                 d->stream), err);
    return 0;
}

static int enter_blocks(struct device *d, const struct backend_step *s,
                        struct err *err)
{
    uint32_t *entry = d->f->entry;

    if (s->n_entries > d->plan.entries)
        return err_set(err, ERR_FATAL, "a step enters %zu blocks, the plan has"
                       " %zu", s->n_entries, d->plan.entries);
    for (size_t i = 0; i < s->n_entries; i++) {
        const struct backend_entry *e = &s->entry[i];

        if (e->slot >= d->plan.slots || e->index >= d->plan.stride ||
            e->block >= d->plan.n_blocks)
            return err_set(err, ERR_FATAL, "block %u of slot %u, %u, is not of"
                           " the plan", e->index, e->slot, e->block);
        entry[3 * i] = e->slot;
        entry[3 * i + 1] = e->index;
        entry[3 * i + 2] = e->block;
    }
    if (s->n_entries == 0)
        return 0;
    if (send(d, d->at[PLAN_ENTRY], entry, s->n_entries * 12, err))
        return -1;
    CUDA_TRY(table_launch(cuda_array<int32_t>(d, PLAN_TABLE),
                          cuda_array<uint32_t>(d, PLAN_ENTRY),
                          (uint32_t)s->n_entries, d->plan.stride, d->stream),
             err);
    return 0;
}

/* Where x_L of the latest row at this place lies that drew in the steps that
 * are kept, of which the oldest is about to be written over: an earlier one was
 * another sequence's. */
static const float *find_last(const struct device *d,
                              const struct backend_place *p)
{
    for (size_t s = 1; s <= PLAN_KEPT && s <= d->begun; s++) {
        const struct cuda_frame *f = &d->frame[(d->begun - s) % PLAN_KEPT];
        const float *x = (const float *)frame_part(d, f, PLAN_LAST);

        for (size_t i = 0; i < f->n_logits; i++)
            if (f->row[i].r.slot == p->slot &&
                f->row[i].r.position == p->position)
                return x + i * d->model->rec.dim;
    }
    return NULL;
}

static int take_last(struct device *d, const struct backend_step *s,
                     struct err *err)
{
    size_t dim = d->model->rec.dim;
    struct cuda_frame *f = d->f;

    for (size_t i = 0; i < s->n_last; i++) {
        const float *x = find_last(d, &s->last[i]);

        if (!x)
            return err_set(err, ERR_FATAL, "x_L of position %u is not kept",
                           s->last[i].position);
        if (device_keep_near(d, 1, err))
            return -1;
        CUDA_TRY(cudaMemcpyAsync(f->last_x + i * dim, x, dim * sizeof(*x),
                                 cudaMemcpyDeviceToHost, d->stream), err);
        f->last[i] = { s->last[i].slot, s->last[i].position,
                       f->last_x + i * dim };
    }
    f->n_last = s->n_last;
    return 0;
}

/* Angles are cosines of all rows, then sines. */
static int send_angles(struct device *d, struct err *err)
{
    size_t n = d->f->n * d->plan.angles, sines = d->plan.rows * d->plan.angles;
    float *to = cuda_array<float>(d, PLAN_ANGLES);

    return send(d, to, d->f->angles, n * sizeof(*to), err) ||
           send(d, to + sines, d->f->angles + sines, n * sizeof(*to), err)
               ? -1 : 0;
}

static int send_rows(struct device *d, struct err *err)
{
    const struct cuda_frame *f = d->f;

    fill_rows(d);
    fill_draws(d);
    order_tiles(d);
    CUDA_TRY(cudaMemsetAsync(d->at[PLAN_LEAST], 0xff, d->plan.slots * 8,
                             d->stream), err);
    return send(d, d->at[PLAN_WORDS], f->words, d->plan.bytes[PLAN_WORDS],
                err) ||
           send_angles(d, err) ||
           send(d, d->at[PLAN_LIST], f->list, f->n_listed * sizeof(*f->list),
                err) ||
           send(d, d->at[PLAN_TILE], f->tile,
                (f->tiles[1].first + f->tiles[1].n) * sizeof(*f->tile), err) ||
           send(d, d->at[PLAN_DRAW], f->draws, f->n_logits * sizeof(*f->draws),
                err)
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
    const struct cuda_frame *f = d->f;
    size_t n = f->n_logits * d->model->rec.dim * sizeof(float);

    if (n > 0)
        CUDA_TRY(cudaMemcpyAsync(frame_part(d, f, PLAN_LAST), d->at[PLAN_X], n,
                                 cudaMemcpyDeviceToDevice, d->stream), err);
    return 0;
}

/* Where the logits of a frame's step come to: before the next but one begins,
 * whoever wanted them has them. */
static float *logits_of(const struct device *d, const struct cuda_frame *f)
{
    return d->logits[f->number % 2];
}

static int receive_all(struct device *d, struct err *err)
{
    size_t vocab = d->model->rec.n_vocab;
    const float *from = cuda_array<float>(d, PLAN_LOGITS);
    const struct cuda_frame *f = d->f;
    float *to = logits_of(d, f);

    for (size_t i = 0; to && i < f->n_logits; i++)
        if (f->row[i].r.tap && (device_keep_near(d, 1, err) ||
                                receive(d, to + i * vocab, from + i * vocab,
                                        vocab * sizeof(float), err)))
            return -1;
    return receive(d, f->draws, d->at[PLAN_DRAW],
                   f->n_logits * sizeof(*f->draws), err) ||
           receive(d, f->least, d->at[PLAN_LEAST], d->plan.slots * 8, err) ||
           tap_receive(d, err) || rehash_receive(d, err)
               ? -1 : 0;
}

static int launch_rows(struct device *d, const struct backend_step *s,
                       struct err *err)
{
    order_rows(d, s);
    rehash_choose(d);
    return send_rows(d, err) || tap_send(d, err) || graphs_launch(d, err) ||
           keep_last(d, err) || fin_launch(d, err) || receive_all(d, err)
               ? -1 : 0;
}

static int launch_step(struct device *d, const struct backend_step *s,
                       struct err *err)
{
    struct cuda_frame *f = d->f = &d->frame[d->begun % PLAN_KEPT];

    if (d->begun - d->given > STEPS_AHEAD)
        return err_set(err, ERR_FATAL, "a step before the one is collected"
                       " that is %d before it", STEPS_AHEAD + 1);
    if (take_last(d, s, err))
        return -1;
    f->number = d->begun++;
    f->tap = {};
    f->again = {};
    f->n = f->n_logits = f->n_going = 0;
    if (enter_blocks(d, s, err) || (s->n_rows && launch_rows(d, s, err)))
        return -1;
    CUDA_TRY(cudaEventRecord(f->done, d->stream), err);
    return f->n ? hashes_launch(d, err) : 0;
}

int device_step_part(struct device *d, const struct backend_step *s,
                     struct err *err)
{
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    d->steps++;
    if (launch_step(d, s, err) == 0)
        return 0;
    d->out = true;
    if (err->code == ERR_RETRY && !d->broken)
        device_failed(d, err);
    if (d->in_group && !d->broken) /* others may wait for its sums */
        d->group.ops->leave(d->group.self, err);
    return -1;
}

static int device_step(struct backend *b, const struct backend_step *s,
                       struct err *err)
{
    struct device *d = (struct device *)b;

    if (device_enter(d, err) || members_check(d, err) ||
        (device_leads(d) && order_step(&d->group, &d->order, s, err)))
        return -1;
    if (device_step_part(d, s, err) == 0)
        return 0;
    members_ended(d);
    return -1;
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
static bool in_range(const struct cuda_frame *f, const struct backend_row *r)
{
    unsigned long long key = f->least[r->slot];

    return key == ~0ull || r->position < fault_of(key).position;
}

static void give_faults(struct device *d, const struct cuda_frame *f)
{
    for (size_t i = 0; i < f->n; i++)
        d->told[f->row[i].r.slot] = false;
    for (size_t i = 0; i < f->n; i++) {
        uint32_t slot = f->row[f->where[i]].r.slot;

        if (d->told[slot] || f->least[slot] == ~0ull)
            continue;
        d->told[slot] = true;
        d->fault[d->result.n_faults++] = { slot, fault_of(f->least[slot]) };
    }
}

static void give_draw(struct device *d, const struct cuda_frame *f, size_t i)
{
    const struct backend_row *r = &f->row[i].r;
    const struct sample_row *w = &f->draws[i];
    struct backend_draw *g = &d->draw[d->result.n_draws++];
    const float *logits = logits_of(d, f);

    memset(g, 0, sizeof(*g));
    g->slot = r->slot;
    g->position = r->position;
    if (r->tap && logits && f->least[r->slot] == ~0ull)
        g->logits = logits + i * d->model->rec.n_vocab;
    g->drew = r->sampling && in_range(f, r);
    if (!g->drew)
        return;
    g->d.token = w->token;
    if (r->sampling->temperature) {
        g->d.kept = w->kept;
        g->d.sum_k = w->sum_k;
        g->d.sum_p = w->sum_p;
        g->d.r = w->r;
    }
}

static void give_digest(struct device *d, const struct cuda_frame *f, size_t i)
{
    const struct backend_row *r = &f->row[i].r;
    struct backend_digest *g = &d->digest[d->result.n_digests++];

    memset(g, 0, sizeof(*g));
    g->slot = r->slot;
    g->position = r->position;
    g->has_fin = r->logits ? r->sampling != NULL : r->fin;
    if (d->in_group)
        g->kv = *joined_root(&d->joined, i);
    else
        memcpy(&g->kv, f->hash + i * 8, 32);
    if (g->has_fin)
        memcpy(&g->fin, f->hash + (d->plan.trees * d->plan.rows + i) * 8, 32);
}

static void give_digests(struct device *d, const struct cuda_frame *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct backend_row *row = &f->row[f->where[i]].r;

        if (row->commit && in_range(f, row))
            give_digest(d, f, f->where[i]);
    }
}

/* Digests come a step later: they are made while that runs.  Of a group they
 * are the first member's. */
static void give(struct device *d, const struct cuda_frame *f,
                 const struct cuda_frame *hashed)
{
    struct backend_result *r = &d->result;

    *r = {};
    give_faults(d, f);
    for (size_t i = 0; i < f->n; i++)
        if (f->row[f->where[i]].r.logits)
            give_draw(d, f, f->where[i]);
    if (hashed && d->group.rank == 0)
        give_digests(d, hashed);
    r->draw = d->draw;
    r->fault = d->fault;
    r->digest = d->digest;
    r->last = f->last;
    r->n_last = f->n_last;
}

/* Wait for a step, and for the hashes of the one before it, and check both. */
static int await_step(struct device *d, const struct cuda_frame *f,
                      const struct cuda_frame *hashed, struct err *err)
{
    if (device_wait(d, f->done, err) || tap_check(d, f, err) ||
        (hashed && (device_wait(d, hashed->hashed, err) ||
                    rehash_check(d, hashed, err))))
        return d->broken ? -1 : device_failed(d, err);
    return 0;
}

int device_collect_part(struct device *d, struct err *err)
{
    struct cuda_frame *f = &d->frame[d->given % PLAN_KEPT];
    const struct cuda_frame *hashed = d->hashing;
    struct err mine = ERR_INIT;
    int rc = await_step(d, f, hashed, &mine);

    if (d->in_group)
        rc = members_collect(d, f, hashed, &mine, err);
    else if (rc)
        err_copy(err, &mine);
    if (rc) {
        d->base.withdraw = d->base.withdraw || d->base.wrong;
        return -1;
    }
    give(d, f, hashed);
    d->hashing = f->n ? f : NULL;
    d->given++;
    return 0;
}

static int device_collect(struct backend *b, struct backend_result *out,
                          struct err *err)
{
    struct device *d = (struct device *)b;

    if (device_enter(d, err) || members_check(d, err))
        return -1;
    if (d->given == d->begun)
        return err_set(err, ERR_FATAL, "no step is to be collected");
    if ((device_leads(d) && order_collect(&d->group, err)) ||
        device_collect_part(d, err)) {
        members_ended(d);
        return -1;
    }
    *out = d->result;
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

        if (device_keep_near(d, 1, err))
            return -1;
        CUDA_TRY(cudaMemcpyAsync(at + to * n, at + from * n, n,
                                 cudaMemcpyDeviceToDevice, d->stream), err);
    }
    return 0;
}

int device_copy_part(struct device *d, uint32_t from, uint32_t to,
                     struct err *err)
{
    static const enum plan_array all[] = { PLAN_K, PLAN_V, PLAN_S_K,
                                           PLAN_S_V };

    if (device_enter(d, err))
        return -1;
    if (from >= d->plan.n_blocks || to >= d->plan.n_blocks)
        return err_set(err, ERR_FATAL, "a copy of block %u to %u, the plan has"
                       " %" PRIu64, from, to, d->plan.n_blocks);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (copy_block(d, all[i], from, to, err))
            return -1;
    return 0;
}

static int device_copy(struct backend *b, uint32_t from, uint32_t to,
                       struct err *err)
{
    struct device *d = (struct device *)b;

    if (members_check(d, err) ||
        (device_leads(d) && order_copy(&d->group, from, to, err)))
        return -1;
    return device_copy_part(d, from, to, err);
}

/* ---- its life ------------------------------------------------------------ */

void device_unload(struct device *d)
{
    graphs_drop(d);
    members_drop(d);
    for (size_t i = 0; i < PLAN_ARRAYS; i++) {
        if (!d->lost)
            cudaFree(d->at[i]);
        d->at[i] = NULL;
    }
    frames_drop(d);
    d->model = NULL;
}

/* Some kernels expect zeros and leave zeros behind. */
static int alloc_arrays(struct device *d, struct err *err)
{
    for (size_t i = 0; i < PLAN_ARRAYS; i++)
        if (cudaMalloc((void **)&d->at[i], d->plan.bytes[i]) != cudaSuccess) {
            cuda_plan_denied(&d->plan, d->plan.bytes[i], d->shares, err);
            return device_full(d, err);
        }
    for (size_t i = 0; i < PLAN_K; i++)
        CUDA_TRY(cudaMemsetAsync(d->at[i], 0, d->plan.bytes[i], d->stream),
                 err);
    return 0;
}

/* Of so many bytes of the device, what may be planned. */
static uint64_t usable_of(const struct device *d, uint64_t bytes)
{
    uint64_t n = bytes / 100 * (100 - RESERVED) / d->sharers;

    return n > CONTEXT_BYTES ? n - CONTEXT_BYTES : 0;
}

/* What there is to plan with: all that is free, and what the weights have
 * already.  Members of a group that share the device have as much each: all
 * have their weights, and none has anything else yet. */
static int usable(struct device *d, struct cuda_memory *out, struct err *err)
{
    size_t free_bytes, all;
    uint64_t others;

    CUDA_TRY(cudaMemGetInfo(&free_bytes, &all), err);
    *out = { usable_of(d, free_bytes) + d->weights.bytes, d->weights.bytes,
             products_slab(d), 0, 0, d->shares };
    others = device_others(d, free_bytes, all);
    if (others)
        out->alone = usable_of(d, free_bytes + others) + d->weights.bytes;
    if (out->slab)
        out->workspace = blas_workspace(d->products.blas);
    return 0;
}

static int have_weights(struct device *d, const struct model *m,
                        struct err *err)
{
    d->model = m;
    return cuda_plan_check(&m->rec, err) || order_windows(d, m, err) ||
                   device_enter(d, err) || products_open(d, err) ||
                   weights_finish(d, m, err)
               ? -1 : 0;
}

static int make_plan(struct device *d, const struct backend_load *want,
                     struct err *err)
{
    struct cuda_memory memory;

    if (device_enter(d, err) || usable(d, &memory, err))
        return -1;
    return cuda_plan_make(&d->plan, &d->model->rec, &d->part, want, &memory,
                          err) ? device_full(d, err) : 0;
}

static int take_memory(struct device *d, const struct backend_load *want,
                       struct err *err)
{
    return alloc_arrays(d, err) || frames_take(d, want->taps, err) ||
           (d->in_group && members_take(d, want, err))
               ? -1 : 0;
}

enum agreed device_load_part(void *device, const struct model *m,
                             const struct err *none,
                             const struct backend_load *want, struct err *err)
{
    struct device *d = (struct device *)device;
    struct err mine = ERR_INIT;
    enum agreed agreed;

    device_unload(d);
    if (m)
        have_weights(d, m, &mine);
    else
        mine = *none;
    agreed = members_agree(d, &mine, err);
    if (agreed == AGREED_WELL && members_places(d, err))
        agreed = AGREED_BROKEN;
    if (agreed == AGREED_WELL)
        agreed = members_connect(d, err);
    if (agreed == AGREED_WELL) {
        make_plan(d, want, &mine);
        agreed = members_agree(d, &mine, err);
    }
    if (agreed == AGREED_WELL && members_blocks(d, err))
        agreed = AGREED_BROKEN;
    if (agreed == AGREED_WELL) {
        take_memory(d, want, &mine);
        agreed = members_agree(d, &mine, err);
    }
    if (agreed == AGREED_WELL) {
        d->base.full = false;
        return agreed;
    }
    device_unload(d);
    cudaGetLastError(); /* or the next launch is taken for it */
    return agreed;
}

static int device_load(struct backend *b, const struct model *m,
                       const struct backend_load *want,
                       struct backend_plan *plan, struct err *err)
{
    struct device *d = (struct device *)b;

    if (device_enter(d, err) || members_check(d, err) ||
        (device_leads(d) && order_load(&d->group, m->id, want, true, err)) ||
        device_load_part(d, m, NULL, want, err) != AGREED_WELL)
        return -1;
    *plan = {};
    plan->block_positions = d->plan.page;
    plan->block_bytes = d->plan.block_bytes;
    plan->n_blocks = d->plan.n_blocks;
    plan->slots = want->slots;
    plan->rows = want->rows;
    plan->draws = want->draws;
    plan->ahead = STEPS_AHEAD;
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

    if (device_leads(d) && !d->out && order_close(&d->group, NULL))
        d->out = true;
    device_enter(d, NULL);
    members_disconnect(d);
    if (device_enter(d, NULL) || device_wait(d, NULL, NULL))
        d->lost = true;
    device_unload(d);
    weights_drop(d);
    if (!d->lost)
        products_close(d);
    if (!d->lost) {
        cudaStreamDestroy(d->side);
        cudaStreamDestroy(d->stream);
    }
    drop_claim(d);
    nvml_unwatch(d->xids);
    buf_clear(&d->order);
    free(d->libs);
    free(d);
}

/* ---- matrices as they come ----------------------------------------------- */

static int sink_begin(void *self, const struct model_record *rec,
                      struct err *err)
{
    struct device *d = (struct device *)self;

    if (device_enter(d, err) || members_check(d, err) ||
        part_init(&d->part, &d->group, rec, err) ||
        (device_leads(d) && order_open(&d->group, rec, err)))
        return -1;
    device_unload(d);
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
    device_follow,
};

const char *cuda_text(const struct backend *b)
{
    return ((const struct device *)b)->text;
}

int cuda_open(struct backend **out, const struct cuda_options *o,
              struct err *err)
{
    struct device *d = (struct device *)xcalloc(1, sizeof(*d));

    d->group.size = 1;
    if (o->group)
        d->group = *o->group;
    d->in_group = d->group.size > 1;
    buf_init(&d->order, ORDER_MAX);
    d->checks = o->checks;
    d->graphs.off = o->plain;
    d->hash_every = o->hash_every ? o->hash_every : HASH_EVERY;
    if (freivalds_key(d->key, err)) {
        free(d);
        return -1;
    }
    d->libs = xstrdup(o->libs ? o->libs : "");
    d->gemm = o->gemm;
    d->shares = o->share;
    d->may_nccl = o->nccl;
    d->wait_s = o->wait_s;
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
    if (o->start_test && device_start_test(d, o, err)) {
        d->in_group = false; /* which has heard nothing of it */
        device_close(&d->base);
        return -1;
    }
    *out = &d->base;
    return 0;
}
