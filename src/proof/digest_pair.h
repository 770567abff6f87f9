/*
 * Two digests at a time: trees of one shape that grow side by side, as those of
 * rows of a step do, take little more than half the time of one after the
 * other.
 */
#ifndef APUS_PROOF_DIGEST_PAIR_H
#define APUS_PROOF_DIGEST_PAIR_H

#include <stddef.h>

#include "base/id.h"

/* out[0], out[1] = SHA-256 of a[0..n) and b[0..n). */
void digest_pair(struct id out[2], const void *a, const void *b, size_t n);

#endif
