/*
 * A pretended queue on a pretended legacynet: it knows Pull, Renew and Release
 * well enough to keep account of what is leased, and lies as it is told.  Not
 * the queue's own code: that is contrib/ao/queue.lua.
 */
#ifndef APUS_TESTS_PRETEND_QUEUE_H
#define APUS_TESTS_PRETEND_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

/* A request that it has. */
struct pretend_request {
    char id[44];
    char batch[44];     /* "" as long as it is pending */
    unsigned leases;    /* how often it was leased */
    unsigned blames;    /* how often it was released with a reason */
    unsigned put_offs;  /* how often with "later" */
    char line[4096];    /* what a Pull answers */
};

/* Changes the answer to a message before it is kept: a whole result as JSON,
 * which the function may replace (free and malloc). */
typedef void pretend_lie_fn(char **result, const char *action);

extern struct pretend_request pretend_request[200];
extern size_t pretend_n_requests;
extern pretend_lie_fn *pretend_lie;   /* NULL: the truth */
extern const char *pretend_code;      /* of every answer but 200; NULL */
extern const char *pretend_version;   /* NULL: it does not say */
extern unsigned pretend_n_messages;   /* different ones so far */
extern bool pretend_deaf;             /* messages are taken, results are not
                                         given */

/* Start it on loopback: its URL serves as messenger, compute unit and
 * gateway (which has nothing). */
const char *pretend_queue_start(void);
void pretend_queue_end(void);

/* Forget everything, and have n requests of this model. */
void pretend_queue_fill(size_t n, const char *model);

#endif
