/*
 * AO: processes, their messages in the order of the scheduler, and what their
 * evaluation gave.
 */
#ifndef APUS_LOCALNET_UNITS_H
#define APUS_LOCALNET_UNITS_H

struct err;
struct journal_record;
struct net;

/* Before anything is open and while there is one thread. */
int units_new(struct net *net, unsigned delay_ms, struct err *err);
/* After the journal was replayed: begin to evaluate. */
int units_start(struct net *net, struct err *err);
/* Without the lock: end waiting, and evaluating. */
void units_stop(struct net *net);
void units_free(struct net *net);

/* Replay JOURNAL_MESSAGE and _FAILED. */
int units_replay(struct net *net, const struct journal_record *r,
                 struct err *err);

#endif
