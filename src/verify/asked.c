/*
 * Tags and data of a message as a queue reads them.  It is not judged here
 * whether a queue would have taken it for other reasons: its limits, its
 * price, who sent it.
 */
#include <config.h>

#include "verify/asked.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/commit.h"
#include "answer/prompt.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"
#include "proof/job_record.h"
#include "queue/ask.h"
#include "store/request.h"
#include "verify/claims.h"

/* ---- the message --------------------------------------------------------- */

/* Of Data that is not UTF-8 a queue gets what the network makes of it: texts
 * are handed on, not bytes.  More than a queue takes is left for ask_read to
 * refuse; the text is never shorter. */
static void read_data(struct ask_message *m, struct buf *text)
{
    if (m->n > 4 * ASK_MAX_PROMPT || utf8_valid(m->data, m->n))
        return;
    utf8_scrub(text, m->data, m->n);
    m->data = text->data;
    m->n = text->len;
}

/* Read it.  Whether whoever signed it may speak for a process is for the queue
 * to say. */
static int read_message(struct ask *a, const struct claims_item *message,
                        struct err *err)
{
    const struct item *head = &message->head;
    struct ask_tag tag[ITEM_MAX_TAGS];
    struct ask_message m = { .tag = tag, .n_tags = head->n_tags,
                             .data = message->data, .n = message->n,
                             .pushed = true };
    struct buf text;
    int rc;

    for (size_t i = 0; i < head->n_tags; i++)
        tag[i] = (struct ask_tag){ head->tag[i].name, head->tag[i].value,
                                   head->tag[i].n_name,
                                   head->tag[i].n_value };
    buf_init(&text, 3 * 4 * ASK_MAX_PROMPT);
    read_data(&m, &text);
    rc = ask_read(a, &m, err);
    buf_clear(&text);
    return rc;
}

bool asked_source(const struct claims_item *message, unsigned char id[32])
{
    struct err unused = ERR_INIT;
    struct ask a;
    bool has;

    if (read_message(&a, message, &unused))
        return false;
    has = a.form == ASK_SOURCE || a.form == ASK_SOURCE_JSON;
    if (has)
        memcpy(id, a.source, 32);
    ask_clear(&a);
    return has;
}

static int put_line(struct buf *out, const struct ask *a,
                    const struct claims_item *message,
                    const struct claims_item *source, struct err *err)
{
    return ask_put_line(out, a, message->head.id, NULL,
                        source ? source->data : "", source ? source->n : 0,
                        err);
}

int asked_line(struct buf *out, const struct claims_item *message,
               const struct claims_item *source, struct err *err)
{
    struct ask a;
    int rc;

    if (read_message(&a, message, err))
        return -1;
    rc = put_line(out, &a, message, source, err);
    ask_clear(&a);
    return rc;
}

/* ---- against the job ----------------------------------------------------- */

static bool same_stops(const struct job_record *j, const struct request *r)
{
    struct job_stop stop[REQUEST_MAX_STOPS];
    struct job_record want = { .n_stops = 0 };

    for (size_t i = 0; i < r->n_stops; i++)
        stop[i] = (struct job_stop){ r->stop[i].text, r->stop[i].n };
    return job_record_stops(&want, stop, r->n_stops, NULL) == 0 &&
           want.n_stops == j->n_stops &&
           memcmp(want.stops, j->stops, sizeof(want.stops)) == 0;
}

/* A prompt that was given as ids; a text is the tokenizer's. */
static bool same_prompt(const struct job_record *j, const struct request *r)
{
    struct job_record want = { .n_prompt = 0 };

    if (r->chat || r->prompt)
        return true;
    job_record_prompt(&want, r->prompt_id, r->n_prompt);
    return want.n_prompt == j->n_prompt &&
           memcmp(want.prompt, j->prompt, sizeof(want.prompt)) == 0;
}

const char *asked_differs(const struct job_record *j, const struct request *r,
                          const unsigned char id[32])
{
    uint64_t seed = r->has_seed ? r->seed : request_default_seed(id);

    if (r->max_tokens && j->max_tokens != r->max_tokens)
        return "max_tokens is not that of the request";
    if (j->temperature != r->temperature)
        return "the temperature is not that of the request";
    if (j->top_p != r->top_p)
        return "top_p is not that of the request";
    if (j->top_k != r->top_k)
        return "top_k is not that of the request";
    if (j->seed != seed)
        return "the seed is not that of the request";
    if (j->flags != (r->ignore_eos ? JOB_IGNORE_EOS : 0))
        return "the flags are not those of the request";
    if (!same_stops(j, r))
        return "the stop strings are not those of the request";
    if (!same_prompt(j, r))
        return "the prompt is not that of the request";
    return NULL;
}

/* A name is known to the queue alone. */
static void check_model(struct claims *c, const unsigned char result[32],
                        const struct published *p, const struct ask *a)
{
    unsigned char id[32];
    char text[128];

    if (!*a->model)
        claims_open(c, result, "its model", "the message leaves the choice to"
                    " the queue");
    else if (base64url_id(id, a->model) == 0)
        claims_tell(c, result, "its model", "the message", "the same",
                    memcmp(id, p->job.model, 32) == 0
                        ? NULL : "the message names another");
    else {
        snprintf(text, sizeof(text), "the message says \"%s\", a name that"
                 " the queue knows", a->model);
        claims_open(c, result, "its model", text);
    }
}

/* Only a message that names a node says anything about it. */
static void check_node(struct claims *c, const unsigned char result[32],
                       const struct published *p, const struct ask *a)
{
    unsigned char id[32];

    if (*a->node && base64url_id(id, a->node) == 0)
        claims_tell(c, result, "its node", "the message", "the same",
                    memcmp(id, p->node, 32) == 0
                        ? NULL : "the message asks another one");
}

static void check_prompt(struct claims *c, const unsigned char result[32],
                         const struct published *p, const struct request *r,
                         const struct prompt_model *m)
{
    struct err err = ERR_INIT;
    struct job_record job = { .n_prompt = 0 };
    struct prompt prompt;
    char text[64];

    if (!m) {
        claims_open(c, result, "its prompt", "--recompute makes its ids again"
                    " with the model");
        return;
    }
    if (prompt_make(&prompt, m, r, p->result.request, &err) == 0) {
        if (commit_job(&job, m->model, &prompt.first, &err) == 0 &&
            (job.n_prompt != p->job.n_prompt ||
             memcmp(job.prompt, p->job.prompt, 32) != 0))
            err_set(&err, ERR_INPUT, "its ids are not those of the message");
        prompt_clear(&prompt);
    }
    snprintf(text, sizeof(text), "%" PRIu32 " ids, the same",
             p->job.n_prompt);
    claims_tell(c, result, "its prompt", "the message", text,
                err.code ? err.text : NULL);
}

/* What is asked, as a line and as a request. */
static int read_request(struct ask *a, struct request *r,
                        const struct claims_item *message,
                        const struct claims_item *source, struct err *err)
{
    struct buf line;
    int rc;

    if (read_message(a, message, err))
        return -1;
    buf_init(&line, REQUEST_MAX_LINE);
    rc = put_line(&line, a, message, source, err);
    if (rc == 0)
        rc = request_parse(r, line.data, line.len, err);
    buf_clear(&line);
    return rc;
}

void asked_check(struct claims *c, const unsigned char result[32],
                 const struct published *p, const struct claims_item *message,
                 const struct claims_item *source,
                 const struct prompt_model *m)
{
    const struct item *h = &message->head;
    const char *wrong = NULL;
    struct err err = ERR_INIT;
    char from[ID_TEXT + 16], address[ID_TEXT];
    struct request r = { .line = NULL };
    struct ask a = { .prompt = NULL };

    base64url(address, h->address, 32);
    snprintf(from, sizeof(from), "signed by %s", address);
    if (memcmp(h->id, p->result.request, 32) != 0)
        wrong = "it is another message";
    else if (!h->target || memcmp(h->target, p->process, 32) != 0)
        wrong = "the message went elsewhere";
    claims_tell(c, result, "its process", "the message it answers", from,
                wrong);
    if (read_request(&a, &r, message, source, &err)) {
        claims_tell(c, result, "its parameters", "the message", "", err.text);
    } else {
        claims_tell(c, result, "its parameters", "the message", "the same",
                    p->job.choice ? "it is of another choice than 0"
                                  : asked_differs(&p->job, &r, h->id));
        check_model(c, result, p, &a);
        check_node(c, result, p, &a);
        check_prompt(c, result, p, &r, m);
    }
    request_clear(&r);
    ask_clear(&a);
}
