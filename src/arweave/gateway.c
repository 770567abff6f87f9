/*
 * Gateways: asking them in turn, finding an item in the transaction that holds
 * it, reading it.  Files are gateway_file.c's, headers gateway_head.c's.
 */
#include <config.h>

#include "arweave/gateway.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/gateway_head.h"
#include "arweave/gateway_internal.h"
#include "arweave/item.h"
#include "arweave/tx.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"

#define MAX_GATEWAYS 32
#define RAW "raw/" /* what has no form of its own */

/* ---- the list ----- */

static int add_gateways(struct gateways *g, const char *text,
                        struct err *err)
{
    while (*text) {
        size_t n = strcspn(text, " ,\t");
        char *url;

        if (n && g->n == MAX_GATEWAYS)
            return err_set(err, ERR_INPUT, "the setting \"gateways\" has "
                           "more than %d", MAX_GATEWAYS);
        if (n) {
            url = xstrndup(text, n);
            g->url[g->n++] = url;
            if (http_url_check(url, err))
                return err_prefix(err, "the setting \"gateways\"");
        }
        text += n + (text[n] != '\0');
    }
    if (!g->n)
        return err_set(err, ERR_INPUT, "the setting \"gateways\" is empty");
    return 0;
}

int gateways_new(struct gateways **out, const struct settings *s,
                 struct err *err)
{
    struct gateways *g = xcalloc(1, sizeof(*g));

    g->url = xcalloc(MAX_GATEWAYS, sizeof(*g->url));
    http_limits_of(&g->limits, s);
    if (add_gateways(g, settings_text(s, "gateways"), err) ||
        http_new(&g->http, &g->limits, err)) {
        gateways_free(g);
        return -1;
    }
    *out = g;
    return 0;
}

void gateways_free(struct gateways *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++)
        free(g->url[i]);
    free(g->url);
    http_free(g->http);
    free(g);
}

size_t gateways_count(const struct gateways *g)
{
    return g->n;
}

const char *gateways_url(const struct gateways *g, size_t i)
{
    return g->url[i];
}

void gateways_caller(struct gateways *g, const struct caller *c)
{
    g->caller = caller_or_none(c);
    http_stop(g->http, g->caller.stop);
}

int gateways_each(struct gateways *g, size_t first, size_t end,
                  gateway_attempt_fn *attempt, void *self, struct err *err)
{
    struct err why = ERR_INIT;
    bool may_pass = false, passing;

    if (first >= end)
        return err_set(err, ERR_INPUT, "the setting \"gateways\" has only "
                       "%zu", g->n);
    for (unsigned turn = 0;; turn++) {
        passing = false;
        for (size_t i = first; i < end; i++) {
            why.code = ERR_NONE;
            g->passing = false;
            if (!attempt(g, i, self, &why))
                return 0;
            if (why.code == ERR_FATAL || caller_stops(&g->caller))
                goto failed;
            passing |= g->passing;
            may_pass |= why.code == ERR_RETRY;
            if (end - first > 1)
                caller_note(&g->caller, false, why.text);
        }
        g->passing = passing;
        if (!passing || turn >= g->limits.retries ||
            http_wait(g->http, turn, NULL, NULL))
            break;
    }
    why.code = may_pass ? ERR_RETRY : ERR_INPUT;
failed:
    return err_copy(err, &why);
}

/* ---- one question ----- */

/* A status that is not a success, as an error. */
static int status_failure(struct gateways *g, const char *url,
                          const struct http_answer *a, bool range,
                          struct err *err)
{
    g->passing = a->status == 429 || a->status >= 500;
    if (range && a->status == 416)
        return err_set(err, ERR_INPUT, "\"%s\" has not the bytes that should "
                       "be there", url);
    if (a->status == 404 || a->status == 410)
        return err_set(err, ERR_RETRY, "\"%s\" is not there (%d)", url,
                       a->status);
    return err_set(err, ERR_RETRY, "\"%s\" answers %d %s", url, a->status,
                   a->reason);
}

int gateway_ask(struct gateways *g, size_t i, const char *path,
                struct http_request *r, struct http_answer *a,
                struct err *err)
{
    int want = r->range_n ? 206 : 200;
    char *url = http_url_join(g->url[i], path);
    struct err why = ERR_INIT;
    int rc;

    r->url = url;
    g->passing = g->page = false;
    rc = http_do(g->http, r, a, &why);
    if (rc) {
        g->passing = why.code == ERR_RETRY;
        err_copy(err, &why);
    } else if (a->status != want) {
        rc = status_failure(g, url, a, r->range_n > 0, err);
    } else if (strncmp(path, RAW, strlen(RAW)) != 0 && http_is_page(a)) {
        g->page = true;
        rc = err_set(err, ERR_RETRY, "\"%s\" answers %d with a web page: look"
                     " for a proxy or a login page on the way", url,
                     a->status);
    }
    free(url);
    r->url = NULL;
    return rc;
}

void gateway_data_init(struct gateway_data *d)
{
    memset(d, 0, sizeof(*d));
    buf_init(&d->head, ITEM_HEAD_MAX);
}

void gateway_data_clear(struct gateway_data *d)
{
    buf_clear(&d->head);
    gateway_data_init(d);
}

int gateway_read(struct gateways *g, size_t i, const struct gateway_data *d,
                 uint64_t from, uint64_t n, http_sink_fn *take, void *self,
                 struct err *err)
{
    struct http_request r = { .method = "GET", .range_at = d->at + from,
                              .range_n = n, .max_body = n, .sink = take,
                              .sink_self = self };
    struct http_answer a;
    int rc;

    assert(from <= d->size && n <= d->size - from);
    if (!n)
        return 0;
    http_answer_init(&a);
    rc = gateway_ask(g, i, d->path, &r, &a, err);
    http_answer_clear(&a);
    return rc;
}

/* ---- where an item is ----- */

void gateway_path(struct gateway_data *d, struct id id)
{
    snprintf(d->path, sizeof(d->path), RAW "%s", id_text(id).s);
}

/* The head of an item of `size` bytes at `at` of what d->path names: its
 * front is read, and the rest of d filled in. */
static int read_head(struct gateways *g, size_t i, struct id id, uint64_t at,
                     uint64_t size, struct gateway_data *d, struct err *err)
{
    uint64_t n = size < ITEM_HEAD_MAX ? size : ITEM_HEAD_MAX;
    struct http_request r = { .method = "GET", .range_at = at, .range_n = n,
                              .max_body = n };
    struct http_answer a;
    enum item_read read;
    struct item it;
    int rc = -1;

    if (size < 1 || at > UINT64_MAX - size)
        return err_set(err, ERR_INPUT, "\"%s\" says that an item is where "
                       "none can be", g->url[i]);
    http_answer_init(&a);
    if (gateway_ask(g, i, d->path, &r, &a, err))
        goto out;
    read = item_head(&it, a.body.data, a.body.len, err);
    rc = read == ITEM_READ ? 0 : -1;
    if (read == ITEM_SHORT)
        err_set(err, ERR_INPUT, "an item is cut off");
    else if (!rc && !id_equal(it.id, id))
        rc = err_set(err, ERR_INPUT, "there is another item");
    if (rc) {
        err_prefix(err, "\"%s/%s\" at %" PRIu64, g->url[i], d->path, at);
        goto out;
    }
    buf_reset(&d->head);
    buf_put(&d->head, a.body.data, it.head_n);
    d->at = at + it.head_n;
    d->size = size - it.head_n;
out:
    http_answer_clear(&a);
    return rc;
}

/* By the headers with the item's parts, if they are there. */
static enum found make_head(struct gateways *g, size_t i, struct id id,
                            const struct http_answer *a, uint64_t n_data,
                            struct gateway_data *d, struct err *err)
{
    struct item it;
    enum found found;

    buf_reset(&d->head);
    found = gateway_head_make(&d->head, a->head.data, a->head.len, err);
    if (found == FOUND_ONE &&
        item_head(&it, d->head.data, d->head.len, err) != ITEM_READ)
        found = FOUND_FAILED;
    if (found == FOUND_ONE && !id_equal(it.id, id))
        found = err_set(err, ERR_INPUT, "its headers are those of another"
                        " item");
    if (found == FOUND_FAILED)
        err_prefix(err, "\"%s\"", g->url[i]);
    gateway_path(d, id);
    d->at = 0;
    d->size = n_data;
    return found;
}

/* As a transaction. */
static enum found find_tx(struct gateways *g, size_t i, struct id id,
                          struct gateway_data *d, struct err *err)
{
    struct http_request r = { .method = "GET", .max_body = TX_JSON_MAX };
    char path[64];
    struct err no = ERR_INIT;
    struct http_answer a;
    struct tx tx;
    enum found found;

    snprintf(path, sizeof(path), "tx/%s", id_text(id).s);
    http_answer_init(&a);
    found = gateway_ask(g, i, path, &r, &a, &no) ? FOUND_NONE : FOUND_ONE;
    if (found == FOUND_NONE && g->page)
        found = err_copy(err, &no);
    if (found == FOUND_ONE &&
        tx_check(&tx, a.body.data, a.body.len, &id, err))
        found = err_prefix(err, "\"%s/%s\"", g->url[i], path);
    if (found == FOUND_ONE) {
        buf_reset(&d->head);
        gateway_path(d, id);
        d->at = 0;
        d->size = tx.data_size;
        d->is_tx = true;
        d->data_root = tx.data_root;
        tx_clear(&tx);
    }
    http_answer_clear(&a);
    return found;
}

/* By the table of the bundle that holds it. */
static enum found find_bundled(struct gateways *g, size_t i, struct id id,
                               struct gateway_data *d, struct err *err)
{
    struct gateway_place place;
    enum found found = gateway_bundled(g, i, id, &place, err);

    if (found != FOUND_ONE)
        return found;
    gateway_path(d, place.bundle);
    return read_head(g, i, id, place.at, place.size, d, err) ? FOUND_FAILED
                                                             : FOUND_ONE;
}

int gateway_find(struct gateways *g, size_t i, struct id id,
                 struct gateway_data *d, struct err *err)
{
    struct http_request r = { .method = "HEAD", .max_body = 1 };
    struct gateway_hint hint;
    struct http_answer a;
    struct err why = ERR_INIT;
    int rc = -1;

    http_answer_init(&a);
    gateway_path(d, id);
    d->is_tx = false;
    if (gateway_ask(g, i, d->path, &r, &a, err))
        goto out;
    gateway_hint_read(&hint, a.head.data, a.head.len);
    if (hint.has_root && !id_equal(hint.root, id)) {
        gateway_path(d, hint.root);
        rc = read_head(g, i, id, hint.at, hint.size, d, &why);
    }
    if (rc && hint.has_data &&
        make_head(g, i, id, &a, hint.n_data, d, &why) == FOUND_ONE)
        rc = 0;
    if (rc && !why.code && find_tx(g, i, id, d, &why) == FOUND_ONE)
        rc = 0;
    if (rc && !why.code && find_bundled(g, i, id, d, &why) == FOUND_ONE)
        rc = 0;
    if (rc && !why.code)
        err_set(&why, ERR_RETRY, "\"%s\" does not say where the item is",
                g->url[i]);
    if (rc)
        err_copy(err, &why);
out:
    http_answer_clear(&a);
    return rc;
}

/* ---- a whole item ----- */

struct whole_file {
    const struct id *id;
    const struct gateway_place *place; /* or NULL */
    struct buf *raw;
    struct item *it;
};

static int take_raw(void *self, const void *data, size_t n, struct err *err)
{
    struct buf *raw = self;

    if (buf_reserve(raw, n, "an item", err))
        return -1;
    buf_put(raw, data, n);
    return 0;
}

static int refuse_tx(struct gateways *g, size_t i,
                     const struct gateway_data *d, struct err *err)
{
    char name[BUNDLE_NAME];
    uint64_t n_items = 0;
    bool bundle = false;
    struct buf b;

    buf_init(&b, 32);
    if (d->size >= 32 && !gateway_read(g, i, d, 0, 32, take_raw, &b, NULL))
        bundle = bundle_begins(b.data, b.len, &n_items);
    buf_clear(&b);
    bundle_name(name, n_items);
    if (bundle)
        return err_set(err, ERR_INPUT, "\"%s/%s\" is a transaction with %s, "
                       "not an item", g->url[i], d->path, name);
    return err_set(err, ERR_INPUT, "\"%s/%s\" is a transaction and no item",
                   g->url[i], d->path);
}

/* The bytes behind the head in d, and everything verified. */
static int read_whole(struct gateways *g, size_t i, struct whole_file *w,
                      const struct gateway_data *d, struct err *err)
{
    size_t before = w->raw->len;
    uint64_t room = w->raw->max - before;
    int rc = -1;

    if (d->is_tx)
        return refuse_tx(g, i, d, err);
    if (d->head.len > room || d->size > room - d->head.len)
        return err_set(err, ERR_INPUT, "\"%s/%s\": the item has %" PRIu64
                       " bytes, at most %" PRIu64 " are read", g->url[i],
                       d->path, d->size + d->head.len, room);
    if (take_raw(w->raw, d->head.data, d->head.len, err))
        return -1;
    if (gateway_read(g, i, d, 0, d->size, take_raw, w->raw, err))
        goto out;
    if (item_open(w->it, w->raw->data + before, w->raw->len - before, err)) {
        err_prefix(err, "\"%s/%s\"", g->url[i], d->path);
        goto out;
    }
    if (!id_equal(w->it->id, *w->id)) {
        err_set(err, ERR_INPUT, "\"%s/%s\" is another item", g->url[i],
                d->path);
        goto out;
    }
    rc = 0;
out:
    if (rc) {
        w->raw->len = before;
        w->raw->data[before] = '\0';
    }
    return rc;
}

static int try_whole(struct gateways *g, size_t i, void *self,
                     struct err *err)
{
    struct whole_file *w = self;
    struct gateway_data d;
    int rc = -1;

    gateway_data_init(&d);
    if (w->place) {
        gateway_path(&d, w->place->bundle);
        rc = read_head(g, i, *w->id, w->place->at, w->place->size, &d, err);
        rc = rc ? rc : read_whole(g, i, w, &d, err);
    }
    /* It may know the item by itself, too. */
    if (rc) {
        rc = gateway_find(g, i, *w->id, &d, err);
        rc = rc ? rc : read_whole(g, i, w, &d, err);
    }
    gateway_data_clear(&d);
    return rc;
}

int gateway_item(struct gateways *g, struct id id, size_t skip, struct buf *raw,
                 struct item *it, struct err *err)
{
    struct whole_file w = { &id, NULL, raw, it };

    return gateways_each(g, skip, g->n, try_whole, &w, err);
}

int gateway_item_at(struct gateways *g, struct id id,
                    const struct gateway_place *place, size_t skip,
                    struct buf *raw, struct item *it, struct err *err)
{
    struct whole_file w = { &id, place, raw, it };

    return gateways_each(g, skip, g->n, try_whole, &w, err);
}
