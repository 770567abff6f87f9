/*
 * Trees level by level: of the m nodes of one level, neighbours are joined to
 * the (m + 1) / 2 of the next, and an odd last one goes up as it is, which is
 * the shape of RFC 9162.
 */
#include <config.h>

#include "proof/merkle_tree.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "proof/merkle.h"

/* Nodes of all levels: fewer than 2 n, and one more for each odd level. */
static size_t nodes(size_t n)
{
    size_t all = n;

    while (n > 1) {
        n = n / 2 + n % 2;
        all += n;
    }
    return all;
}

int merkle_tree_init(struct merkle_tree *t, size_t n, struct err *err)
{
    void *hash = NULL;

    if (n > SIZE_MAX / 4)
        return err_set(err, ERR_FATAL, "a tree of %zu leaves", n);
    if (mem_big(&hash, nodes(n), DIGEST_SIZE, "the tree of a batch", err))
        return -1;
    t->n = n;
    t->hash = hash;
    return 0;
}

void merkle_tree_clear(struct merkle_tree *t)
{
    free(t->hash);
    t->hash = NULL;
    t->n = 0;
}

void merkle_tree_build(struct merkle_tree *t)
{
    unsigned char *level = t->hash;

    for (size_t m = t->n; m > 1; m = m / 2 + m % 2) {
        unsigned char *up = level + m * DIGEST_SIZE;

        for (size_t i = 0; i + 1 < m; i += 2)
            merkle_node_hash(id_in(up + i / 2 * DIGEST_SIZE),
                             id_at(level + i * DIGEST_SIZE),
                             id_at(level + (i + 1) * DIGEST_SIZE));
        if (m % 2)
            memcpy(up + m / 2 * DIGEST_SIZE, up - DIGEST_SIZE, DIGEST_SIZE);
        level = up;
    }
}

void merkle_tree_root(const struct merkle_tree *t, struct id *root)
{
    if (t->n == 0)
        digest(root, NULL, 0);
    else
        *root = id_at(t->hash + (nodes(t->n) - 1) * DIGEST_SIZE);
}

size_t merkle_tree_path(const struct merkle_tree *t, unsigned char *path,
                        size_t index)
{
    const unsigned char *level = t->hash;
    size_t n_path = 0;

    assert(index < t->n);
    for (size_t m = t->n; m > 1; m = m / 2 + m % 2) {
        size_t other = index ^ 1;

        if (other < m)
            memcpy(path + n_path++ * DIGEST_SIZE,
                   level + other * DIGEST_SIZE, DIGEST_SIZE);
        level += m * DIGEST_SIZE;
        index /= 2;
    }
    return n_path;
}
