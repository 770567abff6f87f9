/*
 * The parameters of a request's body, each by its name.  Private to the
 * parser of requests.
 */
#ifndef APUS_STORE_REQUEST_FIELDS_H
#define APUS_STORE_REQUEST_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct json;
struct request;

/* Where a body stands, and so what beside the parameters is its own. */
enum request_place {
    REQUEST_CHAT,       /* in a line, for /v1/chat/completions */
    REQUEST_COMPLETION, /* .. for /v1/completions */
    REQUEST_DATA,       /* in the data of a message: messages or a prompt */
    REQUEST_OPTIONS     /* a message's X-Options: neither */
};

/* The values of a request that says nothing. */
void request_defaults(struct request *r);

/* Set the parameters that the body gives, over those that r has: what another
 * body gave before must not differ.  Messages and prompt are left to the
 * caller. */
int request_fields(struct request *r, const struct json *body,
                   enum request_place place, struct err *err);

/* The messages of a body that is in a text of n bytes, or its prompt. */
int request_messages(struct request *r, const struct json *v, size_t n,
                     struct err *err);
int request_prompt(struct request *r, const struct json *v, struct err *err);

/* NULL, null, "", [] or {}. */
bool request_is_empty(const struct json *v);

/* "`name` must be `what`"; returns -1. */
int request_must(struct err *err, const char *name, const char *what);

/* How many bytes of a name from outside to show in a message. */
int request_shown(const char *name);

#endif
