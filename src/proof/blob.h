/*
 * blob (proof.md section 1) of numbers of 4 bytes, little-endian regardless of
 * the machine: ids and residual rows.  For bytes: merkle_blob.
 */
#ifndef APUS_PROOF_BLOB_H
#define APUS_PROOF_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

/* n numbers are 4n bytes, cut into pieces of 1024 bytes: 256 numbers a leaf.
 * A NaN is hashed with the bits that it has. */
void blob_u32(struct id *out, const uint32_t *v, size_t n);
void blob_f32(struct id *out, const float *v, size_t n);

#endif
