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

/* Answers that are computed in shared steps. */
struct look_group {
    struct id item[RECOMPUTE_RECORDS];
    struct published answer[RECOMPUTE_RECORDS];
    size_t n, bytes;
    uint64_t positions;
};

struct look {
    struct verify *v;
    struct claims claims;
    struct lookup *lookup; /* NULL until the network is needed */
    struct recompute *recompute; /* NULL until something is computed */
    struct look_group group;
    uint64_t n_computed, n_wanted; /* answers; wanted 0: nobody knows */
    /* Called for each answer that was computed; NULL: for none. */
    int (*computed)(struct look *l, struct id item, const struct published *p,
                    bool wrong, struct err *err);
};

void look_init(struct look *l, struct verify *v);
void look_clear(struct look *l);

/* Make l->lookup if it is not there. */
int look_network(struct look *l, struct err *err);

/* An item by its id or by the name of a file; LOOKUP_FORGED was reported. */
enum lookup_found look_get(struct look *l, const char *what, bool file,
                           struct lookup_item *i, struct err *err);

/* Members of a lookup_visit whose self is a struct look: compute an answer
 * again, in time; and, once all are given, those that are left.  They are
 * reported in the order in which they were given; one that cannot be computed
 * does not keep the others from it. */
int look_compute(void *self, struct id item, const struct published *p,
                 struct err *err);
int look_compute_rest(void *self, struct err *err);
/* Make the model of prompts known; NULL where nothing is to be computed. */
int look_model(void *self, struct id id, const struct prompt_model **m,
               struct err *err);

#endif
