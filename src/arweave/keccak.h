/*
 * Keccak-256 as Ethereum has it (the padding from before FIPS 202, which
 * OpenSSL knows from 3.2 on).
 */
#ifndef APUS_ARWEAVE_KECCAK_H
#define APUS_ARWEAVE_KECCAK_H

#include <stddef.h>

#include "base/id.h"

void keccak256(struct id *out, const void *data, size_t n);

/* The digest of a personal message (EIP-191, version 0x45): at most 1,024
 * bytes of it are hashed (assert). */
void keccak_ethereum(struct id *out, const void *msg, size_t n);

#endif
