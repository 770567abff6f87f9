/*
 * Results as a compute unit says them, or as one that lies does (--hostile
 * cu-...): what is changed are the answers to Pull and Complete, which the
 * program of a node has to check.
 */
#ifndef APUS_LOCALNET_LIES_H
#define APUS_LOCALNET_LIES_H

#include "localnet/hostile.h"

struct buf;
struct message;
struct net;

/* Append the JSON of the result of m, which is done. */
void lies_put_result(struct net *net, enum unit u, struct buf *b,
                     const struct message *m);

#endif
