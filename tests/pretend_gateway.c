/*
 * The gateways of pretend_gateway.h.
 */
#include <config.h>

#include "tests/pretend_gateway.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/base64.h"
#include "base/id.h"
#include "base/mem.h"

#define LONG 8192

void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    buf_init(&w->data, 64u << 20);
    memset(w->root.b, 0x5a, 32);
}

void world_clear(struct world *w)
{
    buf_clear(&w->data);
}

void world_add(struct world *w, struct id id, const void *item, size_t n,
               size_t head_n)
{
    struct world_item *x = &w->item[w->n_items++];

    buf_puts(&w->data, "something else");
    x->id = id;
    x->at = w->data.len;
    x->size = n;
    x->head_n = head_n;
    buf_put(&w->data, item, n);
    buf_puts(&w->data, "more");
}

static void put_id(struct buf *b, const char *name, const void *p, size_t n)
{
    char text[1024];

    base64url(text, p, n);
    buf_printf(b, "%s: %s\r\n", name, text);
}

static void put_parts(struct buf *b, const struct world *w,
                      const struct world_item *x)
{
    struct item it;

    if (item_head(&it, w->data.data + x->at, x->size, NULL))
        abort();
    put_id(b, "X-Arweave-Signature", it.signature, it.n_signature);
    put_id(b, "X-Arweave-Owner", it.owner, it.n_owner);
    if (it.target)
        put_id(b, "X-Arweave-Target", it.target, 32);
    if (it.anchor)
        put_id(b, "X-Arweave-Anchor", it.anchor, 32);
    buf_printf(b, "X-Arweave-Tag-Count: %zu\r\n", it.n_tags);
    for (size_t i = 0; i < it.n_tags; i++)
        buf_printf(b, "X-Arweave-Tag-%.*s: %.*s\r\n", (int)it.tag[i].n_name,
                   it.tag[i].name, (int)it.tag[i].n_value, it.tag[i].value);
}

static void put_place(struct buf *b, const struct pretend_gateway *g,
                      const struct world_item *x)
{
    size_t at = x->at + (g->way == WAY_ELSEWHERE);

    put_id(b, "X-AR-IO-Root-Transaction-Id", g->world->root.b, 32);
    buf_printf(b, "X-AR-IO-Root-Data-Item-Offset: %zu\r\n", at);
    buf_printf(b, "X-AR-IO-Root-Data-Offset: %zu\r\n", at + x->head_n);
    if (g->way == WAY_ENDLESS)
        buf_puts(b, "X-AR-IO-Data-Item-Size: 18446744073709551600\r\n");
    else if (g->way != WAY_OLD)
        buf_printf(b, "X-AR-IO-Data-Item-Size: %zu\r\n", x->size);
}

/* A long range, in the way of this gateway. */
static void send_range(struct pretend_gateway *g, struct pretend_call *c,
                       const char *data, size_t n)
{
    bool flip = g->way == WAY_FLIP || g->way == WAY_SHORT_FLIP;
    size_t len = (size_t)c->range_n, stop = len;
    char *copy, *head;

    if (c->range_at > n || len > n - c->range_at) {
        pretend_answer(c, "416 Range Not Satisfiable", "", "", 0);
        return;
    }
    if (g->way != WAY_FLIP)
        stop = len / 2;
    copy = xmalloc(len);
    memcpy(copy, data + c->range_at, len);
    if (flip)
        copy[stop - 1] ^= 1;
    head =
        xasprintf("HTTP/1.1 206 Partial\r\nContent-Range: bytes "
                  "%" PRIu64 "-%" PRIu64 "/%zu\r\nContent-Length: %zu\r\n\r\n",
                  c->range_at, c->range_at + len - 1, n, len);
    g->n_bytes += stop; /* who has it all may look at once */
    pretend_puts(c, head);
    pretend_put(c, copy, stop);
    c->close = true;
    if (g->way == WAY_STALL)
        pretend_wait(c, 20000);
    free(head);
    free(copy);
}

static void send_data(struct pretend_gateway *g, struct pretend_call *c,
                      const char *headers, const char *data, size_t n)
{
    bool is_long = c->has_range && c->range_n > LONG;

    if (is_long && !g->n_reads++)
        g->first_at = c->range_at;
    if (is_long && g->way == WAY_GOOD)
        g->n_bytes += c->range_n;
    if (c->has_range && g->way == WAY_WHOLE)
        pretend_answer(c, "200 OK", headers, data, n);
    else if (is_long && (g->way == WAY_FLIP || g->way == WAY_SHORT ||
                         g->way == WAY_SHORT_FLIP || g->way == WAY_STALL))
        send_range(g, c, data, n);
    else
        pretend_file(c, headers, data, n);
}

static void send_item(struct pretend_gateway *g, struct pretend_call *c,
                      const struct world_item *x)
{
    struct buf b;

    buf_init(&b, 65536);
    buf_puts(&b, "X-Cache: MISS\r\n");
    if (g->way == WAY_PARTS)
        put_parts(&b, g->world, x);
    else if (g->way != WAY_SILENT &&
             (g->way != WAY_INDEX || id_equal(x->id, *g->placed)))
        put_place(&b, g, x);
    send_data(g, c, b.data, g->world->data.data + x->at + x->head_n,
              x->size - x->head_n);
    buf_clear(&b);
}

static void serve(struct pretend_call *c)
{
    struct pretend_gateway *g = c->self;
    struct world *w = g->world;
    bool raw = strncmp(c->path, "/raw/", 5) == 0;
    struct id id;

    if (g->way == WAY_BUSY || (g->way == WAY_BUSY_ONCE && c->n_call == 1)) {
        pretend_answer(c, "503 Busy", "", "later", 5);
        return;
    }
    if (g->way == WAY_PAGE) {
        pretend_answer(c, "200 OK", "Content-Type: text/html\r\n",
                       "\n<!DOCTYPE html>", 16);
        return;
    }
    if (g->way == WAY_INDEX && strcmp(c->path, "/graphql") == 0) {
        pretend_answer(c, "200 OK", "", g->index, strlen(g->index));
        return;
    }
    if (g->way == WAY_MISSING || strlen(c->path) < 4 ||
        id_parse(&id, c->path + (raw ? 5 : 4))) {
        pretend_answer(c, "404 Not Found", "", "no", 2);
        return;
    }
    for (size_t i = 0; raw && i < w->n_items; i++)
        if (id_equal(w->item[i].id, id)) {
            send_item(g, c, &w->item[i]);
            return;
        }
    if (!id_equal(id, w->root) || (!raw && !w->tx))
        pretend_answer(c, "404 Not Found", "", "no", 2);
    else if (raw)
        send_data(g, c, "", w->data.data, w->data.len);
    else
        pretend_answer(c, "200 OK", "", w->tx, w->n_tx);
}

void pretend_gateway_start(struct pretend_gateway *g, struct world *w,
                           enum gateway_way way)
{
    memset(g, 0, sizeof(*g));
    g->world = w;
    g->way = way;
    g->server = pretend_start(serve, g);
}

void pretend_gateway_end(struct pretend_gateway *g)
{
    pretend_end(g->server);
}
