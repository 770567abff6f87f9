/*
 * A whole tree of merkle.h in memory, for those who need the path of every
 * leaf: merkle_path costs n nodes a path, this n in all and two hashes a leaf.
 */
#ifndef APUS_PROOF_MERKLE_TREE_H
#define APUS_PROOF_MERKLE_TREE_H

#include <stddef.h>

#include "base/id.h"

struct err;

struct merkle_tree {
    size_t n;            /* leaves */
    unsigned char *hash; /* the leaves, then each level above them */
};

/* Room for n leaf hashes (32 bytes each), which the caller puts into hash
 * before merkle_tree_build.  n may be 0.  ERR_FATAL without memory. */
int merkle_tree_init(struct merkle_tree *t, size_t n, struct err *err);
void merkle_tree_clear(struct merkle_tree *t);

/* Compute every node above the leaves. */
void merkle_tree_build(struct merkle_tree *t);

/* The root after merkle_tree_build; of no leaves it is H(""). */
void merkle_tree_root(const struct merkle_tree *t, struct id *root);

/* As merkle_path; index is below n. */
size_t merkle_tree_path(const struct merkle_tree *t, unsigned char *path,
                        size_t index);

#endif
