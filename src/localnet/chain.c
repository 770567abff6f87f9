/*
 * Payloads of the journal:
 *
 *     BLOCK   height u64, signature and data_root of the root, ids of its items
 *     MINE    n u64
 */
#include <config.h>

#include "localnet/chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/data_root.h"
#include "arweave/deephash.h"
#include "arweave/key.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/vec.h"
#include "localnet/stored.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "localnet/serve.h"
#include "proof/digest.h"

#define ROOT_MAX 10000 /* items, as bundlers have it */
#define HEAD_MAX (32 + (size_t)ROOT_MAX * 64)
#define WEAVE_FIRST UINT64_C(350000000000000)
#define PART 552 /* height, signature, data_root */
#define PIECE ((size_t)256 << 10)

const char *const chain_tags[CHAIN_TAGS][2] = {
    { "Bundle-Format", "binary" }, { "Bundle-Version", "2.0.0" }
};

const struct id *chain_bundle(const struct stored *h)
{
    if (h->parent)
        return &h->parent->id;
    return h->root ? &h->root->id : NULL;
}

void chain_block(unsigned char hash[48], const struct root *r)
{
    memset(hash, 0, 48);
    memcpy(hash, r->id.b, 32);
}

/* Blocks without a root follow from the net and their height. */
void chain_block_at(unsigned char hash[48], const struct net *net,
                    uint64_t height)
{
    unsigned char what[40];
    struct id id;

    for (size_t i = 0; i < net->n_roots; i++)
        if (net->root[i]->height == height) {
            chain_block(hash, net->root[i]);
            return;
        }
    memcpy(what, net->address.b, 32);
    set_u64(what + 32, height);
    digest(&id, what, sizeof(what));
    memset(hash, 0, 48);
    memcpy(hash, id.b, 32);
}

const struct root *chain_root(const struct net *net, struct id id)
{
    return idmap_get(&net->roots, id);
}

/* The next n items of the order as a root without a signature. */
static struct root *compose(struct net *net, size_t n, uint64_t height)
{
    struct bundle_entry *e = xcalloc(n, sizeof(*e));
    struct root *r = xcalloc(1, sizeof(*r)), *last;
    struct buf head;

    buf_init(&head, HEAD_MAX);
    r->item = xcalloc(n, sizeof(struct stored *));
    r->n = n;
    r->height = height;
    for (size_t i = 0; i < n; i++) {
        r->item[i] = net->order[net->n_in_roots + i];
        e[i].id = r->item[i]->id;
        e[i].size = r->item[i]->size;
        r->size += e[i].size;
    }
    if (bundle_head(&head, e, n, NULL))
        abort(); /* n is within its limits */
    r->size += head.len;
    r->head = (unsigned char *)buf_take(&head, &r->n_head);
    for (size_t i = 0; i < n; i++)
        r->item[i]->root_at = e[i].at;
    r->weave_at = WEAVE_FIRST;
    if (net->n_roots > 0) {
        last = net->root[net->n_roots - 1];
        /* a transaction begins on a border of chunks */
        r->weave_at = (last->weave_at + last->size + 0x3ffff) &
                      ~UINT64_C(0x3ffff);
    }
    free(e);
    return r;
}

static void root_free(struct root *r)
{
    free(r->item);
    free(r->head);
    free(r);
}

static void add_root(struct net *net, struct root *r)
{
    digest(&r->id, r->signature, sizeof(r->signature));
    for (size_t i = 0; i < r->n; i++)
        r->item[i]->root = r;
    net->n_in_roots += r->n;
    VEC_MORE(net->root, net->n_roots);
    net->root[net->n_roots++] = r;
    idmap_put(&net->roots, r->id, r);
}

void chain_anchor(unsigned char anchor[48], uint64_t height)
{
    unsigned char bytes[8];

    set_u64(bytes, height - 6);
    memset(anchor, 0, 48);
    digest(id_in(anchor), bytes, 8);
}

/* data_root over the head of the bundle and its items. */
static int hash_data(struct root *r, struct err *err)
{
    struct data_root *d = data_root_new(r->size);
    unsigned char *piece = xmalloc(PIECE);
    int rc = data_root_put(d, r->head, r->n_head, err);

    for (size_t i = 0; i < r->n && rc == 0; i++) {
        const struct stored *h = r->item[i];

        for (uint64_t at = 0; at < h->size && rc == 0;) {
            size_t n = h->size - at < PIECE ? (size_t)(h->size - at) : PIECE;

            rc = stored_read(h, at, piece, n, err) ||
                 data_root_put(d, piece, n, err);
            at += n;
        }
    }
    if (rc == 0)
        rc = data_root_end(d, &r->data_root, err);
    data_root_free(d);
    free(piece);
    return rc ? -1 : 0;
}

/* As a transaction of format 2 is signed. */
static int sign_root(struct net *net, struct root *r, struct err *err)
{
    unsigned char acc[DEEPHASH_SIZE], tags[DEEPHASH_SIZE];
    unsigned char tag[DEEPHASH_SIZE], owner[KEY_BYTES], anchor[48];
    char size[24];

    if (hash_data(r, err))
        return -1;
    key_modulus(net->key, owner);
    chain_anchor(anchor, r->height);
    snprintf(size, sizeof(size), "%" PRIu64, r->size);
    deephash_list(tags, CHAIN_TAGS);
    for (int i = 0; i < CHAIN_TAGS; i++) {
        deephash_list(tag, 2);
        deephash_puts(tag, chain_tags[i][0]);
        deephash_puts(tag, chain_tags[i][1]);
        deephash_put_hash(tags, tag);
    }
    deephash_list(acc, 9);
    deephash_puts(acc, "2");
    deephash_put(acc, owner, sizeof(owner));
    deephash_puts(acc, "");  /* target */
    deephash_puts(acc, "0"); /* quantity */
    deephash_puts(acc, "0"); /* reward */
    deephash_put(acc, anchor, sizeof(anchor));
    deephash_put_hash(acc, tags);
    deephash_puts(acc, size);
    deephash_put(acc, r->data_root.b, 32);
    return key_sign(net->key, r->signature, acc, sizeof(acc), err);
}

static int seal(struct net *net, uint64_t height, struct err *err)
{
    size_t n = net->n_order - net->n_in_roots;
    struct root *r;
    struct buf b;
    int rc;

    if (n == 0)
        return 0;
    r = compose(net, n > ROOT_MAX ? ROOT_MAX : n, height);
    if (sign_root(net, r, err)) {
        root_free(r);
        return -1;
    }
    buf_init(&b, JOURNAL_MAX);
    buf_put_u64(&b, height);
    buf_put(&b, r->signature, sizeof(r->signature));
    buf_put(&b, r->data_root.b, 32);
    for (size_t i = 0; i < r->n; i++)
        buf_put(&b, r->item[i]->id.b, 32);
    rc = journal_put(net->journal, JOURNAL_BLOCK, b.data, b.len, NULL, 0,
                     true, NULL, err);
    buf_clear(&b);
    if (rc) {
        root_free(r);
        return -1;
    }
    add_root(net, r);
    return 0;
}

int chain_tick(struct net *net, struct err *err)
{
    uint64_t height = net_height(net);

    if (net->n_roots && net->root[net->n_roots - 1]->height >= height)
        return 0;
    return seal(net, height, err);
}

int chain_mine(struct net *net, uint64_t n, struct err *err)
{
    unsigned char bytes[8];

    set_u64(bytes, n);
    if (journal_put(net->journal, JOURNAL_MINE, bytes, 8, NULL, 0, true, NULL,
                    err))
        return -1;
    net->mined += n;
    return seal(net, net_height(net) - n + 1, err);
}

void chain_pieces(struct response *a, const struct root *root, uint64_t at,
                  uint64_t n)
{
    uint64_t begin = root->n_head;

    if (at < begin && n > 0) {
        uint64_t part = begin - at < n ? begin - at : n;
        void *copy = xmalloc((size_t)part);

        memcpy(copy, root->head + at, (size_t)part);
        answer_piece(a, copy, NULL, 0, part);
        at += part;
        n -= part;
    }
    for (size_t i = 0; i < root->n && n > 0; i++) {
        const struct stored *h = root->item[i];
        uint64_t in = at - begin, part;

        if (in < h->size) {
            part = h->size - in < n ? h->size - in : n;
            answer_piece(a, NULL, xstrdup(h->path), h->at + in, part);
            at += part;
            n -= part;
        }
        begin += h->size;
    }
}

int chain_read(const struct root *root, uint64_t at, void *out, size_t n,
               struct err *err)
{
    uint64_t begin = root->n_head;
    char *to = out;

    if (at < begin && n > 0) {
        size_t part = begin - at < n ? (size_t)(begin - at) : n;

        memcpy(to, root->head + at, part);
        to += part;
        at += part;
        n -= part;
    }
    for (size_t i = 0; i < root->n && n > 0; i++) {
        const struct stored *h = root->item[i];
        uint64_t in = at - begin;

        if (in < h->size) {
            size_t part = h->size - in < n ? (size_t)(h->size - in) : n;

            if (stored_read(h, in, to, part, err))
                return -1;
            to += part;
            at += part;
            n -= part;
        }
        begin += h->size;
    }
    return 0;
}

const struct root *chain_at(const struct net *net, uint64_t offset)
{
    for (size_t i = 0; i < net->n_roots; i++) {
        const struct root *r = net->root[i];

        if (offset >= r->weave_at && offset - r->weave_at < r->size)
            return r;
    }
    return NULL;
}

int chain_replay(struct net *net, const struct journal_record *r,
                 struct err *err)
{
    size_t n = r->n >= PART ? (r->n - PART) / 32 : 0;
    struct root *root;

    if (r->type == JOURNAL_MINE) {
        if (r->n != 8)
            return err_set(err, ERR_FATAL, "no number of blocks");
        net->mined += get_u64(r->data);
        return 0;
    }
    if (n < 1 || r->n != PART + n * 32 || n > ROOT_MAX ||
        n > net->n_order - net->n_in_roots)
        return err_set(err, ERR_FATAL, "a block of items that are not there");
    for (size_t i = 0; i < n; i++)
        if (memcmp(net->order[net->n_in_roots + i]->id.b,
                   r->data + PART + i * 32, 32) != 0)
            return err_set(err, ERR_FATAL, "a block of other items");
    root = compose(net, n, get_u64(r->data));
    memcpy(root->signature, r->data + 8, sizeof(root->signature));
    root->data_root = id_at(r->data + 520);
    add_root(net, root);
    return 0;
}

void chain_free(struct net *net)
{
    for (size_t i = 0; i < net->n_roots; i++)
        root_free(net->root[i]);
    free(net->root);
    idmap_clear(&net->roots, NULL);
}
