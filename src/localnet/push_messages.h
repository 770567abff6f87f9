/*
 * What a process sent: to other processes of this net it goes on as an item
 * of the messenger, with the tags that the network's messenger adds; what it
 * says to readers of HyperBEAM is kept.
 */
#ifndef APUS_LOCALNET_PUSH_MESSAGES_H
#define APUS_LOCALNET_PUSH_MESSAGES_H

struct buf;
struct message;
struct net;

/* All that the evaluation of m gave (`reply`: vm.h).  What cannot be sent is
 * dropped, as it is there. */
void push_all(struct net *net, struct message *m, const struct buf *reply);

#endif
