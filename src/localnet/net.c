/*
 * What every unit asks of the net: its time and height, and whose wallets it
 * takes.
 */
#include <config.h>

#include "localnet/net.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"

/* ---- time ---------------------------------------------------------------- */

uint64_t net_now_ms(struct net *net)
{
    struct timespec t;
    uint64_t now;

    clock_gettime(CLOCK_REALTIME, &t);
    now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 +
          (uint64_t)net->clock_ms;
    if (now <= net->last_ms)
        now = net->last_ms + 1;
    net->last_ms = now;
    return now;
}

uint64_t net_height(struct net *net)
{
    uint64_t now = net_now_ms(net), began = net->began_ms;

    return NET_FIRST_HEIGHT + net->mined +
           (now > began ? (now - began) / NET_BLOCK_MS : 0);
}

/* ---- wallets ------------------------------------------------------------- */

char *net_mark_path(const char *dir, struct id address)
{
    return xasprintf("%s/wallets/%s", dir, id_text(address).s);
}

bool net_knows_wallet(const struct net *net, struct id address)
{
    char *path;
    bool known;

    if (id_equal(address, net->address))
        return true;
    path = net_mark_path(net->dir, address);
    known = file_exists(path);
    free(path);
    return known;
}

int net_unknown_wallet(const struct net *net, struct id address,
                       struct err *err)
{
    const struct id_text wallet = id_text(address);

    return err_set(err, ERR_INPUT,
                   "wallet %s was not made by this localnet,"
                   " which takes no other, lest a real one be used by"
                   " accident: apus localnet --dir %s --new-wallet FILE makes"
                   " one; of a key that Arweave does not have, an empty file"
                   " wallets/%s in that directory lets it in",
                   wallet.s, net->dir, wallet.s);
}
