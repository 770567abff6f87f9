/*
 * Requests to sequences.  Chat messages go through the model's template, text
 * through its tokenizer, ids are taken as they are.
 */
#include <config.h>

#include "answer/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/id.h"
#include "base/mem.h"
#include "model/model.h"
#include "store/request.h"

int prompt_model_init(struct prompt_model *m, struct model *model,
                      struct err *err)
{
    const struct model_record *rec = &model->rec;

    memset(m, 0, sizeof(*m));
    m->model = model;
    base64url(m->id, model->id.b, 32);
    if (rec->tokenizer_size &&
        tokenizer_new(&m->tokenizer, model->tokenizer, rec->tokenizer_size,
                      rec->n_vocab, err))
        return err_prefix(err, "model %s", m->id);
    /* without a template that is supported, completions can be answered */
    if (m->tokenizer)
        (void)chat_new(&m->chat, m->tokenizer, model->chat_template,
                       rec->template_size, rec->bos,
                       rec->n_eos ? rec->eos[0] : UINT32_MAX, &m->no_chat);
    return 0;
}

void prompt_model_clear(struct prompt_model *m)
{
    chat_free(m->chat);
    tokenizer_free(m->tokenizer);
    model_close(m->model);
    memset(m, 0, sizeof(*m));
}

static int encode_chat(struct prompt *p, const struct prompt_model *m,
                       const struct request *r, struct err *err)
{
    struct chat_input in = {
        .n_messages = r->n_messages, .tools = r->tools,
        .documents = r->documents, .kwargs = r->kwargs, .date = r->date,
    };
    struct chat_message *msg;
    int rc;

    if (!m->tokenizer)
        return err_set(err, ERR_INPUT, "the model has no tokenizer: give"
                                       " token ids to /v1/completions");
    if (m->no_chat.code) {
        return err_copy(err, &m->no_chat);
    }
    if (!m->chat)
        return err_set(err, ERR_INPUT, "the model has no chat template: give"
                       " token ids to /v1/completions (in a text, control"
                       " tokens are text)");
    msg = xcalloc(r->n_messages, sizeof(*msg));
    for (size_t i = 0; i < r->n_messages; i++) {
        msg[i].role = r->message[i].role;
        msg[i].content = r->message[i].content;
        msg[i].more = r->message[i].more;
    }
    in.message = msg;
    rc = chat_encode(m->chat, &in, &p->ids, err);
    free(msg);
    return rc;
}

static int encode_text(struct prompt *p, const struct prompt_model *m,
                       const char *text, struct err *err)
{
    uint32_t first[TOKENIZER_FIRST];
    size_t n;

    if (!m->tokenizer)
        return err_set(err, ERR_INPUT, "the model has no tokenizer: give"
                                       " token ids as the prompt");
    n = tokenizer_first(m->tokenizer, m->model->rec.bos, first);
    for (size_t i = 0; i < n; i++)
        tokens_put(&p->ids, first[i]);
    return tokenizer_encode(m->tokenizer, text, strlen(text), true,
                            &p->ids, err);
}

static int check_ids(const struct prompt_model *m, const struct request *r,
                     struct err *err)
{
    uint32_t n_vocab = m->model->rec.n_vocab;

    for (size_t i = 0; i < r->n_prompt; i++)
        if (r->prompt_id[i] >= n_vocab)
            return err_set(err, ERR_INPUT,
                           "token id %u of \"prompt\" is not below %u, the"
                           " size of the model's vocabulary",
                           r->prompt_id[i], n_vocab);
    return 0;
}

static int encode(struct prompt *p, const struct prompt_model *m,
                  const struct request *r, struct err *err)
{
    if (r->chat)
        return encode_chat(p, m, r, err);
    if (r->prompt)
        return encode_text(p, m, r->prompt, err);
    return check_ids(m, r, err);
}

static void copy_stops(struct prompt *p, const struct request *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_stops; i++)
        n += r->stop[i].n;
    p->stop_text = xmalloc(n + 1);
    n = 0;
    for (size_t i = 0; i < r->n_stops; i++) {
        memcpy(p->stop_text + n, r->stop[i].text, r->stop[i].n);
        p->stop[i].text = p->stop_text + n;
        p->stop[i].n = r->stop[i].n;
        n += r->stop[i].n;
    }
}

/* max_tokens of a request without: what is left of the context. */
static uint32_t what_is_left(const struct prompt_model *m, size_t n_prompt)
{
    uint32_t context = m->model->rec.context;

    return n_prompt > context ? 1 : (uint32_t)(context - n_prompt + 1);
}

static void plan(struct prompt *p, const struct prompt_model *m,
                 const struct request *r, struct id id)
{
    copy_stops(p, r);
    p->n_choices = r->n_choices;
    p->first = (struct sequence){
        .prompt = p->ids.id,
        .n_prompt = p->ids.n,
        .max_tokens = r->max_tokens ? r->max_tokens
                                    : what_is_left(m, p->ids.n),
        .sampling = {
            .temperature = r->temperature,
            .top_p = r->top_p,
            .top_k = r->top_k,
            .seed = r->has_seed ? r->seed : request_default_seed(id),
        },
        .ignore_eos = r->ignore_eos,
        .stops = p->stop,
        .n_stops = r->n_stops,
        .without_logits = !r->logprobs,
    };
}

int prompt_take(struct prompt *p, const struct prompt_model *m,
                struct request *r, struct id id, struct err *err)
{
    memset(p, 0, sizeof(*p));
    tokens_init(&p->ids);
    if (encode(p, m, r, err)) {
        prompt_clear(p);
        return -1;
    }
    if (r->prompt_id) {
        p->ids = (struct tokens){ r->prompt_id, r->n_prompt, r->n_prompt };
        r->prompt_id = NULL;
    }
    plan(p, m, r, id);
    return 0;
}

int prompt_make(struct prompt *p, const struct prompt_model *m,
                const struct request *r, struct id id, struct err *err)
{
    struct request copy = *r;
    size_t n = r->n_prompt * sizeof(*r->prompt_id);

    if (r->prompt_id)
        copy.prompt_id = memcpy(xmalloc(n + 1), r->prompt_id, n);
    if (prompt_take(p, m, &copy, id, err)) {
        free(copy.prompt_id);
        return -1;
    }
    return 0;
}

void prompt_clear(struct prompt *p)
{
    tokens_clear(&p->ids);
    free(p->stop_text);
    memset(p, 0, sizeof(*p));
    tokens_init(&p->ids);
}
