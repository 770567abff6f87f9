/*
 * Steps: who computes which rows, who draws, who is done.  Arithmetic is in
 * forward.c, the state of one sequence in sequence.c.
 */
#include <config.h>

#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/forward.h"
#include "engine/sequence.h"
#include "model/model.h"

#define MAX_ROWS 65536

struct engine {
    const struct model *model;
    const struct tokenizer *tokenizer;
    struct engine_options o;
    struct observer obs;
    struct kv_pool pool;
    struct forward *forward;
    struct running **running; /* n of them, in the order they were added */
    size_t n;
    uint64_t kv_counted;      /* bytes that those which started may need */
    struct forward_row *row;  /* of the step */
    struct running **owner;   /* of each row */
    const struct x1_kernels *kernels;
    struct sampler_room sampler;
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

int engine_new(struct engine **out, const struct model *m,
               const struct x1_kernels *k, const struct tokenizer *t,
               const struct engine_options *o, const struct observer *obs,
               struct err *err)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    void *weight = NULL, *candidate = NULL;

    e->model = m;
    e->kernels = k;
    e->tokenizer = t;
    e->o = *o;
    e->obs = *obs;
    fill_options(&e->o);
    kv_pool_init(&e->pool, k, m->rec.n_layers, m->rec.n_kv_heads,
                 m->rec.head_dim);
    e->running = xcalloc(e->o.max_sequences, sizeof(struct running *));
    e->row = xcalloc(e->o.max_rows, sizeof(*e->row));
    e->owner = xcalloc(e->o.max_rows, sizeof(struct running *));
    if (mem_big(&weight, m->rec.n_vocab, 4, "candidates", err) ||
        mem_big(&candidate, m->rec.n_vocab, sizeof(struct candidate),
                "candidates", err) ||
        forward_new(&e->forward, m, k, &e->pool, e->o.max_rows,
                    e->o.max_draws, &e->obs, err)) {
        free(weight);
        free(candidate);
        engine_free(e);
        return -1;
    }
    e->sampler = (struct sampler_room){ weight, candidate };
    *out = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->n; i++) {
        running_clear(e->running[i], &e->pool);
        free(e->running[i]);
    }
    forward_free(e->forward);
    kv_pool_clear(&e->pool);
    free(e->running);
    free(e->row);
    free(e->owner);
    free(e->sampler.weight);
    free(e->sampler.candidate);
    free(e);
}

size_t engine_room(const struct engine *e)
{
    return e->o.max_sequences - e->n;
}

static const uint32_t no_token; /* where there are none: never NULL */

static void report(struct engine *e, const struct running *r,
                   enum finish finish)
{
    struct answer a = {
        .user = r->s.user,
        .finish = finish,
        .token = r->out.n ? r->out.id : &no_token,
        .n_out = r->out.n,
        .text = r->text.len ? r->text.data : "",
        .n_text = r->text_end,
        .fault = r->fault,
    };

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
        check_ids(s->given, s->n_given, "those given", rec->n_vocab, err))
        return -1;
    if (s->n_prompt == 0 || s->n_prompt > rec->context) {
        refuse(e, s, s->n_prompt ? FINISH_LONG : FINISH_PROMPT);
        return 0;
    }
    if (s->n_given > rec->context - s->n_prompt ||
        (s->n_given && s->n_given >= s->max_tokens))
        return err_set(err, ERR_INPUT,
                       "%zu ids given after a prompt of %zu, the context is"
                       " %u and max_tokens %u", s->n_given, s->n_prompt,
                       rec->context, s->max_tokens);
    r = xcalloc(1, sizeof(*r));
    running_init(r, s, rec);
    e->running[e->n++] = r;
    return 0;
}

/* Bytes of KV that a sequence may come to need. */
static uint64_t kv_need(const struct engine *e, const struct running *r)
{
    uint64_t pages = (r->kv_positions + KV_PAGE - 1) / KV_PAGE;
    uint64_t window = e->model->rec.window;

    if (window && pages > (window + e->o.chunk) / KV_PAGE + 2)
        pages = (window + e->o.chunk) / KV_PAGE + 2;
    return pages * e->pool.page_bytes;
}

/* Start the sequences that the ceiling of the KV cache has room for, in
 * order; the first in line always starts when it is alone. */
static void start(struct engine *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];
        uint64_t need = kv_need(e, r);

        if (r->started)
            continue;
        if (e->o.kv_bytes && e->kv_counted &&
            e->kv_counted + need > e->o.kv_bytes)
            return;
        r->started = true;
        e->kv_counted += need;
    }
}

/* The next `count` positions of a sequence as rows of the step. */
static void put_rows(struct engine *e, struct running *r, size_t count,
                     size_t *n_rows)
{
    for (size_t i = 0; i < count; i++, r->fed++) {
        struct forward_row *row = &e->row[*n_rows];

        row->token = running_token(r, r->fed);
        row->position = (uint32_t)r->fed;
        row->draw = r->fed >= running_drawing(r) || e->o.draw_all;
        row->kv = &r->kv;
        row->faulty = &r->faulty;
        row->fault = &r->fault;
        row->user = r->s.user;
        e->owner[(*n_rows)++] = r;
        if (r->fed < r->s.n_prompt)
            e->stats.prompt_tokens++;
    }
}

/* What a step still has room for. */
struct room {
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
static size_t share(const struct engine *e, const struct running *r,
                    struct room *left)
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

static int plan(struct engine *e, size_t *n_rows, struct err *err)
{
    struct room left = { e->o.max_rows, e->o.max_draws };

    start(e);
    for (size_t i = 0; i < e->n; i++) {
        left.rows -= answering(e->running[i]);
        left.draws -= answering(e->running[i]);
    }
    *n_rows = 0;
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];
        size_t count;

        if (!r->started)
            continue;
        count = share(e, r, &left);
        if (kv_reserve(&r->kv, &e->pool, r->fed + count, err) ||
            forward_reserve(e->forward, r->fed + count, err))
            return -1;
        put_rows(e, r, count, n_rows);
    }
    return 0;
}

/* Draw at a row and tell of it; the token. */
static uint32_t draw(struct engine *e, const struct running *r,
                     uint32_t position, const float *logits)
{
    struct drawn d;

    sampler_draw(&d, logits, e->model->rec.n_vocab, &r->s.sampling,
                 position + 1, e->kernels, &e->sampler);
    if (e->obs.token)
        e->obs.token(e->obs.self, r->s.user, position + 1, &d);
    return d.token;
}

static void tell(struct engine *e, const struct forward_row *row,
                 uint32_t next, const float *last)
{
    struct position p = { row->position, row->token, next, last, row->kv,
                          &e->pool };

    if (e->obs.position)
        e->obs.position(e->obs.self, row->user, &p);
}

/* Report the sequence and forget it: its place, and that of the rows that it
 * still has in this step, is NULL until `sweep`. */
static void end(struct engine *e, struct running *r, enum finish finish,
                size_t n_rows)
{
    e->kv_counted -= kv_need(e, r);
    report(e, r, finish);
    for (size_t i = 0; i < e->n; i++)
        if (e->running[i] == r)
            e->running[i] = NULL;
    for (size_t i = 0; i < n_rows; i++)
        if (e->owner[i] == r)
            e->owner[i] = NULL;
    running_clear(r, &e->pool);
    free(r);
}

static void sweep(struct engine *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        if (e->running[i])
            e->running[n++] = e->running[i];
    e->n = n;
}

/* One row of the step, the i-th of those that drew if it did: it is told,
 * and its sequence may be over by it. */
static void conclude_row(struct engine *e, size_t row, size_t i,
                         size_t n_rows)
{
    const struct forward_row *f = &e->row[row];
    struct running *r = e->owner[row];
    enum finish finish;
    uint32_t next;

    if (!r || (r->faulty && f->position >= r->fault.position))
        return;
    if (f->position != running_drawing(r)) {
        tell(e, f, UINT32_MAX, NULL);
        return;
    }
    next = draw(e, r, f->position, forward_logits(e->forward, i));
    tell(e, f, next, forward_last(e->forward, i));
    if (running_draw(r, &e->model->rec, e->tokenizer, next, &finish))
        end(e, r, finish, n_rows);
}

/* After the rows: draws go on with a sequence or end it, faults end it. */
static void conclude(struct engine *e, size_t n_rows)
{
    uint32_t window = e->model->rec.window;
    size_t drew = 0;

    for (size_t i = 0; i < n_rows; i++) {
        bool draws = e->row[i].draw;

        conclude_row(e, i, drew, n_rows);
        drew += draws;
    }
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];

        if (r && r->faulty)
            end(e, r, FINISH_RANGE, n_rows);
        else if (r && window && r->fed + 1 > window)
            kv_drop(&r->kv, &e->pool, r->fed + 1 - window);
    }
    sweep(e);
}

int engine_step(struct engine *e, bool *busy, struct err *err)
{
    size_t n_rows;

    *busy = e->n > 0;
    if (e->n == 0)
        return 0;
    if (plan(e, &n_rows, err))
        return -1;
    forward_step(e->forward, e->row, n_rows);
    e->stats.steps++;
    e->stats.rows += n_rows;
    e->stats.kv_bytes = (uint64_t)e->pool.n_pages * e->pool.page_bytes;
    conclude(e, n_rows);
    return 0;
}

void engine_stats(const struct engine *e, struct engine_stats *s)
{
    *s = e->stats;
}
