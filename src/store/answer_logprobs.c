/*
 * Probabilities of an answer's tokens as JSON.  A token may be a part of a
 * character: `bytes` has what it is.
 */
#include <config.h>

#include "store/answer_logprobs.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "store/topk.h"

/* A damaged file may hold what is no number. */
static void put_number(struct buf *out, double v)
{
    char text[64];

    if (!(v <= 0 && v >= -1e9)) {
        buf_puts(out, "null");
        return;
    }
    snprintf(text, sizeof(text), "%.8f", v);
    buf_puts(out, strcmp(text, "-0.00000000") == 0 ? text + 1 : text);
}

/* ---- chats --------------------------------------------------------------- */

static void put_bytes(struct buf *out, const char *text, size_t n)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%u", i ? "," : "", (unsigned char)text[i]);
    buf_putc(out, ']');
}

/* {"token":..,"logprob":..,"bytes":[..], without its end. */
static void put_token(struct buf *out, const struct topk *t, uint32_t id,
                      double logprob)
{
    size_t n;
    const char *text = topk_piece(t, id, &n);
    struct buf scrubbed;

    buf_init(&scrubbed, 3 * TOPK_PIECE);
    utf8_scrub(&scrubbed, text, n);
    buf_puts(out, "{\"token\":");
    json_put_string(out, scrubbed.len ? scrubbed.data : "", scrubbed.len);
    buf_puts(out, ",\"logprob\":");
    put_number(out, logprob);
    buf_puts(out, ",\"bytes\":");
    put_bytes(out, text, n);
    buf_clear(&scrubbed);
}

static void put_chat(struct buf *out, const struct topk *t, uint32_t top,
                     const uint32_t *token)
{
    uint32_t id;

    buf_puts(out, "{\"content\":[");
    for (size_t i = 0; i < t->n; i++) {
        buf_puts(out, i ? "," : "");
        put_token(out, t, token[i], topk_logprob(t, i));
        buf_puts(out, ",\"top_logprobs\":[");
        for (size_t j = 0; j < top; j++) {
            double v = topk_top(t, i, j, &id);

            buf_puts(out, j ? "," : "");
            put_token(out, t, id, v);
            buf_putc(out, '}');
        }
        buf_puts(out, "]}");
    }
    buf_puts(out, "],\"refusal\":null}");
}

/* ---- completions --------------------------------------------------------- */

/* A text that says itself what it is: readers of JSON take no NUL. */
static bool is_plain(const char *text, size_t n)
{
    return utf8_valid(text, n) && !memchr(text, '\0', n) &&
           !(n >= 6 && memcmp(text, "bytes:", 6) == 0);
}

/* The text of a token, of a part of a character "bytes:" and its bytes in
 * hexadecimal, as OpenAI has it.  Two texts have two names. */
static void put_name(struct buf *out, const struct topk *t, uint32_t id)
{
    size_t n;
    const char *text = topk_piece(t, id, &n);
    struct buf name;

    if (is_plain(text, n)) {
        json_put_string(out, text, n);
        return;
    }
    buf_init(&name, 8 + 4 * TOPK_PIECE);
    buf_puts(&name, "bytes:");
    for (size_t i = 0; i < n; i++)
        buf_printf(&name, "\\x%02x", (unsigned char)text[i]);
    json_put_string(out, name.data, name.len);
    buf_clear(&name);
}

/* Whether one of the first j ids of a step has the same name: members of an
 * object differ. */
static bool is_named(const struct topk *t, size_t step, size_t j, uint32_t id)
{
    size_t n, n_other;
    const char *text = topk_piece(t, id, &n);
    uint32_t other;

    for (size_t i = 0; i < j; i++) {
        const char *s;

        topk_top(t, step, i, &other);
        s = topk_piece(t, other, &n_other);
        if (n == n_other && memcmp(s, text, n) == 0)
            return true;
    }
    return false;
}

/* The likeliest and, as OpenAI has it, the token itself if it is not one. */
static void put_step(struct buf *out, const struct topk *t, size_t step,
                     uint32_t top, uint32_t token)
{
    uint32_t id;

    buf_putc(out, '{');
    for (size_t j = 0; j < top; j++) {
        double v = topk_top(t, step, j, &id);

        if (is_named(t, step, j, id))
            continue;
        buf_puts(out, j ? "," : "");
        put_name(out, t, id);
        buf_putc(out, ':');
        put_number(out, v);
    }
    if (!is_named(t, step, top, token)) {
        buf_puts(out, top ? "," : "");
        put_name(out, t, token);
        buf_putc(out, ':');
        put_number(out, topk_logprob(t, step));
    }
    buf_putc(out, '}');
}

static void put_offsets(struct buf *out, const struct topk *t,
                        const uint32_t *token)
{
    uint64_t at = 0;

    for (size_t i = 0; i < t->n; i++) {
        size_t n;
        const char *text = topk_piece(t, token[i], &n);

        buf_printf(out, "%s%ju", i ? "," : "", (uintmax_t)at);
        for (size_t k = 0; k < n; k++)
            at += ((unsigned char)text[k] & 0xc0) != 0x80;
    }
}

static void put_completion(struct buf *out, const struct topk *t, uint32_t top,
                           const uint32_t *token)
{
    buf_puts(out, "{\"tokens\":[");
    for (size_t i = 0; i < t->n; i++) {
        buf_puts(out, i ? "," : "");
        put_name(out, t, token[i]);
    }
    buf_puts(out, "],\"token_logprobs\":[");
    for (size_t i = 0; i < t->n; i++) {
        buf_puts(out, i ? "," : "");
        put_number(out, topk_logprob(t, i));
    }
    buf_puts(out, top ? "],\"top_logprobs\":[" : "],\"top_logprobs\":null");
    for (size_t i = 0; top && i < t->n; i++) {
        buf_puts(out, i ? "," : "");
        put_step(out, t, i, top, token[i]);
    }
    buf_puts(out, top ? "],\"text_offset\":[" : ",\"text_offset\":[");
    put_offsets(out, t, token);
    buf_puts(out, "]}");
}

void answer_put_logprobs(struct buf *out, const struct topk *t, uint32_t top,
                         const uint32_t *token, bool chat)
{
    if (top > t->k)
        top = (uint32_t)t->k;
    if (chat)
        put_chat(out, t, top, token);
    else
        put_completion(out, t, top, token);
}
