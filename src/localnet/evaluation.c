/*
 * The names of fields are those of the network.
 */
#include <config.h>

#include "localnet/evaluation.h"

#include "base/buf.h"
#include "localnet/vm.h"

static void put_field(struct buf *b, const char *name, const char *value)
{
    vm_put_text(b, name);
    vm_put_text(b, value);
}

static void put_number(struct buf *b, const char *name, uint64_t value)
{
    vm_put_text(b, name);
    vm_put_int(b, value);
}

static void put_tags(struct buf *b, const struct item_tag *tag, size_t n)
{
    vm_put_text(b, "Tags");
    vm_put_list(b, n);
    for (size_t i = 0; i < n; i++)
        vm_put_tag(b, tag[i].name, tag[i].n_name, tag[i].value,
                   tag[i].n_value);
}

void evaluation_put(struct buf *b, const struct evaluation *e)
{
    vm_put_table(b, e->read_only ? 15 : 14);
    put_field(b, "Id", e->id);
    put_field(b, "Target", e->target);
    put_field(b, "Owner", e->owner);
    put_field(b, "From", e->from);
    put_field(b, "Anchor", e->anchor);
    put_field(b, "Module", e->module);
    put_field(b, "Hash-Chain", e->hash_chain);
    put_number(b, "Nonce", e->nonce);
    put_number(b, "Epoch", 0);
    put_number(b, "Timestamp", e->timestamp_ms);
    put_number(b, "Block-Height", e->height);
    vm_put_text(b, "Cron");
    vm_put_bool(b, false);
    vm_put_text(b, "Data");
    vm_put_string(b, e->data, e->n_data);
    put_tags(b, e->tag, e->n_tags);
    if (e->read_only) {
        vm_put_text(b, "Read-Only");
        vm_put_bool(b, true);
    }

    vm_put_table(b, 2);
    vm_put_text(b, "Process");
    vm_put_table(b, 3);
    put_field(b, "Id", e->process);
    put_field(b, "Owner", e->process_owner);
    put_tags(b, e->process_tag, e->n_process_tags);
    vm_put_text(b, "Module");
    vm_put_table(b, 3);
    put_field(b, "Id", e->module);
    put_field(b, "Owner", e->process_owner);
    put_tags(b, NULL, 0);
}
