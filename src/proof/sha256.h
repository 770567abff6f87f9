/*
 * SHA-256 (FIPS 180-4) in plain C, for builds without OpenSSL: the kit and
 * programs that have only a C compiler.  The same digests, slower; a
 * normal build hashes with OpenSSL (digest.c) and tests this one against it.
 */
#ifndef APUS_PROOF_SHA256_H
#define APUS_PROOF_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct sha256 {
    uint32_t h[8];
    uint64_t n;              /* bytes so far */
    unsigned char block[64]; /* the last n % 64 of them */
};

void sha256_init(struct sha256 *s);
void sha256_put(struct sha256 *s, const void *data, size_t n);
/* Write the digest; s is to be initialised again before it is used. */
void sha256_end(struct sha256 *s, struct id *out);

#endif
