/*
 * Disputes at a queue (doc/queue.md, Disputes), for either party: which there
 * are, where one stands, and its next move.  All that a party needs lies in
 * the process, so an interrupted side resumes from there.
 */
#ifndef APUS_NODE_DISPUTES_H
#define APUS_NODE_DISPUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "dispute/dispute_file.h"
#include "dispute/judge.h"

struct client;
struct err;
struct execution;

#define DISPUTES_MAX 1024 /* at a queue */

struct dispute {
    struct id id, request;
    char node[ID_TEXT], challenger[ID_TEXT];
    bool node_turn;
    uint64_t until_ms;
    struct judge judge; /* at its last move */
    struct buf file;    /* the dispute file */
};
void dispute_clear(struct dispute *d);

/* The ids of those in which we are the node (or the challenger): *id is the
 * caller's to free. */
int disputes_list(struct client *c, bool as_node, struct id **id, size_t *n,
                  struct err *err);

/* Where one stands: 1, to be cleared; 0 there is none, or no longer; -1.  Its
 * moves are judged here: ERR_INPUT if the judge of this program refuses one
 * that the queue took. */
int disputes_get(struct client *c, struct dispute *d, struct id id,
                 struct err *err);

/* Whether the turn is over, by the clock of this machine: the queue's may say
 * otherwise. */
bool disputes_past(const struct dispute *d);

/* The same of the text that the queue answered, for what reads it from
 * elsewhere: d->id is set. */
int disputes_read(struct dispute *d, const char *text, struct err *err);

/* How a move ended. */
struct dispute_end {
    bool over, fault;
    char statement[12]; /* "" by silence or concession */
};

/* Make the next move of ours: a show or a proof of this execution as the
 * node; a pick (its text in `pick`) or a proof as the challenger.  What was
 * done is in `what`. */
#define DISPUTE_WHAT 120
int disputes_answer(struct client *c, const struct dispute *d,
                    struct execution *x, char what[DISPUTE_WHAT],
                    struct dispute_end *end, struct err *err);
int disputes_pick(struct client *c, const struct dispute *d,
                  struct execution *x, char what[DISPUTE_WHAT],
                  struct dispute_end *end, struct err *err);

/* Send the records, which nothing has to be computed for. */
int disputes_records(struct client *c, const struct dispute *d,
                     const unsigned char *bytes, size_t n,
                     struct dispute_end *end, struct err *err);

/* `Concede` or `Overdue`.  ERR_RETRY: it is not overdue yet. */
int disputes_end(struct client *c, struct id id, const char *action,
                 struct dispute_end *end, struct err *err);

/* The id of a dispute of this result by a challenger. */
void disputes_id(struct id *id, struct id result, struct id challenger);

#endif
