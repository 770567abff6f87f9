/*
 * Messages, assignments and pages of them as the scheduler and the compute
 * unit say them.  Under the net's lock.
 */
#ifndef APUS_LOCALNET_UNITS_JSON_H
#define APUS_LOCALNET_UNITS_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct message;
struct net;
struct process;

/* {"message":{..},"assignment":{..}} */
void units_put_node(struct net *net, struct buf *b, const struct message *m);

/* A part of a schedule: messages whose time, or slot, is over `from` (or all:
 * from_start) and not over `to`, at most limit. */
struct schedule_page {
    bool by_slot, from_start;
    uint64_t from, to, limit;
};
void units_put_schedule(struct net *net, struct buf *b, const struct process *p,
                        const struct schedule_page *page);

/* {process_id, owner, tags ..} */
void units_put_process(struct net *net, struct buf *b,
                       const struct process *p);

#endif
