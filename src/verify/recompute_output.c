/*
 * Prompt and forced ids are one prefill that draws wherever the answer did, as
 * in recompute.c.
 */
#include <config.h>

#include "verify/recompute_output.h"

#include <stdlib.h>
#include <string.h>

#include "answer/logprobs.h"
#include "answer/prompt.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "model/model.h"

#define ROWS 64
#define LOGITS_BYTES ((size_t)256 << 20) /* of the rows of a step that draw */
#define TEXT_MAX ((size_t)1 << 30)
#define NONE UINT32_MAX

struct recompute_output {
    const struct prompt_model *m;
    struct backend *backend;
    struct engine *engine;

    /* of the sequence that is being computed */
    const uint32_t *token; /* NULL: none is said */
    size_t n_tokens, n_prompt;
    struct recomputed *out;
    struct logprobs *logprobs; /* or NULL */
    struct err failure;        /* of a callback */
    bool over, failed;
};

void recomputed_init(struct recomputed *r)
{
    memset(r, 0, sizeof(*r));
    buf_init(&r->token, TEXT_MAX);
    buf_init(&r->text, TEXT_MAX);
    buf_init(&r->topk, TEXT_MAX);
}

void recomputed_clear(struct recomputed *r)
{
    buf_clear(&r->token);
    buf_clear(&r->text);
    buf_clear(&r->topk);
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct recompute_output *r = self;
    size_t i = p->position + 1 - r->n_prompt;
    uint32_t theirs = NONE;

    (void)user;
    if (p->next == NONE || !r->token || r->out->differs)
        return;
    if (i < r->n_tokens)
        theirs = r->token[i];
    if (theirs == p->next)
        return;
    r->out->differs = true;
    r->out->at = i;
    r->out->theirs = theirs;
    r->out->mine = p->next;
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct recompute_output *r = self;

    (void)user;
    if (r->logprobs)
        logprobs_logits(r->logprobs, position, logits);
}

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    struct recompute_output *r = self;

    (void)user;
    if (r->logprobs)
        logprobs_token(r->logprobs, position, d->token);
}

static void on_finished(void *self, const struct answer *a)
{
    struct recompute_output *r = self;
    struct recomputed *out = r->out;

    r->over = true;
    if (out->differs)
        return;
    if (r->token && a->n_out < r->n_tokens) {
        out->differs = true;
        out->at = a->n_out;
        out->theirs = r->token[a->n_out];
        out->mine = NONE;
    }
    buf_put(&out->token, a->token, a->n_out * sizeof(*a->token));
    utf8_scrub(&out->text, a->text, a->n_text);
    if (r->logprobs && a->n_out &&
        (logprobs_put(&out->topk, r->logprobs, a, r->m->tokenizer,
                      &r->failure) ||
         topk_get(&out->likely, out->topk.data, out->topk.len, &r->failure)))
        r->failed = true;
    out->end.finish = (uint32_t)a->finish;
    out->end.error_position = a->fault.position;
    out->end.error_layer = a->fault.layer;
    out->end.error_op = a->fault.op;
    out->end.error_row = a->fault.row;
    out->end.error_index = a->fault.index;
}

static int make_engine(struct recompute_output *r, struct err *err)
{
    size_t row = (size_t)r->m->model->rec.n_vocab * sizeof(float);
    struct engine_options o = {
        .max_sequences = 1, .max_rows = ROWS, .max_draws = LOGITS_BYTES / row,
    };
    struct observer obs = { .self = r, .logits = on_logits,
                            .token = on_token, .position = on_position,
                            .finished = on_finished };

    return engine_new(&r->engine, r->backend, r->m->model, r->m->tokenizer,
                      &o, &obs, err);
}

int recompute_output_new(struct recompute_output **out,
                         const struct prompt_model *m, struct backend *b,
                         struct err *err)
{
    struct recompute_output *r = xcalloc(1, sizeof(*r));

    r->m = m;
    r->backend = b;
    if (make_engine(r, err)) {
        recompute_output_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

void recompute_output_free(struct recompute_output *r)
{
    if (!r)
        return;
    engine_free(r->engine);
    free(r);
}

/* Count the ids that are fed as if drawn; the last id of an answer never was.
 * Ids past what the engine takes, or past one that no draw gives, are not
 * reached. */
static size_t count_forced(const struct recompute_output *r,
                           const struct sequence *s)
{
    const struct model_record *rec = &r->m->model->rec;
    size_t n = r->token ? r->n_tokens : 0;

    if (n == 0 || s->n_prompt > rec->context || s->max_tokens == 0)
        return 0;
    n--;
    if (n > rec->context - s->n_prompt)
        n = rec->context - s->n_prompt;
    if (n > s->max_tokens - 1)
        n = s->max_tokens - 1;
    for (size_t i = 0; i < n; i++)
        if (r->token[i] >= rec->n_vocab)
            return i;
    return n;
}

int recompute_output_run(struct recompute_output *r, const struct sequence *s,
                         const uint32_t *token, size_t n_tokens,
                         struct recomputed *out, struct err *err)
{
    struct sequence again = *s;
    bool busy = true;
    int rc = 0;

    buf_reset(&out->token);
    buf_reset(&out->text);
    buf_reset(&out->topk);
    memset(&out->end, 0, sizeof(out->end));
    out->likely.n = 0;
    out->differs = false;
    r->token = token;
    r->n_tokens = n_tokens;
    r->n_prompt = s->n_prompt;
    r->out = out;
    r->over = r->failed = false;
    if (!s->without_logits)
        r->logprobs = logprobs_new(r->m->model->rec.n_vocab, s->n_prompt);
    again.forced = token;
    again.n_forced = count_forced(r, s);
    rc = engine_add(r->engine, &again, err);
    while (rc == 0 && !r->over && !out->differs)
        rc = engine_step(r->engine, &busy, err);
    engine_reset(r->engine); /* one that differs is still in the engine */
    r->out = NULL;
    logprobs_free(r->logprobs);
    r->logprobs = NULL;
    if (rc == 0 && r->failed)
        return err_copy(err, &r->failure);
    return rc || buf_check(&out->text, "a text", err) ||
                   buf_check(&out->token, "token ids", err)
               ? -1 : 0;
}
