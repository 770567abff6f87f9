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

/* Copy the value of the tag Apus (publish/kinds.h), "" if it is missing. */
void claims_kind(char kind[32], const struct item *it);

/* Report one claim, and record a failure.  wrong NULL: the claim holds. */
void claims_report(struct claims *c, struct id item, const char *what,
                   const char *against, const char *detail, const char *wrong);
/* Report a claim that could not be checked, and why. */
void claims_open(struct claims *c, struct id item, const char *what,
                 const char *why);

/* Check what a result says about itself.  Return 0 and set *p if the item
 * parses as a result, even if claims failed; -1 if it does not parse, which is
 * a failed claim, too. */
int claims_result(struct claims *c, const struct claims_item *it,
                  struct published *p);

/* Check what a statement says about itself, in the same way. */
int claims_statement(struct claims *c, const struct claims_item *it,
                     struct published_statement *p);

/* Compare a result with the statement of its batch, signed by the same key.
 * Return the first contradiction, written to `wrong`, or NULL if the result
 * belongs to the batch. */
const char *claims_not_in(const struct published *p,
                          const struct claims_item *result,
                          const struct published_statement *s,
                          const struct claims_item *statement);

/* Return the first contradiction between two statements about one batch, or
 * NULL.  Their files may differ: the same answers can be split into other
 * parts. */
const char *claims_other_batch(const struct published_statement *other,
                               const struct published_statement *s);

/* Recompute the answer with the model of `r`.  ERR_INPUT if that is impossible
 * because only the hash of the prompt was published. */
int claims_compute(struct claims *c, struct id item, const struct published *p,
                   struct recompute *r, const char *model, struct err *err);

/* The same for n answers, as many of them in shared steps as r has; wrong[i]
 * says whether answer i differs.  An answer that cannot be computed is false
 * there and does not keep the others from it; -1 has the reason of the first.
 */
int claims_compute_all(struct claims *c, const struct id *item,
                       const struct published *p, size_t n,
                       struct recompute *r, const char *model, bool *wrong,
                       struct err *err);

#endif
