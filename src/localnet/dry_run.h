/*
 * Dry runs: those of a HyperBEAM node, and units that make none (--hostile
 * dry-run-..).
 */
#ifndef APUS_LOCALNET_DRY_RUN_H
#define APUS_LOCALNET_DRY_RUN_H

#include <stdbool.h>

#include "localnet/faults.h"

struct response;
struct call;
struct net;
struct process;

/* Whether this unit refuses it now; then `a` is the answer.  Under the lock. */
bool dry_run_refused(struct net *net, enum unit u, struct response *a);

/* "as=execution/compute" and args ("&Action=Info&..", decoded), as a node does
 * it: by its compute unit, in a message that nobody signed and that has no
 * owner.  Not under the lock. */
void dry_run_node(struct net *net, struct process *p, const struct call *c,
                  const char *args, struct response *a);

#endif
