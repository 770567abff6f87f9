/*
 * Steps: who draws, who is done.  Which rows a step has is planned in step.c,
 * arithmetic is the backend's, the state of one sequence in sequence.c.
 */
#include <config.h>

#include "engine/engine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/engine_internal.h"
#include "model/model.h"

#define MAX_ROWS 65536
#define SETTLE_STEPS 8 /* after which nothing comes any more */
#define DIGESTS_LATE 2 /* steps, at most */

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

    /* computed again, after it was put back */
    if (position < e->slot[slot]->n_told)
        return;
    e->obs.residual(e->obs.self, e->slot[slot]->s.user, position, layer, x);
}

static int load_backend(struct engine *e, struct err *err)
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
    if (e->backend->ops->load(e->backend, e->model, &want, &e->plan, err))
        return -1;
    if (!e->plan.grows &&
        step_blocks(e, e->model->rec.context) > e->plan.n_blocks)
        return err_set(err, ERR_INPUT, "%s has room for %" PRIu64 " positions,"
                       " and one sequence may have %" PRIu32,
                       e->backend->name,
                       e->plan.n_blocks * e->plan.block_positions,
                       e->model->rec.context);
    return 0;
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
    if (load_backend(e, err)) {
        free(e);
        return -1;
    }
    e->tokenizer = e->plan.text ? NULL : t;
    prefixes_init(&e->prefixes, e->plan.block_positions,
                  obs->position != NULL);
    /* a window has let go of blocks that others would begin with, and what is
     * looked at is to be computed */
    e->shares = m->rec.window == 0 && !o->draw_all && !obs->residual;
    e->o.max_sequences = e->plan.slots;
    e->o.max_rows = e->plan.rows;
    e->o.max_draws = e->plan.draws;
    e->limit = e->o.chunk;
    e->running = xcalloc(e->plan.slots, sizeof(struct running *));
    e->ended = xcalloc(e->plan.slots, sizeof(struct running *));
    e->slot = xcalloc(e->plan.slots, sizeof(struct running *));
    e->last = xcalloc(e->plan.slots, sizeof(*e->last));
    e->row = xcalloc(e->plan.rows, sizeof(*e->row));
    e->flight = xcalloc(e->plan.ahead + 1, sizeof(*e->flight));
    for (size_t i = 0; i <= e->plan.ahead; i++)
        e->flight[i].row = xcalloc(e->plan.rows, sizeof(*e->row));
    *out = e;
    return 0;
}

/* Forget a sequence. */
static void drop(struct engine *e, struct running *r)
{
    step_leave(e, r);
    e->slot[r->slot] = NULL;
    running_clear(r);
    free(r);
}

/* Collect what runs for nobody; then what is outstanding, which would else come
 * to those who have the slots next. */
static void discard(struct engine *e)
{
    const struct backend_ops *ops = e->backend->ops;
    const struct backend_step none = { .n_rows = 0 };
    struct backend_result unused;
    bool well = true;

    for (; well && e->n_collected < e->n_launched; e->n_collected++)
        well = ops->collect(e->backend, &unused, NULL) == 0;
    for (int i = 0; well && e->plan.ahead && i < DIGESTS_LATE; i++)
        well = ops->step(e->backend, &none, NULL) == 0 &&
               ops->collect(e->backend, &unused, NULL) == 0;
    e->n_collected = e->n_launched;
}

void engine_reset(struct engine *e)
{
    if (e->n > 0)
        discard(e);
    for (size_t i = 0; i < e->n; i++)
        drop(e, e->running[i]);
    e->n = e->n_ended = e->n_last = e->n_entries = 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    engine_reset(e);
    blocks_clear(&e->blocks);
    prefixes_clear(&e->prefixes);
    free(e->running);
    free(e->ended);
    free(e->slot);
    free(e->last);
    free(e->row);
    for (size_t i = 0; i <= e->plan.ahead; i++)
        free(e->flight[i].row);
    free(e->flight);
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
static void refuse_sequence(struct engine *e, const struct sequence *s,
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
        refuse_sequence(e, s, s->n_prompt ? FINISH_LONG : FINISH_PROMPT);
        return 0;
    }
    if (s->n_forced > rec->context - s->n_prompt ||
        (s->n_forced && s->n_forced >= s->max_tokens))
        return err_set(err, ERR_INPUT,
                       "%zu forced ids after a prompt of %zu, the context is"
                       " %u and max_tokens %u", s->n_forced, s->n_prompt,
                       rec->context, s->max_tokens);
    r = xcalloc(1, sizeof(*r));
    running_init(r, s);
    if (e->o.draw_all)
        r->s.believed = false;
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

uint64_t engine_kv_bytes(const struct engine *e, uint64_t positions)
{
    return step_blocks(e, positions) * e->plan.block_bytes;
}

void engine_limit(struct engine *e, size_t rows)
{
    if (rows < 1)
        rows = 1;
    e->limit = rows < e->o.chunk ? rows : e->o.chunk;
}

void engine_each(const struct engine *e, engine_sequence_fn *each, void *self)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct running *r = e->running[i];
        bool drawn = r->out.n > r->s.n_forced;

        /* the last one of an answer that ended is drawn again: with it there
         * would be nothing left to draw */
        each(self, r->s.user, drawn ? r->out.id : r->s.forced,
             drawn ? r->out.n - r->over : r->s.n_forced);
    }
}

/* ---- after a step -------------------------------------------------------- */

/* The sequence computes nothing more.  It stays until its digests and its
 * last row are there. */
static void end(struct engine *e, struct running *r, enum finish finish)
{
    r->over = true;
    r->finish = finish;
    e->ended[e->n_ended++] = r;
    if (e->o.with_last && r->drew)
        e->last[e->n_last++] = (struct backend_place){ r->slot, r->drew_at };
}

/* Note that a position was computed, for the first time. */
static void report_position(struct engine *e, struct running *r,
                            uint32_t position, uint32_t token, uint32_t next)
{
    if (position < r->n_told)
        return;
    r->n_told = (size_t)position + 1;
    if (e->obs.position)
        running_report(r, position, token, next);
}

/* One row of the step, with what was drawn at it or NULL: report it, and its
 * sequence may be over by it.  The next token is what was drawn, or one that is
 * forced and believed. */
static void finish_row(struct engine *e, const struct backend_row *row,
                       const struct backend_draw *d)
{
    struct running *r = e->slot[row->slot];
    enum finish finish;
    uint32_t token, next;

    if (r->over || (r->faulty && row->position >= r->fault.position))
        return;
    token = running_token(r, row->position);
    if (row->position != running_drawing(r)) {
        report_position(e, r, row->position, token, UINT32_MAX);
        return;
    }
    next = row->sampling ? d->d.token : r->s.forced[r->out.n];
    if (row->sampling) {
        r->drew = true;
        r->drew_at = row->position;
        if (e->obs.token)
            e->obs.token(e->obs.self, r->s.user, row->position + 1, &d->d);
    }
    report_position(e, r, row->position, token, next);
    if (running_draw(r, &e->model->rec, e->tokenizer, next, &finish))
        end(e, r, finish);
}

/* A row's digests, for the position that waits for them. */
static void take_digest(struct engine *e, const struct backend_digest *d)
{
    struct running *r = e->slot[d->slot];
    const struct pending *t;

    if (!r)
        return;
    step_digest(e, r, d->position, &d->kv);
    if (r->pending_at == r->n_pending)
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

/* Whether something of a sequence that ended is still to come.  Its slot is
 * not another's while digests of a row that was dropped may come: two steps. */
static bool awaits(const struct engine *e, const struct running *r)
{
    return r->pending_at < r->n_pending ||
           (e->o.with_last && r->drew && !r->last) ||
           (e->plan.ahead && e->n_collected < r->last_step + DIGESTS_LATE);
}

/* Report sequences of which everything is there, and forget them. */
static int settle(struct engine *e, struct err *err)
{
    size_t n_ended = 0, n = 0;

    for (size_t i = 0; i < e->n_ended; i++) {
        struct running *r = e->ended[i];

        if (awaits(e, r)) {
            if (e->n_collected > r->last_step + e->plan.ahead + SETTLE_STEPS)
                return err_set(err, ERR_FATAL, "%s has not given all digests",
                               e->backend->name);
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
    return 0;
}

/* Draws go on with a sequence or end it, faults end it.  What came of rows
 * behind an end is dropped. */
static void finish_step(struct engine *e, const struct flight *f,
                        const struct backend_result *res)
{
    size_t drew = 0;

    for (size_t i = 0; e->obs.logits && i < res->n_draws; i++) {
        const struct backend_draw *d = &res->draw[i];

        if (d->logits && !e->slot[d->slot]->over)
            e->obs.logits(e->obs.self, e->slot[d->slot]->s.user, d->position,
                          d->logits);
    }
    for (size_t i = 0; i < res->n_faults; i++) {
        struct running *r = e->slot[res->fault[i].slot];

        if (r->over || r->faulty)
            continue;
        r->faulty = true;
        r->fault = res->fault[i].fault;
    }
    for (size_t i = 0; i < f->n_rows; i++) {
        const struct backend_row *row = &f->row[i];

        finish_row(e, row, row->logits ? &res->draw[drew] : NULL);
        drew += row->logits;
    }
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];

        if (r->faulty && !r->over)
            end(e, r, FINISH_RANGE);
        if (r->over)
            continue;
        step_slide(e, r);
        step_share(e, r);
    }
}

/* Give the backend what was planned and is asked for. */
static int launch(struct engine *e, struct err *err)
{
    struct backend_step s = { e->row, e->n_rows, e->entry, e->n_entries,
                              e->last, e->n_last };
    struct flight *f = &e->flight[e->n_launched % (e->plan.ahead + 1)];
    struct backend_row *row = f->row;

    if (e->backend->ops->step(e->backend, &s, err)) {
        e->n_collected = e->n_launched; /* nothing more comes */
        return -1;
    }
    e->n_launched++;
    f->row = e->row;
    f->n_rows = e->n_rows;
    e->row = row;
    e->n_rows = e->n_entries = e->n_last = 0;
    return 0;
}

/* Take what came of the oldest step. */
static int collect_step(struct engine *e, struct err *err)
{
    const struct flight *f = &e->flight[e->n_collected %
                                        (e->plan.ahead + 1)];
    struct backend_result res;

    if (e->backend->ops->collect(e->backend, &res, err)) {
        e->n_collected = e->n_launched;
        return -1;
    }
    e->n_collected++;
    finish_step(e, f, &res);
    for (size_t i = 0; i < res.n_digests; i++)
        take_digest(e, &res.digest[i]);
    for (size_t i = 0; i < res.n_last; i++)
        take_last(e, &res.last[i]);
    return settle(e, err);
}

int engine_step(struct engine *e, bool *busy, struct err *err)
{
    size_t n_rows, ahead;

    *busy = e->n > 0;
    if (e->n == 0)
        return 0;
    step_plan(e);
    n_rows = e->n_rows;
    /* without rows: what is outstanding, or moves with a step of none */
    if ((n_rows > 0 || e->n_collected == e->n_launched) && launch(e, err))
        return -1;
    ahead = n_rows > 0 ? e->plan.ahead : 0;
    while (e->n_launched - e->n_collected > ahead)
        if (collect_step(e, err))
            return -1;
    e->stats.steps++;
    e->stats.rows += n_rows;
    e->stats.kv_bytes = e->blocks.made * e->plan.block_bytes;
    if (e->n_ended == 0 || e->plan.ahead)
        return 0;
    /* what ended waits for one more step, of a backend that answers at once */
    if (launch(e, err) || collect_step(e, err))
        return -1;
    if (e->n_ended)
        return err_set(err, ERR_FATAL, "%s has not given all digests",
                       e->backend->name);
    return 0;
}

int engine_drain(struct engine *e, struct err *err)
{
    while (e->n_launched > e->n_collected)
        if (collect_step(e, err))
            return -1;
    while (e->n_ended > 0)
        if (launch(e, err) || collect_step(e, err))
            return -1;
    return 0;
}

void engine_stats(const struct engine *e, struct engine_stats *s)
{
    *s = e->stats;
}
