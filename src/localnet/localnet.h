/*
 * A small AO and Arweave on loopback, for the first run and for tests
 * (doc/localnet.md): gateway, bundler, messenger, compute unit, scheduler and
 * a HyperBEAM node on one port of 127.0.0.1.  It has no money and no secrets
 * worth keeping, so it takes nothing that was signed by a wallet which it did
 * not make: nobody uses a real one by accident.
 *
 * Everything it took lies in its directory and is there again after a crash.
 */
#ifndef APUS_LOCALNET_LOCALNET_H
#define APUS_LOCALNET_LOCALNET_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct localnet;

struct localnet_options {
    const char *dir;            /* made if it is missing */
    unsigned port;              /* 0: the system chooses */
    unsigned delay_ms;          /* from taking a message to its result */
    const char *const *faults; /* cases (faults.h), NULL at the end */
    bool old_node;              /* /hb answers as nodes did until 2025 */
    void (*making_keys)(unsigned n); /* called before n keys are made, which
                                      * takes seconds each; may be NULL */
};

/* Start it: when this returns, it answers, and dir has apus.conf (settings to
 * use it), wallet.json (a node's), dapp.json (a requester's) and pid.  One
 * process must have one thread at this moment, since another is forked. */
int localnet_start(struct localnet **out, const struct localnet_options *o,
                   struct err *err);

/* "http://127.0.0.1:PORT" */
const char *localnet_url(const struct localnet *l);

/* To be called a few times a second: makes blocks.  ERR_FATAL ends it. */
int localnet_tick(struct localnet *l, struct err *err);

/* NULL is allowed. */
void localnet_stop(struct localnet *l);

/* A new wallet in `file` that the net in dir accepts, from now on. */
int localnet_new_wallet(const char *dir, const char *file, struct err *err);

#endif
