/*
 * Merkle trees of proof.md section 1: leaf H(00 || data), node H(01 || left ||
 * right), shape of RFC 9162 section 2.1.1, the empty list is H("").
 * Built leaf by leaf in constant memory.
 */
#ifndef APUS_PROOF_MERKLE_H
#define APUS_PROOF_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct merkle {
    uint64_t n;                   /* leaves so far */
    struct id stack[64];          /* roots of the full subtrees, one a bit */
};

/* No leaves.  There is nothing to clear: a tree is dropped where it stands. */
void merkle_init(struct merkle *m);

/* mth: the next leaf's data; mths: a value that is already a hash. */
void merkle_leaf(struct merkle *m, const void *data, size_t n);
void merkle_hash(struct merkle *m, struct id h);
/* mths of two trees that have equally many leaves, h[0] into a and h[1] into b:
 * faster than one after the other. */
void merkle_hash_pair(struct merkle *a, struct merkle *b, const struct id h[2]);

/* A leaf's hash, H(00 || data), and a node's, H(01 || left || right), by
 * themselves; out may be left or right. */
void merkle_leaf_hash(struct id *out, const void *data, size_t n);
void merkle_node_hash(struct id *out, struct id left, struct id right);

/* The root of what has been put so far; m stays as it is. */
void merkle_root(const struct merkle *m, struct id *out);

/* blob(b): mth over the 1024-byte pieces of b, the last one short. */
void merkle_blob(struct id *out, const void *data, size_t n);

#endif
