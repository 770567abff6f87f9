/*
 * Merkle trees of proof.md section 1: leaf H(00 || data), node H(01 || left ||
 * right), shape of RFC 9162 section 2.1.1, the empty list is H("").
 * Built leaf by leaf in constant memory.
 */
#ifndef APUS_PROOF_MERKLE_H
#define APUS_PROOF_MERKLE_H

#include <stddef.h>
#include <stdint.h>

struct merkle {
    uint64_t n;                   /* leaves so far */
    unsigned char stack[64][32];  /* roots of the full subtrees, one a bit */
};

void merkle_init(struct merkle *m);

/* mth: the next leaf's data; mths: a value that is already a hash. */
void merkle_leaf(struct merkle *m, const void *data, size_t n);
void merkle_hash(struct merkle *m, const unsigned char h[32]);

/* A leaf's hash, H(00 || data), and a node's, H(01 || left || right), by
 * themselves; out may be left or right. */
void merkle_leaf_hash(unsigned char out[32], const void *data, size_t n);
void merkle_node_hash(unsigned char out[32], const unsigned char left[32],
                      const unsigned char right[32]);

/* The root of what has been put so far; m stays as it is. */
void merkle_root(const struct merkle *m, unsigned char out[32]);

/* blob(b): mth over the 1024-byte pieces of b, the last one short. */
void merkle_blob(unsigned char out[32], const void *data, size_t n);

#endif
