/*
 * Data items and bundles of tests/arweave-vectors, and the damaged ones.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/data_root.h"
#include "arweave/item.h"
#include "arweave/item_hash.h"
#include "arweave/key.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "tests/arweave_vectors.h"

#define TAGS_MAX 200

static bool same_file(const struct json *c, const char *key,
                      const struct buf *b)
{
    struct id h;

    digest(&h, b->data, b->len);
    return is_number(c, "bytes", b->len) && is_hex(c, key, h.b, 32);
}

/* Whether a text of the index means these bytes. */
static bool same_text(const char *text, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strncmp(text, VECTORS_NUL, 3) == 0) {
            if (bytes[i])
                return false;
            text += 3;
        } else if (*text++ != bytes[i] || !bytes[i]) {
            return false;
        }
    }
    return !*text;
}

/* Fields of the head as the index has them. */
static bool same_head(const struct json *c, const struct item *it)
{
    const struct json *tag = json_first(json_get(c, "tags"));
    bool same =
        is_base64(c, "id", it->id.b, 32) &&
        is_base64(c, "owner_address", it->address.b, 32) &&
        is_base64(c, "owner_b64url", it->owner, it->n_owner) &&
        is_base64(c, "signature_b64url", it->signature, it->n_signature) &&
        is_hex(c, "target_hex", it->target, it->target ? 32 : 0) &&
        is_hex(c, "anchor_hex", it->anchor, it->anchor ? 32 : 0) &&
        is_hex(c, "raw_tags_hex", it->raw_tags, it->n_raw_tags) &&
        is_number(c, "signature_type", it->type) &&
        is_number(c, "data_offset", it->head_n) &&
        is_number(c, "tag_count", it->n_tags);

    for (size_t i = 0; same && i < it->n_tags; i++) {
        same = tag &&
               same_text(text_of(tag, "name"), it->tag[i].name,
                         it->tag[i].n_name) &&
               same_text(text_of(tag, "value"), it->tag[i].value,
                         it->tag[i].n_value);
        tag = json_next(tag);
    }
    return same;
}

static bool same_hash(const struct json *c, const struct item *it,
                      const struct buf *b)
{
    const void *data = b->data + it->head_n;
    size_t n = b->len - it->head_n;
    struct id h;
    unsigned char acc[DEEPHASH_SIZE];

    digest(&h, data, n);
    item_hash_head(acc, it);
    deephash_put(acc, data, n);
    return is_number(c, "data_bytes", n) && is_hex(c, "data_sha256", h.b, 32) &&
           is_hex(c, "deep_hash_hex", acc, sizeof(acc));
}

/* In pieces of a size that divides nothing. */
static bool same_stream(const struct buf *b, const struct item *whole)
{
    struct item_stream *s = item_stream_new(b->len);
    const struct item *it = NULL;
    struct digest *d = digest_new();
    struct id got, want;
    struct err err = ERR_INIT;
    bool good = true;

    for (size_t at = 0; good && at < b->len; at += 997) {
        size_t n = b->len - at < 997 ? b->len - at : 997, n_data;
        const void *data;

        good = item_stream_put(s, b->data + at, n, &data, &n_data, &err) == 0;
        if (good)
            digest_put(d, data, n_data);
    }
    digest_end(d, &got);
    digest(&want, b->data + whole->head_n, b->len - whole->head_n);
    good = good && item_stream_end(s, &it, &err) == 0 &&
           id_equal(it->id, whole->id) && id_equal(got, want);
    item_stream_free(s);
    return good;
}

/* The same content signed by us: all but the signature is the same, or, where
 * that was made with a salt of no bytes, all. */
static void sign_again(const struct vectors *v, const struct json *c,
                       const struct item *it, const struct buf *b)
{
    const char *name = text_of(c, "name");
    struct item_text_tag tag[TAGS_MAX];
    struct item_spec spec = { it->target, it->anchor, tag, 0 };
    bool salted = !is_number(c, "pss_salt_len", 0);
    struct err err = ERR_INIT;
    struct id id;
    struct item mine;
    struct buf out;

    for (const struct json *t = json_first(json_get(c, "tags")); t;
         t = json_next(t)) {
        tag[spec.n_tags].name = text_of(t, "name");
        tag[spec.n_tags++].value = text_of(t, "value");
        if (strstr(text_of(t, "name"), VECTORS_NUL) ||
            strstr(text_of(t, "value"), VECTORS_NUL)) {
            vectors_skip(name, "tags with a NUL are not written here");
            return;
        }
    }
    buf_init(&out, b->len);
    vectors_ok(item_sign(&out, &spec, b->data + it->head_n, b->len - it->head_n,
                         v->key, &id, &err) == 0 &&
                   out.len == b->len &&
                   memcmp(out.data + 2 + KEY_BYTES, b->data + 2 + KEY_BYTES,
                          b->len - 2 - KEY_BYTES) == 0 &&
                   item_open(&mine, out.data, out.len, &err) == 0 &&
                   id_equal(mine.id, id),
               "item %s: signed again %s", name, err.text);
    if (!salted)
        vectors_ok(out.len == b->len && memcmp(out.data, b->data, b->len) == 0,
                   "item %s: byte for byte, as it was signed without a salt",
                   name);
    buf_clear(&out);
}

/* An item or bundle with a kind of signature that this build does not check
 * is neither good nor bad. */
static bool is_verified(int rc, const char *name, const struct err *err)
{
    if (rc && strstr(err->text, "not verified here")) {
        vectors_skip(name, err->text);
        return false;
    }
    return vectors_ok(rc == 0, "%s: verifies %s", name, err->text);
}

static void run_item(const struct vectors *v, const struct json *c)
{
    const char *name = text_of(c, "name");
    struct err err = ERR_INIT;
    struct id address;
    struct item it;
    struct buf b;

    if (vectors_file(v, &b, text_of(c, "file")))
        return;
    vectors_ok(same_file(c, "sha256_of_file", &b), "item %s: the file is whole",
               name);
    if (is_verified(item_open(&it, b.data, b.len, &err), name, &err)) {
        vectors_ok(same_head(c, &it), "item %s: every field of its head", name);
        vectors_ok(same_hash(c, &it, &b), "item %s: data and deep hash", name);
        vectors_ok(same_stream(&b, &it), "item %s: the same in pieces", name);
        key_address(v->key, &address);
        if (id_equal(address, it.address))
            sign_again(v, c, &it, &b);
    }
    buf_clear(&b);
}

void vectors_items(const struct vectors *v)
{
    struct json *root = vectors_json(v, "items/index.json");

    for (const struct json *c = json_first(root); c; c = json_next(c))
        run_item(v, c);
    json_free(root);
}

/* ---- bundles ------------------------------------------------------------- */

static bool same_table(const struct json *c, const struct bundle_entry *e,
                       size_t n)
{
    const struct json *id = json_first(json_get(c, "ids"));
    const struct json *size = json_first(json_get(c, "sizes"));
    uint64_t bytes;

    for (size_t i = 0; i < n; i++) {
        if (!json_string(id) ||
            strcmp(json_string(id), id_text(e[i].id).s) != 0 ||
            json_u64(size, &bytes) || bytes != e[i].size)
            return false;
        id = json_next(id);
        size = json_next(size);
    }
    return !id && !size && is_number(c, "count", n);
}

/* The head that we make for the same items is the same. */
static bool same_made(const struct buf *b, const struct bundle_entry *e,
                      size_t n)
{
    struct bundle_entry *mine = xcalloc(n + 1, sizeof(*mine));
    struct err err = ERR_INIT;
    struct buf head;
    bool same;

    for (size_t i = 0; i < n; i++) {
        mine[i].id = e[i].id;
        mine[i].size = e[i].size;
    }
    buf_init(&head, b->len);
    same = bundle_head(&head, mine, n, &err) == 0 &&
           memcmp(head.data, b->data, head.len) == 0;
    for (size_t i = 0; same && i < n; i++)
        same = mine[i].at == e[i].at;
    buf_clear(&head);
    free(mine);
    return same;
}

static void run_bundle(const struct vectors *v, const struct json *c)
{
    const char *name = text_of(c, "name");
    struct bundle_entry *e = NULL;
    struct err err = ERR_INIT;
    struct id root;
    size_t n = 0;
    struct buf b;

    if (vectors_file(v, &b, text_of(c, "file")))
        return;
    vectors_ok(same_file(c, "sha256", &b), "%s: the file is whole", name);
    is_verified(bundle_check(b.data, b.len, &err), name, &err);
    if (vectors_ok(bundle_table(&e, &n, b.data, b.len, b.len, &err) == 0,
                   "%s: its table %s", name, err.text))
        vectors_ok(same_table(c, e, n) && same_made(&b, e, n),
                   "%s: ids, sizes and head", name);
    data_root(&root, b.data, b.len);
    vectors_ok(is_base64(c, "data_root_b64url", root.b, 32), "%s: data_root",
               name);
    free(e);
    buf_clear(&b);
}

void vectors_bundles(const struct vectors *v)
{
    struct json *root = vectors_json(v, "bundles/index.json");

    for (const struct json *c = json_first(root); c; c = json_next(c))
        run_bundle(v, c);
    json_free(root);
}

/* ---- damaged ones -------------------------------------------------------- */

static bool opens(const void *bytes, size_t n, struct err *err)
{
    struct item_stream *s = item_stream_new(n);
    const struct item *streamed;
    struct item it;
    bool whole = item_open(&it, bytes, n, err) == 0, pieces;

    pieces = item_stream_put(s, bytes, n, NULL, NULL, err) == 0 &&
             item_stream_end(s, &streamed, err) == 0;
    item_stream_free(s);
    if (whole != pieces)
        vectors_ok(0,
                   "an item is taken whole or in pieces, but not in both ways");
    return whole;
}

/* How many items of a bundle with a good table verify. */
static size_t good_items(const struct buf *b, size_t *n)
{
    struct bundle_entry *e = NULL;
    struct err err = ERR_INIT;
    size_t good = 0;

    if (bundle_table(&e, n, b->data, b->len, b->len, &err))
        return 0;
    for (size_t i = 0; i < *n; i++)
        good += opens(b->data + e[i].at, (size_t)e[i].size, &err);
    free(e);
    return good;
}

static void run_negative(const struct vectors *v, const struct json *c)
{
    const char *name = text_of(c, "name"), *says = text_of(c, "expected");
    enum expected expected = vectors_expected(c);
    struct err err = ERR_INIT;
    size_t n = 0;
    struct buf b;
    bool taken;

    if (vectors_file(v, &b, text_of(c, "file")))
        return;
    if (strcmp(text_of(c, "kind"), "bundle") == 0)
        taken = bundle_check(b.data, b.len, &err) == 0;
    else
        taken = opens(b.data, b.len, &err);
    vectors_ok(expected == EXPECT_EITHER || taken == (expected == EXPECT_TAKEN),
               "%s: %s%s%s", name,
               taken ? "taken" : "refused: ", taken ? "" : err.text,
               expected == EXPECT_EITHER ? " (policy)" : "");
    if (strstr(says, "keep the other"))
        vectors_ok(good_items(&b, &n) == n - 1, "%s: the others are good",
                   name);
    buf_clear(&b);
}

void vectors_negative(const struct vectors *v)
{
    struct json *root = vectors_json(v, "negative/index.json");

    for (const struct json *c = json_first(root); c; c = json_next(c))
        run_negative(v, c);
    json_free(root);
}
