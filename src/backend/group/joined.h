/*
 * The `kv` digest of a position (doc/proof.md section 4) where its heads lie
 * with the members of a group.  Its leaves are in the order of layers, and in a
 * layer of KV heads, so those of a member are neighbours.  Where their number
 * is a power of two they are a whole subtree, and its root is all that a member
 * shows of a layer; else it shows each leaf.
 *
 *   joined_put(j, row, layer, head, tree)   as trees of `heads` heads are done
 *   joined_want(j, row)                     of each row whose digest is wanted
 *   joined_exchange(j, group, err)          all members
 *   joined_root(j, row)                     the digest, of the first member
 */
#ifndef APUS_BACKEND_GROUP_JOINED_H
#define APUS_BACKEND_GROUP_JOINED_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "proof/merkle.h"

struct err;
struct group;
struct model_part;

struct joined {
    size_t heads;        /* KV heads of a tree */
    size_t pieces;       /* trees of a member in a layer */
    size_t n_layers, size;
    struct id *piece;    /* of a row: [layers][pieces] */
    struct id *root;     /* a row each */
    size_t *want;        /* rows */
    size_t n_want;
    uint32_t *shown;     /* of some rows: [layers][members][pieces][8] */
};

/* KV heads of a tree of such a part. */
size_t joined_heads(const struct model_part *p);

/* For so many rows a step.  -1 when memory is out. */
int joined_init(struct joined *j, const struct model_part *p, size_t n_layers,
                size_t rows, struct err *err);

/* All zeros will do, too. */
void joined_clear(struct joined *j);

/* The tree that ends with this KV head of the member's.  Threads call it for
 * rows of their own. */
void joined_put(struct joined *j, size_t row, size_t layer, size_t head,
                const struct merkle *tree);

/* All trees of a row at once: [layers][pieces]. */
void joined_put_all(struct joined *j, size_t row, const struct id *piece);

/* In the same order on all members. */
void joined_want(struct joined *j, size_t row);

/* Show what is wanted, which is nothing after.  The group's errors. */
int joined_exchange(struct joined *j, const struct group *g, struct err *err);

/* Of a row that was wanted, until the next exchange; other members than the
 * first have nothing there. */
const struct id *joined_root(const struct joined *j, size_t row);

#endif
