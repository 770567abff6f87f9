/*
 * Disputes at a queue (doc/queue.md, Disputes), for either party: list them,
 * read the state of one, and make the next move.  The process has everything
 * that a party needs, so an interrupted party resumes from there.
 */
#ifndef APUS_NODE_DISPUTES_H
#define APUS_NODE_DISPUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/found.h"
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

/* List the disputes in which we are the node (or the challenger); the caller
 * frees *id. */
int disputes_list(struct client *c, bool as_node, struct id **id, size_t *n,
                  struct err *err);

/* Read the state of a dispute; the caller clears *d.  FOUND_NONE if it does not
 * exist any more.  The moves are replayed here: ERR_INPUT if this program's
 * judge refuses one that the queue accepted. */
enum found disputes_get(struct client *c, struct dispute *d, struct id id,
                        struct err *err);

/* Return whether the turn is overdue by this machine's clock, or will be in a
 * moment; the queue's may differ. */
bool disputes_past(const struct dispute *d);

/* Parse the queue's answer from a text, for callers that get it elsewhere.
 * d->id must be set. */
int disputes_read(struct dispute *d, const char *text, struct err *err);

/* How a move ended. */
struct dispute_end {
    bool over, fault;
    bool unjudged;      /* .. without a verdict: the answer stands */
    char statement[12]; /* "" by silence or concession */
};

/* Make our next move from this execution: a show or a proof as the node; a pick
 * (its text in `pick`) or a proof as the challenger.  `what` describes the
 * move. */
#define DISPUTE_WHAT 120
int disputes_answer(struct client *c, const struct dispute *d,
                    struct execution *x, char what[DISPUTE_WHAT],
                    struct dispute_end *end, struct err *err);
int disputes_pick(struct client *c, const struct dispute *d,
                  struct execution *x, char what[DISPUTE_WHAT],
                  struct dispute_end *end, struct err *err);

/* Send the records, which need no computation. */
int disputes_records(struct client *c, const struct dispute *d,
                     const unsigned char *bytes, size_t n,
                     struct dispute_end *end, struct err *err);

/* `Concede` or `Overdue`.  ERR_RETRY: it is not overdue yet. */
int disputes_end(struct client *c, struct id id, const char *action,
                 struct dispute_end *end, struct err *err);

/* Return the id of a challenger's dispute about this result. */
void disputes_id(struct id *id, struct id result, struct id challenger);

#endif
