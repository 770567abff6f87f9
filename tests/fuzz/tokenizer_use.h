/*
 * What the fuzz targets of the tokenizer do with one that was accepted.
 */
#ifndef APUS_TESTS_FUZZ_TOKENIZER_USE_H
#define APUS_TESTS_FUZZ_TOKENIZER_USE_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

/* Whether decoding must give the text back: byte-level, every byte a token,
 * nothing added, nothing normalized, no token without bytes, no steps. */
static bool is_exact(const struct tokenizer *t, bool special)
{
    int i;

    if (t->kind != TOK_BYTE_LEVEL || t->flags || t->pattern == TOK_QWEN2 ||
        t->second || special)
        return false;
    for (i = 0; i < 256; i++)
        if (t->byte_id[i] == TOK_NONE)
            return false;
    return true;
}

static void check_ids(const struct tokenizer *t, const struct tokens *ids)
{
    struct buf raw, streamed, whole;
    struct detok d;
    const char *s;
    size_t i, n;

    buf_init(&raw, (size_t)1 << 26);
    buf_init(&streamed, (size_t)1 << 27);
    buf_init(&whole, (size_t)1 << 27);
    detok_init(&d, t);
    for (i = 0; i < ids->n; i++) {
        if (ids->id[i] >= t->n)
            abort();
        detok_put(&d, ids->id[i], &streamed);
        s = tokenizer_bytes(t, ids->id[i], &n);
        buf_put(&raw, s, n);
    }
    detok_end(&d, &streamed);
    if (raw.len)
        utf8_scrub(&whole, raw.data, raw.len);
    if (whole.len != streamed.len ||
        (whole.len && memcmp(whole.data, streamed.data, whole.len) != 0))
        abort();
    buf_clear(&raw);
    buf_clear(&streamed);
    buf_clear(&whole);
}

static void use(const struct tokenizer *t, const char *s, size_t n,
                bool special)
{
    struct tokens ids;
    const char *b;
    size_t i, len, at = 0;
    int rc;

    tokens_init(&ids);
    rc = (special ? tokenizer_encode_special : tokenizer_encode)(
        t, s, n, true, &ids, NULL);
    /* unigram refuses pieces that are too long, and here none is */
    if (!rc != utf8_valid(s, n))
        abort();
    check_ids(t, &ids);
    if (!rc && is_exact(t, special)) {
        for (i = 0; i < ids.n; i++, at += len) {
            b = tokenizer_bytes(t, ids.id[i], &len);
            if (len > n - at || memcmp(b, s + at, len) != 0)
                abort();
        }
        if (at != n)
            abort();
    }
    tokens_clear(&ids);
}

#endif
