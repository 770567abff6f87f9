/*
 * The test wallet, and hexadecimal, for the tests of src/arweave.
 */
#ifndef APUS_TESTS_ARWEAVE_UTIL_H
#define APUS_TESTS_ARWEAVE_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/key.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* A file of vectors/arweave, appended. */
__attribute__((unused))
static void arweave_file(struct buf *b, const char *name)
{
    const char *top = getenv("top_srcdir");
    char *file = xasprintf("%s/vectors/arweave/%s", top ? top : ".", name);
    struct err err = ERR_INIT;

    if (file_read(b, file, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    free(file);
}

/* The text of the wallet of vectors/arweave; free it. */
__attribute__((unused))
static char *test_wallet(void)
{
    struct buf b;
    size_t n;

    buf_init(&b, 1u << 16);
    arweave_file(&b, "wallet-rsa4096.TEST-ONLY.jwk.json");
    return buf_take(&b, &n);
}

__attribute__((unused))
static struct key *test_key(void)
{
    struct err err = ERR_INIT;
    char *text = test_wallet();
    struct key *k = NULL;

    if (key_parse(&k, text, strlen(text), &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    free(text);
    return k;
}

__attribute__((unused))
static void unhex(unsigned char *out, const char *hex)
{
    for (; *hex; hex += 2) {
        unsigned v;

        if (sscanf(hex, "%2x", &v) != 1)
            abort();
        *out++ = (unsigned char)v;
    }
}

#endif
