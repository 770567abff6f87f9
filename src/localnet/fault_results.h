/*
 * Results as a compute unit says them, or as one that lies does (--hostile
 * cu-...): what is changed are the answers to Pull and Complete, which the
 * program of a node has to check.
 */
#ifndef APUS_LOCALNET_FAULT_RESULTS_H
#define APUS_LOCALNET_FAULT_RESULTS_H

#include "localnet/faults.h"

struct buf;
struct message;
struct net;

/* Append the JSON of the result of m, which is done. */
void fault_results_put(struct net *net, enum unit u, struct buf *b,
                       const struct message *m);

#endif
