/*
 * Check the claims of a signed item from Arweave against its own bytes, its
 * signer and its statement (doc/proof.md section 5, "A consumer of one
 * answer").  The items are in memory and verified (item_open); nothing here
 * asks the network.  One claim is reported for each thing that can be wrong.
 */
#ifndef APUS_VERIFY_CLAIMS_H
#define APUS_VERIFY_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

#include "arweave/item.h"
#include "base/id.h"
#include "publish/published.h"
#include "publish/published_statement.h"
#include "verify/check.h"

struct err;
struct recompute;

struct claims {
    check_claim_fn *report;
    void *self;
    const struct id *key;     /* address that must have signed; NULL: any */
    bool failed;              /* one did not hold */
};

/* An item with its data. */
struct claims_item {
    struct item head;
    const void *data;
    size_t n;
};

/* What the tag Apus says (publish/kinds.h), "" if it has none. */
void claims_kind(char kind[32], const struct item *it);

/* Report one claim, and note a failure.  wrong NULL: it holds. */
void claims_report(struct claims *c, struct id item, const char *what,
                   const char *against, const char *detail, const char *wrong);
/* Report a claim that could not be checked, and why. */
void claims_open(struct claims *c, struct id item, const char *what,
                 const char *why);

/* All that a result says of itself.  0 and *p, whatever was wrong in it, if
 * it could be read as one; -1 if not, which is a claim that fails, too. */
int claims_result(struct claims *c, const struct claims_item *it,
                  struct published *p);

/* All that a statement says of itself; the same. */
int claims_statement(struct claims *c, const struct claims_item *it,
                     struct published_statement *p);

/* Whether a result is one of the batch that a statement is about, signed by
 * the same; why not in `wrong` (the first thing), or NULL. */
const char *claims_not_in(const struct published *p,
                          const struct claims_item *result,
                          const struct published_statement *s,
                          const struct claims_item *statement);

/* Why two statements about one batch contradict each other (the first thing),
 * or NULL.  Their files may differ: the same answers can lie in other parts. */
const char *claims_other_batch(const struct published_statement *other,
                               const struct published_statement *s);

/* Its answer computed again, whose model `r` has.  ERR_INPUT if that
 * cannot be done: the prompt was published by its hash. */
int claims_compute(struct claims *c, struct id item, const struct published *p,
                   struct recompute *r, const char *model, struct err *err);

#endif
