/*
 * Requests that a process answers by itself (doc/onchain.md, Infer): where one
 * is, and what was answered.  All of it is the word of a compute unit; whether
 * it is right is found by computing it again (lua/solo.h).
 */
#ifndef APUS_QUEUE_ONCHAIN_H
#define APUS_QUEUE_ONCHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct client;
struct err;
struct json;

enum onchain_state {
    ONCHAIN_PENDING, /* it waits, or is computed */
    ONCHAIN_DONE,
    ONCHAIN_GONE     /* the process does not know it, or has forgotten it */
};

/* What Status says of a request. */
struct onchain_status {
    enum onchain_state state;
    uint64_t before, position; /* of ONCHAIN_PENDING: requests before it, and
                                  positions of its own that are computed */
    char *why;                 /* of ONCHAIN_DONE: there is no answer .. */
    char *data;                /* .. or it is this JSON; both are ours */
};

/* Ask for it: by a dry run, or by a signed message where none are made, or
 * where `say` is set.  A process that waits for a step which was lost goes on
 * at a message alone.  ERR_INPUT if what came is no such answer; ERR_RETRY as
 * client_say. */
int onchain_status(struct onchain_status *s, struct client *t, struct id id,
                   bool say, struct err *err);
void onchain_status_clear(struct onchain_status *s);

/* The answer in `data` of a status, or of an Infer-Response. */
struct onchain_answer {
    struct json *root; /* owns the text */
    const char *text;
    struct id request, process, model, job, result;
};

/* Read it.  ERR_INPUT, and *a as it was, if anything of it is missing. */
int onchain_answer_parse(struct onchain_answer *a, const char *text, size_t n,
                         struct err *err);
void onchain_answer_clear(struct onchain_answer *a);

#endif
