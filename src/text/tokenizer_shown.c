/*
 * What each token is in an output.  Without steps of a decoder: its text,
 * of the kinds with characters with spaces for metaspaces.  With steps: what
 * they make of its text, one after the other.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define MAX_ALL ((size_t)256 << 20) /* bytes of all tokens */

static const struct tok_step spaces = {
    DECODE_REPLACE, 0, sizeof(METASPACE) - 1, 1, (char *)METASPACE,
    (char *)" "
};

static void replace(struct buf *out, const struct tok_step *s,
                    const char *text, size_t n)
{
    size_t i = 0;

    while (i < n) {
        if (n - i >= s->n_a && memcmp(text + i, s->a, s->n_a) == 0) {
            buf_put(out, s->b, s->n_b);
            i += s->n_a;
        } else {
            buf_putc(out, text[i++]);
        }
    }
}

static void strip(struct buf *out, const struct tok_step *s,
                  const char *text, size_t n)
{
    uint32_t left = s->argument & 0xff, right = s->argument >> 8;

    for (; left > 0 && n >= s->n_a && memcmp(text, s->a, s->n_a) == 0;
         left--) {
        text += s->n_a;
        n -= s->n_a;
    }
    for (; right > 0 && n >= s->n_a &&
           memcmp(text + n - s->n_a, s->a, s->n_a) == 0; right--)
        n -= s->n_a;
    buf_put(out, text, n);
}

/* Into out, which is empty; scratch too. */
static void decode(const struct tok_steps *steps, const char *text, size_t n,
                   struct buf *out, struct buf *scratch)
{
    buf_put(out, text, n);
    for (uint32_t i = 0; i < steps->n; i++) {
        struct buf was = *out;

        if (steps->v[i].type == DECODE_BYTES)
            continue;
        *out = *scratch;
        *scratch = was;
        buf_reset(out);
        if (steps->v[i].type == DECODE_REPLACE)
            replace(out, &steps->v[i], was.data ? was.data : "", was.len);
        else
            strip(out, &steps->v[i], was.data ? was.data : "", was.len);
    }
}

static bool has_bytes(const struct tok_steps *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->v[i].type == DECODE_BYTES)
            return true;
    return false;
}

/* Append what token id is in an output. */
static void show(const struct tokenizer *t, uint32_t id, struct buf *one,
                 struct buf *scratch, struct buf *out)
{
    const struct tok_steps *steps = &t->extra.decoder;
    const char *text = t->text + t->at[id];
    size_t n = t->at[id + 1] - t->at[id];
    char name[8];

    buf_reset(one);
    buf_reset(scratch);
    if (steps->n == 0) {
        replace(out, &spaces, text, n);
        return;
    }
    if (t->token_flags[id] == TOKEN_BYTE && has_bytes(steps)) {
        buf_put(out, text, n);
        return;
    }
    if (t->token_flags[id] == TOKEN_BYTE) {
        n = (size_t)snprintf(name, sizeof(name), "<0x%02X>",
                             (unsigned char)text[0]);
        text = name;
    }
    decode(steps, text, n, one, scratch);
    buf_put(out, one->data ? one->data : "", one->len);
}

int tokenizer_show(struct tokenizer *t, struct err *err)
{
    struct buf out, one, scratch;
    int rc;

    if (t->kind == TOK_BYTE_LEVEL && t->extra.decoder.n == 0)
        return 0;
    buf_init(&out, MAX_ALL);
    buf_init(&one, TOK_MAX_SHOWN);
    buf_init(&scratch, TOK_MAX_SHOWN);
    t->shown_at = xcalloc((size_t)t->n + 1, sizeof(*t->shown_at));
    for (uint32_t id = 0; id < t->n && !one.full && !scratch.full; id++) {
        if (!(t->token_flags[id] & TOKEN_CONTROL))
            show(t, id, &one, &scratch, &out);
        t->shown_at[id + 1] = (uint32_t)out.len;
    }
    rc = buf_check(&out, "the decoded tokens", err) ||
         buf_check(&one, "a decoded token", err) ||
         buf_check(&scratch, "a decoded token", err) ? -1 : 0;
    buf_put(&out, "", 0); /* not NULL */
    t->shown = buf_take(&out, NULL);
    buf_clear(&one);
    buf_clear(&scratch);
    return rc;
}
