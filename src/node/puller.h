/*
 * What apus pull and apus drain need to pull requests: the queue, gateways,
 * the models of this store, and how much, as the settings say.
 */
#ifndef APUS_NODE_PULLER_H
#define APUS_NODE_PULLER_H

#include "base/id.h"
#include "queue/pull.h"
#include "queue/client.h"

struct caller;
struct err;
struct gateways;
struct settings;
struct spool;

struct puller {
    struct pull pull;
    struct client client;
    struct gateways *gateways;
    struct id *models;
};

/* What a command line says in place of the settings; NULL: nothing. */
struct puller_use {
    const char *model; /* names with commas between; NULL: all of the store */
    const char *max, *ttl;
};

/* ERR_INPUT if a number makes no sense: numbers of `use` and settings are
 * checked without a network.  Clear it in any case. */
int puller_init(struct puller *p, const struct settings *s,
                const struct puller_use *use, const struct caller *caller,
                struct err *err);

/* Wallet and gateways; nobody is spoken to yet.  The spool is borrowed;
 * NULL: the caller sets it in p->pull. */
int puller_open(struct puller *p, const struct settings *s,
                const struct spool *spool, struct err *err);

/* The models that requests are pulled for, as the store has them now. */
int puller_find_models(struct puller *p, const struct settings *s,
                       const struct puller_use *use, struct err *err);

void puller_clear(struct puller *p);

/* Open the spool of a node.  One that pulls (it has a queue) makes it where the
 * settings have it, or in a directory that is there; a name that was typed, or
 * a node without a queue, makes none: ERR_INPUT. */
int puller_open_spool(struct spool **out, const struct settings *s,
                      struct err *err);

#endif
