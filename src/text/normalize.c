/*
 * Normalisation form C (Unicode annex 15).  utf8proc knows the characters;
 * the canonical ordering is done here, because utf8proc's own is quadratic in
 * the length of a run of marks, and texts come from strangers.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MAX_DECOMPOSED 18 /* characters that one may become; really 4 */

static unsigned combining(utf8proc_int32_t cp)
{
    return (unsigned)utf8proc_get_property(cp)->combining_class & 255;
}

/* Sort a run of marks by class, stably: by counting. */
static void sort_marks(utf8proc_int32_t *cp, size_t n)
{
    utf8proc_int32_t *copy;
    size_t at[257] = { 0 }, i;

    if (n < 2)
        return;
    copy = xmalloc(n * sizeof(*copy));
    memcpy(copy, cp, n * sizeof(*copy));
    for (i = 0; i < n; i++)
        at[combining(copy[i]) + 1]++;
    for (i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (i = 0; i < n; i++)
        cp[at[combining(copy[i])]++] = copy[i];
    free(copy);
}

static void order(utf8proc_int32_t *cp, size_t n)
{
    size_t i, start = 0;
    bool sorted = true;
    unsigned c, before = 0;

    for (i = 0; i <= n; i++) {
        c = i < n ? combining(cp[i]) : 0;
        if (!c) {
            if (!sorted)
                sort_marks(cp + start, i - start);
            start = i + 1;
            sorted = true;
        } else if (c < before) {
            sorted = false;
        }
        before = c;
    }
}

static size_t decompose(utf8proc_int32_t **cps, const char *s, size_t n)
{
    utf8proc_int32_t *cp = NULL;
    size_t i, used = 0, cap = 0;
    utf8proc_ssize_t got;
    uint32_t c;
    int len;

    for (i = 0; i < n; i += (size_t)len) {
        if (cap - used < MAX_DECOMPOSED) {
            cap = cap ? cap * 2 : n / 2 + 64;
            cp = xrealloc(cp, cap * sizeof(*cp));
        }
        len = utf8_next(s + i, n - i, &c);
        if (len <= 0)
            break; /* the caller has checked the text */
        got = utf8proc_decompose_char((utf8proc_int32_t)c, cp + used,
                                      MAX_DECOMPOSED, UTF8PROC_DECOMPOSE,
                                      NULL);
        if (got < 0 || got > MAX_DECOMPOSED) {
            free(cp);
            return SIZE_MAX;
        }
        used += (size_t)got;
    }
    *cps = cp;
    return used;
}

/* Compose cp[0..n) and append it. */
static int put_composed(struct buf *out, utf8proc_int32_t *cp, size_t n)
{
    utf8proc_ssize_t len, i;

    if (!n)
        return 0;
    len = utf8proc_normalize_utf32(cp, (utf8proc_ssize_t)n,
                                   UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (i = 0; i < len; i++)
        utf8_put(out, (uint32_t)cp[i]);
    return len < 0 ? -1 : 0;
}

/* U+11A7 composes with nothing, but utf8proc takes it for a final consonant
 * of Hangul and loses it: so it is kept away from there. */
static int compose(struct buf *out, utf8proc_int32_t *cp, size_t n)
{
    size_t start, end;

    for (start = 0; start <= n; start = end + 1) {
        for (end = start; end < n && cp[end] != 0x11a7; end++)
            continue;
        if (put_composed(out, cp + start, end - start))
            return -1;
        if (end < n)
            utf8_put(out, 0x11a7);
    }
    return 0;
}

int normalize_nfc(struct buf *out, const char *s, size_t n, struct err *err)
{
    utf8proc_int32_t *cp = NULL;
    size_t i, used;
    int rc;

    /* Everything below U+0300 is in form C as it is. */
    for (i = 0; i < n && (unsigned char)s[i] < 0xcc; i++)
        continue;
    if (i == n) {
        buf_put(out, s, n);
        return 0;
    }
    used = decompose(&cp, s, n);
    if (used == SIZE_MAX)
        return err_set(err, ERR_INPUT, "cannot normalise the text to NFC");
    order(cp, used);
    rc = compose(out, cp, used);
    free(cp);
    if (rc)
        return err_set(err, ERR_INPUT, "cannot normalise the text to NFC");
    return 0;
}

const char *normalize_library(void)
{
    static char text[48];

    snprintf(text, sizeof(text), "utf8proc %s", utf8proc_version());
    return text;
}
