/*
 * The JSON of a message as contrib/ao/queue/30-prompts.lua reads it.
 */
#include <config.h>

#include "queue/ask_internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "proof/job_record.h"
#include "store/request_fields.h"

#define MAX_TOKENS 256 /* if nothing is said */

/* ---- bodies -------------------------------------------------------------- */

/* What a chat template sees beside the messages, in the order of a text. */
static const char *const beside[] = { "tools", "documents",
                                      "chat_template_kwargs" };

#define N_BESIDE (sizeof(beside) / sizeof(beside[0]))

static const struct json *date_of(const struct json *body)
{
    return json_get(json_get(body, "apus"), "date");
}

static int check_alone(const struct json *body, struct err *err)
{
    static const char what[] = "\"%s\" does not belong with \"prompt\"";

    for (size_t i = 0; i < N_BESIDE; i++)
        if (!request_is_empty(json_get(body, beside[i])))
            return err_set(err, ERR_INPUT, what, beside[i]);
    if (!request_is_empty(date_of(body)))
        return err_set(err, ERR_INPUT, what, "apus.date");
    return 0;
}

int ask_is_chat(bool *chat, const struct json *body, struct err *err)
{
    const struct json *messages = json_get(body, "messages");
    const struct json *prompt = json_get(body, "prompt");

    if (prompt && json_type(prompt) == JSON_NULL)
        prompt = NULL;
    *chat = !request_is_empty(messages);
    if (*chat && !request_is_empty(prompt))
        return err_set(err, ERR_INPUT, "\"messages\" and \"prompt\": give one"
                       " of them");
    if (!*chat && !prompt)
        return err_set(err, ERR_INPUT, "an object with messages or prompt"
                       " expected");
    return *chat ? 0 : check_alone(body, err);
}

void ask_put_quoted(struct buf *b, const char *s)
{
    static const char meant[] = "\n\r\t\"\\", names[] = "nrt\"\\";

    buf_putc(b, '"');
    for (; *s; s++) {
        const char *at = strchr(meant, *s);

        if (at)
            buf_printf(b, "\\%c", names[at - meant]);
        else if ((unsigned char)*s < 32)
            buf_printf(b, "\\u%04x", (unsigned)*s);
        else
            buf_putc(b, *s);
    }
    buf_putc(b, '"');
}

/* As the queue writes values. */
static void put_value(struct buf *b, const struct json *v)
{
    bool list = json_type(v) == JSON_ARRAY;

    if (json_string(v)) {
        ask_put_quoted(b, json_string(v));
        return;
    }
    if (!list && json_type(v) != JSON_OBJECT) {
        json_put(b, v);
        return;
    }
    buf_putc(b, list ? '[' : '{');
    for (const struct json *e = json_first(v); e; e = json_next(e)) {
        if (e != json_first(v))
            buf_putc(b, ',');
        if (!list) {
            ask_put_quoted(b, json_key(e));
            buf_putc(b, ':');
        }
        put_value(b, e);
    }
    buf_putc(b, list ? ']' : '}');
}

/* ,"name":value unless that is empty */
static void put_member(struct buf *b, const char *name, const struct json *v)
{
    if (request_is_empty(v))
        return;
    buf_printf(b, ",\"%s\":", name);
    put_value(b, v);
}

static void put_message(struct buf *b, const struct request_message *m)
{
    static const char *const others[] = { "name", "tool_call_id",
                                          "reasoning_content", "tool_calls" };

    buf_printf(b, "{\"role\":\"%s\",\"content\":", m->role);
    if (m->content)
        ask_put_quoted(b, m->content);
    else
        buf_puts(b, "null");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        put_member(b, others[i], json_get(m->more, others[i]));
    buf_putc(b, '}');
}

/* The messages alone, or an object with them if anything is beside them. */
static void put_chat(struct buf *b, const struct request *r,
                     const struct json *body)
{
    bool alone = !r->tools && !r->documents && !r->kwargs && !r->date;

    buf_puts(b, alone ? "" : "{\"messages\":");
    for (size_t i = 0; i < r->n_messages; i++) {
        buf_putc(b, i > 0 ? ',' : '[');
        put_message(b, &r->message[i]);
    }
    buf_putc(b, ']');
    if (alone)
        return;
    for (size_t i = 0; i < N_BESIDE; i++)
        put_member(b, beside[i], json_get(body, beside[i]));
    if (r->date)
        buf_printf(b, ",\"apus\":{\"date\":\"%s\"}", r->date);
    buf_putc(b, '}');
}

int ask_body(struct buf *text, enum ask_form *form, struct request *r,
             const struct json *body, size_t n, struct err *err)
{
    bool chat;

    if (json_type(body) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "an object with messages or prompt"
                       " expected");
    if (request_fields(r, body, REQUEST_DATA, err) ||
        ask_is_chat(&chat, body, err))
        return -1;
    *form = chat ? ASK_MESSAGES : ASK_PROMPT;
    if (chat) {
        if (request_chat(r, body, n, err))
            return -1;
        put_chat(text, r, body);
        return 0;
    }
    if (request_prompt(r, json_get(body, "prompt"), err))
        return -1;
    if (r->prompt) {
        buf_puts(text, r->prompt);
        return 0;
    }
    if (r->n_prompt == 0)
        return err_set(err, ERR_INPUT, "\"prompt\" has no token ids");
    *form = ASK_IDS;
    for (size_t i = 0; i < r->n_prompt; i++)
        buf_printf(text, "%c%" PRIu32, i ? ',' : '[', r->prompt_id[i]);
    buf_putc(text, ']');
    return 0;
}

/* ---- X-Options ----------------------------------------------------------- */

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' &&
            text[i] != '\n')
            return false;
    return true;
}

int ask_options(struct request *r, struct json **root, const char *text,
                size_t n, struct err *err)
{
    int rc = 0;

    *root = NULL;
    if (is_blank(text, n))
        return 0;
    if (json_parse(root, text, n, err))
        return err_prefix(err, "X-Options");
    /* Lua writes an empty table as an array */
    if (json_type(*root) == JSON_OBJECT)
        rc = request_fields(r, *root, REQUEST_OPTIONS, err);
    else if (json_string(*root) || !request_is_empty(*root))
        rc = err_set(err, ERR_INPUT, "an object expected");
    return rc ? err_prefix(err, "X-Options") : 0;
}

int ask_check_number(const char *name, const char *number, struct err *err)
{
    struct request r = { .line = NULL };
    struct json *root = NULL;
    struct buf b;
    int rc;

    buf_init(&b, ASK_MAX_VALUE);
    buf_putc(&b, '{');
    json_put_string(&b, name, strlen(name));
    buf_printf(&b, ":%s}", number);
    request_defaults(&r);
    rc = buf_check(&b, name, err);
    /* nothing else gets into the object */
    if (rc == 0 && (json_parse(&root, b.data, b.len, NULL) ||
                    json_count(root) != 1 || !json_number(json_first(root))))
        rc = err_set(err, ERR_INPUT, "a number expected");
    if (rc == 0)
        rc = request_fields(&r, root, REQUEST_OPTIONS, err);
    request_clear(&r);
    json_free(root);
    buf_clear(&b);
    return rc;
}

/* ---- parameters ---------------------------------------------------------- */

bool ask_is_model(const char *text)
{
    size_t n = strlen(text);
    struct id id;

    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            return false;
    return n > 0 && n <= ASK_MAX_MODEL &&
           (n < ASK_MAX_MODEL || id_parse(&id, text) == 0);
}

static int take_model(struct ask *a, const char *model, struct err *err)
{
    if (!model)
        return 0;
    if (*a->model && strcmp(a->model, model) != 0)
        return err_set(err, ERR_INPUT, "\"model\" is not what X-Model says");
    if (!ask_is_model(model))
        return err_set(err, ERR_INPUT, "\"model\" is none of this queue"
                       " (Models lists them)");
    memcpy(a->model, model, strlen(model) + 1);
    return 0;
}

int ask_parameters(struct ask *a, const struct request *r, struct err *err)
{
    a->max_tokens = r->max_tokens ? r->max_tokens : MAX_TOKENS;
    a->temperature = r->temperature;
    a->top_p = r->top_p;
    a->top_k = r->top_k;
    a->flags = r->ignore_eos ? JOB_IGNORE_EOS : 0;
    a->has_seed = r->has_seed;
    a->seed = r->seed;
    a->n_stops = r->n_stops;
    for (size_t i = 0; i < r->n_stops; i++) {
        memcpy(a->stop[i].text, r->stop[i].text, r->stop[i].n);
        a->stop[i].n = r->stop[i].n;
    }
    return take_model(a, r->model, err);
}
