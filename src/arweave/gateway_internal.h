/*
 * The inside of gateways, for the files gateway*.c.
 */
#ifndef APUS_ARWEAVE_GATEWAY_INTERNAL_H
#define APUS_ARWEAVE_GATEWAY_INTERNAL_H

#include "arweave/gateway.h"
#include "base/caller.h"
#include "base/found.h"
#include "base/id.h"
#include "net/http.h"

struct gateways {
    char **url;
    size_t n;
    struct http *http;
    struct http_limits limits;
    struct caller caller;
    bool passing; /* the last failure may pass soon */
    bool page;    /* the last answer was a web page */
};

/* GET or HEAD of a path below gateway i; any status but 200 (206 for a range)
 * is a failure.  The answer is the caller's in any case. */
int gateway_ask(struct gateways *g, size_t i, const char *path,
                struct http_request *r, struct http_answer *a,
                struct err *err);

/* Find in what the index of gateway i says that an item is bundled;
 * FOUND_FAILED if that is not an answer. */
enum found gateway_parent(struct gateways *g, size_t i, struct id id,
                          struct id *parent, struct err *err);

/* Find *place of the item by that and by the table of the bundle. */
enum found gateway_bundled(struct gateways *g, size_t i, struct id id,
                           struct gateway_place *place, struct err *err);

/* The data of `id`, whatever it is. */
void gateway_path(struct gateway_data *d, struct id id);

#endif
