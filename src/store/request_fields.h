/*
 * The parameters of a request's body, each by its name.  Private to the
 * parser of requests.
 */
#ifndef APUS_STORE_REQUEST_FIELDS_H
#define APUS_STORE_REQUEST_FIELDS_H

#include <stddef.h>

struct err;
struct json;
struct request;

/* Set the parameters that the body gives, over the defaults.  r->chat is
 * set; messages and prompt are left to the caller. */
int request_fields(struct request *r, const struct json *body,
                   struct err *err);

/* "`name` must be `what`"; returns -1. */
int request_must(struct err *err, const char *name, const char *what);

/* How many bytes of a name from outside to show in a message. */
int request_shown(const char *name);

#endif
