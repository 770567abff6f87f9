/*
 * A node's side of the queue on AO (doc/queue.md): one signed message, and
 * the answer in the result of that same message.  What the answer means beyond
 * its code is the caller's.
 */
#ifndef APUS_QUEUE_CLIENT_H
#define APUS_QUEUE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ao/ao.h"
#include "base/id.h"

struct buf;
struct err;
struct key;
struct settings;

struct client {
    struct ao *ao;
    struct key *key;
    struct id node;            /* our address */
    struct id process;         /* the queue, or .. */
    bool is_onchain;           /* .. a process that answers by itself
                                  (doc/onchain.md), which errors are to call
                                  so; set by the caller, after opening */
    unsigned wait_s;           /* for an answer */
    unsigned code;             /* of the last one, 0 if it had none */
    bool sent;                 /* the network has taken the last message */
    bool refused;              /* the last question: no dry runs are made */
};

/* With the wallet and the queue of the settings; `process` (an id as text)
 * takes the place of the setting queue if it is not NULL. */
int client_open(struct client *t, const struct settings *s, const char *process,
                struct err *err);
/* The same for questions alone: where there is no wallet, there is no key. */
int client_open_ask(struct client *t, const struct settings *s,
                    const char *process, struct err *err);
void client_close(struct client *t);

/* The answer in a result: the message to us with this Action.  Its Code is
 * returned if it is 200 or 204; else -1: ERR_INPUT (400, 404, 409, 402, 429
 * and 403, which says who must allow us) or ERR_RETRY (503) with what the
 * queue says, also where it raised an error or does not answer at all. */
int client_judge(struct client *t, const struct ao_result *r,
                 const char *action, const struct ao_out **out,
                 struct err *err);

/* Sign, send, wait and judge.  m->process is not read: the queue is meant.  *r
 * is to be cleared if it is not -1. */
int client_say(struct client *t, const struct ao_message *m, const char *action,
               struct ao_result *r, const struct ao_out **out,
               struct err *err);

/* The same of a question, which changes nothing. */
int client_ask(struct client *t, const struct ao_message *m, const char *action,
               struct ao_result *r, const struct ao_out **out,
               struct err *err);

/* The same of a question that must be answered: where no dry runs are made, as
 * a signed message, which takes a slot in the schedule. */
int client_ask_or_say(struct client *t, const struct ao_message *m,
                      const char *action, struct ao_result *r,
                      const struct ao_out **out, struct err *err);

/* Whether a queue takes lines of Release that say `later`, by the version that
 * it gives (1.1); false as long as it does not say.  Asked as above. */
bool client_takes_later(struct ao *ao, struct id process, unsigned wait_s);

/* Whether a queue takes lines of Complete with the records of the answer, by
 * the same version (2.0).  ERR_RETRY as long as it does not say. */
int client_takes_records(bool *takes, struct ao *ao, struct id process,
                         unsigned wait_s, struct err *err);

/* Whether the judge of our queue decides about stop strings, by the same
 * version (2.2).  Errors likewise. */
int client_judges_stops(bool *judges, struct client *t, struct err *err);

/* A tag that is a text of digits, at most `max`. */
int client_number(uint64_t *v, const struct ao_out *o, const char *name,
                  uint64_t max, struct err *err);

#endif
