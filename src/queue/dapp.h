/*
 * What a DApp does with a queue (doc/queue.md): ask, and look how far it is.
 */
#ifndef APUS_QUEUE_DAPP_H
#define APUS_QUEUE_DAPP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct err;
struct client;

/* A request; NULL and 0 are the queue's defaults. */
struct dapp_request {
    const char *text;
    size_t n;
    const char *system; /* a system message before the text, or NULL */
    const char *source; /* instead of a text: id of an item that holds it */
    const char *model, *node;
    const char *options; /* JSON for X-Options, or NULL */
};

/* Append the signed Infer; id is the request's. */
int dapp_sign(struct client *t, struct buf *item, struct id *id,
              const struct dapp_request *r, struct err *err);

/* Send it, with retries: 0 the queue has taken it.  ERR_INPUT if it is
 * refused, with what the queue says; ERR_RETRY: nothing is known, send it
 * again. */
int dapp_send(struct client *t, const void *item, size_t n, struct err *err);

/* Where a request is. */
enum dapp_state { DAPP_PENDING, DAPP_LEASED, DAPP_DONE, DAPP_GONE };
struct dapp_status {
    enum dapp_state state;
    struct id node;         /* of DAPP_LEASED and DAPP_DONE */
    struct id result, item; /* of DAPP_DONE */
    uint64_t until_ms; /* of DAPP_LEASED: when the lease ends; of DAPP_DONE:
                          when the answer is final, 0 if it is */
    bool conflict; /* another node had another result */
};
int dapp_status(struct client *t, struct dapp_status *s, struct id id,
                struct err *err);

/* Give a request up, which no node has begun.  ERR_INPUT if one has, or if it
 * is not one of this wallet. */
int dapp_cancel(struct client *t, struct id id, struct err *err);

#endif
