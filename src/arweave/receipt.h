/*
 * What a bundler signs when it takes an item (doc/arweave.md): deep hash of
 * "Bundlr", version, id, deadlineHeight, timestamp.  Everything else in a
 * receipt is unsigned, and `public` is what the bundler says of itself: it is
 * held against a pinned address.
 */
#ifndef APUS_ARWEAVE_RECEIPT_H
#define APUS_ARWEAVE_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;
struct key;
struct buf;

struct receipt {
    struct id id; /* of the item */
    uint64_t timestamp_ms;
    uint64_t deadline_height;
    char version[16];
    struct id signer;          /* SHA-256 of `public` */
    uint64_t winc;             /* what was charged; not signed, 0 if absent */
};

/* Parse and verify.  ERR_INPUT: no receipt, a wrong signature, another item
 * than `id`, another signer than `pinned` (NULL: any). */
int receipt_read(struct receipt *r, const char *json, size_t n, struct id id,
                 const struct id *pinned, struct err *err);

/* Whether an answer of a bundler says what was charged, verified or not; then
 * *winc is the amount, UINT64_MAX if its "winc" cannot be read as one. */
bool receipt_winc(const char *json, size_t n, uint64_t *winc);

/* Make one, as a bundler (localnet). */
int receipt_sign(struct buf *json, const struct receipt *r,
                 const struct key *key, struct err *err);

#endif
