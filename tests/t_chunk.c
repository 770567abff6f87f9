/*
 * src/arweave/data_root: trees that are nested, which the vectors have not;
 * data that is too long or too short; receipts and transactions of ours.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/data_root.h"
#include "arweave/key.h"
#include "arweave/receipt.h"
#include "arweave/tx.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "tests/arweave_util.h"
#include "tests/tap.h"

#define K ((uint64_t)CHUNK_MAX)
#define ROOM (1u << 20)

static void note(struct id *out, uint64_t v)
{
    *out = (struct id){ { 0 } };
    for (int i = 0; i < 8; i++)
        out->b[31 - i] = (unsigned char)(v >> (8 * i));
}

/* id = H(H(a) H(b) H(c)), or of two. */
static void id_of(struct id *id, const unsigned char *a, const unsigned char *b,
                  const unsigned char *c)
{
    unsigned char parts[96];

    digest(id_in(parts), a, 32);
    digest(id_in(parts + 32), b, 32);
    if (c)
        digest(id_in(parts + 64), c, 32);
    digest(id, parts, c ? 96 : 64);
}

static void leaf_id(struct id *id, struct id hash, uint64_t end)
{
    struct id n;

    note(&n, end);
    id_of(id, hash.b, n.b, NULL);
}

/* Append a branch of a path; its id. */
static void put_branch(struct buf *path, struct id *id, struct id l,
                       struct id r, uint64_t end)
{
    struct id n;

    note(&n, end);
    id_of(id, l.b, r.b, n.b);
    buf_put(path, l.b, 32);
    buf_put(path, r.b, 32);
    buf_put(path, n.b, 32);
}

static void put_leaf(struct buf *path, struct id hash, uint64_t end)
{
    struct id n;

    note(&n, end);
    buf_put(path, hash.b, 32);
    buf_put(path, n.b, 32);
}

/* (a, [b, c]): the ends of b and c count from the beginning of b. */
static void test_nested(void)
{
    static const struct id marker;
    struct id h[3], a, b, c, inner, root;
    struct err err = ERR_INIT;
    struct chunk_place p;
    struct buf path, below;

    for (unsigned i = 0; i < 3; i++)
        memset(h[i].b, (int)('a' + i), 32);
    leaf_id(&a, h[0], K);
    leaf_id(&b, h[1], K);
    leaf_id(&c, h[2], K + 1000);
    buf_init(&below, ROOM);
    buf_init(&path, ROOM);
    put_branch(&below, &inner, b, c, K);
    put_leaf(&below, h[2], K + 1000);
    buf_put(&path, marker.b, 32);
    put_branch(&path, &root, a, inner, K);
    buf_put(&path, below.data, below.len);
    ok(chunk_path(&p, root, 2 * K + 1000, 2 * K, path.data, path.len, &err) ==
               0 &&
           p.start == 2 * K && p.end == 2 * K + 1000 && id_equal(p.hash, h[2]),
       "a nested tree at the right %s", err.text);
    ok(chunk_path(&p, root, 2 * K + 1000, 2 * K, path.data + 32,
                  path.len - 32, &err) == -1, "without its marker: %s",
       err.text);
    ok(chunk_path(&p, root, 2 * K + 1000, K, path.data, path.len, &err) ==
       -1, "a path to another chunk: %s", err.text);
    ok(chunk_path(&p, root, 2 * K + 1000, 2 * K + 1000, path.data, path.len,
                  &err) == -1, "%s", err.text);

    /* ([b, c], a) */
    err = (struct err)ERR_INIT;
    leaf_id(&a, h[0], 3 * K + 1000);
    buf_reset(&path);
    buf_put(&path, marker.b, 32);
    put_branch(&path, &root, inner, a, K + 1000);
    buf_put(&path, below.data, below.len);
    ok(chunk_path(&p, root, 2 * K + 1000, K, path.data, path.len, &err) == 0
       && p.start == K && p.end == K + 1000, "at the left %s", err.text);
    buf_clear(&path);
    buf_clear(&below);
}

static void test_amounts(void)
{
    struct data_root *d = data_root_new(3);
    struct err err = ERR_INIT;
    struct id root;

    ok(data_root_put(d, "ab", 2, &err) == 0 &&
           data_root_end(d, &root, &err) == -1,
       "%s", err.text);
    ok(data_root_put(d, "cd", 2, &err) == -1, "%s", err.text);
    ok(data_root_put(d, "c", 1, &err) == 0 &&
           data_root_end(d, &root, &err) == 0,
       "all of it");
    data_root_free(d);
    d = data_root_new(100);
    data_root_put(d, "x", 1, &err);
    data_root_free(d); /* in the middle of a chunk */
    ok(chunk_size(0, K + 1) == (K + 2) / 2 &&
       chunk_size(0, K + CHUNK_MIN) == K && chunk_size(0, 2 * K) == K,
       "where data is cut");
}

static void test_receipt(const struct key *k)
{
    struct receipt r = { .timestamp_ms = 1763900000000, .winc = 5,
                         .deadline_height = 1650000, .version = "0.2.0" };
    struct id address, other = { "other" };
    struct err err = ERR_INIT;
    struct receipt got;
    struct buf b;

    memset(r.id.b, 7, 32);
    key_address(k, &address);
    buf_init(&b, ROOM);
    ok(receipt_sign(&b, &r, k, &err) == 0, "make a receipt %s", err.text);
    ok(receipt_read(&got, b.data, b.len, r.id, &address, &err) == 0 &&
           got.winc == 5 && got.timestamp_ms == r.timestamp_ms &&
           id_equal(got.signer, address),
       "read it %s", err.text);
    ok(receipt_read(&got, b.data, b.len, other, NULL, &err) == -1 &&
       strstr(err.text, "another item"), "%s", err.text);
    ok(receipt_read(&got, b.data, b.len, r.id, &other, &err) == -1 &&
           strstr(err.text, "not the bundler's"),
       "%s", err.text);
    ok(receipt_read(&got, "{}", 2, r.id, NULL, &err) == -1 &&
       receipt_read(&got, "x", 1, r.id, NULL, &err) == -1 &&
       receipt_read(&got, "[]", 2, r.id, NULL, &err) == -1, "%s", err.text);
    buf_clear(&b);
}

/* The transaction with `from` replaced by `to` of the same length. */
static void refuses_tx(const struct buf *tx, const char *from, const char *to,
                       const char *want)
{
    char *text = xstrndup(tx->data, tx->len), *at = strstr(text, from);
    struct err err = ERR_INIT;
    struct tx t;

    if (!at || strlen(from) != strlen(to))
        abort();
    memcpy(at, to, strlen(to));
    ok(tx_check(&t, text, tx->len, NULL, &err) == -1 &&
       err.code == ERR_INPUT && strstr(err.text, want), "%s", err.text);
    free(text);
}

static void test_tx(void)
{
    struct id other = { "other" };
    struct err err = ERR_INIT;
    struct buf b;
    struct tx t;

    buf_init(&b, ROOM);
    arweave_file(&b, "tx/tx-00-small.json");
    ok(tx_check(&t, b.data, b.len, NULL, &err) == 0 && t.n_tags == 1 &&
       t.tag[0].n_name == 12 &&
       memcmp(t.tag[0].name, "Content-Type", 12) == 0, "a transaction %s",
       err.text);
    tx_clear(&t);
    ok(tx_check(&t, b.data, b.len, &other, &err) == -1, "%s", err.text);
    refuses_tx(&b, "\"format\": 2", "\"format\": 1", "format 2");
    refuses_tx(&b, "\"owner\"", "\"ower_\"", "\"owner\"");
    refuses_tx(&b, "\"reward\": \"1", "\"reward\": \"0", "\"reward\"");
    refuses_tx(&b, "\"reward\": \"1", "\"reward\": \"2", "signature");
    refuses_tx(&b, "\"data_size\": \"8\"", "\"data_size\": \"0\"",
               "do not belong");
    refuses_tx(&b, "\"id\": \"N", "\"id\": \"M", "id");
    refuses_tx(&b, "Q29udGVudC1UeXBl", "Q29udGVudC1UeXB-", "signature");
    buf_clear(&b);
}

/* The path that is made for each chunk leads to it. */
static void test_paths(void)
{
    static const uint64_t sizes[] = { 1, K - 1, K, K + 1, 2 * K, 3 * K + 9,
                                      5 * K + K / 2, 7 * K };
    char *data = xcalloc(7 * K, 1);
    struct err err = ERR_INIT;

    for (size_t i = 0; i < 7 * K; i++)
        data[i] = (char)(i * 31 >> 5);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        struct id root, hash[9];
        uint64_t at = 0;
        size_t n = 0, bad = 0;

        data_root(&root, data, sizes[s]);
        for (; at < sizes[s]; at += chunk_size(at, sizes[s]))
            digest(&hash[n++], data + at, chunk_size(at, sizes[s]));
        at = 0;
        for (size_t k = 0; k < n; k++, at += chunk_size(at, sizes[s])) {
            struct chunk_place place;
            struct buf path;

            buf_init(&path, DATA_PATH_MAX);
            data_root_path(&path, hash, sizes[s], k);
            bad += chunk_check(&place, root, sizes[s], at, path.data, path.len,
                               data + at, chunk_size(at, sizes[s]), &err) != 0;
            buf_clear(&path);
        }
        ok(bad == 0, "%zu paths of %" PRIu64 " bytes %s", n, sizes[s],
           err.text);
    }
    free(data);
}

int main(void)
{
    struct key *k = test_key();

    test_nested();
    test_paths();
    test_amounts();
    test_receipt(k);
    test_tx();
    key_free(k);
    return done();
}
