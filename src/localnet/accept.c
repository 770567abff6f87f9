/*
 * The texts are those of deployed units, since clients judge by
 * them.
 */
#include <config.h>

#include "localnet/accept.h"

#include <string.h>

#include "arweave/item.h"
#include "base/err.h"
#include "base/id.h"
#include "localnet/net.h"
#include "localnet/units.h"

static bool ends_in_link(const char *s, size_t n)
{
    return n >= 5 && memcmp(s + n - 5, "+link", 5) == 0;
}

static int check_tags(const struct net *net, const struct item *it,
                      struct err *err)
{
    struct id id;

    if (!item_tag_is(it, "Data-Protocol", "ao"))
        return err_set(err, ERR_INPUT,
                       "Tag 'Data-Protocol': must contain 'ao'");
    if (!item_tag_is(it, "Type", "Message") &&
        !item_tag_is(it, "Type", "Process"))
        return err_set(err, ERR_INPUT, "Tag 'Type': must be either 'Process'"
                       " or 'Message'");
    for (size_t i = 0; i < it->n_tags; i++)
        if (ends_in_link(it->tag[i].name, it->tag[i].n_name) ||
            ends_in_link(it->tag[i].value, it->tag[i].n_value))
            return err_set(err, ERR_INPUT, "tags must not end in +link");
    for (size_t i = 0; i < it->n_tags; i++)
        if (it->tag[i].n_name == 12 &&
            memcmp(it->tag[i].name, "From-Process", 12) == 0 &&
            item_tag_id(it, "From-Process", &id))
            return err_set(err, ERR_INPUT, "Invalid From-Process value");
    if (!item_tag_is(it, "Type", "Process"))
        return 0;
    if (item_tag_id(it, "Module", &id))
        return err_set(err, ERR_INPUT, "Tag 'Module': an id expected");
    if (item_tag_id(it, "Scheduler", &id) || !id_equal(id, net->address))
        return err_set(err, ERR_INPUT, "Tag 'Scheduler': this net's is %s",
                       net->address_text);
    return 0;
}

enum accepted accept_item(struct net *net, const void *raw, size_t n,
                          struct message **m, struct err *err)
{
    struct err why = ERR_INIT;
    struct item it;

    if (n > UNITS_MAX_ITEM)
        return err_set(err, ERR_INPUT, "Message size exceeds maximum of %d"
                       " bytes", UNITS_MAX_ITEM);
    if (item_open(&it, raw, n, &why))
        return err_set(err, ERR_INPUT, "body: A valid and signed data item"
                       " must be provided as the body (%s)", why.text);
    if (!net_knows_wallet(net, it.address))
        return net_unknown_wallet(net, it.address, err);
    *m = units_message(net, it.id);
    if (*m)
        return ACCEPT_KNOWN;
    if (check_tags(net, &it, err))
        return ACCEPT_FAILED;
    return units_schedule(net, raw, n, &it, m, err);
}
