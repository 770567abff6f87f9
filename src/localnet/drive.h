/*
 * What a process of this net reads of Arweave, by the rules of WeaveDrive: an
 * item that somebody has attested for whom the process trusts.
 */
#ifndef APUS_LOCALNET_DRIVE_H
#define APUS_LOCALNET_DRIVE_H

#include <stdint.h>

struct err;
struct net;
struct process;
struct vm_file;

/* Find what a process calls "/data/ID", as things stood at a time, so that it
 * finds the same when its messages are evaluated once more.  An item is
 * admitted if the process's On-Boot names it, if its scheduler or one of its
 * Attestors has signed {Type=Attestation, Message=ID, Data-Protocol=ao}, or, in
 * a process of Availability-Type=Individual, {Type=Available, ID=ID,
 * Data-Protocol=WeaveDrive}.  Under the lock; ERR_INPUT if it finds none, or
 * none that is admitted, with the remedy. */
int drive_find(const struct net *net, const struct process *p,
               const char *name, uint64_t now_ms, struct vm_file *file,
               struct err *err);

#endif
