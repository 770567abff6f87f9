/*
 * Items of this net's own that clients of AO look for: the module of its
 * processes, and where its scheduler is.
 */
#ifndef APUS_LOCALNET_OURS_H
#define APUS_LOCALNET_OURS_H

#include "base/id.h"

struct err;
struct net;

/* Put them among the items unless they are there and still true; *module is
 * the id of the module.  When net->url is known; not under the lock. */
int ours_put(struct net *net, struct id *module, struct err *err);

#endif
