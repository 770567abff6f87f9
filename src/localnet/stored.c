/*
 * Uploads are verified while they come, charged, journalled and indexed; a
 * bundle's items are found again by reading it.  Payloads of the journal:
 *
 *     ITEM    winc u64, taken ms u64, the item
 *     FILE    winc u64, taken ms u64, size u64, id; the file is items/<id>
 *     NESTED  id of the bundle, then per item its offset u64 and size u64 in
 *             the bundle's bytes
 */
#include <config.h>

#include "localnet/stored.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/bundle.h"
#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/vec.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "proof/digest.h"

#define SMALL ((uint64_t)256 << 10) /* what goes into the journal */
#define PIECE ((size_t)256 << 10)
#define MAX_DEPTH 2 /* bundles in bundles */
#define NESTED_MAX ((JOURNAL_MAX - 32) / 16)

/* ---- the index ----------------------------------------------------------- */

struct stored *stored_get(const struct net *net, struct id id)
{
    return idmap_get(&net->stored, id);
}

static bool is_bundle(const struct item *it)
{
    return item_tag_is(it, "Bundle-Format", "binary") &&
           item_tag_is(it, "Bundle-Version", "2.0.0");
}

static void append_stored(struct stored ***list, size_t *n, struct stored *h)
{
    VEC_MORE(*list, *n);
    (*list)[(*n)++] = h;
}

static struct stored *index_item(struct net *net, const struct item *it,
                                 struct stored *parent, char *path, uint64_t at,
                                 uint64_t size)
{
    struct stored *h = xcalloc(1, sizeof(*h));

    h->id = it->id;
    h->owner = it->address;
    h->path = path;
    h->at = at;
    h->size = size;
    h->head_n = (uint32_t)it->head_n;
    h->parent = parent;
    h->top = parent ? parent->top : h;
    h->bundle = is_bundle(it);
    idmap_put(&net->stored, h->id, h);
    append_stored(&net->found, &net->n_found, h);
    if (!parent)
        append_stored(&net->order, &net->n_order, h);
    return h;
}

struct stored *stored_add(struct net *net, const struct item *it, uint64_t at,
                          uint64_t size, uint64_t now_ms)
{
    struct stored *h = index_item(net, it, NULL, net->journal_path, at, size);

    h->taken_ms = now_ms;
    return h;
}

static int read_file(int fd, const char *path, uint64_t at, void *out,
                     size_t n, struct err *err)
{
    ssize_t got = file_read_at(fd, out, n, at);

    if (got < 0)
        return err_errno(err, ERR_FATAL, "cannot read \"%s\"", path);
    if ((size_t)got < n)
        return err_set(err, ERR_FATAL, "\"%s\" is too short", path);
    return 0;
}

static int read_at(const char *path, uint64_t at, void *out, size_t n,
                   struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return err_errno(err, ERR_FATAL, "cannot open \"%s\"", path);
    rc = read_file(fd, path, at, out, n, err);
    close(fd);
    return rc;
}

/* Head of an item of `size` bytes that lies at `at`. */
static int read_head(const char *path, uint64_t at, uint64_t size,
                     struct buf *buf, struct item *it, struct err *err)
{
    size_t n = size < ITEM_HEAD_MAX ? (size_t)size : ITEM_HEAD_MAX;
    int rc;

    buf_reset(buf);
    if (buf_reserve(buf, ITEM_HEAD_MAX, "head of an item", err) ||
        read_at(path, at, buf->data, n, err))
        return -1;
    buf->len = n;
    rc = item_head(it, buf->data, n, err);
    if (rc == ITEM_SHORT)
        rc = err_set(err, ERR_INPUT, "an item of %" PRIu64 " bytes is cut off",
                     size);
    return rc;
}

int stored_head(const struct stored *h, struct buf *buf, struct item *it,
                struct err *err)
{
    return read_head(h->path, h->at, h->size, buf, it, err);
}

int stored_read(const struct stored *h, uint64_t at, void *out, size_t n,
                struct err *err)
{
    return read_at(h->path, h->at + at, out, n, err);
}

int stored_digest(struct stored *h, struct id *out, struct err *err)
{
    uint64_t at = h->at + h->head_n, end = h->at + h->size;
    unsigned char *piece = xmalloc(PIECE);
    struct digest *d = digest_new();
    int rc = 0, fd = h->hashed ? -1 : open(h->path, O_RDONLY | O_CLOEXEC);

    if (!h->hashed && fd < 0)
        rc = err_errno(err, ERR_FATAL, "cannot open \"%s\"", h->path);
    while (!h->hashed && rc == 0 && at < end) {
        size_t n = end - at < PIECE ? (size_t)(end - at) : PIECE;

        rc = read_file(fd, h->path, at, piece, n, err);
        digest_put(d, piece, n);
        at += n;
    }
    digest_end(d, out);
    if (!h->hashed && rc == 0)
        h->digest = *out;
    h->hashed = h->hashed || rc == 0;
    *out = h->digest;
    if (fd >= 0)
        close(fd);
    free(piece);
    return rc;
}

/* ---- money --------------------------------------------------------------- */

uint64_t stored_price(const struct net *net, uint64_t size)
{
    bool free = size <= NET_FREE_BYTES &&
                !faults_has(&net->faults, FAULTS_NOTHING_FREE);

    return free ? 0 : size * NET_WINC_BYTE;
}

uint64_t stored_balance(const struct net *net, struct id address)
{
    const uint64_t *spent = idmap_get(&net->spent, address);

    return spent ? NET_CREDIT - *spent : NET_CREDIT;
}

static void charge(struct net *net, struct id address, uint64_t winc)
{
    uint64_t *spent = idmap_get(&net->spent, address);

    if (!spent) {
        spent = xcalloc(1, sizeof(*spent));
        idmap_put(&net->spent, address, spent);
    }
    *spent += winc;
}

/* ---- bundles ------------------------------------------------------------- */

/* Whether the item at [at, at + size) is what the table says, to its last
 * byte; its head is then in buf and it. */
static int check_nested(const char *path, uint64_t at, uint64_t size,
                        struct id id, struct buf *buf, struct item *it,
                        struct err *err)
{
    struct item_stream *s = item_stream_new(size);
    unsigned char *piece = xmalloc(PIECE);
    const struct item *whole;
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        rc = err_errno(err, ERR_FATAL, "cannot open \"%s\"", path);
    for (uint64_t p = 0; p < size && rc == 0;) {
        size_t n = size - p < PIECE ? (size_t)(size - p) : PIECE;

        rc = read_file(fd, path, at + p, piece, n, err) ||
             item_stream_put(s, piece, n, NULL, NULL, err);
        p += n;
    }
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        rc = item_stream_end(s, &whole, err);
    if (rc == 0 && !id_equal(whole->id, id))
        rc = err_set(err, ERR_INPUT, "the bundle says another id");
    if (rc == 0)
        rc = read_head(path, at, size, buf, it, err);
    item_stream_free(s);
    free(piece);
    return rc ? -1 : 0;
}

/* The table of the bundle that is the data of `h`. */
static int read_table(const struct stored *h, struct bundle_entry **e,
                      size_t *n, struct err *err)
{
    uint64_t at = h->at + h->head_n, size = h->size - h->head_n, count;
    struct id first;
    unsigned char *head = NULL;
    size_t n_head;
    int rc;

    if (size < 32)
        return err_set(err, ERR_INPUT, "no bundle");
    if (read_at(h->path, at, first.b, 32, err))
        return -1;
    count = get_u64(first.b);
    if (count > BUNDLE_MAX_ITEMS || 32 + count * 64 > size)
        return err_set(err, ERR_INPUT, "a bundle of too many items");
    n_head = (size_t)(32 + count * 64);
    head = xmalloc(n_head);
    rc = read_at(h->path, at, head, n_head, err) ||
         bundle_table(e, n, head, n_head, size, err);
    free(head);
    return rc ? -1 : 0;
}

/* Index what verifies in the bundle h, and append where it was to `found`. */
static void unbundle(struct net *net, struct stored *h, unsigned depth,
                     struct buf *found)
{
    struct bundle_entry *e = NULL;
    struct buf buf;
    struct item it;
    size_t n = 0;

    if (read_table(h, &e, &n, NULL))
        return;
    buf_init(&buf, ITEM_HEAD_MAX);
    for (size_t i = 0; i < n; i++) {
        uint64_t at = h->at + h->head_n + e[i].at;
        struct stored *in;

        if (stored_get(net, e[i].id) ||
            check_nested(h->path, at, e[i].size, e[i].id, &buf, &it, NULL))
            continue;
        in = index_item(net, &it, h, h->path, at, e[i].size);
        in->taken_ms = h->taken_ms;
        buf_put_u64(found, at - h->top->at);
        buf_put_u64(found, e[i].size);
        if (depth < MAX_DEPTH && is_bundle(&it))
            unbundle(net, in, depth + 1, found);
    }
    buf_clear(&buf);
    free(e);
}

/* The same for a new item, and its record.  Without the record a replay looks
 * again, so nothing depends on its being on the disk. */
static void look_inside(struct net *net, struct stored *h)
{
    struct buf found;

    if (!h->bundle || h->looked)
        return;
    h->looked = true;
    buf_init(&found, NESTED_MAX * 16);
    unbundle(net, h, 1, &found);
    if (!found.full)
        journal_put(net->journal, JOURNAL_NESTED, h->id.b, 32, found.data,
                    found.len, false, NULL, NULL);
    buf_clear(&found);
}

/* ---- uploads ------------------------------------------------------------- */

struct upload {
    uint64_t size, got;
    struct item_stream *stream;
    struct buf small;
    int fd;
    char *path;      /* of a large one, NULL: small */
    bool failed;
    struct err err;
};

struct upload *upload_new(struct net *net, uint64_t size, struct err *err)
{
    struct upload *u;
    char name[32];

    if (size < 80 || size > STORED_MAX) {
        err_set(err, ERR_INPUT, "an item of %" PRIu64 " bytes", size);
        return NULL;
    }
    u = xcalloc(1, sizeof(*u));
    u->size = size;
    u->fd = -1;
    buf_init(&u->small, SMALL);
    u->stream = item_stream_new(size);
    if (size <= SMALL)
        return u;
    pthread_mutex_lock(&net->lock);
    snprintf(name, sizeof(name), "incoming-%u", ++net->n_incoming);
    pthread_mutex_unlock(&net->lock);
    u->path = file_join(net->items, name);
    u->fd = open(u->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (u->fd < 0) {
        err_errno(err, ERR_FATAL, "cannot create \"%s\"", u->path);
        upload_free(u);
        return NULL;
    }
    return u;
}

void upload_put(struct upload *u, const void *data, size_t n)
{
    if (n > u->size - u->got && !u->failed) {
        err_set(&u->err, ERR_INPUT, "more bytes than Content-Length");
        u->failed = true;
    }
    if (u->failed || n == 0)
        return;
    u->got += n;
    if (u->path && sys_write(u->fd, data, n)) {
        err_errno(&u->err, ERR_FATAL, "cannot write \"%s\"", u->path);
        u->failed = true;
        return;
    }
    if (!u->path)
        buf_put(&u->small, data, n);
    if (item_stream_put(u->stream, data, n, NULL, NULL, &u->err))
        u->failed = true;
}

void upload_free(struct upload *u)
{
    if (!u)
        return;
    if (u->fd >= 0)
        close(u->fd);
    if (u->path)
        unlink(u->path);
    free(u->path);
    buf_clear(&u->small);
    item_stream_free(u->stream);
    free(u);
}

/* Bytes and record onto the disk. */
static int keep_upload(struct net *net, struct upload *u, const struct item *it,
                       uint64_t winc, uint64_t now_ms, struct stored **stored,
                       struct err *err)
{
    unsigned char head[56];
    char *path = net->journal_path;
    uint64_t at = 0;

    set_u64(head, winc);
    set_u64(head + 8, now_ms);
    if (u->path) {
        path = file_join(net->items, id_text(it->id).s);
        set_u64(head + 16, u->size);
        memcpy(head + 24, it->id.b, 32);
        if (sys_fsync(u->fd) || sys_rename(u->path, path) ||
            sys_sync_dir(net->items)) {
            err_errno(err, ERR_FATAL, "cannot keep \"%s\"", path);
            free(path);
            return -1;
        }
        free(u->path);
        u->path = NULL;
        if (journal_put(net->journal, JOURNAL_FILE, head, 56, NULL, 0, true,
                        NULL, err))
            return -1;
    } else if (journal_put(net->journal, JOURNAL_ITEM, head, 16,
                           u->small.data, u->small.len, true, &at, err)) {
        return -1;
    }
    *stored = index_item(net, it, NULL, path, at, u->size);
    (*stored)->winc = winc;
    (*stored)->taken_ms = now_ms;
    return 0;
}

enum accepted upload_end(struct net *net, struct upload *u,
                         struct stored **stored, struct err *err)
{
    const struct item *it;
    uint64_t winc = stored_price(net, u->size);

    if (!u->failed && u->got == u->size &&
        item_stream_end(u->stream, &it, &u->err))
        u->failed = true;
    if (u->failed)
        return err_set(err, u->err.code, "%s", u->err.text);
    if (u->got != u->size)
        return err_set(err, ERR_INPUT, "%" PRIu64 " bytes of %" PRIu64
                       " came", u->got, u->size);
    *stored = stored_get(net, it->id);
    if (*stored)
        return ACCEPT_KNOWN;
    if (!net_knows_wallet(net, it->address))
        return net_unknown_wallet(net, it->address, err);
    if (id_equal(it->address, net->address))
        winc = 0; /* what the net says of itself is free */
    else if (stored_balance(net, it->address) < winc ||
        faults_now(&net->faults, FAULTS_EMPTY_ACCOUNT, UNIT_BUNDLER))
        return err_set(err, ERR_INPUT, "Insufficient balance");
    if (keep_upload(net, u, it, winc, net_now_ms(net), stored, err))
        return ACCEPT_FAILED;
    charge(net, it->address, winc);
    look_inside(net, *stored);
    return ACCEPT_NEW;
}

/* ---- replay -------------------------------------------------------------- */

static int replay_top(struct net *net, const struct journal_record *r,
                      struct err *err)
{
    bool file = r->type == JOURNAL_FILE;
    struct buf buf;
    struct item it;
    struct stored *h;
    char id[ID_TEXT], *path = net->journal_path;
    uint64_t at = r->at + 16, size;

    if (r->n < 16 || (file && r->n != 56))
        return err_set(err, ERR_FATAL, "a record of an item is too short");
    size = file ? get_u64(r->data + 16) : r->n - 16;
    if (file) {
        base64url(id, r->data + 24, 32);
        path = file_join(net->items, id);
        at = 0;
    }
    buf_init(&buf, ITEM_HEAD_MAX);
    if (file ? read_head(path, at, size, &buf, &it, err)
             : item_head(&it, r->data + 16, r->n - 16, err)) {
        buf_clear(&buf);
        return err_prefix(err, "an item");
    }
    h = index_item(net, &it, NULL, path, at, size);
    h->winc = get_u64(r->data);
    h->taken_ms = get_u64(r->data + 8);
    if (h->taken_ms > net->last_ms)
        net->last_ms = h->taken_ms;
    charge(net, h->owner, h->winc);
    buf_clear(&buf);
    return 0;
}

/* Items were found bundle by bundle, each with what is in it at once: a place
 * is in the last one that holds it. */
static struct stored *holder(struct stored *last, uint64_t at)
{
    while (last->parent && at >= last->at + last->size)
        last = last->parent;
    return last;
}

static int replay_nested(struct net *net, const struct journal_record *r,
                         struct err *err)
{
    struct stored *top = r->n >= 32 ? stored_get(net, id_at(r->data)) : NULL;
    struct stored *last = top;
    struct buf buf;
    struct item it;

    if (!top || (r->n - 32) % 16)
        return err_set(err, ERR_FATAL, "what was found in no bundle");
    top->looked = true;
    buf_init(&buf, ITEM_HEAD_MAX);
    for (size_t p = 32; p < r->n; p += 16) {
        uint64_t at = get_u64(r->data + p), size = get_u64(r->data + p + 8);

        if (at > top->size || size > top->size - at ||
            read_head(top->path, top->at + at, size, &buf, &it, err)) {
            buf_clear(&buf);
            return err_prefix(err, "an item in a bundle");
        }
        last = index_item(net, &it, holder(last, top->at + at), top->path,
                          top->at + at, size);
        last->taken_ms = top->taken_ms;
    }
    buf_clear(&buf);
    return 0;
}

void stored_replayed(struct net *net)
{
    for (size_t i = 0; i < net->n_order; i++)
        look_inside(net, net->order[i]);
}

int stored_replay(struct net *net, const struct journal_record *r,
                  struct err *err)
{
    return r->type == JOURNAL_NESTED ? replay_nested(net, r, err)
                                     : replay_top(net, r, err);
}

void stored_free(struct net *net)
{
    for (size_t i = 0; i < net->n_order; i++)
        if (net->order[i]->path != net->journal_path)
            free(net->order[i]->path);
    idmap_clear(&net->stored, free);
    idmap_clear(&net->spent, free);
    free(net->order);
    free(net->found);
}
