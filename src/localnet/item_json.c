/*
 * Fields of an item in JSON.
 */
#include <config.h>

#include "localnet/item_json.h"

#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/json_write.h"

#define B64_MAX 1024

void item_json_bytes(struct buf *b, const char *key, const void *bytes,
                     size_t n)
{
    char text[B64_MAX] = "";

    if (bytes && n * 4 / 3 + 2 <= sizeof(text))
        base64url(text, bytes, n);
    json_put_text(b, key, text);
}

void item_json_tags(struct buf *b, const struct item *it)
{
    json_put_key(b, "tags");
    buf_putc(b, '[');
    for (size_t i = 0; i < it->n_tags; i++) {
        buf_puts(b, i ? ",{" : "{");
        json_put_scrubbed(b, "name", it->tag[i].name, it->tag[i].n_name);
        json_put_scrubbed(b, "value", it->tag[i].value, it->tag[i].n_value);
        buf_putc(b, '}');
    }
    buf_putc(b, ']');
}

void item_json_owner(struct buf *b, const struct item *it)
{
    json_put_key(b, "owner");
    buf_putc(b, '{');
    item_json_bytes(b, "address", it->address.b, 32);
    item_json_bytes(b, "key", it->owner, it->n_owner);
    buf_putc(b, '}');
}
