/*
 * Each member shows its hashes where all others have zeros, so that the
 * greatest of each word is all that was shown.
 */
#include <config.h>

#include "backend/group/joined.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/model_part.h"
#include "base/mem.h"
#include "engine/group.h"

#define AT_ONCE 32 /* rows in an exchange */
#define WORDS (sizeof(struct id) / sizeof(uint32_t))

size_t joined_heads(const struct model_part *p)
{
    return (p->kv_heads & (p->kv_heads - 1)) == 0 ? p->kv_heads : 1;
}

int joined_init(struct joined *j, const struct model_part *p, size_t n_layers,
                size_t rows, struct err *err)
{
    size_t n = p->kv_heads;
    void *piece, *root, *want, *shown;

    memset(j, 0, sizeof(*j));
    j->heads = joined_heads(p);
    j->pieces = n / j->heads;
    j->n_layers = n_layers;
    j->size = p->size;
    n = n_layers * j->pieces;
    if (mem_big(&piece, rows * n, sizeof(*j->piece), "hashes", err))
        return -1;
    j->piece = piece;
    if (mem_big(&root, rows, sizeof(*j->root), "hashes", err))
        return -1;
    j->root = root;
    if (mem_big(&want, rows, sizeof(*j->want), "hashes", err))
        return -1;
    j->want = want;
    if (mem_big(&shown, AT_ONCE * n * p->size, sizeof(struct id), "hashes",
                err))
        return -1;
    j->shown = shown;
    return 0;
}

void joined_clear(struct joined *j)
{
    free(j->piece);
    free(j->root);
    free(j->want);
    free(j->shown);
    memset(j, 0, sizeof(*j));
}

void joined_put(struct joined *j, size_t row, size_t layer, size_t head,
                const struct merkle *tree)
{
    merkle_root(tree, &j->piece[(row * j->n_layers + layer) * j->pieces +
                                head / j->heads]);
}

void joined_put_all(struct joined *j, size_t row, const struct id *piece)
{
    size_t n = j->n_layers * j->pieces;

    memcpy(&j->piece[row * n], piece, n * sizeof(*piece));
}

void joined_want(struct joined *j, size_t row)
{
    j->want[j->n_want++] = row;
}

/* Where a layer's hashes of a member are, of the i-th row that is shown. */
static uint32_t *shown_at(const struct joined *j, size_t i, size_t layer,
                          size_t member)
{
    return j->shown + ((i * j->n_layers + layer) * j->size + member) *
                          j->pieces * WORDS;
}

static void show(struct joined *j, size_t i, size_t row, size_t rank)
{
    for (size_t l = 0; l < j->n_layers; l++)
        memcpy(shown_at(j, i, l, rank),
               &j->piece[(row * j->n_layers + l) * j->pieces],
               j->pieces * sizeof(struct id));
}

/* A tree over roots of equal subtrees is the one over their leaves. */
static void join(const struct joined *j, size_t i, struct id *root)
{
    size_t n = j->n_layers * j->size * j->pieces;
    struct merkle tree;
    struct id h;

    merkle_init(&tree);
    for (size_t p = 0; p < n; p++) {
        memcpy(h.b, shown_at(j, i, 0, 0) + p * WORDS, sizeof(h.b));
        merkle_hash(&tree, h);
    }
    merkle_root(&tree, root);
}

int joined_exchange(struct joined *j, const struct group *g, struct err *err)
{
    size_t each = j->n_layers * j->size * j->pieces * WORDS;

    for (size_t at = 0; at < j->n_want; at += AT_ONCE) {
        size_t n = j->n_want - at < AT_ONCE ? j->n_want - at : AT_ONCE;

        memset(j->shown, 0, n * each * sizeof(*j->shown));
        for (size_t i = 0; i < n; i++)
            show(j, i, j->want[at + i], g->rank);
        if (g->ops->max_u32(g->self, j->shown, n * each, err))
            return -1;
        for (size_t i = 0; g->rank == 0 && i < n; i++)
            join(j, i, &j->root[j->want[at + i]]);
    }
    j->n_want = 0;
    return 0;
}

const struct id *joined_root(const struct joined *j, size_t row)
{
    return &j->root[row];
}
