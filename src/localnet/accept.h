/*
 * What a messenger or a node looks at before it schedules an item.
 */
#ifndef APUS_LOCALNET_ACCEPT_H
#define APUS_LOCALNET_ACCEPT_H

#include <stddef.h>

#include "localnet/net.h"

struct err;
struct message;

/* A posted item: verified, of a known wallet, of the right form and size, new;
 * then scheduled and on the disk.  ERR_INPUT with the text of the network. */
enum accepted accept_item(struct net *net, const void *raw, size_t n,
                          struct message **m, struct err *err);

#endif
