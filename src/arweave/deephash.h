/*
 * The deep hash of Arweave (doc/arweave.md): what is signed, a SHA-384 over
 * blobs and lists of them.
 *     blob b:  H(H("blob" + decimal length) || H(b))
 *     list l:  a = H("list" + decimal count), then for each element e
 *              a = H(a || deephash(e))
 * The bytes of the last element may come in pieces whose sum is not known
 * before, so that an item is hashed in one pass.
 */
#ifndef APUS_ARWEAVE_DEEPHASH_H
#define APUS_ARWEAVE_DEEPHASH_H

#include <stddef.h>
#include <stdint.h>

struct digest384;

#define DEEPHASH_SIZE 48

void deephash_blob(unsigned char out[DEEPHASH_SIZE], const void *data,
                   size_t n);

/* Begin a list of n elements: acc is its hash so far, and when all of them
 * were put its hash. */
void deephash_list(unsigned char acc[DEEPHASH_SIZE], size_t n);
/* The next element is this blob, */
void deephash_put(unsigned char acc[DEEPHASH_SIZE], const void *data,
                  size_t n);
/* is this text, */
void deephash_puts(unsigned char acc[DEEPHASH_SIZE], const char *text);
/* has this hash: a list, */
void deephash_put_hash(unsigned char acc[DEEPHASH_SIZE],
                       const unsigned char h[DEEPHASH_SIZE]);
/* is the n bytes that went into `data`, which is freed. */
void deephash_put_digest(unsigned char acc[DEEPHASH_SIZE],
                         struct digest384 *data, uint64_t n);

#endif
