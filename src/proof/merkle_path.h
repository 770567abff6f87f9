/*
 * Inclusion paths of RFC 9162 section 2.1.3 in the trees of merkle.h, leaf
 * first.  The number of leaves never comes from a path: it stands in the
 * record that holds the root.
 *
 * A path to an aligned block of 2^k leaves is a path in the tree over the
 * blocks' roots: the block's root as the leaf, its number as the index, the
 * count of blocks as n.
 */
#ifndef APUS_PROOF_MERKLE_PATH_H
#define APUS_PROOF_MERKLE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

#define MERKLE_PATH_MAX 64 /* hashes: no tree of 2^64 leaves is higher */

/* The path of leaf `index` among n leaf hashes, 32 bytes each, one after the
 * other; index is below n.  path has room for MERKLE_PATH_MAX hashes.
 * Returns how many it has.  Costs n - 1 nodes. */
size_t merkle_path(unsigned char *path, const unsigned char *hash, size_t n,
                   size_t index);

/* The root of the tree of n leaves that has this leaf hash at `index`, if the
 * path is right.  -1, and out as it was, if no path of that length belongs to
 * index and n. */
int merkle_path_root(struct id *out, struct id leaf, uint64_t index, uint64_t n,
                     const unsigned char *path, size_t n_path);

/* Is that the root of a tree of n leaves with this leaf hash at `index`? */
bool merkle_path_verify(struct id root, struct id leaf, uint64_t index,
                        uint64_t n, const unsigned char *path, size_t n_path);

#endif
