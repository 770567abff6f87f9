/*
 * Headers of gateways, as ar.io nodes write them, and the confirmations of a
 * transaction, as nodes of Arweave do.
 */
#include <config.h>

#include "arweave/gateway_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arweave/item.h"
#include "arweave/tags.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/http_text.h"

#define TAG "X-Arweave-Tag-"
#define BLOCK_HASH 48
#define MAX_KEY 2048 /* bytes of a signature or an owner; item.h wants less */

/* The only value of a header as text, at most 4 KiB; false if there is none
 * or it is doubled. */
static bool value_of(const char *lines, size_t n, const char *name,
                     char out[4096])
{
    const char *value;
    size_t len;

    if (http_line_find(lines, n, name, &value, &len) != HTTP_LINE_ONE ||
        len >= 4096)
        return false;
    memcpy(out, value, len);
    out[len] = '\0';
    return true;
}

static bool number_of(const char *lines, size_t n, const char *name,
                      uint64_t *v)
{
    char text[4096];

    return value_of(lines, n, name, text) && !json_u64_text(text, v);
}

void gateway_hint_read(struct gateway_hint *h, const char *lines, size_t n)
{
    uint64_t data_at;
    char text[4096];
    bool at;

    memset(h, 0, sizeof(*h));
    h->has_data = number_of(lines, n, "content-length", &h->n_data);
    at = number_of(lines, n, "x-ar-io-root-data-item-offset", &h->at);
    if (!value_of(lines, n, "x-ar-io-root-transaction-id", text) ||
        id_parse(&h->root, text) || !at)
        return;
    h->has_root = number_of(lines, n, "x-ar-io-data-item-size", &h->size);
    /* Older ones tell where the data begins, and its length. */
    if (!h->has_root && h->has_data &&
        number_of(lines, n, "x-ar-io-root-data-offset", &data_at) &&
        data_at > h->at && data_at - h->at <= ITEM_HEAD_MAX &&
        h->n_data <= UINT64_MAX - (data_at - h->at)) {
        h->size = h->n_data + (data_at - h->at);
        h->has_root = true;
    }
}

/* ---- a head made again ----- */

struct tags {
    struct item_text_tag v[ITEM_MAX_TAGS];
    size_t n;
};

/* The line as a tag, if it is one: -1 if there are too many. */
static int add_tag(struct tags *t, const char *line, size_t n, bool *counted)
{
    const char *colon = memchr(line, ':', n);
    size_t at = strlen(TAG), n_name, n_value;

    if (!colon || n <= at || strncasecmp(line, TAG, at) != 0 ||
        (size_t)(colon - line) + 2 > n + 1)
        return 0;
    n_name = (size_t)(colon - line) - at;
    n_value = (size_t)(colon - line) + 2 > n
                  ? 0 : n - (size_t)(colon - line) - 2;
    /* How many there are, the first time; then it is a tag of that name. */
    if (!*counted && n_name == 5 && strncasecmp(line + at, "Count", 5) == 0) {
        *counted = true;
        return 0;
    }
    if (t->n == ITEM_MAX_TAGS || !n_name)
        return -1;
    t->v[t->n].name = xstrndup(line + at, n_name);
    t->v[t->n++].value = xstrndup(n_value ? colon + 2 : "", n_value);
    return 0;
}

static int collect_tags(struct tags *t, const char *lines, size_t n)
{
    bool counted = false;
    int rc = 0;

    for (size_t at = 0; at < n && !rc;) {
        const char *end = memchr(lines + at, '\n', n - at);
        size_t len = end ? (size_t)(end - lines) - at : n - at;

        rc = add_tag(t, lines + at, len, &counted);
        at += len + 1;
    }
    return rc;
}

static void tags_clear(struct tags *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free((char *)t->v[i].name);
        free((char *)t->v[i].value);
    }
}

/* Bytes of a header in base64url; -1 if there are others than `want`, which
 * is 0 where any number will do. */
static int put_bytes(struct buf *b, const char *lines, size_t n,
                     const char *name, size_t want)
{
    unsigned char bytes[MAX_KEY];
    char text[4096];
    size_t len;

    if (!value_of(lines, n, name, text) ||
        base64url_decode(bytes, sizeof(bytes), &len, text) ||
        (want && len != want))
        return -1;
    buf_put(b, bytes, len);
    return 0;
}

/* A presence byte and, if there is such a header, its 32 bytes. */
static int put_optional(struct buf *b, const char *lines, size_t n,
                        const char *name)
{
    char text[4096];

    if (!value_of(lines, n, name, text) || !*text) {
        buf_putc(b, 0);
        return 0;
    }
    buf_putc(b, 1);
    return put_bytes(b, lines, n, name, 32);
}

enum found gateway_head_make(struct buf *head, const char *lines, size_t n,
                             struct err *err)
{
    uint64_t type = ITEM_ARWEAVE;
    struct buf b, raw;
    struct tags tags;
    char text[4096];
    enum found found = FOUND_FAILED;

    if (!value_of(lines, n, "x-arweave-signature", text) ||
        !value_of(lines, n, "x-arweave-owner", text))
        return FOUND_NONE;
    tags.n = 0;
    buf_init(&b, ITEM_HEAD_MAX);
    buf_init(&raw, ITEM_MAX_TAG_BYTES);
    if (value_of(lines, n, "x-arweave-signature-type", text) &&
        (json_u64_text(text, &type) || type > 0xffff)) {
        err_set(err, ERR_INPUT, "its X-Arweave-Signature-Type is not a number");
        goto out;
    }
    buf_putc(&b, (int)(type & 255));
    buf_putc(&b, (int)(type >> 8));
    if (put_bytes(&b, lines, n, "x-arweave-signature", 0) ||
        put_bytes(&b, lines, n, "x-arweave-owner", 0) ||
        put_optional(&b, lines, n, "x-arweave-target") ||
        put_optional(&b, lines, n, "x-arweave-anchor") ||
        collect_tags(&tags, lines, n)) {
        err_set(err, ERR_INPUT, "its headers X-Arweave-... are not an item");
        goto out;
    }
    if (tags.n && tags_put_odd(&raw, tags.v, tags.n, err))
        goto out;
    buf_put_u64(&b, tags.n);
    buf_put_u64(&b, raw.len);
    buf_put(&b, raw.data, raw.len);
    if (buf_check(&b, "the item's head", err))
        goto out;
    buf_put(head, b.data, b.len);
    found = buf_check(head, "the item's head", err) ? FOUND_FAILED : FOUND_ONE;
out:
    tags_clear(&tags);
    buf_clear(&b);
    buf_clear(&raw);
    return found;
}

/* ---- confirmations ----- */

int gateway_depth_read(uint64_t *n, const char *json, size_t len,
                       struct err *err)
{
    const char *hash;
    struct json *root;
    unsigned char block[BLOCK_HASH];
    uint64_t height, got;
    size_t n_block;
    int rc = 0;

    if (json_parse(&root, json, len, err))
        return -1;
    hash = json_string(json_get(root, "block_indep_hash"));
    if (json_u64(json_get(root, "number_of_confirmations"), &got) || !got)
        rc = err_set(err, ERR_INPUT, "no number_of_confirmations is there "
                     "that is at least 1");
    else if (json_u64(json_get(root, "block_height"), &height) || !hash ||
             base64url_decode(block, sizeof(block), &n_block, hash) ||
             n_block != sizeof(block))
        rc = err_set(err, ERR_INPUT, "no block is there");
    if (!rc)
        *n = got;
    json_free(root);
    return rc;
}
