/*
 * Our side of tests/0410-npm-peer.t.
 *     arweave-exchange make WALLET DIR   items, a bundle of them
 *     arweave-exchange check DIR         what the other side made
 * `make` writes DIR/ours-N.bin, ours-bundle.bin and ours.json, which says
 * what the other side must find.  `check` prints TAP lines without numbers;
 * the script counts.
 */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/data_root.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "arweave/tx.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"

#define FILE_MAX ((size_t)64 << 20)
#define N_ITEMS 6

static void must(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "arweave-exchange: %s\n", err->text);
    exit(1);
}

static void write_in(const char *dir, const char *name, const struct buf *b)
{
    char *path = file_join(dir, name);
    struct err err = ERR_INIT;

    must(file_write(path, b->data, b->len, &err), &err);
    free(path);
}

static void read_in(struct buf *b, const char *dir, const char *name)
{
    char *path = file_join(dir, name);
    struct err err = ERR_INIT;

    buf_init(b, FILE_MAX);
    must(file_read(b, path, &err), &err);
    free(path);
}

/* ---- ours ---------------------------------------------------------------- */

/* Item i of N_ITEMS: more of everything each time. */
static void make_item(struct buf *out, unsigned i, const struct key *k,
                      struct id *id)
{
    static const size_t sizes[N_ITEMS] = { 0, 1, 15, 1000, 65536, 1000000 };
    static const struct id some = { { 1, 2, 3 } };
    struct item_text_tag tag[ITEM_MAX_TAGS];
    struct item_spec spec = { i & 1 ? &some : NULL, i & 2 ? &some : NULL, tag,
                              i == 5 ? ITEM_MAX_TAGS : i };
    char *data = xmalloc(sizes[i]), *text[ITEM_MAX_TAGS];
    struct err err = ERR_INIT;

    for (size_t t = 0; t < spec.n_tags; t++) {
        text[t] = xasprintf("v%zu \xc3\xa9", t);
        tag[t].name = t % 2 ? "App" : "Content-Type";
        tag[t].value = text[t];
    }
    for (size_t n = 0; n < sizes[i]; n++)
        data[n] = (char)(n * 31 + i);
    must(item_sign(out, &spec, data, sizes[i], k, id, &err), &err);
    for (size_t t = 0; t < spec.n_tags; t++)
        free(text[t]);
    free(data);
}

static void make(const char *wallet, const char *dir)
{
    struct bundle_entry e[N_ITEMS];
    struct err err = ERR_INIT;
    struct buf items, bundle, told;
    struct key *k = NULL;
    struct id address;
    char text[ID_TEXT];

    must(key_load(&k, wallet, &err), &err);
    key_address(k, &address);
    base64url(text, address.b, 32);
    buf_init(&items, FILE_MAX);
    buf_init(&bundle, FILE_MAX);
    buf_init(&told, FILE_MAX);
    buf_printf(&told, "{\"address\":\"%s\",\"ids\":[", text);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        char *name = xasprintf("ours-%u.bin", i);
        struct buf one;

        buf_init(&one, FILE_MAX);
        make_item(&one, i, k, &e[i].id);
        e[i].size = one.len;
        write_in(dir, name, &one);
        buf_put(&items, one.data, one.len);
        base64url(text, e[i].id.b, 32);
        buf_printf(&told, "%s\"%s\"", i ? "," : "", text);
        buf_clear(&one);
        free(name);
    }
    buf_puts(&told, "]}\n");
    must(bundle_head(&bundle, e, N_ITEMS, &err), &err);
    buf_put(&bundle, items.data, items.len);
    write_in(dir, "ours-bundle.bin", &bundle);
    write_in(dir, "ours.json", &told);
    buf_clear(&items);
    buf_clear(&bundle);
    buf_clear(&told);
    key_free(k);
}

/* ---- theirs -------------------------------------------------------------- */

static int failed;

static void told(bool good, const char *what, const char *why)
{
    printf("%s %s %s\n", good ? "ok" : "not ok", what, good ? "" : why);
    failed |= !good;
}

static bool is_id(const struct json *v, struct id id)
{
    return json_string(v) && strcmp(json_string(v), id_text(id).s) == 0;
}

static void check_items(const struct json *all, const char *dir)
{
    for (const struct json *c = json_first(json_get(all, "items")); c;
         c = json_next(c)) {
        const char *name = json_string(json_get(c, "file"));
        struct err err = ERR_INIT;
        struct item it;
        struct buf b;
        bool good;

        read_in(&b, dir, name);
        good = item_open(&it, b.data, b.len, &err) == 0 &&
               is_id(json_get(c, "id"), it.id);
        told(good, name, err.text);
        if (b.len > 0) {
            b.data[b.len - 1] ^= 1;
            told(item_open(&it, b.data, b.len, &err) == -1,
                 "and changed it is refused", name);
        }
        buf_clear(&b);
    }
}

static void check_tx(const char *dir)
{
    struct id root;
    struct err err = ERR_INIT;
    struct buf b, data;
    struct tx tx;
    bool good;

    read_in(&b, dir, "theirs-tx.json");
    read_in(&data, dir, "theirs-tx.data");
    good = tx_check(&tx, b.data, b.len, NULL, &err) == 0;
    told(good, "their transaction", err.text);
    if (good) {
        data_root(&root, data.data, data.len);
        told(tx.data_size == data.len && id_equal(root, tx.data_root),
             "data_root of its data", "differs");
        tx_clear(&tx);
    }
    buf_clear(&b);
    buf_clear(&data);
}

static void check(const char *dir)
{
    char *wallet = file_join(dir, "theirs-wallet.json");
    struct err err = ERR_INIT;
    struct json *all = NULL;
    struct id address;
    struct key *k = NULL;
    struct buf b;

    read_in(&b, dir, "theirs.json");
    must(json_parse(&all, b.data, b.len, &err), &err);
    buf_clear(&b);
    if (key_load(&k, wallet, &err) == 0)
        key_address(k, &address);
    told(k && is_id(json_get(all, "address"), address), "their wallet",
         err.text);
    key_free(k);
    check_items(all, dir);
    read_in(&b, dir, "theirs-bundle.bin");
    told(bundle_check(b.data, b.len, &err) == 0, "their bundle", err.text);
    buf_clear(&b);
    check_tx(dir);
    json_free(all);
    free(wallet);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "make") == 0)
        make(argv[2], argv[3]);
    else if (argc == 3 && strcmp(argv[1], "check") == 0)
        check(argv[2]);
    else
        return 2;
    return failed;
}
