/*
 * Messages of a chat to JSON.  Members stand in one order, whatever order the
 * request has.
 */
#include <config.h>

#include "text/chat_internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define MAX_MESSAGES ((size_t)128 << 20)

bool chat_is_nothing(const struct json *v)
{
    if (!v)
        return true;
    switch (json_type(v)) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return !json_true(v);
    case JSON_STRING:
        return !*json_string(v);
    case JSON_NUMBER:
        return false;
    default:
        return json_count(v) == 0;
    }
}

static void put_key(struct buf *b, const char *key, bool first)
{
    buf_puts(b, first ? "" : ",");
    json_put_string(b, key, strlen(key));
    buf_putc(b, ':');
}

/* ---- tool calls ---------------------------------------------------------- */

/* OpenAI's arguments are a text with JSON in it; templates take the object. */
static bool put_arguments(struct buf *b, const struct json *v)
{
    const char *text = json_string(v);
    struct json *root = NULL;
    bool is_object;

    if (!text)
        return false;
    if (!*text) {
        buf_puts(b, "{}");
        return true;
    }
    is_object = json_parse(&root, text, strlen(text), NULL) == 0 &&
                json_type(root) == JSON_OBJECT;
    if (is_object)
        json_put(b, root);
    json_free(root);
    return is_object;
}

static void put_function(struct buf *b, const struct json *function,
                         const struct chat_form *form, bool *had_texts)
{
    bool first = true;

    buf_putc(b, '{');
    for (const struct json *m = json_first(function); m; m = json_next(m)) {
        size_t before;

        put_key(b, json_key(m), first);
        first = false;
        before = b->len;
        if (strcmp(json_key(m), "arguments") == 0 && put_arguments(b, m)) {
            *had_texts = true;
            if (!form->texts)
                continue;
            b->len = before;
        }
        json_put(b, m);
    }
    buf_putc(b, '}');
}

static void put_tool_calls(struct buf *b, const struct json *calls,
                           const struct chat_form *form, bool *had_texts)
{
    buf_putc(b, '[');
    for (const struct json *c = json_first(calls); c; c = json_next(c)) {
        bool first = true;

        buf_puts(b, c == json_first(calls) ? "{" : ",{");
        for (const struct json *m = json_first(c); m; m = json_next(m)) {
            put_key(b, json_key(m), first);
            first = false;
            if (strcmp(json_key(m), "function") == 0 &&
                json_type(m) == JSON_OBJECT)
                put_function(b, m, form, had_texts);
            else
                json_put(b, m);
        }
        buf_putc(b, '}');
    }
    buf_putc(b, ']');
}

/* ---- messages ------------------------------------------------------------ */

static void put_message(struct buf *b, const struct chat_message *m,
                        const struct chat_form *form, bool *had_texts)
{
    static const char *const others[] = { "name", "tool_call_id",
                                          "reasoning_content" };
    const struct json *calls = json_get(m->more, "tool_calls");
    const char *role = m->role;
    bool altered = form->altered && strcmp(role, form->altered) == 0;

    if (strcmp(role, "developer") == 0 && !form->developer)
        role = "system";
    buf_printf(b, "{\"role\":\"%s\",\"content\":", role);
    if (m->content)
        json_put_string(b, m->content, strlen(m->content));
    else
        buf_puts(b, "null");
    if (altered && m->content) {
        b->len--;
        buf_puts(b, "x\"");
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const struct json *v = json_get(m->more, others[i]);

        if (chat_is_nothing(v))
            continue;
        put_key(b, others[i], false);
        json_put(b, v);
    }
    if (!chat_is_nothing(calls)) {
        put_key(b, "tool_calls", false);
        put_tool_calls(b, calls, form, had_texts);
    }
    buf_putc(b, '}');
}

int chat_messages(struct json **out, const struct chat_input *in,
                  const struct chat_form *form, bool *had_texts,
                  struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, MAX_MESSAGES);
    for (size_t i = 0; i < in->n_messages; i++) {
        buf_putc(&b, i > 0 ? ',' : '[');
        put_message(&b, &in->message[i], form, had_texts);
    }
    buf_putc(&b, ']');
    rc = buf_check(&b, "the messages", err) ||
                 json_parse(out, b.data, b.len, err)
             ? -1
             : 0;
    buf_clear(&b);
    return rc;
}
