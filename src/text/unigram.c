/*
 * Unigram: of all ways through a piece the one whose tokens have the highest
 * sum of scores, by dynamic programming over the ends of characters (Kudo
 * 2018, "Subword Regularization", section 3.2).  A character without a token
 * of its own counts as an unknown one; ties go to what was found first, from
 * left to right and from short to long.  Sums are in binary64.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8_read.h"

#define MAX_PIECE ((size_t)4 << 20)

/* The best way to the end of a character. */
struct trie_node {
    double score;
    uint32_t from, id; /* where its last token begins; TOK_NONE: unknown */
    bool reached;
};

static void offer(struct trie_node *to, double score, size_t from, uint32_t id)
{
    if (to->reached && !(score > to->score))
        return;
    *to = (struct trie_node){ score, (uint32_t)from, id, true };
}

/* Offer every token of `refs` that begins at `at`; whether one of them is a
 * character of `one` bytes. */
static bool offer_all(const struct tokenizer *t, const struct token_refs *refs,
                      struct trie_node *node, const char *s, size_t n,
                      size_t at, size_t one)
{
    struct token_walk w = { .hi = refs->n };
    bool single = false;
    size_t len;
    uint32_t id;

    while (token_refs_next(refs, &w, s + at, n - at, &len, &id)) {
        offer(&node[at + len], node[at].score + (double)t->score[id], at, id);
        single |= len == one;
    }
    return single;
}

static size_t char_len(const char *s, size_t n)
{
    int len = utf8_next(s, n, NULL);

    return len > 0 ? (size_t)len : 1;
}

/* Turn the way back from the end into one from the beginning: node[at].from is
 * where the token that begins at `at` ends. */
static void turn(struct trie_node *node, size_t n)
{
    uint32_t end = (uint32_t)n, id = TOK_NONE, next = 0;

    while (end > 0) {
        uint32_t from = node[end].from, its = node[end].id;

        node[end].from = next;
        node[end].id = id;
        next = end;
        id = its;
        end = from;
    }
    node[0].from = next;
    node[0].id = id;
}

static void put_way(const struct tokenizer *t, const struct trie_node *node,
                    const char *s, size_t n, struct tokens *out)
{
    bool unknown = false;

    for (size_t at = 0; at < n; at = node[at].from) {
        if (node[at].id != TOK_NONE && node[at].id != t->unknown) {
            tokens_put(out, node[at].id);
            unknown = false;
        } else {
            tokenizer_put_unknown(t, s + at, node[at].from - at, &unknown,
                                  out);
        }
    }
}

int unigram_piece(const struct tokenizer *t, const char *s, size_t n,
                  struct tokens *out, struct err *err)
{
    struct trie_node *node;
    size_t len;

    if (n > MAX_PIECE)
        return err_set(err, ERR_INPUT, "a text of %zu bytes without a cut is "
                       "longer than %zu, the most of a unigram tokenizer", n,
                       MAX_PIECE);
    node = xcalloc(n + 1, sizeof(*node));
    node[0].reached = true;
    for (size_t at = 0; at < n; at += len) {
        bool single;

        len = char_len(s + at, n - at);
        single = offer_all(t, &t->normal, node, s, n, at, len);
        single |= offer_all(t, &t->user_defined, node, s, n, at, len);
        if (!single)
            offer(&node[at + len], node[at].score + t->unknown_score, at,
                  TOK_NONE);
    }
    turn(node, n);
    put_way(t, node, s, n, out);
    free(node);
    return 0;
}
