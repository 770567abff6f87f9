/*
 * The digests of digest.h without OpenSSL.  Not in a normal build: the kit
 * (contrib/kit.sh) takes it instead of digest.c.  It has no SHA-384, which
 * Arweave's signatures alone need.
 */
#include <config.h>

#include "proof/digest.h"

#include <stdlib.h>

#include "base/id.h"
#include "base/mem.h"
#include "proof/sha256.h"

struct digest {
    struct sha256 ctx;
};

void digest(struct id *out, const void *data, size_t n)
{
    struct sha256 s;

    sha256_init(&s);
    sha256_put(&s, data, n);
    sha256_end(&s, out);
}

struct digest *digest_new(void)
{
    struct digest *d = xmalloc(sizeof(*d));

    sha256_init(&d->ctx);
    return d;
}

void digest_put(struct digest *d, const void *data, size_t n)
{
    sha256_put(&d->ctx, data, n);
}

void digest_end(struct digest *d, struct id *out)
{
    sha256_end(&d->ctx, out);
    free(d);
}

const char *digest_library(void)
{
    return "SHA-256 in plain C";
}
