/*
 * The state that the units of localnet share.  Whoever reads or changes it
 * holds `lock`; functions that take a `struct net` expect it held unless they
 * say otherwise.
 */
#ifndef APUS_LOCALNET_NET_H
#define APUS_LOCALNET_NET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "localnet/faults.h"
#include "localnet/idmap.h"

struct ao_units;
struct stored;
struct journal;
struct key;
struct root;

/* A block is this long, and the chain began with this height. */
#define NET_BLOCK_MS 2000
#define NET_FIRST_HEIGHT 1700000
#define NET_PERMANENT 18 /* confirmations */

#define NET_FREE_BYTES 517120
#define NET_WINC_BYTE 100 /* price of a byte above that */
#define NET_CREDIT UINT64_C(10000000000000) /* of a new wallet */

/* How taking an item ended. */
enum accepted {
    ACCEPT_FAILED = -1, /* err says why */
    ACCEPT_NEW,
    ACCEPT_KNOWN        /* it was there already */
};

struct net {
    pthread_mutex_t lock;
    char *dir, *items, *journal_path;
    struct journal *journal;
    struct faults faults;
    char url[64];
    bool replaying;
    bool old_node; /* HyperBEAM answers as it did until 2025 */

    struct key *key;        /* messenger, scheduler, bundler, miner */
    struct key *other_key;  /* of --hostile other-signer, else NULL */
    struct id address;
    char address_text[ID_TEXT];

    /* chain */
    uint64_t began_ms, mined; /* extra blocks */
    int64_t clock_ms;         /* how far our clock is off */
    uint64_t last_ms;         /* it never goes back */
    struct root **root;
    size_t n_roots;
    struct idmap roots;

    /* items */
    struct idmap stored;        /* struct stored */
    struct stored **order;      /* uploads, in the order of their coming */
    size_t n_order, n_in_roots;
    struct stored **found;      /* the same with what lies in them */
    size_t n_found;
    struct idmap spent;       /* uint64_t winc by address */
    unsigned n_incoming;
    uint64_t n_posts;         /* of whole items, since it was started */

    struct ao_units *ao;
    struct err broken;        /* why it cannot go on, if code is set */
};

/* The time of this net, ms since 1970; never the same twice. */
uint64_t net_now_ms(struct net *net);
uint64_t net_height(struct net *net);

/* The file in dir that says that this net made a wallet; the caller frees
 * it. */
char *net_mark_path(const char *dir, struct id address);

/* Whether a wallet was made by this net (or is its own). */
bool net_knows_wallet(const struct net *net, struct id address);
/* Says so, with what to do. */
int net_unknown_wallet(const struct net *net, struct id address,
                       struct err *err);

#endif
