/*
 * Evaluating what was scheduled: one thread for all messages, and dry runs
 * beside it.
 */
#ifndef APUS_LOCALNET_UNITS_EVAL_H
#define APUS_LOCALNET_UNITS_EVAL_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct item_tag;
struct message;
struct net;
struct process;

/* After the journal was replayed: begin to evaluate. */
int units_start(struct net *net, struct err *err);
/* Without the lock: end waiting, and evaluating. */
void units_stop(struct net *net);

/* Wait until it is done, at most wait_ms: whether it is. */
bool units_wait(struct net *net, const struct message *m, unsigned wait_ms);

/* A dry run; takes the locks itself.  The JSON is appended to `json`. */
struct dry_run {
    struct process *process;
    const char *id, *owner, *anchor, *data;
    size_t n_data;
    const struct item_tag *tag;
    size_t n_tags;
};
int units_dry_run(struct net *net, const struct dry_run *d, struct buf *json,
                  struct err *err);

#endif
