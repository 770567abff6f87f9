/*
 * Chunk trees, transactions and receipts of tests/arweave-vectors.
 */
#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/data_root.h"
#include "arweave/receipt.h"
#include "arweave/tx.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "tests/arweave_vectors.h"

#define STREAM_MAX (64u << 20)
#define BYTES_MAX (1u << 20)

/* A member in base64url as bytes; an empty one if it is none. */
static size_t bytes_of(const struct json *v, const char *key,
                       unsigned char *out, size_t max)
{
    size_t n = 0;

    return base64url_decode(out, max, &n, text_of(v, key)) ? 0 : n;
}

/* ---- chunk trees --------------------------------------------------------- */

/* Every chunk: where we cut, its path, and that no other bytes pass. */
static bool check_chunks(const struct json *c, const struct buf *data,
                         struct id root)
{
    unsigned char *path = xmalloc(BYTES_MAX);
    uint64_t at = 0, n, size = data->len;
    bool good = true;

    for (const struct json *k = json_first(json_get(c, "chunks")); good && k;
         k = json_next(k)) {
        size_t n_path = bytes_of(k, "data_path_b64url", path, BYTES_MAX);
        struct chunk_place p;

        n = chunk_size(at, size);
        good = is_number(k, "min", at) && is_number(k, "max", at + n) &&
               chunk_check(&p, root, size, at, path, n_path, data->data + at, n,
                           NULL) == 0 &&
               p.start == at && p.end == at + n &&
               is_base64(k, "data_hash", p.hash.b, 32) &&
               chunk_path(&p, root, size, at + n - 1, path, n_path, NULL) == 0;
        if (good) {
            data->data[at] ^= 1;
            good = chunk_check(&p, root, size, at, path, n_path,
                               data->data + at, n, NULL) == -1;
            data->data[at] ^= 1;
        }
        at += n;
    }
    free(path);
    return good && at == size;
}

static void run_tree(const struct json *c)
{
    struct id root, pieces, h;
    struct data_root *d;
    struct buf data;
    uint64_t size;
    bool good = true;

    if (json_u64(json_get(c, "bytes"), &size) || size > STREAM_MAX) {
        vectors_ok(0, "a tree of \"bytes\" that we make");
        return;
    }
    vectors_stream(&data, "merkle", (size_t)size);
    digest(&h, data.data, data.len);
    data_root(&root, data.data, data.len);
    vectors_ok(is_hex(c, "data_sha256", h.b, 32) &&
                   is_base64(c, "data_root_b64url", root.b, 32),
               "data_root of %zu bytes", data.len);
    d = data_root_new(size);
    for (size_t at = 0; good && at < data.len; at += 9973)
        good = data_root_put(d, data.data + at,
                             data.len - at < 9973 ? data.len - at : 9973,
                             NULL) == 0;
    vectors_ok(good && data_root_end(d, &pieces, NULL) == 0 &&
                   id_equal(root, pieces),
               "the same in pieces");
    data_root_free(d);
    vectors_ok(check_chunks(c, &data, root), "its chunks and their paths");
    buf_clear(&data);
}

static void run_path(const struct json *c)
{
    const struct json *js = json_get(c, "arweave_js");
    struct id root;
    unsigned char *path = xmalloc(BYTES_MAX);
    size_t n = bytes_of(c, "path_b64url", path, BYTES_MAX);
    struct err err = ERR_INIT;
    struct chunk_place p;
    uint64_t at, size;
    int rc;

    if (json_u64(json_get(c, "dest"), &at) ||
        json_u64(json_get(c, "data_size"), &size) ||
        bytes_of(c, "data_root", root.b, 32) != 32) {
        vectors_ok(0, "path: %s: no dest, data_size and data_root",
                   text_of(c, "case"));
    } else {
        rc = chunk_path(&p, root, size, at, path, n, &err);
        if (json_type(js) == JSON_OBJECT)
            vectors_ok(rc == 0 && is_number(js, "leftBound", p.start) &&
                           is_number(js, "rightBound", p.end),
                       "path: %s", text_of(c, "case"));
        else
            vectors_ok(rc == -1, "path: %s: %s", text_of(c, "case"), err.text);
    }
    free(path);
}

void vectors_trees(const struct vectors *v)
{
    struct json *root = vectors_json(v, "merkle/merkle.json");
    struct json *paths = vectors_json(v, "merkle/paths.json");

    for (const struct json *c = json_first(root); c; c = json_next(c))
        run_tree(c);
    for (const struct json *c = json_first(paths); c; c = json_next(c))
        run_path(c);
    json_free(root);
    json_free(paths);
}

/* ---- transactions -------------------------------------------------------- */

/* The data: in the transaction, or the stream where it was left out. */
static void run_tx_data(const struct json *file, const struct tx *tx,
                        const char *name)
{
    struct id root;
    unsigned char *bytes = xmalloc(BYTES_MAX);
    size_t n = bytes_of(file, "data", bytes, BYTES_MAX);
    struct buf stream;

    if (n > 0) {
        data_root(&root, bytes, n);
    } else {
        n = (size_t)tx->data_size;
        vectors_stream(&stream, "merkle", n);
        data_root(&root, stream.data, stream.len);
        buf_clear(&stream);
    }
    vectors_ok(n == tx->data_size && (n == 0 || id_equal(root, tx->data_root)),
               "%s: data_root is that of its data", name);
    free(bytes);
}

static void run_tx(const struct vectors *v, const struct json *c)
{
    const char *name = text_of(c, "name");
    struct json *file = vectors_json(v, text_of(c, "file"));
    struct err err = ERR_INIT;
    struct tx tx;
    struct buf b;
    char size[24];

    if (!file || vectors_file(v, &b, text_of(c, "file"))) {
        json_free(file);
        return;
    }
    if (vectors_ok(tx_check(&tx, b.data, b.len, NULL, &err) == 0,
                   "%s: verifies %s", name, err.text)) {
        snprintf(size, sizeof(size), "%ju", (uintmax_t)tx.data_size);
        vectors_ok(is_base64(c, "id", tx.id.b, 32) &&
                       is_base64(c, "data_root", tx.data_root.b,
                                 tx.data_size ? 32 : 0) &&
                       strcmp(text_of(c, "data_size"), size) == 0 &&
                       tx.n_tags == json_count(json_get(file, "tags")),
                   "%s: its fields", name);
        run_tx_data(file, &tx, name);
        tx_clear(&tx);
    }
    json_free(file);
    buf_clear(&b);
}

void vectors_transactions(const struct vectors *v)
{
    struct json *root = vectors_json(v, "tx/index.json");

    for (const struct json *c = json_first(root); c; c = json_next(c))
        run_tx(v, c);
    json_free(root);
}

/* ---- receipts ------------------------------------------------------------ */

/* Of the id that the receipt itself says, so that its signature decides. */
static void run_receipt(const struct json *c)
{
    const struct json *receipt = json_get(c, "receipt");
    const char *says = text_of(c, "expected");
    struct id id, pinned;
    struct err err = ERR_INIT;
    struct receipt r;
    struct buf text;
    bool pin, taken;

    buf_init(&text, BYTES_MAX);
    json_put(&text, receipt);
    pin = bytes_of(c, "pinned_address", pinned.b, 32) == 32;
    if (bytes_of(receipt, "id", id.b, 32) != 32)
        id = (struct id){ { 0 } };
    taken = receipt_read(&r, text.data, text.len, id, pin ? &pinned : NULL,
                         &err) == 0;
    vectors_ok(taken == (strncmp(says, "reject", 6) != 0), "receipt: %s: %s%s",
               text_of(c, "case"),
               taken ? "taken" : "refused: ", taken ? "" : err.text);
    if (pin)
        vectors_ok(receipt_read(&r, text.data, text.len, id, NULL, &err) == 0,
                   "which is good where no address is known");
    if (taken) {
        id.b[0] ^= 1;
        vectors_ok(receipt_read(&r, text.data, text.len, id, NULL, &err) == -1,
                   "but not for another item");
    }
    buf_clear(&text);
}

void vectors_receipts(const struct vectors *v)
{
    struct json *root = vectors_json(v, "receipts.json");

    for (const struct json *c = json_first(root); c; c = json_next(c))
        run_receipt(c);
    json_free(root);
}
