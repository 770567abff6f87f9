/*
 * The deep hash.  Recursion is the caller's: lists of lists occur only in
 * the tags of transactions.
 */
#include <config.h>

#include "arweave/deephash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proof/digest.h"

#define TAG_MAX 32 /* "blob" and a number of 64 bits */

static void hash_tag(unsigned char out[DEEPHASH_SIZE], const char *kind,
                     uint64_t n)
{
    char tag[TAG_MAX];
    int len = snprintf(tag, sizeof(tag), "%s%" PRIu64, kind, n);

    digest384(out, tag, (size_t)len);
}

/* out = H(a || b); out may be a. */
static void hash_pair(unsigned char out[DEEPHASH_SIZE],
                      const unsigned char a[DEEPHASH_SIZE],
                      const unsigned char b[DEEPHASH_SIZE])
{
    unsigned char pair[2 * DEEPHASH_SIZE];

    memcpy(pair, a, DEEPHASH_SIZE);
    memcpy(pair + DEEPHASH_SIZE, b, DEEPHASH_SIZE);
    digest384(out, pair, sizeof(pair));
}

void deephash_blob(unsigned char out[DEEPHASH_SIZE], const void *data,
                   size_t n)
{
    unsigned char tag[DEEPHASH_SIZE], body[DEEPHASH_SIZE];

    hash_tag(tag, "blob", n);
    digest384(body, data, n);
    hash_pair(out, tag, body);
}

void deephash_list(unsigned char acc[DEEPHASH_SIZE], size_t n)
{
    hash_tag(acc, "list", n);
}

void deephash_put(unsigned char acc[DEEPHASH_SIZE], const void *data,
                  size_t n)
{
    unsigned char h[DEEPHASH_SIZE];

    deephash_blob(h, data, n);
    hash_pair(acc, acc, h);
}

void deephash_puts(unsigned char acc[DEEPHASH_SIZE], const char *text)
{
    deephash_put(acc, text, strlen(text));
}

void deephash_put_hash(unsigned char acc[DEEPHASH_SIZE],
                       const unsigned char h[DEEPHASH_SIZE])
{
    hash_pair(acc, acc, h);
}

void deephash_put_digest(unsigned char acc[DEEPHASH_SIZE],
                         struct digest384 *data, uint64_t n)
{
    unsigned char tag[DEEPHASH_SIZE], body[DEEPHASH_SIZE];

    hash_tag(tag, "blob", n);
    digest384_end(data, body);
    hash_pair(tag, tag, body);
    hash_pair(acc, acc, tag);
}
