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

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "proof/job_record.h"
#include "store/request.h"
#include "verify/claims.h"
#include "verify/commit.h"
#include "verify/prompt.h"

#define TAG_MAX 4097
#define MAX_TOKENS 256 /* if nothing is said */

/* ---- the message --------------------------------------------------------- */

bool asked_source(const struct claims_item *message, unsigned char id[32])
{
    return item_tag_id(&message->head, "X-Source", id) == 0;
}

static bool is_json(const struct item *it)
{
    char type[64];

    return item_tag_text(it, "Content-Type", type, sizeof(type)) == 0 &&
           strcmp(type, "application/json") == 0;
}

/* The text that was asked: a tag, the data, or the data of the source. */
static const void *text_of(const struct claims_item *message,
                           const struct claims_item *source, size_t *n)
{
    const struct item_tag *tag = item_tag_get(&message->head, "X-Prompt");

    if (source) {
        *n = source->n;
        return source->data;
    }
    if (tag) {
        *n = tag->n_value;
        return tag->value;
    }
    *n = message->n;
    return message->data;
}

/* "messages" or "prompt" of the body. */
static int put_prompt(struct buf *out, const struct claims_item *message,
                      const struct claims_item *source, bool *chat,
                      struct err *err)
{
    const struct json *messages, *prompt;
    struct json *root;
    size_t n;
    const void *text = text_of(message, source, &n);
    int rc = 0;

    *chat = true;
    if (!is_json(&message->head)) {
        if (!utf8_valid(text, n) || (n && memchr(text, 0, n)) || n == 0)
            return err_set(err, ERR_INPUT, "its prompt is no text");
        buf_puts(out, "\"messages\":[{\"role\":\"user\",\"content\":");
        json_put_string(out, text, n);
        buf_puts(out, "}]");
        return 0;
    }
    if (json_parse(&root, text, n, err))
        return -1;
    messages = json_get(root, "messages");
    prompt = json_get(root, "prompt");
    *chat = messages != NULL;
    if (json_count(root) == 1 && (messages || json_string(prompt))) {
        buf_puts(out, messages ? "\"messages\":" : "\"prompt\":");
        json_put(out, messages ? messages : prompt);
    } else {
        rc = err_set(err, ERR_INPUT, "its data is no object with \"messages\""
                     " or \"prompt\" alone");
    }
    json_free(root);
    return rc;
}

static void put_member(struct buf *out, const char *key,
                       const struct json *v)
{
    buf_printf(out, ",\"%s\":", key);
    json_put(out, v);
}

/* The parameters of X-Options; top_k has another place. */
static int put_options(struct buf *out, const struct json *options,
                       struct err *err)
{
    static const char *const known[] = {
        "max_tokens", "temperature", "top_p", "seed", "stop", "top_k",
        "session", "reference"
    };
    const struct json *top_k = NULL;
    bool has_max = false;

    for (const struct json *m = json_first(options); m; m = json_next(m)) {
        size_t i = 0;

        while (i < 8 && strcmp(known[i], json_key(m)) != 0)
            i++;
        if (i == 8)
            return err_set(err, ERR_INPUT, "X-Options has \"%.40s\"",
                           json_key(m));
        if (i > 5 || json_type(m) == JSON_NULL)
            continue;
        has_max = has_max || i == 0;
        if (i == 5)
            top_k = m;
        else
            put_member(out, known[i], m);
    }
    if (!has_max)
        buf_printf(out, ",\"max_tokens\":%d", MAX_TOKENS);
    buf_puts(out, ",\"apus\":{");
    if (top_k) {
        buf_puts(out, "\"top_k\":");
        json_put(out, top_k);
    }
    buf_puts(out, "}");
    return 0;
}

static int put_body(struct buf *out, const struct claims_item *message,
                    const struct claims_item *source, bool *chat,
                    struct err *err)
{
    struct json *options = NULL;
    char text[TAG_MAX];
    int rc;

    if (put_prompt(out, message, source, chat, err))
        return -1;
    if (item_tag_text(&message->head, "X-Options", text, sizeof(text)))
        strcpy(text, item_tag_get(&message->head, "X-Options") ? "" : "{}");
    if (json_parse(&options, text, strlen(text), err))
        return err_prefix(err, "X-Options");
    rc = json_type(options) == JSON_OBJECT
             ? put_options(out, options, err)
             : err_set(err, ERR_INPUT, "X-Options is no object");
    json_free(options);
    return rc;
}

int asked_line(struct buf *out, const struct claims_item *message,
               const struct claims_item *source, struct err *err)
{
    char action[32], id[ID_TEXT];
    struct buf body;
    bool chat;
    int rc;

    if (item_tag_text(&message->head, "Action", action, sizeof(action)) ||
        strcmp(action, "Infer") != 0)
        return err_set(err, ERR_INPUT, "its tag Action is not \"Infer\"");
    buf_init(&body, REQUEST_MAX_LINE);
    rc = put_body(&body, message, source, &chat, err);
    if (rc == 0) {
        base64url(id, message->head.id, 32);
        buf_printf(out, "{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":"
                   "\"/v1/%s\",\"body\":{", id,
                   chat ? "chat/completions" : "completions");
        buf_put(out, body.data, body.len);
        buf_puts(out, "}}");
        rc = buf_check(&body, "the prompt", err) ||
                     buf_check(out, "a request", err)
                 ? -1 : 0;
    }
    buf_clear(&body);
    return rc;
}

/* ---- against the job ----------------------------------------------------- */

static bool same_stops(const struct job_record *j, const struct request *r)
{
    struct job_stop stop[REQUEST_MAX_STOPS];
    struct job_record mine;

    for (size_t i = 0; i < r->n_stops; i++) {
        stop[i].text = r->stop[i].text;
        stop[i].n = r->stop[i].n;
    }
    return job_record_stops(&mine, stop, r->n_stops, NULL) == 0 &&
           mine.n_stops == j->n_stops &&
           memcmp(mine.stops, j->stops, 32) == 0;
}

/* The first parameter that is another, or NULL. */
static const char *other_parameter(const struct job_record *j,
                                   const struct request *r,
                                   const unsigned char id[32])
{
    if (j->max_tokens != r->max_tokens)
        return "max_tokens is another";
    if (j->temperature != r->temperature)
        return "temperature is another";
    if (j->top_p != r->top_p)
        return "top_p is another";
    if (j->top_k != r->top_k)
        return "top_k is another";
    if (j->seed != (r->has_seed ? r->seed : request_default_seed(id)))
        return "the seed is another";
    if (j->flags != 0 || j->choice != 0)
        return "flags or choice are not 0";
    if (!same_stops(j, r))
        return "the stop strings are others";
    return NULL;
}

/* A name is known to the queue alone. */
static void check_model(struct claims *c, const unsigned char result[32],
                        const struct published *p,
                        const struct claims_item *message)
{
    char name[TAG_MAX], text[128];
    unsigned char id[32];

    if (item_tag_text(&message->head, "X-Model", name, sizeof(name)))
        claims_open(c, result, "its model", "the message leaves the choice to"
                    " the queue");
    else if (base64url_id(id, name) == 0)
        claims_tell(c, result, "its model", "the message", "the same",
                    memcmp(id, p->job.model, 32) == 0
                        ? NULL : "the message names another");
    else {
        snprintf(text, sizeof(text), "the message says \"%.40s\", a name that"
                 " the queue knows", name);
        claims_open(c, result, "its model", text);
    }
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
    struct buf line;

    base64url(address, h->address, 32);
    snprintf(from, sizeof(from), "signed by %s", address);
    if (memcmp(h->id, p->result.request, 32) != 0)
        wrong = "it is another message";
    else if (!h->target || memcmp(h->target, p->process, 32) != 0)
        wrong = "the message went elsewhere";
    claims_tell(c, result, "its process", "the message it answers", from,
                wrong);
    buf_init(&line, REQUEST_MAX_LINE);
    if (asked_line(&line, message, source, &err) ||
        request_parse(&r, line.data, line.len, &err)) {
        claims_tell(c, result, "its parameters", "the message", "", err.text);
    } else {
        claims_tell(c, result, "its parameters", "the message", "the same",
                    other_parameter(&p->job, &r, h->id));
        check_model(c, result, p, message);
        check_prompt(c, result, p, &r, m);
    }
    request_clear(&r);
    buf_clear(&line);
}
