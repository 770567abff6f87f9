/*
 * The list of ids, sorted token texts and the streaming detokeniser: the small
 * parts of the tokenizer that need nothing of its bytes.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/vec.h"

void tokens_init(struct tokens *t)
{
    t->id = NULL;
    t->n = t->cap = 0;
}

void tokens_clear(struct tokens *t)
{
    free(t->id);
    tokens_init(t);
}

void tokens_put(struct tokens *t, uint32_t id)
{
    VEC_RESERVE(t->id, t->cap, t->n + 1);
    t->id[t->n++] = id;
}

static int compare_text(const char *a, size_t na, const char *b, size_t nb)
{
    int c = memcmp(a, b, na < nb ? na : nb);

    if (c)
        return c;
    return na < nb ? -1 : na > nb;
}

static int compare_refs(const void *a, const void *b)
{
    const struct token_ref *x = a, *y = b;
    int c = compare_text(x->s, x->len, y->s, y->len);

    if (c)
        return c;
    return x->id < y->id ? -1 : x->id > y->id;
}

void token_refs_sort(struct token_refs *r)
{
    if (r->n)
        qsort(r->ref, r->n, sizeof(*r->ref), compare_refs);
}

size_t token_refs_twin(const struct token_refs *r)
{
    size_t i;

    for (i = 1; i < r->n; i++)
        if (!compare_text(r->ref[i - 1].s, r->ref[i - 1].len, r->ref[i].s,
                          r->ref[i].len))
            return i;
    return 0;
}

uint32_t token_refs_find(const struct token_refs *r, const char *s, size_t n)
{
    size_t lo = 0, hi = r->n, mid;
    int c;

    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        c = compare_text(r->ref[mid].s, r->ref[mid].len, s, n);
        if (!c)
            return r->ref[mid].id;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return TOK_NONE;
}

/* The first of ref[lo..hi), all equal in their first `depth` bytes, whose
 * next byte is at least c.  One that ends at depth sorts before all. */
static size_t first_from(const struct token_refs *r, size_t lo, size_t hi,
                         size_t depth, unsigned c)
{
    const struct token_ref *ref;
    size_t mid;

    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        ref = &r->ref[mid];
        if (ref->len <= depth || (unsigned char)ref->s[depth] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool token_refs_next(const struct token_refs *r, struct token_walk *w,
                     const char *s, size_t n, size_t *len, uint32_t *id)
{
    unsigned c;
    bool found = false;

    /* The sorted array is walked as the trie that it is. */
    while (w->lo < w->hi && !found) {
        found = r->ref[w->lo].len == w->depth;
        if (found) {
            *len = w->depth;
            *id = r->ref[w->lo].id;
        }
        if (w->depth == n) {
            w->hi = w->lo;
            break;
        }
        c = (unsigned char)s[w->depth];
        w->lo = first_from(r, w->lo, w->hi, w->depth, c);
        w->hi = first_from(r, w->lo, w->hi, w->depth, c + 1);
        w->depth++;
    }
    return found;
}

size_t token_refs_longest(const struct token_refs *r, const char *s, size_t n,
                          uint32_t *id)
{
    struct token_walk w = { .hi = r->n };
    size_t len, longest = 0;
    uint32_t found;

    while (token_refs_next(r, &w, s, n, &len, &found)) {
        longest = len;
        *id = found;
    }
    return longest;
}

void detok_init(struct detok *d, const struct tokenizer *t)
{
    d->t = t;
    d->n_held = 0;
}

void detok_put(struct detok *d, uint32_t id, struct buf *out)
{
    char text[TOK_MAX_SHOWN + sizeof(d->held)];
    const char *s;
    size_t n, pending;

    s = tokenizer_bytes(d->t, id, &n);
    memcpy(text, d->held, d->n_held);
    if (n)
        memcpy(text + d->n_held, s, n);
    n += d->n_held;
    pending = utf8_pending(text, n);
    utf8_scrub(out, text, n - pending);
    memcpy(d->held, text + n - pending, pending);
    d->n_held = pending;
}

void detok_end(struct detok *d, struct buf *out)
{
    utf8_scrub(out, d->held, d->n_held);
    d->n_held = 0;
}
