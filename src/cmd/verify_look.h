/*
 * What apus verify needs to look things up on Arweave, and to tell what it
 * finds there.
 */
#ifndef APUS_CMD_VERIFY_LOOK_H
#define APUS_CMD_VERIFY_LOOK_H

#include <stdbool.h>

#include "cmd/verify.h"
#include "verify/claims.h"
#include "verify/lookup.h"
#include "verify/recompute.h"

struct look {
    struct verify *v;
    struct claims claims;
    struct lookup *lookup; /* NULL until the network is needed */
    struct recompute *recompute; /* NULL until something is computed */
    struct recompute_options options; /* of it */
};

void look_init(struct look *l, struct verify *v);
void look_clear(struct look *l);

/* Make l->lookup if it is not there. */
int look_network(struct look *l, struct err *err);

/* An item by its id or by the name of a file; LOOKUP_FORGED was reported. */
enum lookup_found look_get(struct look *l, const char *what, bool file,
                           struct lookup_item *i, struct err *err);

/* Of a lookup_visit whose self is a struct look: compute an answer again; and
 * the model for prompts, NULL where nothing is to be computed.
 * look_recompute opens what the first needs. */
int look_compute(void *self, struct id item, const struct published *p,
                 struct err *err);
int look_recompute(struct look *l, struct id model, struct err *err);
int look_model(void *self, struct id id, const struct prompt_model **m,
               struct err *err);

#endif
