/*
 * Messages to prompt ids.  A run of text between two control tokens, role and
 * content together, is tokenised as one: that is how a tokenizer would see the
 * rendered text.
 */
#include <config.h>

#include "text/chat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/jinja.h"
#include "text/tokenizer.h"

#define MAX_MESSAGES ((size_t)64 << 20)

struct chat {
    const struct tokenizer *t;
    struct jinja *tmpl;
    char *bos, *eos; /* their texts */
};

/* The text of a token, empty if there is none. */
static char *text_of(const struct tokenizer *t, uint32_t id)
{
    const char *s;
    size_t n = 0;
    char *copy;

    s = id == UINT32_MAX ? "" : tokenizer_text(t, id, &n);
    copy = xmalloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

int chat_new(struct chat **out, const struct tokenizer *t, const char *tmpl,
             size_t n, uint32_t bos, uint32_t eos, struct err *err)
{
    struct err why = ERR_INIT;
    struct jinja *parsed;

    *out = NULL;
    if (!n)
        return 0;
    if (jinja_new(&parsed, tmpl, n, &why))
        return err_set(err, ERR_INPUT, "%s; use /v1/completions with a prompt",
                       why.text);
    *out = xcalloc(1, sizeof(**out));
    (*out)->t = t;
    (*out)->tmpl = parsed;
    (*out)->bos = text_of(t, bos);
    (*out)->eos = text_of(t, eos);
    return 0;
}

void chat_free(struct chat *c)
{
    if (!c)
        return;
    jinja_free(c->tmpl);
    free(c->bos);
    free(c->eos);
    free(c);
}

/* The messages as the template sees them. */
static int to_json(struct json **out, const struct chat_message *msg,
                   size_t n_msg, struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, 2 * MAX_MESSAGES);
    for (size_t i = 0; i < n_msg; i++) {
        buf_puts(&b, i > 0 ? ",{\"role\":" : "[{\"role\":");
        json_put_string(&b, msg[i].role, strlen(msg[i].role));
        buf_puts(&b, ",\"content\":");
        json_put_string(&b, msg[i].content, strlen(msg[i].content));
        buf_putc(&b, '}');
    }
    buf_putc(&b, ']');
    rc = buf_check(&b, "the messages", err) ||
                 json_parse(out, b.data, b.len, err)
             ? -1
             : 0;
    buf_clear(&b);
    return rc;
}

static int check(const struct chat *c, const struct chat_message *msg,
                 size_t n_msg, struct err *err)
{
    if (!c)
        return err_set(err, ERR_INPUT,
                       "the model has no chat template; use "
                       "/v1/completions with a prompt");
    if (!n_msg)
        return err_set(err, ERR_INPUT, "there are no messages");
    for (size_t i = 0; i < n_msg; i++)
        if (strcmp(msg[i].role, "system") != 0 &&
            strcmp(msg[i].role, "user") != 0 &&
            strcmp(msg[i].role, "assistant") != 0)
            return err_set(err, ERR_INPUT,
                           "message %zu: unknown role "
                           "\"%.40s\": system, user and assistant are known",
                           i + 1, msg[i].role);
    return 0;
}

int chat_encode(const struct chat *c, const struct chat_message *msg,
                size_t n_msg, struct tokens *out, struct err *err)
{
    struct jinja_variable variable[] = {
        { .name = "messages", .from_user = true },
        { .name = "add_generation_prompt" },
        { .name = "bos_token" },
        { .name = "eos_token" },
    };
    struct json *messages = NULL, *yes = NULL;
    struct jinja_output text = { 0 };
    int rc;

    if (check(c, msg, n_msg, err) || to_json(&messages, msg, n_msg, err))
        return -1;
    rc = json_parse(&yes, "true", 4, err);
    if (rc == 0) {
        variable[0].json = messages;
        variable[1].json = yes;
        variable[2].text = c->bos;
        variable[3].text = c->eos;
        rc = jinja_render(c->tmpl, variable,
                          sizeof(variable) / sizeof(*variable), NULL, &text,
                          err);
    }
    if (rc == 0)
        rc = tokenizer_encode_marked(c->t, text.text, text.from_user, text.n,
                                     out, err);
    jinja_output_clear(&text);
    json_free(messages);
    json_free(yes);
    return rc;
}
