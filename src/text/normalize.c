/*
 * Normalisation form C (UAX 15), in time that is linear in the length of the
 * text but for one look-up a character: texts come from strangers.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "text/unicode.h"

/* Sort a run of marks by class, stably: by counting. */
static void sort_marks(uint32_t *cp, size_t n)
{
    size_t at[257] = { 0 }, i;
    uint32_t *copy;

    copy = xmalloc(n * sizeof(*copy));
    memcpy(copy, cp, n * sizeof(*copy));
    for (i = 0; i < n; i++)
        at[unicode_class(copy[i]) + 1]++;
    for (i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (i = 0; i < n; i++)
        cp[at[unicode_class(copy[i])]++] = copy[i];
    free(copy);
}

static void order(uint32_t *cp, size_t n)
{
    size_t i, start = 0;
    bool sorted = true;
    unsigned c, before = 0;

    for (i = 0; i <= n; i++) {
        c = i < n ? unicode_class(cp[i]) : 0;
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

static size_t decompose(uint32_t **cps, const char *s, size_t n)
{
    size_t i, used = 0, cap = 0;
    uint32_t *cp = NULL, c;
    int len;

    for (i = 0; i < n; i += (size_t)len) {
        VEC_RESERVE(cp, cap, used + UNICODE_MAX_PARTS);
        len = utf8_next(s + i, n - i, &c);
        if (len <= 0)
            break; /* the caller has checked the text */
        used += unicode_decompose(cp + used, c);
    }
    *cps = cp;
    return used;
}

/* Compose cp[0..n) in place, as UAX 15 defines it; return how many remain.  A
 * mark is blocked from the last starter by one of at least its class. */
static size_t compose(uint32_t *cp, size_t n)
{
    size_t i, used = 0, starter = SIZE_MAX;
    unsigned class, before = 0;
    uint32_t whole;

    for (i = 0; i < n; i++) {
        class = unicode_class(cp[i]);
        whole = 0;
        if (starter != SIZE_MAX && (used == starter + 1 || before < class))
            whole = unicode_compose(cp[starter], cp[i]);
        if (whole) {
            cp[starter] = whole;
            continue;
        }
        if (class == 0)
            starter = used;
        before = class;
        cp[used++] = cp[i];
    }
    return used;
}

void normalize_nfc(struct buf *out, const char *s, size_t n)
{
    uint32_t *cp = NULL;
    size_t i, used;

    /* Everything below U+0300 is in form C as it is. */
    for (i = 0; i < n && (unsigned char)s[i] < 0xcc; i++)
        continue;
    if (i == n) {
        buf_put(out, s, n);
        return;
    }
    used = decompose(&cp, s, n);
    order(cp, used);
    used = compose(cp, used);
    for (i = 0; i < used; i++)
        utf8_put(out, cp[i]);
    free(cp);
}
