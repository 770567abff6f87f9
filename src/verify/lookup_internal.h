/*
 * Shared by the files of lookup.
 */
#ifndef APUS_VERIFY_LOOKUP_INTERNAL_H
#define APUS_VERIFY_LOOKUP_INTERNAL_H

#include "base/caller.h"
#include "base/id.h"
#include "verify/lookup.h"

struct gateways;
struct graphql;

struct lookup {
    struct gateways *gateways;
    struct graphql *index;
    struct caller caller;
};

/* Notify the caller that an item is skipped, and why. */
void lookup_note(struct lookup *l, struct id id, const char *why);

/* Turn notifications about failing gateways off or on; they are on at first. */
void lookup_mute(struct lookup *l, bool mute);

/* Append the ids of items that an owner tagged with `Apus: kind` and, unless it
 * is NULL, with this batch. */
int lookup_ids(struct lookup *l, struct id owner, const char *kind,
               const struct id *batch, struct buf *ids, size_t max,
               struct err *err);

/* ---- the answers of a batch, by their places ----------------------------- */

struct lookup_place;

struct lookup_order {
    uint64_t n, n_seen;         /* places, and those that have an answer */
    unsigned char *seen;        /* one bit a place */
    struct lookup_place *place; /* set where seen */
};
int lookup_order_init(struct lookup_order *o, uint64_t n, struct err *err);
void lookup_order_clear(struct lookup_order *o);

/* Store an answer at its place; return whether it is the first there. */
bool lookup_order_put(struct lookup_order *o, uint64_t i,
                      const struct result_record *r);

/* Report whether the answers ascend by request id, then choice, each pair
 * once. */
void lookup_order_report(const struct lookup_order *o, struct claims *c,
                         struct id statement);

/* ---- the messages of a batch from AO ------------------------------------- */

#define LOOKUP_OPEN 8 /* kinds of claims that stayed open */

struct lookup_messages {
    struct lookup *l;
    const struct prompt_model *model; /* makes ids of prompts, or NULL */
    uint64_t n_fetched, n_missing, n_wrong;
    char missing[200];                /* why the first is */
    struct lookup_open {
        uint64_t n;
        char what[40], detail[200];   /* of the first */
    } open[LOOKUP_OPEN];
};

/* The first claim that does not hold. */
struct lookup_wrong {
    bool found;
    char what[64], against[80], detail[330];
};

/* A check_claim_fn of that struct. */
void lookup_keep_wrong(void *self, const struct check_claim *c);

/* Compare an answer with its message, unless messages are unavailable. */
void lookup_messages_check(struct lookup_messages *m, struct id item,
                           const struct published *p,
                           struct lookup_wrong *wrong);

/* Report how many were compared, and what stayed open. */
void lookup_messages_report(const struct lookup_messages *m, struct claims *c,
                            struct id statement);

#endif
