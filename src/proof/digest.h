/*
 * H of the proofs: SHA-256.  And SHA-384, of which Arweave makes what it
 * signs (arweave/deephash.h).
 */
#ifndef APUS_PROOF_DIGEST_H
#define APUS_PROOF_DIGEST_H

#include <stddef.h>

#include "base/id.h"

#define DIGEST_SIZE 32

/* out = SHA-256 of data[0..n). */
void digest(struct id *out, const void *data, size_t n);

/* The same in pieces. */
struct digest;

struct digest *digest_new(void);
void digest_put(struct digest *d, const void *data, size_t n);
/* Write the digest and free d. */
void digest_end(struct digest *d, struct id *out);

/* SHA-384. */
#define DIGEST384_SIZE 48

void digest384(unsigned char out[48], const void *data, size_t n);

struct digest384;

struct digest384 *digest384_new(void);
void digest384_put(struct digest384 *d, const void *data, size_t n);
/* Write the digest and free d; a NULL `out` only frees (d may then be
 * NULL). */
void digest384_end(struct digest384 *d, unsigned char out[48]);

/* Text of a digest in lower-case hexadecimal, 64 characters and a NUL. */
void digest_hex(char out[65], struct id h);

/* Name and version of the library that hashes, for --version. */
const char *digest_library(void);

#endif
