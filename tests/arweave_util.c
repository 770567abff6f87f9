/*
 * Keys, files of vectors and odd items.
 */
#include <config.h>

#include "tests/arweave_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/deephash.h"
#include "arweave/item.h"
#include "arweave/item_hash.h"
#include "arweave/key.h"
#include "arweave/tags.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"

void arweave_file(struct buf *b, const char *name)
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

char *test_wallet(void)
{
    struct buf b;
    size_t n;

    buf_init(&b, 1u << 16);
    arweave_file(&b, "wallet-rsa4096.TEST-ONLY.jwk.json");
    return buf_take(&b, &n);
}

struct key *test_key(void)
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

void unhex(unsigned char *out, const char *hex)
{
    for (; *hex; hex += 2) {
        unsigned v;

        if (sscanf(hex, "%2x", &v) != 1)
            abort();
        *out++ = (unsigned char)v;
    }
}

void odd_item(struct buf *out, size_t n_name, size_t n_value,
              const struct key *k)
{
    static char name[4097], value[4097];
    struct item_text_tag tag = { name, value };
    struct item_spec spec = { NULL, NULL, NULL, 0 };
    struct id id;
    unsigned char acc[DEEPHASH_SIZE], sig[KEY_BYTES];
    struct err err = ERR_INIT;
    struct item it;
    struct buf raw;

    memset(name, 'n', n_name);
    name[n_name] = '\0';
    memset(value, 'v', n_value);
    value[n_value] = '\0';
    buf_init(&raw, ITEM_HEAD_MAX);
    /* one without tags, and then its tags */
    if (tags_put_odd(&raw, &tag, 1, &err) ||
        item_sign(out, &spec, NULL, 0, k, &id, &err))
        abort();
    out->len -= 16;
    buf_put_u64(out, 1);
    buf_put_u64(out, raw.len);
    buf_put(out, raw.data, raw.len);
    buf_puts(out, "data");
    if (item_head(&it, out->data, out->len, &err))
        abort();
    item_hash_head(acc, &it);
    deephash_put(acc, "data", 4);
    if (key_sign(k, sig, acc, sizeof(acc), &err))
        abort();
    memcpy(out->data + 2, sig, KEY_BYTES);
    buf_clear(&raw);
}
