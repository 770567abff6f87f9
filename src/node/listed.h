/*
 * Ids that a queue lists in pages: its nodes, disputes of a side.
 */
#ifndef APUS_NODE_LISTED_H
#define APUS_NODE_LISTED_H

#include <stddef.h>

#include "base/id.h"

struct client;
struct err;

/* What is asked for: lines of JSON, one thing each. */
struct listed_question {
    const char *action, *answer; /* "Nodes", "Nodes-Response" */
    const char *tag, *value;     /* narrow it, or NULL */
    const char *key;             /* of the id in a line */
    size_t max;                  /* ids; more are ERR_INPUT */
};

/* Ask page by page, signed where no dry runs are made: *id is the caller's to
 * free.  What is a text but no id (an address of Ethereum) is passed over. */
int listed_ids(struct client *c, const struct listed_question *q,
               struct id **id, size_t *n, struct err *err);

#endif
