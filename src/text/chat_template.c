/*
 * Chat templates, recognised.  A template is brought to a normal form that
 * keeps what it does: white space that Jinja drops is dropped, literals are
 * unescaped and joined, x['y'] is x.y.  It is then compared with the known
 * ones, which are brought to the same form.  Nothing is run, nothing guessed.
 *
 * Jinja as transformers sets it up: trim_blocks and lstrip_blocks.
 */
#include <config.h>

#include "text/chat.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

#define MAX_TEMPLATE ((size_t)1 << 16) /* longer ones are not the known */
#define MAX_PARTS 256                  /* of one tag */

static const struct {
    enum chat_kind kind;
    const char *text;
} known[] = {
    { CHAT_CHATML,
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + "
      "'\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
      "{% endif %}" },
    { CHAT_CHATML,
      "{% if not add_generation_prompt is defined %}"
      "{% set add_generation_prompt = false %}{% endif %}"
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + "
      "'\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
      "{% endif %}" },
    { CHAT_LLAMA3,
      "{% set loop_messages = messages %}"
      "{% for message in loop_messages %}"
      "{% set content = '<|start_header_id|>' + message['role'] + "
      "'<|end_header_id|>\\n\\n' + message['content'] | trim + "
      "'<|eot_id|>' %}{% if loop.index0 == 0 %}"
      "{% set content = bos_token + content %}{% endif %}"
      "{{ content }}{% endfor %}{% if add_generation_prompt %}"
      "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
      "{% endif %}" },
    /* as first published: the assistant's turn is always opened */
    { CHAT_LLAMA3,
      "{% set loop_messages = messages %}"
      "{% for message in loop_messages %}"
      "{% set content = '<|start_header_id|>' + message['role'] + "
      "'<|end_header_id|>\\n\\n' + message['content'] | trim + "
      "'<|eot_id|>' %}{% if loop.index0 == 0 %}"
      "{% set content = bos_token + content %}{% endif %}"
      "{{ content }}{% endfor %}"
      "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}" },
};

/* Names for what is refused: the first whose two texts both occur. */
static const struct {
    const char *has, *and, *name;
} refused[] = {
    { "<|start_header_id|>", "date", "Llama 3.1 or later (it writes a date "
      "into the prompt)" },
    { "<|start_header_id|>", "", "a variant of Llama 3" },
    { "<|im_start|>", "<think>", "ChatML with thinking, as Qwen 3" },
    { "<|im_start|>", "You are", "ChatML with a system prompt of its own, as "
      "Qwen 2.5" },
    { "<|im_start|>", "", "a variant of ChatML" },
    { "[INST]", "", "Llama 2 or Mistral" },
    { "<start_of_turn>", "", "Gemma" },
    { "<|START_OF_TURN_TOKEN|>", "", "Command R" },
    { "<\xef\xbd\x9cUser\xef\xbd\x9c>", "", "DeepSeek" },
    { "<|user|>", "", "Phi or Zephyr" },
    { "'user'", "<|end|>", "Phi or Zephyr" },
};

/* A part of a tag; literals are unescaped into a buffer. */
struct part {
    enum { PART_WORD, PART_SIGN, PART_LITERAL } kind;
    size_t at, len;
};

struct tag {
    struct part part[MAX_PARTS];
    size_t n;
    struct buf text;
};

/* What is left of the template. */
struct scan {
    const char *s;
    size_t n;
};

static bool is_space(char c)
{
    return c && strchr(" \t\n\r\v\f", c);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

static void step(struct scan *in, size_t n)
{
    in->s += n;
    in->n -= n;
}

static bool at(const struct scan *in, const char *text)
{
    size_t n = strlen(text);

    return in->n >= n && memcmp(in->s, text, n) == 0;
}

static int unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '\\':
    case '\'':
    case '"':
        return c;
    default:
        return -1;
    }
}

/* A literal from its quote to its quote. */
static int literal(struct scan *in, struct tag *t)
{
    char quote = in->s[0];
    int c;

    for (step(in, 1); in->n && in->s[0] != quote; step(in, 1)) {
        c = (unsigned char)in->s[0];
        if (c == '\\') {
            step(in, 1);
            c = in->n ? unescape(in->s[0]) : -1;
            if (c < 0)
                return -1;
        }
        buf_putc(&t->text, c);
    }
    if (!in->n)
        return -1;
    step(in, 1);
    return 0;
}

/* The parts of a tag up to `end` ("%}" or "}}"); *strip: it was "-%}". */
static int read_tag(struct scan *in, struct tag *t, const char *end,
                    bool *strip)
{
    struct part *p;

    *strip = false;
    buf_reset(&t->text);
    for (t->n = 0; in->n;) {
        if (is_space(in->s[0])) {
            step(in, 1);
            continue;
        }
        if (in->s[0] == '-' && in->n > 1 && in->s[1] == end[0]) {
            *strip = true;
            step(in, 1);
        }
        if (at(in, end)) {
            step(in, 2);
            return 0;
        }
        if (t->n == MAX_PARTS || *strip)
            return -1;
        p = &t->part[t->n++];
        p->at = t->text.len;
        p->kind = PART_SIGN;
        if (in->s[0] == '\'' || in->s[0] == '"') {
            p->kind = PART_LITERAL;
            if (literal(in, t))
                return -1;
        } else if (is_word(in->s[0])) {
            p->kind = PART_WORD;
            for (; in->n && is_word(in->s[0]); step(in, 1))
                buf_putc(&t->text, in->s[0]);
        } else {
            buf_putc(&t->text, in->s[0]);
            step(in, 1);
        }
        p->len = t->text.len - p->at;
    }
    return -1;
}

static bool is_sign(const struct tag *t, size_t i, char c)
{
    return i < t->n && t->part[i].kind == PART_SIGN &&
           t->text.data[t->part[i].at] == c;
}

static bool is_literal(const struct tag *t, size_t i)
{
    return i < t->n && t->part[i].kind == PART_LITERAL;
}

/* x['y'] from the bracket on, with y a name. */
static bool is_member(const struct tag *t, size_t i)
{
    const struct part *p;
    size_t k;

    if (!i || t->part[i - 1].kind != PART_WORD || !is_sign(t, i, '[') ||
        !is_literal(t, i + 1) || !is_sign(t, i + 2, ']'))
        return false;
    p = &t->part[i + 1];
    for (k = 0; k < p->len; k++)
        if (!is_word(t->text.data[p->at + k]))
            return false;
    return p->len > 0;
}

static void put_literal(struct buf *out, const char *s, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (s[i] == '\\' || s[i] == '\'')
            buf_putc(out, '\\');
        buf_putc(out, s[i]);
    }
}

/* Literals joined by plus signs; a filter would bind to the last alone.
 * Returns the index of the last part taken. */
static size_t put_joined(struct buf *out, const struct tag *t, size_t i)
{
    buf_putc(out, '\'');
    put_literal(out, t->text.data + t->part[i].at, t->part[i].len);
    while (is_sign(t, i + 1, '+') && is_literal(t, i + 2) &&
           !is_sign(t, i + 3, '|') && !is_sign(t, i + 3, '[') &&
           !is_sign(t, i + 3, '.')) {
        i += 2;
        put_literal(out, t->text.data + t->part[i].at, t->part[i].len);
    }
    buf_putc(out, '\'');
    return i;
}

static void put_tag(struct buf *out, const struct tag *t, bool block)
{
    const struct part *p;
    size_t i;

    buf_puts(out, block ? "{%" : "{{");
    for (i = 0; i < t->n; i++) {
        p = &t->part[i];
        if (p->kind == PART_LITERAL) {
            i = put_joined(out, t, i);
            continue;
        }
        if (is_member(t, i)) {
            buf_putc(out, '.');
            p = &t->part[i + 1];
            i += 2;
        } else if (p->kind == PART_WORD && i &&
                   t->part[i - 1].kind == PART_WORD) {
            buf_putc(out, ' ');
        }
        buf_put(out, t->text.data + p->at, p->len);
    }
    buf_puts(out, block ? "%}" : "}}");
}

/* The text s[0..n) before a tag, less what the tag strips. */
static void put_text(struct buf *out, const char *s, size_t n, bool strip,
                     bool block, bool line_start)
{
    size_t k = n;

    if (strip) {
        while (n && is_space(s[n - 1]))
            n--;
    } else if (block) {
        while (k && (s[k - 1] == ' ' || s[k - 1] == '\t'))
            k--;
        if (k ? s[k - 1] == '\n' : line_start)
            n = k;
    }
    if (!n)
        return;
    buf_puts(out, "{{'");
    put_literal(out, s, n);
    buf_puts(out, "'}}");
}

/* One text and the tag after it; `strip` is what the tag before it said and
 * *line_start whether it ended a line. */
static int put_next(struct buf *out, struct scan *in, struct tag *t,
                    bool *strip, bool *line_start)
{
    const char *text;
    size_t n;
    bool block, before;

    while (*strip && in->n && is_space(in->s[0]))
        step(in, 1);
    text = in->s;
    while (in->n && !at(in, "{{") && !at(in, "{%") && !at(in, "{#"))
        step(in, 1);
    n = (size_t)(in->s - text);
    if (!in->n) {
        put_text(out, text, n, false, false, *line_start);
        return 0;
    }
    if (in->s[1] == '#')
        return -1;
    block = in->s[1] == '%';
    step(in, 2);
    before = in->n && in->s[0] == '-';
    if (before)
        step(in, 1);
    put_text(out, text, n, before, block, *line_start);
    if (read_tag(in, t, block ? "%}" : "}}", strip))
        return -1;
    put_tag(out, t, block);
    *line_start = false;
    if (block && !*strip && in->n && in->s[0] == '\n') {
        step(in, 1);
        *line_start = true;
    }
    return 0;
}

/* 0, or -1 if it cannot be one of the known. */
static int normal_form(struct buf *out, const char *s, size_t n)
{
    struct scan in = { s, n };
    bool strip = false, line_start = true;
    struct tag t;
    int rc = 0;

    if (n && s[n - 1] == '\n')
        in.n--;
    buf_init(&t.text, MAX_TEMPLATE);
    while (!rc && in.n)
        rc = put_next(out, &in, &t, &strip, &line_start);
    if (t.text.full || out->full)
        rc = -1;
    buf_clear(&t.text);
    return rc;
}

static bool same_form(const struct buf *form, const char *text)
{
    struct buf b;
    bool same;

    buf_init(&b, 2 * MAX_TEMPLATE);
    same = !normal_form(&b, text, strlen(text)) && b.len == form->len &&
           memcmp(b.data, form->data, b.len) == 0;
    buf_clear(&b);
    return same;
}

static bool occurs(const char *s, size_t n, const char *what)
{
    size_t len = strlen(what), i;

    for (i = 0; i + len <= n; i++)
        if (memcmp(s + i, what, len) == 0)
            return true;
    return false;
}

static int refuse(const char *s, size_t n, struct err *err)
{
    const char *name = "not one of those built in";
    size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        if (occurs(s, n, refused[i].has) && occurs(s, n, refused[i].and)) {
            name = refused[i].name;
            break;
        }
    return err_set(err, ERR_INPUT, "the chat template of the model is %s; "
                   "ChatML and Llama 3 are built in; use /v1/completions "
                   "with a prompt", name);
}

int chat_recognise(enum chat_kind *kind, const char *tmpl, size_t n,
                   struct err *err)
{
    struct buf form;
    size_t i, count = sizeof(known) / sizeof(*known);

    if (!n) {
        *kind = CHAT_NONE;
        return 0;
    }
    if (n > MAX_TEMPLATE)
        return refuse(tmpl, MAX_TEMPLATE, err);
    buf_init(&form, 2 * MAX_TEMPLATE);
    i = count;
    if (!normal_form(&form, tmpl, n) && form.len)
        for (i = 0; i < count && !same_form(&form, known[i].text); i++)
            continue;
    buf_clear(&form);
    if (i == count)
        return refuse(tmpl, n, err);
    *kind = known[i].kind;
    return 0;
}
