/*
 * The gateway: items by id with the headers of ar.io, transactions, and what
 * a node says about itself.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arweave/data_root.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "localnet/chain.h"
#include "localnet/stored.h"
#include "localnet/net.h"
#include "localnet/range.h"
#include "localnet/route.h"
#include "localnet/routes.h"
#include "localnet/serve.h"
#include "proof/digest.h"

#define MINE_MAX 1000000

static bool is_get(const struct call *c)
{
    return strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0;
}

/* ---- ranges -------------------------------------------------------------- */

/* Status and range of `size` bytes: whether there is a body. */
static bool choose_range(struct net *net, const struct call *c, enum unit u,
                         uint64_t size, struct response *a, uint64_t *at,
                         uint64_t *n)
{
    const char *text = call_header(c, "Range");
    enum range range;

    *at = 0;
    *n = size;
    a->status = 200;
    answer_header(a, "Accept-Ranges", "bytes");
    if (text && faults_now(&net->faults, FAULTS_200_TO_RANGE, u))
        return true;
    range = range_parse(text, size, at, n);
    if (range == RANGE_GOOD) {
        a->status = 206;
        answer_header(a, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%"
                      PRIu64, *at, *at + *n - 1, size);
    } else if (range == RANGE_OUTSIDE) {
        answer_text(a, 416, "range not satisfiable");
        answer_header(a, "Content-Range", "bytes */%" PRIu64, size);
        return false;
    }
    return true;
}

/* What a hostile gateway does to data. */
static void spoil(struct net *net, const struct call *c, enum unit u,
                  struct response *a)
{
    if (faults_now(&net->faults, FAULTS_WRONG_BYTES, u))
        a->fault = FAULT_FLIP;
    else if (faults_now(&net->faults, FAULTS_SHORT, u))
        a->fault = FAULT_SHORT;
    else if (faults_now(&net->faults, FAULTS_STALLED, u))
        a->fault = FAULT_STALL;
    else if (faults_now(&net->faults, FAULTS_ENDLESS_BODY, u))
        a->fault = FAULT_ENDLESS;
    else if (faults_now(&net->faults, FAULTS_REDIRECT_LOOP, u)) {
        a->status = 302;
        answer_header(a, "Location", "%s%s", net->url, c->path);
    }
}

/* ---- items --------------------------------------------------------------- */

static void id_header(struct response *a, const char *name, const void *bytes,
                      size_t n)
{
    char text[1024];

    if (n * 4 / 3 + 2 >= sizeof(text))
        return;
    base64url(text, bytes, n);
    answer_header(a, name, "%s", text);
}

static bool is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] == 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s[i]))
            return false;
    return n > 0;
}

/* Tags as headers; *type is the value of Content-Type, if there is one. */
static void tag_headers(const struct item *it, struct response *a, char *type,
                        size_t n_type)
{
    char name[160];

    answer_header(a, "X-Arweave-Tag-Count", "%zu", it->n_tags);
    for (size_t i = 0; i < it->n_tags; i++) {
        const struct item_tag *t = &it->tag[i];

        if (t->n_name > 100 || !is_token(t->name, t->n_name))
            continue;
        snprintf(name, sizeof(name), "X-Arweave-Tag-%.*s", (int)t->n_name,
                 t->name);
        answer_header(a, name, "%.*s", (int)t->n_value, t->value);
        if (t->n_name == 12 && strncasecmp(t->name, "Content-Type", 12) == 0)
            snprintf(type, n_type, "%.*s", (int)t->n_value, t->value);
    }
}

static void place_headers(const struct stored *h, struct response *a)
{
    uint64_t at = h->top->root_at + (h->at - h->top->at);

    answer_header(a, "X-AR-IO-Data-Item-Size", "%" PRIu64, h->size);
    if (!h->top->root)
        return;
    id_header(a, "X-AR-IO-Root-Transaction-Id", h->top->root->id.b, 32);
    answer_header(a, "X-AR-IO-Root-Data-Item-Offset", "%" PRIu64, at);
    answer_header(a, "X-AR-IO-Root-Data-Offset", "%" PRIu64, at + h->head_n);
}

static const char *item_headers(const struct stored *h, struct response *a,
                                char *type, size_t n_type, struct err *err)
{
    struct id sum;
    struct buf buf;
    struct item it;

    buf_init(&buf, ITEM_HEAD_MAX);
    if (stored_head(h, &buf, &it, err) ||
        stored_digest((struct stored *)h, &sum, err)) {
        buf_clear(&buf);
        return NULL;
    }
    snprintf(type, n_type, "application/octet-stream");
    id_header(a, "X-AR-IO-Digest", sum.b, 32);
    id_header(a, "X-AR-IO-Data-Id", h->id.b, 32);
    id_header(a, "X-Arweave-Signature", it.signature, it.n_signature);
    id_header(a, "X-Arweave-Owner", it.owner, it.n_owner);
    id_header(a, "X-Arweave-Owner-Address", it.address.b, 32);
    answer_header(a, "X-Arweave-Signature-Type", "%u", it.type);
    if (it.target)
        id_header(a, "X-Arweave-Target", it.target, 32);
    if (it.anchor)
        id_header(a, "X-Arweave-Anchor", it.anchor, 32);
    tag_headers(&it, a, type, n_type);
    place_headers(h, a);
    buf_clear(&buf);
    return type;
}

static void serve_item(struct net *net, const struct call *c, enum unit u,
                       const struct stored *h, struct response *a)
{
    struct err err = ERR_INIT;
    uint64_t at, n;
    char type[200];
    bool mute = faults_now(&net->faults, FAULTS_NO_PLACE, u);
    const char *t = mute ? "application/octet-stream"
                         : item_headers(h, a, type, sizeof(type), &err);

    if (!t) {
        answer_text(a, 500, err.text);
        return;
    }
    if (!choose_range(net, c, u, h->size - h->head_n, a, &at, &n))
        return;
    answer_type(a, t);
    answer_piece(a, NULL, xstrdup(h->path), h->at + h->head_n + at, n);
    spoil(net, c, u, a);
}

static void serve_root(struct net *net, const struct call *c, enum unit u,
                       const struct root *r, struct response *a)
{
    uint64_t at, n;

    if (!choose_range(net, c, u, r->size, a, &at, &n))
        return;
    answer_type(a, "application/octet-stream");
    chain_pieces(a, r, at, n);
    spoil(net, c, u, a);
}

static void serve_data(struct net *net, const struct call *c, struct id id,
                       enum unit u, struct response *a)
{
    const struct stored *h = stored_get(net, id);
    const struct root *r = chain_root(net, id);

    if (h)
        serve_item(net, c, u, h, a);
    else if (r)
        serve_root(net, c, u, r, a);
    else
        answer_text(a, 404, "Not Found");
}

/* ---- transactions -------------------------------------------------------- */

static void put_id(struct buf *b, const void *bytes, size_t n)
{
    char text[1024];

    base64url(text, bytes, n);
    buf_printf(b, "\"%s\"", text);
}

static void serve_tx(struct net *net, const struct root *r, struct response *a)
{
    unsigned char owner[KEY_BYTES], last[48];

    key_modulus(net->key, owner);
    chain_anchor(last, r->height);
    buf_puts(&a->body, "{\"format\":2,\"id\":");
    put_id(&a->body, r->id.b, 32);
    buf_puts(&a->body, ",\"last_tx\":");
    put_id(&a->body, last, sizeof(last));
    buf_puts(&a->body, ",\"owner\":");
    put_id(&a->body, owner, sizeof(owner));
    buf_puts(&a->body, ",\"tags\":[");
    for (int i = 0; i < CHAIN_TAGS; i++) {
        buf_puts(&a->body, i ? ",{\"name\":" : "{\"name\":");
        put_id(&a->body, chain_tags[i][0], strlen(chain_tags[i][0]));
        buf_puts(&a->body, ",\"value\":");
        put_id(&a->body, chain_tags[i][1], strlen(chain_tags[i][1]));
        buf_puts(&a->body, "}");
    }
    buf_puts(&a->body, "],\"target\":\"\",\"quantity\":\"0\",\"data_root\":");
    put_id(&a->body, r->data_root.b, 32);
    buf_printf(&a->body, ",\"data_size\":\"%" PRIu64 "\",\"data\":\"\""
               ",\"reward\":\"0\",\"signature\":", r->size);
    put_id(&a->body, r->signature, sizeof(r->signature));
    buf_puts(&a->body, "}");
}

static void serve_status(struct net *net, const struct root *r,
                         struct response *a)
{
    unsigned char block[48];

    chain_block(block, r);
    buf_printf(&a->body, "{\"block_height\":%" PRIu64
               ",\"block_indep_hash\":", r->height);
    put_id(&a->body, block, sizeof(block));
    buf_printf(&a->body, ",\"number_of_confirmations\":%" PRIu64 "}",
               net_height(net) - r->height + 1);
}

static void serve_block(struct net *net, const char *text, struct response *a)
{
    unsigned char hash[48];
    uint64_t height;

    if (!route_number(text, &height) || height < NET_FIRST_HEIGHT ||
        height > net_height(net)) {
        answer_text(a, 404, "Block not found.");
        return;
    }
    chain_block_at(hash, net, height);
    buf_printf(&a->body, "{\"height\":%" PRIu64 ",\"indep_hash\":", height);
    put_id(&a->body, hash, sizeof(hash));
    buf_puts(&a->body, "}");
}

static void tx_route(struct net *net, const char *path, struct response *a)
{
    struct id id;
    const struct root *r = NULL;
    const char *rest;

    if (route_id(path, &id, &rest))
        r = chain_root(net, id);
    if (!r)
        answer_text(a, 404, "Not Found.");
    else if (strcmp(rest, "/status") == 0)
        serve_status(net, r, a);
    else if (strcmp(rest, "/offset") == 0)
        buf_printf(&a->body, "{\"offset\":\"%" PRIu64 "\",\"size\":\"%" PRIu64
                   "\"}", r->weave_at + r->size - 1, r->size);
    else if (rest[0] == '\0')
        serve_tx(net, r, a);
    else
        answer_text(a, 404, "Not Found.");
}

/* ---- chunks -------------------------------------------------------------- */

/* The path from a root's data_root to chunk k: of all its data, read anew. */
static int put_path(struct response *a, const struct root *r, size_t k,
                    struct err *err)
{
    struct id *hash = xcalloc((size_t)(r->size / CHUNK_MAX) + 2,
                              sizeof(*hash));
    char *bytes = xmalloc(CHUNK_MAX), *coded;
    struct buf path;
    uint64_t at = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && at < r->size; i++) {
        uint64_t n = chunk_size(at, r->size);

        rc = chain_read(r, at, bytes, (size_t)n, err);
        digest(&hash[i], bytes, (size_t)n);
        at += n;
    }
    buf_init(&path, DATA_PATH_MAX);
    if (rc == 0) {
        data_root_path(&path, hash, r->size, k);
        coded = xmalloc(path.len / 3 * 4 + 5);
        base64url(coded, path.data, path.len);
        buf_puts(&a->body, coded);
        free(coded);
    }
    buf_clear(&path);
    free(bytes);
    free(hash);
    return rc;
}

/* The chunk that has this byte of the weave. */
static void serve_chunk(struct net *net, const char *text, struct response *a)
{
    const struct root *r = NULL;
    struct err err = ERR_INIT;
    uint64_t offset, at = 0, n;
    char *bytes, *coded;
    size_t k = 0;

    if (route_number(text, &offset))
        r = chain_at(net, offset);
    if (!r) {
        answer_text(a, 404, "{\"error\":\"chunk_not_found\"}");
        return;
    }
    n = chunk_size(0, r->size);
    while (at + n <= offset - r->weave_at) {
        at += n;
        n = chunk_size(at, r->size);
        k++;
    }
    bytes = xmalloc((size_t)n);
    coded = xmalloc((size_t)n / 3 * 4 + 5);
    if (chain_read(r, at, bytes, (size_t)n, &err)) {
        answer_text(a, 500, err.text);
    } else {
        base64url(coded, bytes, (size_t)n);
        answer_type(a, "application/json");
        buf_printf(&a->body, "{\"packing\":\"unpacked\",\"chunk\":\"");
        buf_puts(&a->body, coded);
        buf_puts(&a->body, "\",\"data_path\":\"");
        if (put_path(a, r, k, &err))
            answer_text(a, 500, err.text);
        else
            buf_puts(&a->body, "\"}");
    }
    free(coded);
    free(bytes);
}

/* ---- the rest ------------------------------------------------------------ */

static void anchor(struct net *net, struct response *a)
{
    unsigned char hash[48];
    char text[72];

    chain_anchor(hash, net_height(net));
    base64url(text, hash, sizeof(hash));
    answer_text(a, 200, text);
}

static void mine(struct net *net, const char *text, struct response *a)
{
    struct err err = ERR_INIT;
    char height[24];
    uint64_t n;

    if (!route_number(text, &n) || n < 1 || n > MINE_MAX) {
        answer_text(a, 400, "POST /mine/N, N blocks from 1 to 1000000");
        return;
    }
    if (chain_mine(net, n, &err)) {
        answer_text(a, 500, err.text);
        return;
    }
    snprintf(height, sizeof(height), "%" PRIu64, net_height(net));
    answer_text(a, 200, height);
}

static void answer_number(struct response *a, uint64_t n)
{
    answer_text(a, 200, "");
    buf_printf(&a->body, "%" PRIu64, n);
}

/* "N" or "N/TARGET": of N bytes. */
static void price(const char *text, struct response *a)
{
    char digits[24];
    uint64_t n;

    snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(text, "/"), text);
    if (route_number(digits, &n) && n < UINT64_MAX / 1000)
        answer_number(a, n * 1000);
    else
        answer_text(a, 400, "a number of bytes expected");
}

static void refuse_post(const struct net *net, const char *path,
                        struct response *a)
{
    if (strcmp(path, "tx") != 0 && strcmp(path, "chunk") != 0) {
        answer_text(a, 405, "this gateway takes GET and HEAD");
        return;
    }
    answer_text(a, 501, "this localnet takes no transactions: upload data"
                " items to ");
    buf_printf(&a->body, "%s/bundler", net->url);
}

void gateway_route(struct net *net, const struct call *c, const char *path,
                   enum unit u, struct response *a)
{
    bool raw = strncmp(path, "raw/", 4) == 0;
    struct id id;
    const char *rest;

    if (strcmp(c->method, "POST") == 0 && strncmp(path, "mine/", 5) == 0)
        mine(net, path + 5, a);
    else if (!is_get(c))
        refuse_post(net, path, a);
    else if (strcmp(path, "info") == 0 || path[0] == '\0')
        buf_printf(&a->body, "{\"network\":\"localnet\",\"version\":5,"
                   "\"release\":1,\"height\":%" PRIu64 ",\"blocks\":%" PRIu64
                   ",\"peers\":0}", net_height(net), net_height(net) + 1);
    else if (strcmp(path, "height") == 0)
        answer_number(a, net_height(net));
    else if (strcmp(path, "tx_anchor") == 0)
        anchor(net, a);
    else if (strcmp(path, "peers") == 0)
        buf_puts(&a->body, "[]");
    else if (strncmp(path, "price/", 6) == 0)
        price(path + 6, a);
    else if (strncmp(path, "wallet/", 7) == 0 &&
             route_id(path + 7, &id, &rest) && strcmp(rest, "/balance") == 0)
        answer_number(a, stored_balance(net, id));
    else if (strncmp(path, "wallet/", 7) == 0 &&
             route_id(path + 7, &id, &rest) && strcmp(rest, "/last_tx") == 0)
        answer_text(a, 200, ""); /* wallets here only sign items */
    else if (strncmp(path, "chunk/", 6) == 0)
        serve_chunk(net, path + 6, a);
    else if (strncmp(path, "block/height/", 13) == 0)
        serve_block(net, path + 13, a);
    else if (strncmp(path, "block/", 6) == 0)
        answer_text(a, 404, "this localnet has blocks by their height alone");
    else if (strncmp(path, "tx/", 3) == 0)
        tx_route(net, path + 3, a);
    else if (route_id(raw ? path + 4 : path, &id, &rest) && rest[0] == '\0')
        serve_data(net, c, id, u, a);
    else
        answer_text(a, 404, "Not Found");
}
