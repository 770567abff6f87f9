/*
 * Steps: who computes which rows, who draws, who is done.  Arithmetic is the
 * backend's, the state of one sequence in sequence.c.
 */
#include <config.h>

#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/blocks.h"
#include "engine/sequence.h"
#include "model/model.h"

#define MAX_ROWS 65536

struct engine {
    struct backend *backend;
    struct backend_plan plan;
    const struct model *model;
    const struct tokenizer *tokenizer;
    struct engine_options o;
    struct observer obs;
    struct blocks blocks;
    uint64_t counted;         /* blocks that those which started may need */
    struct running **running; /* n of them, in the order they were added */
    size_t n;
    struct running **ended;   /* those over, not reported yet, in order */
    size_t n_ended;
    struct running **slot;    /* by slot, NULL: free */
    struct backend_row *row;  /* of the step */
    size_t n_rows;
    struct backend_entry *entry;
    size_t n_entries, cap_entries;
    struct backend_place *last; /* x_L to be asked for */
    size_t n_last;
    struct engine_stats stats;
};

static void fill_options(struct engine_options *o)
{
    if (o->max_sequences < 1)
        o->max_sequences = 1;
    if (o->max_sequences > MAX_ROWS)
        o->max_sequences = MAX_ROWS;
    if (o->max_rows == 0)
        o->max_rows = o->max_sequences + 64;
    if (o->max_rows < o->max_sequences)
        o->max_rows = o->max_sequences;
    if (o->max_rows > MAX_ROWS)
        o->max_rows = MAX_ROWS;
    if (o->max_draws < o->max_sequences)
        o->max_draws = o->max_sequences;
    if (o->max_draws > o->max_rows || o->draw_all)
        o->max_draws = o->max_rows;
    if (o->chunk == 0)
        o->chunk = o->max_rows;
}

/* Residual rows come by slot while a step is computed. */
static void on_residual(void *self, uint32_t slot, uint32_t position,
                        uint32_t layer, const float *x)
{
    struct engine *e = self;

    e->obs.residual(e->obs.self, e->slot[slot]->s.user, position, layer, x);
}

static int load(struct engine *e, struct err *err)
{
    struct backend_load want = {
        .slots = e->o.max_sequences,
        .rows = e->o.max_rows,
        .draws = e->o.max_draws,
        .kv_bytes = e->o.kv_bytes,
        .residual = on_residual,
        .self = e,
    };

    if (e->obs.residual)
        want.taps |= BACKEND_TAP_RESIDUAL;
    if (e->obs.logits)
        want.taps |= BACKEND_TAP_LOGITS;
    if (e->o.deep)
        want.taps |= BACKEND_TAP_DEEP;
    return e->backend->ops->load(e->backend, e->model, &want, &e->plan, err);
}

int engine_new(struct engine **out, struct backend *b, const struct model *m,
               const struct tokenizer *t, const struct engine_options *o,
               const struct observer *obs, struct err *err)
{
    struct engine *e = xcalloc(1, sizeof(*e));

    e->backend = b;
    e->model = m;
    e->o = *o;
    e->obs = *obs;
    fill_options(&e->o);
    if (load(e, err)) {
        free(e);
        return -1;
    }
    e->tokenizer = e->plan.text ? NULL : t;
    e->o.max_sequences = e->plan.slots;
    e->o.max_rows = e->plan.rows;
    e->o.max_draws = e->plan.draws;
    e->running = xcalloc(e->plan.slots, sizeof(struct running *));
    e->ended = xcalloc(e->plan.slots, sizeof(struct running *));
    e->slot = xcalloc(e->plan.slots, sizeof(struct running *));
    e->last = xcalloc(e->plan.slots, sizeof(*e->last));
    e->row = xcalloc(e->plan.rows, sizeof(*e->row));
    *out = e;
    return 0;
}

static void give_blocks(struct engine *e, struct running *r, size_t from,
                        size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (r->block[i] != NO_BLOCK)
            blocks_give(&e->blocks, r->block[i]);
        r->block[i] = NO_BLOCK;
    }
}

/* Forget a sequence. */
static void drop(struct engine *e, struct running *r)
{
    give_blocks(e, r, 0, r->n_blocks);
    e->slot[r->slot] = NULL;
    running_clear(r);
    free(r);
}

void engine_reset(struct engine *e)
{
    for (size_t i = 0; i < e->n; i++)
        drop(e, e->running[i]);
    e->n = e->n_ended = e->n_last = e->n_entries = 0;
    e->counted = 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    engine_reset(e);
    blocks_clear(&e->blocks);
    free(e->running);
    free(e->ended);
    free(e->slot);
    free(e->last);
    free(e->row);
    free(e->entry);
    free(e);
}

size_t engine_capacity(const struct engine *e)
{
    return e->o.max_sequences - e->n;
}

static const uint32_t no_token; /* where there are none: never NULL */

static void report_end(struct engine *e, const struct running *r)
{
    struct answer a = {
        .user = r->s.user,
        .finish = r->finish,
        .token = r->out.n ? r->out.id : &no_token,
        .n_out = r->out.n,
        .text = r->text.len ? r->text.data : "",
        .n_text = r->text_end,
        .fault = r->fault,
        .last = r->last,
    };

    if (e->plan.text) {
        a.text = e->plan.text;
        a.n_text = strlen(a.text);
    }
    e->stats.output_tokens += r->out.n;
    if (e->obs.finished)
        e->obs.finished(e->obs.self, &a);
}

/* An answer without a computation: finish is 17 or 18. */
static void refuse(struct engine *e, const struct sequence *s,
                   enum finish finish)
{
    struct answer a = { .user = s->user, .finish = finish,
                        .token = &no_token, .text = "" };

    if (e->obs.finished)
        e->obs.finished(e->obs.self, &a);
}

static int check_ids(const uint32_t *id, size_t n, const char *what,
                     uint32_t n_vocab, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (id[i] >= n_vocab)
            return err_set(err, ERR_INPUT,
                           "token id %u at %zu of %s is not below %u, the"
                           " model's vocabulary", id[i], i, what, n_vocab);
    return 0;
}

int engine_add(struct engine *e, const struct sequence *s, struct err *err)
{
    const struct model_record *rec = &e->model->rec;
    struct running *r;

    if (check_ids(s->prompt, s->n_prompt, "the prompt", rec->n_vocab, err) ||
        check_ids(s->forced, s->n_forced, "the forced ids", rec->n_vocab, err))
        return -1;
    if (s->n_prompt == 0 || s->n_prompt > rec->context) {
        refuse(e, s, s->n_prompt ? FINISH_LONG : FINISH_PROMPT);
        return 0;
    }
    if (s->n_forced > rec->context - s->n_prompt ||
        (s->n_forced && s->n_forced >= s->max_tokens))
        return err_set(err, ERR_INPUT,
                       "%zu forced ids after a prompt of %zu, the context is"
                       " %u and max_tokens %u", s->n_forced, s->n_prompt,
                       rec->context, s->max_tokens);
    r = xcalloc(1, sizeof(*r));
    running_init(r, s, rec);
    if (e->plan.text) {
        r->s.ignore_eos = true;
        r->s.n_stops = 0;
    }
    while (e->slot[r->slot])
        r->slot++;
    e->slot[r->slot] = r;
    e->running[e->n++] = r;
    return 0;
}

/* Blocks that a sequence of so many positions may come to need. */
static uint64_t blocks_for(const struct engine *e, uint64_t positions)
{
    uint64_t size = e->plan.block_positions, window = e->model->rec.window;
    uint64_t n = (positions + size - 1) / size;

    if (window && n > (window + e->o.chunk) / size + 2)
        n = (window + e->o.chunk) / size + 2;
    return n;
}

uint64_t engine_kv_bytes(const struct engine *e, uint64_t positions)
{
    return blocks_for(e, positions) * e->plan.block_bytes;
}

/* Start the sequences that there are blocks for, in order; the first in line
 * always starts when it is alone. */
static void start(struct engine *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];
        uint64_t need = blocks_for(e, r->kv_positions);

        if (r->started)
            continue;
        if (e->counted && (e->counted > e->plan.n_blocks ||
                           need > e->plan.n_blocks - e->counted))
            return;
        r->started = true;
        e->counted += need;
    }
}

/* Blocks for the positions below n; new ones are entries of the step. */
static void reserve(struct engine *e, struct running *r, size_t n)
{
    size_t want = (n + e->plan.block_positions - 1) / e->plan.block_positions;

    if (want <= r->n_blocks)
        return;
    r->block = xrealloc(r->block, want * sizeof(*r->block));
    VEC_RESERVE(e->entry, e->cap_entries, e->n_entries + want);
    for (; r->n_blocks < want; r->n_blocks++) {
        r->block[r->n_blocks] = blocks_take(&e->blocks);
        e->entry[e->n_entries++] = (struct backend_entry){
            r->slot, (uint32_t)r->n_blocks, r->block[r->n_blocks]
        };
    }
}

/* The next `count` positions of a sequence as rows of the step. */
static void put_rows(struct engine *e, struct running *r, size_t count)
{
    size_t drawing = running_drawing(r);

    for (size_t i = 0; i < count; i++, r->fed++) {
        bool draws = r->fed >= drawing;

        e->row[e->n_rows++] = (struct backend_row){
            .slot = r->slot,
            .position = (uint32_t)r->fed,
            .token = running_token(r, r->fed),
            .logits = draws || e->o.draw_all,
            .tap = e->obs.logits && !r->s.without_logits,
            .commit = e->obs.position != NULL,
            .deep = r->s.deep && e->o.deep,
            .sampling = draws ? &r->s.sampling : NULL,
        };
        if (r->fed < r->s.n_prompt)
            e->stats.prompt_tokens++;
    }
}

/* What a step still has room for. */
struct capacity {
    size_t rows, draws;
};

/* Whether a sequence waits for what its next row draws.  Such a row has its
 * place in every step. */
static bool answering(const struct running *r)
{
    return r->started && r->out.n > 0 && running_ready(r) == 1;
}

/* How many rows of a sequence this step takes: one if it is being answered;
 * those that are known share what is left, the oldest sequence first. */
static size_t rows_of(const struct engine *e, const struct running *r,
                      struct capacity *left)
{
    size_t count = running_ready(r), silent, draws;

    if (answering(r))
        return 1;
    if (count > e->o.chunk)
        count = e->o.chunk;
    if (count > left->rows)
        count = left->rows;
    silent = e->o.draw_all ? count : running_drawing(r) - r->fed;
    draws = count > silent ? count - silent : 0;
    if (draws > left->draws)
        draws = left->draws;
    if (count > silent)
        count = silent + draws;
    left->rows -= count;
    left->draws -= draws;
    return count;
}

static void plan(struct engine *e)
{
    struct capacity left = { e->o.max_rows, e->o.max_draws };

    start(e);
    for (size_t i = 0; i < e->n; i++) {
        left.rows -= answering(e->running[i]);
        left.draws -= answering(e->running[i]);
    }
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];
        size_t count;

        if (!r->started)
            continue;
        count = rows_of(e, r, &left);
        reserve(e, r, r->fed + count);
        put_rows(e, r, count);
    }
}

/* ---- after a step -------------------------------------------------------- */

/* The sequence computes nothing more.  It stays until its digests and its
 * last row are there. */
static void end(struct engine *e, struct running *r, enum finish finish)
{
    e->counted -= blocks_for(e, r->kv_positions);
    r->over = true;
    r->finish = finish;
    e->ended[e->n_ended++] = r;
    if (e->o.with_last && r->drew)
        e->last[e->n_last++] = (struct backend_place){ r->slot, r->drew_at };
}

/* Note that a position was computed. */
static void report(struct engine *e, struct running *r, uint32_t position,
                   uint32_t token, uint32_t next)
{
    if (e->obs.position)
        running_report(r, position, token, next);
}

/* One row of the step, with what was drawn at it or NULL: report it, and its
 * sequence may be over by it. */
static void finish_row(struct engine *e, const struct backend_row *row,
                       const struct backend_draw *d)
{
    struct running *r = e->slot[row->slot];
    enum finish finish;

    if (r->over || (r->faulty && row->position >= r->fault.position))
        return;
    if (row->position != running_drawing(r)) {
        report(e, r, row->position, row->token, UINT32_MAX);
        return;
    }
    r->drew = true;
    r->drew_at = row->position;
    if (e->obs.token)
        e->obs.token(e->obs.self, r->s.user, row->position + 1, &d->d);
    report(e, r, row->position, row->token, d->d.token);
    if (running_draw(r, &e->model->rec, e->tokenizer, d->d.token, &finish))
        end(e, r, finish);
}

/* A row's digests, for the position that waits for them. */
static void take_digest(struct engine *e, const struct backend_digest *d)
{
    struct running *r = e->slot[d->slot];
    const struct pending *t;

    if (!r || r->pending_at == r->n_pending)
        return;
    t = &r->pending[r->pending_at];
    if (t->position != d->position)
        return;
    r->pending_at++;
    e->obs.position(e->obs.self, r->s.user,
                    &(struct position){
                        .position = t->position,
                        .token = t->token,
                        .next = t->next,
                        .kv = &d->kv,
                        .fin = d->has_fin ? &d->fin : NULL,
                        .deep = d->has_deep ? &d->deep : NULL,
                    });
}

static void take_last(struct engine *e, const struct backend_last *l)
{
    struct running *r = e->slot[l->slot];
    size_t n = e->model->rec.dim * sizeof(*r->last);

    if (!r || r->last || !r->over || r->drew_at != l->position)
        return;
    r->last = xmalloc(n);
    memcpy(r->last, l->x, n);
}

/* Report sequences of which everything is there, and forget them. */
static void settle(struct engine *e)
{
    size_t n_ended = 0, n = 0;

    for (size_t i = 0; i < e->n_ended; i++) {
        struct running *r = e->ended[i];

        if (r->pending_at < r->n_pending ||
            (e->o.with_last && r->drew && !r->last)) {
            e->ended[n_ended++] = r;
            continue;
        }
        report_end(e, r);
        for (size_t j = 0; j < e->n; j++)
            if (e->running[j] == r)
                e->running[j] = NULL;
        drop(e, r);
    }
    e->n_ended = n_ended;
    for (size_t i = 0; i < e->n; i++)
        if (e->running[i])
            e->running[n++] = e->running[i];
    e->n = n;
}

/* Give back the blocks that no window reaches any more. */
static void slide(struct engine *e, struct running *r)
{
    uint32_t window = e->model->rec.window;

    if (window && r->fed + 1 > window)
        give_blocks(e, r, 0, (r->fed + 1 - window) / e->plan.block_positions);
}

/* Draws go on with a sequence or end it, faults end it. */
static void finish_step(struct engine *e, const struct backend_result *res)
{
    size_t drew = 0;

    for (size_t i = 0; e->obs.logits && i < res->n_draws; i++) {
        const struct backend_draw *d = &res->draw[i];

        if (d->logits)
            e->obs.logits(e->obs.self, e->slot[d->slot]->s.user, d->position,
                          d->logits);
    }
    for (size_t i = 0; i < res->n_faults; i++) {
        struct running *r = e->slot[res->fault[i].slot];

        r->faulty = true;
        r->fault = res->fault[i].fault;
    }
    for (size_t i = 0; i < e->n_rows; i++) {
        const struct backend_row *row = &e->row[i];

        finish_row(e, row, row->logits ? &res->draw[drew] : NULL);
        drew += row->logits;
    }
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];

        if (r->faulty && !r->over)
            end(e, r, FINISH_RANGE);
        else if (!r->over)
            slide(e, r);
    }
}

/* One step of the backend: what was planned, what is asked for, what comes. */
static int run(struct engine *e, struct err *err)
{
    const struct backend_ops *ops = e->backend->ops;
    struct backend_step s = { e->row, e->n_rows, e->entry, e->n_entries,
                              e->last, e->n_last };
    struct backend_result res;

    if (ops->step(e->backend, &s, err) ||
        ops->collect(e->backend, &res, err))
        return -1;
    e->n_entries = e->n_last = 0;
    finish_step(e, &res);
    for (size_t i = 0; i < res.n_digests; i++)
        take_digest(e, &res.digest[i]);
    for (size_t i = 0; i < res.n_last; i++)
        take_last(e, &res.last[i]);
    e->n_rows = 0;
    settle(e);
    return 0;
}

int engine_step(struct engine *e, bool *busy, struct err *err)
{
    size_t n_rows;

    *busy = e->n > 0;
    if (e->n == 0)
        return 0;
    plan(e);
    n_rows = e->n_rows;
    if (run(e, err))
        return -1;
    e->stats.steps++;
    e->stats.rows += n_rows;
    e->stats.kv_bytes = e->blocks.made * e->plan.block_bytes;
    if (e->n_ended == 0 || e->plan.ahead)
        return 0;
    /* what ended waits for one more step, of a backend that answers at once */
    if (run(e, err))
        return -1;
    if (e->n_ended)
        return err_set(err, ERR_FATAL, "%s has not given all digests",
                       e->backend->name);
    return 0;
}

void engine_stats(const struct engine *e, struct engine_stats *s)
{
    *s = e->stats;
}
