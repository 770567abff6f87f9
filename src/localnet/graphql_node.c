/*
 * Fields of the type Transaction of Arweave's gateways; sizes and amounts are
 * texts there.
 */
#include <config.h>

#include "localnet/graphql_node.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "localnet/chain.h"
#include "localnet/held.h"

#define B64_MAX 1024

/* Bytes that somebody sent, as text. */
static void put_text(struct buf *out, const char *s, size_t n)
{
    struct buf clean;

    buf_init(&clean, 3 * n + 1);
    utf8_scrub(&clean, s, n);
    json_put_string(out, clean.data ? clean.data : "", clean.len);
    buf_clear(&clean);
}

/* "name":"base64url"; no bytes are "". */
static void put_bytes(struct buf *out, const char *name, const void *bytes,
                      size_t n)
{
    char text[B64_MAX] = "";

    if (bytes && n * 4 / 3 + 2 <= sizeof(text))
        base64url(text, bytes, n);
    buf_printf(out, "\"%s\":\"%s\"", name, text);
}

static void put_tags(struct buf *out, const struct item *it)
{
    buf_puts(out, "\"tags\":[");
    for (size_t i = 0; i < it->n_tags; i++) {
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        put_text(out, it->tag[i].name, it->tag[i].n_name);
        buf_puts(out, ",\"value\":");
        put_text(out, it->tag[i].value, it->tag[i].n_value);
        buf_puts(out, "}");
    }
    buf_puts(out, "]");
}

static void put_data(struct buf *out, const struct held *h,
                     const struct item *it)
{
    buf_printf(out, "\"data\":{\"size\":\"%" PRIu64 "\",\"type\":",
               h->size - h->head_n);
    for (size_t i = 0; i < it->n_tags; i++) {
        const struct item_tag *t = &it->tag[i];

        if (t->n_name == 12 && strncasecmp(t->name, "Content-Type", 12) == 0) {
            put_text(out, t->value, t->n_value);
            buf_puts(out, "}");
            return;
        }
    }
    buf_puts(out, "null}");
}

static void put_block(struct buf *out, const struct held *h)
{
    const struct root *r = h->top->root;
    unsigned char hash[48];

    if (!r) {
        buf_puts(out, "\"block\":null");
        return;
    }
    buf_puts(out, "\"block\":{");
    chain_block(hash, r);
    put_bytes(out, "id", hash, sizeof(hash));
    buf_printf(out, ",\"height\":%" PRIu64 ",\"timestamp\":%" PRIu64 ",",
               r->height, h->top->taken_ms / 1000);
    chain_anchor(hash, r->height);
    put_bytes(out, "previous", hash, sizeof(hash));
    buf_puts(out, "}");
}

static void put_parent(struct buf *out, const char *name,
                       const struct held *h)
{
    const struct id *bundle = chain_bundle(h);

    buf_printf(out, "\"%s\":", name);
    if (!bundle) {
        buf_puts(out, "null");
        return;
    }
    buf_puts(out, "{");
    put_bytes(out, "id", bundle, 32);
    buf_puts(out, "}");
}

void graphql_put_node(struct buf *out, const struct held *h,
                      const struct item *it)
{
    static const char nothing[] = "{\"winston\":\"0\",\"ar\":\"0\"}";

    buf_puts(out, "{");
    put_bytes(out, "id", it->id.b, 32);
    buf_puts(out, ",");
    put_bytes(out, "anchor", it->anchor, 32);
    buf_puts(out, ",");
    put_bytes(out, "signature", it->signature, it->n_signature);
    buf_puts(out, ",");
    put_bytes(out, "recipient", it->target, 32);
    buf_puts(out, ",\"owner\":{");
    put_bytes(out, "address", it->address.b, 32);
    buf_puts(out, ",");
    put_bytes(out, "key", it->owner, it->n_owner);
    buf_printf(out, "},\"fee\":%s,\"quantity\":%s,", nothing, nothing);
    put_data(out, h, it);
    buf_puts(out, ",");
    put_tags(out, it);
    buf_puts(out, ",");
    put_block(out, h);
    buf_puts(out, ",");
    put_parent(out, "parent", h);
    buf_puts(out, ",");
    put_parent(out, "bundledIn", h);
    buf_puts(out, "}");
}
