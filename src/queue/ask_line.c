/*
 * From what is asked to a line of requests.jsonl.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "queue/ask_internal.h"
#include "store/request_fields.h"

/* ---- stop strings -------------------------------------------------------- */

static int compare_stop_texts(const char *a, size_t n_a, const char *b,
                              size_t n_b)
{
    int c = memcmp(a, b, n_a < n_b ? n_a : n_b);

    return c ? c : n_a < n_b ? -1 : n_a > n_b;
}

int ask_add_stop(struct ask *a, const char *text, size_t n)
{
    size_t at = 0;
    int c = 1;

    if (n < 1 || n > sizeof(a->stop[0].text))
        return -1;
    while (at < a->n_stops &&
           (c = compare_stop_texts(a->stop[at].text, a->stop[at].n, text, n)) <
               0)
        at++;
    if (at < a->n_stops && c == 0)
        return 0;
    if (a->n_stops == REQUEST_MAX_STOPS)
        return -1;
    memmove(&a->stop[at + 1], &a->stop[at],
            (a->n_stops - at) * sizeof(a->stop[0]));
    memcpy(a->stop[at].text, text, n);
    a->stop[at].n = n;
    a->n_stops++;
    return 0;
}

/* ---- the prompt ---------------------------------------------------------- */

/* What the prompt of a line turned out to be. */
struct made {
    bool chat;
    char date[11]; /* for the chat template, "" without */
};

static void put_chat(struct buf *out, const char *text, size_t n)
{
    buf_puts(out, "\"messages\":[{\"role\":\"user\",\"content\":");
    json_put_string(out, text, n);
    buf_puts(out, "}]");
}

/* What the body has beside the messages, but for the date, which stands among
 * the parameters. */
static void put_beside(struct buf *out, const struct json *root)
{
    static const char *const names[] = { "tools", "documents",
                                         "chat_template_kwargs" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct json *v = json_get(root, names[i]);

        if (request_is_empty(v))
            continue;
        buf_printf(out, ",\"%s\":", names[i]);
        json_put(out, v);
    }
}

/* "messages", with what is beside them, or "prompt" from an object: that of a
 * source, or of a text that has more than messages.  The other parameters are
 * those of the message. */
static int put_object(struct buf *out, const struct json *root,
                      struct made *made, struct err *err)
{
    struct request r = { .line = NULL };
    bool *chat = &made->chat;

    if (json_type(root) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "an object with messages or prompt"
                       " expected");
    request_defaults(&r);
    if (request_fields(&r, root, REQUEST_DATA, err) ||
        ask_is_chat(chat, root, err))
        return -1;
    if (r.given || r.model)
        return err_set(err, ERR_INPUT, "the source has parameters, which"
                       " belong in X-Options");
    buf_puts(out, *chat ? "\"messages\":" : "\"prompt\":");
    json_put(out, json_get(root, *chat ? "messages" : "prompt"));
    put_beside(out, root);
    if (r.date)
        snprintf(made->date, sizeof(made->date), "%s", r.date);
    return 0;
}

static int put_json(struct buf *out, enum ask_form form, const char *text,
                    size_t n, struct made *made, struct err *err)
{
    struct json *root;
    int rc = 0;

    if (json_parse(&root, text, n, err))
        return -1;
    if (form == ASK_SOURCE_JSON || json_type(root) == JSON_OBJECT) {
        rc = put_object(out, root, made, err);
    } else {
        buf_puts(out, "\"messages\":");
        json_put(out, root);
    }
    json_free(root);
    return rc;
}

/* Token ids of an item, which are those that the message says. */
static int put_ids(struct buf *out, const struct ask *a, const char *source,
                   size_t n, struct err *err)
{
    struct id root;

    merkle_blob(&root, source, n);
    if (n != 4 * a->count || !id_equal(root, a->sha256))
        return err_set(err, ERR_INPUT, "source: it does not hold the token ids"
                       " of X-Prompt-Count and X-Prompt-Root");
    buf_puts(out, "\"prompt\":");
    for (size_t i = 0; i < a->count; i++)
        buf_printf(out, "%c%" PRIu32, i ? ',' : '[', get_u32(source + 4 * i));
    buf_putc(out, ']');
    return 0;
}

/* The prompt's member of the body. */
static int put_prompt(struct buf *out, const struct ask *a,
                      const char *source, size_t n, struct made *made,
                      struct err *err)
{
    made->chat = a->form != ASK_PROMPT && a->form != ASK_IDS &&
                 a->form != ASK_SOURCE_IDS;
    switch (a->form) {
    case ASK_CHAT:
        put_chat(out, a->prompt, strlen(a->prompt));
        return 0;
    case ASK_PROMPT:
        buf_puts(out, "\"prompt\":");
        json_put_string(out, a->prompt, strlen(a->prompt));
        return 0;
    case ASK_IDS:
        buf_printf(out, "\"prompt\":%s", a->prompt);
        return 0;
    case ASK_SOURCE_IDS:
        return put_ids(out, a, source, n, err);
    case ASK_MESSAGES:
        return put_json(out, a->form, a->prompt, strlen(a->prompt), made,
                        err);
    case ASK_SOURCE:
        if (!utf8_valid(source, n) || (n && memchr(source, '\0', n)))
            return err_set(err, ERR_INPUT, "the source is not valid UTF-8");
        put_chat(out, source, n);
        return 0;
    case ASK_SOURCE_JSON:
        return put_json(out, a->form, source, n, made, err);
    case ASK_BATCH:
        break;
    }
    return err_set(err, ERR_INPUT, "the lines of a batch are in its file");
}

/* ---- parameters ---------------------------------------------------------- */

/* Millionths as a decimal number. */
static void put_millionths(struct buf *out, const char *key, uint32_t v)
{
    buf_printf(out, ",\"%s\":%" PRIu32 ".%06" PRIu32, key, v / 1000000,
               v % 1000000);
}

static int put_stops(struct buf *out, const struct ask *a, struct err *err)
{
    for (size_t i = 0; i < a->n_stops; i++) {
        const char *text = a->stop[i].text;
        size_t n = a->stop[i].n;

        if (!utf8_valid(text, n) || memchr(text, '\0', n))
            return err_set(err, ERR_INPUT, "a stop string is not valid UTF-8");
        buf_puts(out, i ? "," : ",\"stop\":[");
        json_put_string(out, text, n);
    }
    if (a->n_stops)
        buf_putc(out, ']');
    return 0;
}

static int put_parameters(struct buf *out, const struct ask *a,
                          const struct made *made, struct err *err)
{
    buf_printf(out, ",\"max_tokens\":%" PRIu32, a->max_tokens);
    put_millionths(out, "temperature", a->temperature);
    put_millionths(out, "top_p", a->top_p);
    if (a->has_seed)
        buf_printf(out, ",\"seed\":\"%" PRIu64 "\"", a->seed);
    if (put_stops(out, a, err))
        return -1;
    buf_printf(out, ",\"apus\":{\"top_k\":%" PRIu32 "%s", a->top_k,
               a->flags & JOB_IGNORE_EOS ? ",\"ignore_eos\":true" : "");
    if (*made->date)
        buf_printf(out, ",\"date\":\"%s\"", made->date);
    buf_putc(out, '}');
    return 0;
}

/* ---- the line ------------------------------------------------------------ */

static int put_line(struct buf *out, const struct ask *a, struct id id,
                    const struct id *model, const char *source, size_t n,
                    struct err *err)
{
    char text[ID_TEXT];
    struct made made = { .chat = false };
    struct buf body;
    int rc;

    buf_init(&body, REQUEST_MAX_LINE);
    rc = put_prompt(&body, a, source, n, &made, err);
    if (rc == 0)
        rc = put_parameters(&body, a, &made, err);
    if (rc == 0)
        rc = buf_check(&body, "the prompt", err);
    if (rc == 0) {
        base64url(text, id.b, 32);
        buf_printf(out, "{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":"
                   "\"/v1/%s\",\"body\":{", text,
                   made.chat ? "chat/completions" : "completions");
        if (model) {
            base64url(text, model, 32);
            buf_printf(out, "\"model\":\"%s\",", text);
        }
        buf_put(out, body.data, body.len);
        buf_puts(out, "}}");
        rc = buf_check(out, "a request", err);
    }
    buf_clear(&body);
    return rc;
}

/* The worker reads the line as we do, so what it would refuse is refused
 * here, where it can still be released. */
static int check_line(const struct ask *a, const struct buf *line,
                      struct err *err)
{
    struct request r;
    int rc = request_parse(&r, line->data, line->len, err);

    if (rc == 0 && (r.max_tokens != a->max_tokens ||
                    r.temperature != a->temperature || r.top_p != a->top_p ||
                    r.top_k != a->top_k || r.n_stops != a->n_stops ||
                    r.has_seed != a->has_seed || r.seed != a->seed ||
                    r.n_choices != 1))
        rc = err_set(err, ERR_INPUT, "its parameters cannot be written");
    request_clear(&r);
    return rc;
}

int ask_put_line(struct buf *out, const struct ask *a, struct id id,
                 const struct id *model, const void *source, size_t n,
                 struct err *err)
{
    struct buf line;
    int rc;

    if (a->flags & ~(uint32_t)JOB_IGNORE_EOS)
        return err_set(err, ERR_INPUT, "flags %" PRIu32 ": this version knows"
                       " 0 and 1", a->flags);
    buf_init(&line, REQUEST_MAX_LINE);
    rc = put_line(&line, a, id, model, source, n, err);
    if (rc == 0)
        rc = check_line(a, &line, err);
    if (rc == 0) {
        buf_put(out, line.data, line.len);
        rc = buf_check(out, "the requests", err);
    }
    buf_clear(&line);
    return rc;
}

void ask_clear(struct ask *a)
{
    free(a->prompt);
    memset(a, 0, sizeof(*a));
}
