/*
 * The inside of gateways, for the files gateway*.c.
 */
#ifndef APUS_ARWEAVE_GATEWAY_INTERNAL_H
#define APUS_ARWEAVE_GATEWAY_INTERNAL_H

#include "arweave/gateway.h"
#include "base/http.h"

struct gateways {
    char **url;
    size_t n;
    struct http *http;
    struct http_limits limits;
    bool (*stop)(void);
    void (*note)(void *self, const char *text);
    void *note_self;
    bool passing; /* the last failure may pass soon */
};

/* GET or HEAD of a path below gateway i; any status but 200 (206 for a range)
 * is a failure.  The answer is the caller's in any case. */
int gateway_ask(struct gateways *g, size_t i, const char *path,
                struct http_request *r, struct http_answer *a,
                struct err *err);

#endif
