/*
 * Fields of the type Transaction of Arweave's gateways; sizes and amounts are
 * texts there.
 */
#include <config.h>

#include "localnet/graphql_node.h"

#include <string.h>
#include <strings.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/json_write.h"
#include "localnet/chain.h"
#include "localnet/stored.h"
#include "localnet/item_json.h"

static void put_data(struct buf *out, const struct stored *h,
                     const struct item *it)
{
    json_put_key(out, "data");
    buf_putc(out, '{');
    json_put_digits(out, "size", h->size - h->head_n);
    for (size_t i = 0; i < it->n_tags; i++) {
        const struct item_tag *t = &it->tag[i];

        if (t->n_name == 12 && strncasecmp(t->name, "Content-Type", 12) == 0) {
            json_put_scrubbed(out, "type", t->value, t->n_value);
            buf_puts(out, "}");
            return;
        }
    }
    json_put_text(out, "type", NULL);
    buf_puts(out, "}");
}

static void put_block(struct buf *out, const struct stored *h)
{
    const struct root *r = h->top->root;
    unsigned char hash[48];

    if (!r) {
        json_put_text(out, "block", NULL);
        return;
    }
    json_put_key(out, "block");
    buf_putc(out, '{');
    chain_block(hash, r);
    item_json_bytes(out, "id", hash, sizeof(hash));
    json_put_number(out, "height", r->height);
    json_put_number(out, "timestamp", h->top->taken_ms / 1000);
    chain_anchor(hash, r->height);
    item_json_bytes(out, "previous", hash, sizeof(hash));
    buf_puts(out, "}");
}

static void put_parent(struct buf *out, const char *name,
                       const struct stored *h)
{
    const struct id *bundle = chain_bundle(h);

    if (!bundle) {
        json_put_text(out, name, NULL);
        return;
    }
    json_put_key(out, name);
    buf_putc(out, '{');
    json_put_id(out, "id", *bundle);
    buf_puts(out, "}");
}

void graphql_put_node(struct buf *out, const struct stored *h,
                      const struct item *it)
{
    static const char nothing[] = "{\"winston\":\"0\",\"ar\":\"0\"}";

    buf_putc(out, '{');
    json_put_id(out, "id", it->id);
    item_json_bytes(out, "anchor", it->anchor, 32);
    item_json_bytes(out, "signature", it->signature, it->n_signature);
    item_json_bytes(out, "recipient", it->target, 32);
    item_json_owner(out, it);
    json_put_key(out, "fee");
    buf_puts(out, nothing);
    json_put_key(out, "quantity");
    buf_puts(out, nothing);
    put_data(out, h, it);
    item_json_tags(out, it);
    put_block(out, h);
    put_parent(out, "parent", h);
    put_parent(out, "bundledIn", h);
    buf_putc(out, '}');
}
