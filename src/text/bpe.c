/*
 * Merging by a heap, n log n in the number of symbols, and byte-level BPE of
 * one piece with it.  Which pairs merge, and how early, is the tokenizer's:
 * by rank of the merge, or (SentencePiece without merges) by the score of the
 * token that the pair makes.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>

#include "base/vec.h"

void merger_init(struct merger *m)
{
    m->sym = NULL;
    m->heap = NULL;
    m->n = m->cap = m->n_heap = m->cap_heap = 0;
}

void merger_clear(struct merger *m)
{
    free(m->sym);
    free(m->heap);
    merger_init(m);
}

void merger_reset(struct merger *m)
{
    m->n = m->n_heap = 0;
}

void merger_add(struct merger *m, uint32_t id, size_t start, size_t len)
{
    struct symbol *s;

    VEC_RESERVE(m->sym, m->cap, m->n + 1);
    s = &m->sym[m->n];
    s->id = id;
    s->start = (uint32_t)start;
    s->len = (uint32_t)len;
    s->prev = m->n ? (uint32_t)m->n - 1 : TOK_NONE;
    s->next = TOK_NONE;
    if (m->n)
        m->sym[m->n - 1].next = (uint32_t)m->n;
    m->n++;
}

static void heap_put(struct merger *m, struct candidate c)
{
    size_t i = m->n_heap, up;

    VEC_RESERVE(m->heap, m->cap_heap, m->n_heap + 1);
    m->n_heap++;
    for (; i && m->heap[up = (i - 1) / 2].key > c.key; i = up)
        m->heap[i] = m->heap[up];
    m->heap[i] = c;
}

static struct candidate heap_take(struct merger *m)
{
    struct candidate top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0, down;

    while ((down = 2 * i + 1) < m->n_heap) {
        if (down + 1 < m->n_heap &&
            m->heap[down + 1].key < m->heap[down].key)
            down++;
        if (m->heap[down].key >= last.key)
            break;
        m->heap[i] = m->heap[down];
        i = down;
    }
    m->heap[i] = last;
    return top;
}

/* Offer the pair (left, its right neighbour) if it merges to a token. */
static void propose(struct merger *m, const struct tokenizer *t,
                    const char *text, uint32_t left)
{
    const struct symbol *a = &m->sym[left], *b;
    struct candidate c;
    uint32_t priority = 0;

    if (a->next == TOK_NONE)
        return;
    b = &m->sym[a->next];
    c.right = a->next;
    c.len = a->len + b->len;
    if (c.len > t->max_len)
        return;
    if (!t->by_score) {
        c.id = tokenizer_merge(t, a->id, b->id, &priority);
    } else {
        c.id = token_refs_find(&t->normal, text + a->start, c.len);
        if (c.id == TOK_NONE)
            c.id = token_refs_find(&t->user_defined, text + a->start, c.len);
        if (c.id != TOK_NONE)
            priority = t->priority[c.id];
    }
    if (c.id == TOK_NONE)
        return;
    c.key = (uint64_t)priority << 32 | left;
    heap_put(m, c);
}

void merger_run(struct merger *m, const struct tokenizer *t, const char *text)
{
    struct candidate c;
    struct symbol *a, *b;
    uint32_t left;
    size_t i;

    for (i = 0; i < m->n; i++)
        propose(m, t, text, (uint32_t)i);
    while (m->n_heap) {
        c = heap_take(m);
        left = (uint32_t)c.key;
        a = &m->sym[left];
        b = &m->sym[c.right];
        /* Symbols only grow, so a pair of this length is this pair.  One
         * that was merged into its left neighbour has length 0. */
        if (!a->len || a->next != c.right || a->len + b->len != c.len)
            continue;
        a->id = c.id;
        a->len = c.len;
        a->next = b->next;
        b->len = 0;
        if (a->next != TOK_NONE)
            m->sym[a->next].prev = left;
        if (a->prev != TOK_NONE)
            propose(m, t, text, a->prev);
        propose(m, t, text, left);
    }
}

void bpe_merge(const struct tokenizer *t, struct merger *m, const char *s,
               size_t n, struct tokens *out)
{
    uint32_t id;
    size_t i;

    merger_reset(m);
    for (i = 0; i < n; i++) {
        id = t->byte_id[(unsigned char)s[i]];
        if (id == TOK_NONE)
            id = t->unknown;
        /* A byte that the vocabulary does not have leaves no trace, as in
         * the tokenizers that such vocabularies come from. */
        if (id != TOK_NONE)
            merger_add(m, id, i, 1);
    }
    merger_run(m, t, s);
    for (i = 0; i < m->n; i = m->sym[i].next) {
        tokens_put(out, m->sym[i].id);
        if (m->sym[i].next == TOK_NONE)
            break;
    }
}

void bpe_piece(const struct tokenizer *t, struct merger *m, const char *s,
               size_t n, struct tokens *out)
{
    uint32_t id = TOK_NONE;

    /* "ignore_merges": a piece that is a token is that token. */
    if (t->ignore_merges)
        id = token_refs_find(&t->normal, s, n);
    if (id != TOK_NONE)
        tokens_put(out, id);
    else
        bpe_merge(t, m, s, n, out);
}
