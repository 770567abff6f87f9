/*
 * Messages to prompt ids, in the two built-in forms.  A run of text between
 * two control tokens, role and content together, is tokenised as one: that is
 * how a tokenizer would see the rendered text.  Recognising the form of a
 * template is in chat_template.c.
 */
#include <config.h>

#include "text/chat.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

#define MAX_RUN ((size_t)64 << 20)

/* A prompt in the making. */
struct prompt {
    const struct tokenizer *t;
    struct tokens *out;
    struct buf run;
};

static int put_control(struct prompt *p, const char *name, struct err *err)
{
    uint32_t id = tokenizer_find(p->t, name);

    if (id == UINT32_MAX)
        return err_set(err, ERR_INPUT, "the tokenizer has no token \"%s\", "
                       "which the chat template needs; use /v1/completions "
                       "with a prompt", name);
    tokens_put(p->out, id);
    return 0;
}

/* a, b and c as one run of plain text. */
static int put_run(struct prompt *p, const char *a, const char *b,
                   const char *c, size_t n, struct err *err)
{
    buf_reset(&p->run);
    buf_puts(&p->run, a);
    buf_puts(&p->run, b);
    buf_put(&p->run, c, n);
    if (buf_check(&p->run, "a message", err))
        return -1;
    return tokenizer_encode(p->t, p->run.data, p->run.len, false, p->out,
                            err);
}

/* What Python's str.strip() strips, which is what Jinja's trim does. */
static bool is_space(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0d) || (cp >= 0x1c && cp <= 0x20) ||
           cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

static const char *trim(const char *s, size_t *n)
{
    size_t end = *n, at = 0, last = 0, first = end;
    uint32_t cp;
    int len;

    for (; at < end; at += (size_t)len) {
        len = utf8_next(s + at, end - at, &cp);
        if (len < 0)
            len = -len;
        else if (is_space(cp))
            continue;
        if (first == end)
            first = at;
        last = at + (size_t)len;
    }
    *n = first < last ? last - first : 0;
    return s + first;
}

static int chatml(struct prompt *p, const struct chat_message *m,
                  struct err *err)
{
    if (put_control(p, "<|im_start|>", err))
        return -1;
    if (!m)
        return put_run(p, "assistant", "\n", "", 0, err);
    if (put_run(p, m->role, "\n", m->content, strlen(m->content), err) ||
        put_control(p, "<|im_end|>", err))
        return -1;
    return put_run(p, "", "", "\n", 1, err);
}

static int llama3(struct prompt *p, const struct chat_message *m,
                  struct err *err)
{
    const char *role = m ? m->role : "assistant", *s = "";
    size_t n = 0;

    if (put_control(p, "<|start_header_id|>", err) ||
        put_run(p, role, "", "", 0, err) ||
        put_control(p, "<|end_header_id|>", err))
        return -1;
    if (m) {
        n = strlen(m->content);
        s = trim(m->content, &n);
    }
    if (put_run(p, "\n", "\n", s, n, err))
        return -1;
    return m ? put_control(p, "<|eot_id|>", err) : 0;
}

/* A message, or the opening of the assistant's turn if m is NULL. */
static int put_message(struct prompt *p, enum chat_kind kind,
                       const struct chat_message *m, struct err *err)
{
    return kind == CHAT_CHATML ? chatml(p, m, err) : llama3(p, m, err);
}

static int put_all(struct prompt *p, enum chat_kind kind,
                   const struct chat_message *msg, size_t n_msg,
                   struct err *err)
{
    size_t i;

    if (kind == CHAT_LLAMA3 && put_control(p, "<|begin_of_text|>", err))
        return -1;
    for (i = 0; i < n_msg; i++)
        if (put_message(p, kind, &msg[i], err))
            return err_prefix(err, "message %zu", i + 1);
    return put_message(p, kind, NULL, err);
}

static int check(enum chat_kind kind, const struct chat_message *msg,
                 size_t n_msg, struct err *err)
{
    size_t i;

    if (kind != CHAT_CHATML && kind != CHAT_LLAMA3)
        return err_set(err, ERR_INPUT, "the model has no chat template; use "
                       "/v1/completions with a prompt");
    if (!n_msg)
        return err_set(err, ERR_INPUT, "there are no messages");
    for (i = 0; i < n_msg; i++)
        if (strcmp(msg[i].role, "system") != 0 &&
            strcmp(msg[i].role, "user") != 0 &&
            strcmp(msg[i].role, "assistant") != 0)
            return err_set(err, ERR_INPUT, "message %zu: unknown role "
                           "\"%.40s\": system, user and assistant are known",
                           i + 1, msg[i].role);
    return 0;
}

int chat_encode(enum chat_kind kind, const struct tokenizer *t,
                const struct chat_message *msg, size_t n_msg,
                struct tokens *out, struct err *err)
{
    struct prompt p = { .t = t, .out = out };
    size_t before = out->n;
    int rc;

    if (check(kind, msg, n_msg, err))
        return -1;
    buf_init(&p.run, MAX_RUN);
    rc = put_all(&p, kind, msg, n_msg, err);
    if (rc)
        out->n = before;
    buf_clear(&p.run);
    return rc;
}
