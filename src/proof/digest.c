/*
 * SHA-256 and SHA-384 by OpenSSL.  Its low-level functions, because we hash
 * pieces of a kilobyte and the EVP layer spends as long on setting up as on
 * hashing.
 */
#include <config.h>

#include "proof/digest.h"

#include <stdlib.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/id.h"
#include "base/mem.h"

struct digest {
    SHA256_CTX ctx;
};

struct digest384 {
    SHA512_CTX ctx;
};

void digest(struct id *out, const void *data, size_t n)
{
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, data, n);
    SHA256_Final(out->b, &ctx);
}

struct digest *digest_new(void)
{
    struct digest *d = xmalloc(sizeof(*d));

    SHA256_Init(&d->ctx);
    return d;
}

void digest_put(struct digest *d, const void *data, size_t n)
{
    SHA256_Update(&d->ctx, data, n);
}

void digest_end(struct digest *d, struct id *out)
{
    SHA256_Final(out->b, &d->ctx);
    free(d);
}

void digest384(unsigned char out[48], const void *data, size_t n)
{
    SHA512_CTX ctx;

    SHA384_Init(&ctx);
    SHA384_Update(&ctx, data, n);
    SHA384_Final(out, &ctx);
}

struct digest384 *digest384_new(void)
{
    struct digest384 *d = xmalloc(sizeof(*d));

    SHA384_Init(&d->ctx);
    return d;
}

void digest384_put(struct digest384 *d, const void *data, size_t n)
{
    SHA384_Update(&d->ctx, data, n);
}

void digest384_end(struct digest384 *d, unsigned char out[48])
{
    if (d && out)
        SHA384_Final(out, &d->ctx);
    free(d);
}

const char *digest_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
