/*
 * Requests to sequences and answers to lines.  What is kept of a request is
 * only what its answer needs: the parsed line is freed at once.
 */
#include <config.h>

#include "cmd/run_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/model.h"
#include "store/answer.h"
#include "store/request.h"

#define OUT_MAX ((size_t)1 << 30)
#define HEAD_LAYER 0xffffffffu

/* One choice; it is the user data of its sequence. */
struct run_choice {
    struct run_line *line;
    enum finish finish;
    struct fault fault;
    char *text; /* scrubbed */
    size_t n_text;
    uint32_t *token;
    size_t n_tokens;
};

/* ---- from request to sequence ------------------------------------------ */

/* What is no longer needed once the line of the output is there. */
static void drop_work(struct run_line *l)
{
    prompt_clear(&l->prompt);
    for (size_t i = 0; l->choice && i < l->n_choices; i++) {
        free(l->choice[i].text);
        free(l->choice[i].token);
    }
    free(l->choice);
    free(l->custom_id);
    free(l->model);
    l->choice = NULL;
    l->custom_id = l->model = NULL;
}

static void refuse(struct run_line *l, const char *code, const char *message)
{
    answer_put_error(&l->out, l->id, l->custom_id, code, message);
    l->done = l->refused = true;
    drop_work(l);
}

static void make_choices(struct run_line *l)
{
    l->n_choices = l->prompt.n_choices;
    l->choice = xcalloc(l->n_choices, sizeof(*l->choice));
    for (size_t i = 0; i < l->n_choices; i++)
        l->choice[i].line = l;
}

int run_line_new(struct run_line **out, const struct prompt_model *m,
                 const unsigned char id[32], const char *text, size_t n,
                 struct err *err)
{
    struct run_line *l = xcalloc(1, sizeof(*l));
    struct request r;
    struct err e = ERR_INIT;
    int rc;

    memcpy(l->id, id, 32);
    buf_init(&l->out, OUT_MAX);
    rc = request_parse(&r, text, n, &e);
    if (r.custom_id)
        l->custom_id = xstrdup(r.custom_id);
    if (rc == 0) {
        l->chat = r.chat;
        l->model = r.model ? xstrdup(r.model) : NULL;
        rc = prompt_make(&l->prompt, m, &r, id, &e);
    }
    if (rc == 0)
        make_choices(l);
    else if (e.code == ERR_INPUT)
        refuse(l, "invalid_request", e.text);
    request_clear(&r);
    if (rc && e.code != ERR_INPUT) {
        run_line_free(l);
        *err = e;
        return -1;
    }
    *out = l;
    return 0;
}

void run_line_free(struct run_line *l)
{
    if (!l)
        return;
    drop_work(l);
    buf_clear(&l->out);
    free(l);
}

bool run_line_sequence(struct run_line *l, struct sequence *s)
{
    if (l->done || l->n_added == l->n_choices)
        return false;
    *s = l->prompt.first;
    s->sampling.choice = (uint32_t)l->n_added;
    s->user = &l->choice[l->n_added++];
    return true;
}

/* ---- from answer to line ------------------------------------------------ */

static void put_fault(char *text, size_t n, const struct fault *f)
{
    char layer[16];

    snprintf(layer, sizeof(layer), "%u", f->layer);
    snprintf(text, n,
             "activation out of range at position %u, layer %s, operator %u,"
             " row %u, index %u", f->position,
             f->layer == HEAD_LAYER ? "head" : layer, f->op, f->row,
             f->index);
}

/* If a choice has no answer, the request has none. */
static bool refuse_faulty(struct run_line *l, const struct prompt_model *m)
{
    const struct run_choice *c = l->choice;
    char text[160];

    while (c < l->choice + l->n_choices && c->finish < FINISH_RANGE)
        c++;
    if (c == l->choice + l->n_choices)
        return false;
    switch (c->finish) {
    case FINISH_RANGE:
        put_fault(text, sizeof(text), &c->fault);
        refuse(l, "activation_out_of_range", text);
        break;
    case FINISH_LONG:
        snprintf(text, sizeof(text),
                 "the prompt has %zu tokens, the model's context %u",
                 l->prompt.ids.n, m->model->rec.context);
        refuse(l, "prompt_too_long", text);
        break;
    default:
        refuse(l, "prompt_empty", "the prompt has no tokens");
        break;
    }
    return true;
}

static void write_line(struct run_line *l, const struct prompt_model *m)
{
    struct answer_choice choice[REQUEST_MAX_CHOICES];
    struct answer_line a = {
        .id = l->id,
        .custom_id = l->custom_id,
        .chat = l->chat,
        .model = l->model ? l->model : m->id,
        .model_id = m->id,
        .prompt_tokens = l->prompt.ids.n,
        .choice = choice,
        .n_choices = l->n_choices,
    };

    if (refuse_faulty(l, m))
        return;
    for (size_t i = 0; i < l->n_choices; i++) {
        const struct run_choice *c = &l->choice[i];
        bool stopped = c->finish == FINISH_EOS || c->finish == FINISH_STOP;

        choice[i].text = c->text ? c->text : "";
        choice[i].n_text = c->n_text;
        choice[i].token = c->token;
        choice[i].n_tokens = c->n_tokens;
        choice[i].finish = stopped ? "stop" : "length";
    }
    answer_put(&l->out, &a);
    l->done = true;
    drop_work(l);
}

struct run_line *run_line_answer(const struct prompt_model *m,
                                 const struct answer *a)
{
    struct run_choice *c = a->user;
    struct run_line *l = c->line;
    struct buf text;

    c->finish = a->finish;
    c->fault = a->fault;
    buf_init(&text, OUT_MAX);
    utf8_scrub(&text, a->text, a->n_text);
    c->text = buf_take(&text, &c->n_text);
    c->n_tokens = a->n_out;
    c->token = xmalloc(a->n_out * sizeof(*c->token) + 1);
    if (a->n_out)
        memcpy(c->token, a->token, a->n_out * sizeof(*c->token));
    if (++l->n_done == l->n_choices)
        write_line(l, m);
    return l;
}
