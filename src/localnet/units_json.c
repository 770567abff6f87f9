/*
 * The forms of the legacynet units; numbers are strings where theirs are.
 */
#include <config.h>

#include "localnet/units_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json_write.h"
#include "localnet/stored.h"
#include "localnet/item_json.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "localnet/units.h"

/* The fields of an item, after the first members of an object. */
static void put_item(struct net *net, struct buf *b, const struct message *m,
                     bool data)
{
    struct item it;
    struct buf raw;

    buf_init(&raw, JOURNAL_MAX);
    if (buf_reserve(&raw, m->size, "message", NULL) ||
        stored_read(stored_get(net, m->id), 0, raw.data, m->size, NULL) ||
        item_head(&it, raw.data, m->size, NULL)) {
        buf_clear(&raw);
        return;
    }
    item_json_owner(b, &it);
    if (data)
        json_put_scrubbed(b, "data", raw.data + it.head_n,
                          m->size - it.head_n);
    item_json_tags(b, &it);
    item_json_bytes(b, "signature", it.signature, it.n_signature);
    if (it.anchor)
        item_json_bytes(b, "anchor", it.anchor, 32);
    else
        json_put_text(b, "anchor", NULL);
    buf_clear(&raw);
}

static void put_tag(struct buf *b, const char *name, const char *value,
                    const char *end)
{
    buf_printf(b, "{\"name\":\"%s\",\"value\":\"%s\"}%s", name, value, end);
}

static void put_number(struct buf *b, const char *name, const char *format,
                       uint64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), format, value);
    put_tag(b, name, text, ",");
}

static void put_assignment(struct net *net, struct buf *b,
                           const struct message *m)
{
    buf_puts(b, "{");
    json_put_id(b, "id", m->chain);
    buf_printf(b, ",\"owner\":{\"address\":\"%s\",\"key\":\"\"},\"tags\":[",
               net->address_text);
    put_tag(b, "Data-Protocol", "ao", ",");
    put_tag(b, "Variant", "ao.TN.1", ",");
    put_tag(b, "Process", m->process->id_text, ",");
    put_number(b, "Epoch", "%" PRIu64, 0);
    put_number(b, "Nonce", "%" PRIu64, m->slot);
    put_tag(b, "Hash-Chain", id_text(m->chain).s, ",");
    put_number(b, "Block-Height", "%012" PRIu64, m->height);
    put_number(b, "Timestamp", "%" PRIu64, m->timestamp_ms);
    put_tag(b, "Type", "Assignment", ",");
    put_tag(b, "Message", m->id_text, "");
    buf_puts(b, "],\"signature\":\"\",\"anchor\":null,\"target\":\"\"}");
}

void units_put_node(struct net *net, struct buf *b, const struct message *m)
{
    buf_printf(b, "{\"message\":{\"id\":\"%s\",\"target\":\"%s\"",
               m->id_text, m->process->id_text);
    put_item(net, b, m, true);
    buf_puts(b, "},\"assignment\":");
    put_assignment(net, b, m);
    buf_puts(b, "}");
}

void units_put_schedule(struct net *net, struct buf *b, const struct process *p,
                        const struct schedule_page *page)
{
    uint64_t n = 0;
    bool more = false;

    buf_puts(b, "{\"edges\":[");
    for (size_t i = 0; i < p->n && !more; i++) {
        const struct message *m = p->message[i];
        uint64_t at = page->by_slot ? m->slot : m->timestamp_ms;

        if ((!page->from_start && at <= page->from) || at > page->to)
            continue;
        if (n == page->limit) {
            more = true;
            break;
        }
        buf_printf(b, "%s{\"cursor\":\"%" PRIu64 "\",\"node\":",
                   n ? "," : "", at);
        units_put_node(net, b, m);
        buf_puts(b, "}");
        n++;
    }
    buf_printf(b, "],\"page_info\":{\"has_next_page\":%s}}",
               more ? "true" : "false");
}

void units_put_process(struct net *net, struct buf *b,
                       const struct process *p)
{
    const struct message *m = p->message[0];

    buf_printf(b, "{\"process_id\":\"%s\",\"block\":\"%012" PRIu64
               "\",\"timestamp\":%" PRIu64, p->id_text, m->height,
               m->timestamp_ms);
    put_item(net, b, m, true);
    buf_puts(b, "}");
}
