/*
 * arweave-vectors DIR: run every vector of Arweave in a directory (the form
 * of vectors/arweave): deep hashes, data items, bundles, chunk trees,
 * transactions, receipts, and what must be refused.  TAP; a file that is not
 * there is a failure.
 */
#include <config.h>

#include "tests/arweave_vectors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/deephash.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "tests/tap.h"

#define FILE_MAX ((size_t)64 << 20)
#define WALLET "wallet-rsa4096.TEST-ONLY.jwk.json"

int vectors_ok(int good, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    ok(good, "%s", text);
    free(text);
    return good;
}

void vectors_skip(const char *what, const char *why)
{
    skip(what, why);
}

int vectors_file(const struct vectors *v, struct buf *out, const char *name)
{
    char *path = file_join(v->dir, name);
    struct err err = ERR_INIT;
    int rc;

    buf_init(out, FILE_MAX);
    rc = file_read(out, path, &err);
    if (rc)
        ok(0, "%s", err.text);
    free(path);
    return rc;
}

/* Our JSON has no NUL; some tags of the vectors do.  It becomes U+E000. */
static void replace_nul(struct buf *text)
{
    char *at = text->data;

    while (at && (at = strstr(at, "\\u0000")))
        memcpy(at + 2, "e000", 4);
}

struct json *vectors_json(const struct vectors *v, const char *name)
{
    struct err err = ERR_INIT;
    struct json *root = NULL;
    struct buf text;

    if (vectors_file(v, &text, name) == 0) {
        replace_nul(&text);
        if (json_parse(&root, text.data, text.len, &err))
            ok(0, "%s: %s", name, err.text);
    }
    buf_clear(&text);
    return root;
}

const char *text_of(const struct json *v, const char *key)
{
    const char *text = json_string(json_get(v, key));

    return text ? text : "";
}

bool is_hex(const struct json *v, const char *key, const void *data, size_t n)
{
    const char *text = json_string(json_get(v, key));
    const unsigned char *p = data;

    if (!text || strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char two[3];

        snprintf(two, sizeof(two), "%02x", p[i]);
        if (memcmp(two, text + 2 * i, 2) != 0)
            return false;
    }
    return true;
}

bool is_base64(const struct json *v, const char *key, const void *data,
               size_t n)
{
    const char *text = json_string(json_get(v, key));
    char *mine = xmalloc((n * 4 + 2) / 3 + 1);
    bool same;

    base64url(mine, data, n);
    same = text && strcmp(mine, text) == 0;
    free(mine);
    return same;
}

bool is_number(const struct json *v, const char *key, uint64_t n)
{
    uint64_t got;

    return json_u64(json_get(v, key), &got) == 0 && got == n;
}

void vectors_stream(struct buf *out, const char *label, size_t n)
{
    buf_init(out, n);
    for (uint32_t i = 0; out->len < n; i++) {
        struct id h;
        unsigned char in[64];
        size_t len = strlen(label), left = n - out->len;

        memcpy(in, label, len);
        for (unsigned k = 0; k < 4; k++)
            in[len++] = (unsigned char)(i >> (24 - 8 * k));
        digest(&h, in, len);
        buf_put(out, h.b, left < 32 ? left : 32);
    }
}

enum expected vectors_expected(const struct json *c)
{
    static const char *const policy[] = { "n22", "n25", "b14" };
    /* empty names and values: not written by us, but read */
    static const char *const taken[] = { "n08", "n09" };
    const char *name = text_of(c, "name"), *says = text_of(c, "expected");
    const char *accept = strstr(says, "accept");
    const char *reject = strstr(says, "reject");

    for (size_t i = 0; i < sizeof(policy) / sizeof(*policy); i++)
        if (strncmp(name, policy[i], 3) == 0)
            return EXPECT_EITHER;
    for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
        if (strncmp(name, taken[i], 3) == 0)
            return EXPECT_TAKEN;
    /* "reject by .., accept .." is refused: the first word counts. */
    return accept && (!reject || accept < reject) ? EXPECT_TAKEN
                                                  : EXPECT_REFUSED;
}

static void deep_hash(unsigned char out[DEEPHASH_SIZE], const struct json *v)
{
    const char *text = json_string(v);

    if (text) {
        deephash_blob(out, text, strlen(text));
        return;
    }
    deephash_list(out, json_count(v));
    for (v = json_first(v); v; v = json_next(v)) {
        unsigned char h[DEEPHASH_SIZE];

        deep_hash(h, v);
        deephash_put_hash(out, h);
    }
}

static void run_deephash(const struct vectors *v)
{
    struct json *root = vectors_json(v, "deephash.json");

    for (const struct json *c = json_first(root); c; c = json_next(c)) {
        unsigned char h[DEEPHASH_SIZE];

        deep_hash(h, json_get(c, "input"));
        ok(is_hex(c, "deep_hash_hex", h, sizeof(h)), "deep hash: %s",
           text_of(c, "name"));
    }
    json_free(root);
}

static void read_wallet(struct vectors *v)
{
    struct err err = ERR_INIT;
    struct buf text;

    if (vectors_file(v, &text, WALLET) == 0)
        ok(key_parse(&v->key, text.data, text.len, &err) == 0, "wallet %s",
           err.text);
    buf_clear(&text);
}

int main(int argc, char **argv)
{
    struct vectors v = { NULL, NULL };

    if (argc != 2) {
        fputs("usage: arweave-vectors DIR\n", stderr);
        return 2;
    }
    v.dir = argv[1];
    read_wallet(&v);
    if (v.key) {
        run_deephash(&v);
        vectors_items(&v);
        vectors_bundles(&v);
        vectors_trees(&v);
        vectors_transactions(&v);
        vectors_receipts(&v);
        vectors_negative(&v);
    }
    key_free(v.key);
    return done();
}
