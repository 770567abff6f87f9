/*
 * Attestations are looked for among all items, which are few.  They count from
 * when they came, not from the block that has them.
 */
#include <config.h>

#include "localnet/drive.h"

#include <stdbool.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "localnet/net.h"
#include "localnet/stored.h"
#include "localnet/units.h"
#include "localnet/vm.h"

#define FOLDER "/data/"

static bool was_there(const struct stored *h, uint64_t now_ms)
{
    return h->top->taken_ms <= now_ms;
}

/* Whether an address is the scheduler of a process or one of its attestors. */
static bool is_trusted(const struct process *p, struct id address)
{
    for (size_t i = 0; i < p->item->n_tags; i++) {
        const struct item_tag *t = &p->item->tag[i];
        char text[ID_TEXT];
        struct id id;

        if (t->n_value != ID_TEXT - 1 ||
            !((t->n_name == 9 && memcmp(t->name, "Scheduler", 9) == 0) ||
              (t->n_name == 8 && memcmp(t->name, "Attestor", 8) == 0)))
            continue;
        memcpy(text, t->value, ID_TEXT - 1);
        text[ID_TEXT - 1] = '\0';
        if (id_parse(&id, text) == 0 && id_equal(id, address))
            return true;
    }
    return false;
}

/* Whether an item attests `id` to a process. */
static bool attests(const struct process *p, const struct item *it,
                    const char *id)
{
    if (item_tag_is(it, "Type", "Attestation"))
        return item_tag_is(it, "Message", id) &&
               item_tag_is(it, "Data-Protocol", "ao");
    return item_tag_is(p->item, "Availability-Type", "Individual") &&
           item_tag_is(it, "Type", "Available") &&
           item_tag_is(it, "ID", id) &&
           item_tag_is(it, "Data-Protocol", "WeaveDrive");
}

static bool is_admitted(const struct net *net, const struct process *p,
                        const char *id, uint64_t now_ms)
{
    bool admitted = item_tag_is(p->item, "On-Boot", id);
    struct item it;
    struct buf head;

    buf_init(&head, ITEM_HEAD_MAX);
    for (size_t i = 0; i < net->n_found && !admitted; i++) {
        const struct stored *h = net->found[i];

        admitted = was_there(h, now_ms) && is_trusted(p, h->owner) &&
                   stored_head(h, &head, &it, NULL) == 0 &&
                   attests(p, &it, id);
    }
    buf_clear(&head);
    return admitted;
}

int drive_find(const struct net *net, const struct process *p,
               const char *name, uint64_t now_ms, struct vm_file *file,
               struct err *err)
{
    const char *text = name + strlen(FOLDER);
    const struct stored *h;
    struct id id;

    if (strncmp(name, FOLDER, strlen(FOLDER)) != 0 || id_parse(&id, text))
        return err_set(err, ERR_INPUT, "cannot open \"%.80s\": a process of"
                       " localnet opens " FOLDER "ID, the data of an item",
                       name);
    h = stored_get(net, id);
    if (!h || !was_there(h, now_ms))
        return err_set(err, ERR_INPUT, "cannot open \"%s\": there is no such"
                       " item", name);
    if (!is_admitted(net, p, text, now_ms))
        return err_set(err, ERR_INPUT, "cannot open \"%s\": nobody whom this"
                       " process trusts has attested it (apus model publish"
                       " --attest, and the wallet as Attestor of the process)",
                       name);
    *file = (struct vm_file){ xstrdup(h->path), h->at + h->head_n,
                              h->size - h->head_n };
    return 0;
}
