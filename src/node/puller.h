/*
 * What apus pull and apus drain need to pull requests: the queue, gateways, the
 * models of this store and, from the settings, the limits.
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

/* Options that override settings; NULL: not given. */
struct puller_use {
    const char *model; /* names with commas between; NULL: all of the store */
    const char *max, *ttl;
};

/* Check the numbers of `use` and of the settings, without a network.  ERR_INPUT
 * if one is invalid.  Call puller_clear in any case. */
int puller_init(struct puller *p, const struct settings *s,
                const struct puller_use *use, const struct caller *caller,
                struct err *err);

/* Open the wallet and the gateways, without using the network yet.  The spool
 * is borrowed; NULL: the caller sets it in p->pull. */
int puller_open(struct puller *p, const struct settings *s,
                const struct spool *spool, struct err *err);

/* Find the models to pull requests for, as they are in the store now. */
int puller_find_models(struct puller *p, const struct settings *s,
                       const struct puller_use *use, struct err *err);

void puller_clear(struct puller *p);

/* Open the spool of a node.  A node with a queue creates it at the configured
 * path, or in an existing directory.  A path from the command line, or a node
 * without a queue, creates none: ERR_INPUT. */
int puller_open_spool(struct spool **out, const struct settings *s,
                      struct err *err);

#endif
