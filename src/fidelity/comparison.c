/*
 * Logits of both sides, one window after the other.
 */
#include <config.h>

#include "fidelity/comparison.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "fidelity/divergence.h"
#include "fidelity/float_source.h"
#include "fidelity/windows.h"
#include "model/import/import.h"
#include "model/model.h"

/* A model that runs windows; its logits go to `logits` of the observer. */
struct runner {
    struct engine *engine;
    struct sequence sequence;
    const char *name;
    enum finish finish;
    struct fault fault;
};

struct comparison {
    const struct comparison_sides *s;
    const struct windows *w;
    struct divergence *d;
    struct runner model, reference;
    float *logits;  /* the reference's, of a window */
    size_t n_vocab, window; /* which window */
};

static void keep_logits(void *self, void *user, uint32_t position,
                        const float *logits)
{
    struct comparison *c = self;

    (void)user;
    memcpy(c->logits + position * c->n_vocab, logits,
           c->n_vocab * sizeof(*logits));
}

static void compare_logits(void *self, void *user, uint32_t position,
                           const float *logits)
{
    struct comparison *c = self;
    size_t next = c->w->start[c->window] + position + 1;
    bool known = next < c->w->start[c->window + 1];

    (void)user;
    divergence_put(c->d, position, c->logits + position * c->n_vocab, logits,
                   known ? c->w->id[next] : DIVERGENCE_NO_ID);
}

static void finished(void *self, const struct answer *a)
{
    struct runner *r = a->user;

    (void)self;
    r->finish = a->finish;
    r->fault = a->fault;
}

static int runner_new(struct runner *r, struct comparison *c,
                      const struct model *m, struct backend *b, bool keep,
                      struct err *err)
{
    struct engine_options o = { .max_sequences = 1, .draw_all = true };
    struct observer obs = { .self = c, .finished = finished,
                            .logits = keep ? keep_logits : compare_logits };

    r->name = keep ? "the reference" : "the model";
    return engine_new(&r->engine, b, m, NULL, &o, &obs, err);
}

/* The one end that has logits of every position of a window. */
static int check_finish(const struct runner *r, const struct comparison *c,
                        struct err *err)
{
    if (r->finish == FINISH_LENGTH)
        return 0;
    if (r->finish == FINISH_RANGE)
        return err_set(err, ERR_INPUT, "%s: activation out of range in window"
                       " %zu at position %u", r->name, c->window + 1,
                       r->fault.position);
    if (r->finish == FINISH_LONG)
        return err_set(err, ERR_INPUT, "%s: window %zu is longer than its"
                       " context", r->name, c->window + 1);
    return err_set(err, ERR_FATAL, "%s: window %zu ended by %d", r->name,
                   c->window + 1, (int)r->finish);
}

static int runner_window(struct runner *r, const struct comparison *c,
                         struct err *err)
{
    const struct windows *w = c->w;
    bool busy = true;

    r->sequence = (struct sequence){
        .prompt = w->id + w->start[c->window],
        .n_prompt = w->start[c->window + 1] - w->start[c->window],
        .max_tokens = 1, .sampling = { .top_p = 1000000 },
        .ignore_eos = true, .user = r };
    r->finish = FINISH_PROMPT; /* until it is finished */
    if (engine_add(r->engine, &r->sequence, err))
        return -1;
    while (busy)
        if (engine_step(r->engine, &busy, err))
            return -1;
    return check_finish(r, c, err);
}

static int one_window(struct comparison *c, struct err *err)
{
    if (c->s->source)
        float_source_logits(c->s->source, c->window, c->logits);
    else if (runner_window(&c->reference, c, err))
        return -1;
    return runner_window(&c->model, c, err);
}

static void layer_done(void *user, size_t done, size_t of)
{
    const struct comparison_sides *s = user;

    if (s->progress)
        s->progress(s->user, "layers of the source", done, of);
}

static int all_windows(struct comparison *c, struct err *err)
{
    const struct comparison_sides *s = c->s;

    if (s->source && float_source_read(s->source, c->w, layer_done, (void *)s,
                                       err))
        return -1;
    for (c->window = 0; c->window < c->w->n; c->window++) {
        if (one_window(c, err))
            return -1;
        if (s->progress)
            s->progress(s->user, "windows", c->window + 1, c->w->n);
    }
    return 0;
}

static const struct model_record *reference_of(const struct comparison_sides *s)
{
    return s->source ? &float_source_import(s->source)->rec
                     : &s->reference->rec;
}

uint32_t comparison_context(const struct comparison_sides *s)
{
    uint32_t m = s->model->rec.context, r = reference_of(s)->context;

    return m < r ? m : r;
}

int comparison_check(const struct comparison_sides *s, struct err *err)
{
    const struct model_record *m = &s->model->rec, *r = reference_of(s);

    if (m->n_vocab != r->n_vocab)
        return err_set(err, ERR_INPUT, "the model has a vocabulary of %u ids,"
                       " the reference one of %u", m->n_vocab, r->n_vocab);
    if (m->tokenizer_size && r->tokenizer_size &&
        !id_equal(m->tokenizer, r->tokenizer))
        return err_set(err, ERR_INPUT, "the reference has another tokenizer"
                       " than the model");
    return 0;
}

int comparison_run(struct divergence *d, const struct comparison_sides *s,
                const struct windows *w, struct err *err)
{
    struct comparison c = { .s = s, .w = w, .d = d,
                            .n_vocab = s->model->rec.n_vocab };
    int rc = -1;

    if (mem_big((void **)&c.logits, w->longest * c.n_vocab, sizeof(*c.logits),
                "logits of the reference", err))
        return -1;
    if (runner_new(&c.model, &c, s->model, s->backend, false, err) == 0 &&
        (s->source || runner_new(&c.reference, &c, s->reference,
                                 s->reference_backend, true, err) == 0))
        rc = all_windows(&c, err);
    engine_free(c.model.engine);
    engine_free(c.reference.engine);
    free(c.logits);
    return rc;
}
