/*
 * Finds published items: fetched by id or read from a file, and always
 * verified; statements and bundles by owner and tags.  An index only gives
 * hints (arweave/graphql.h): items that do not match the query are skipped.
 */
#ifndef APUS_VERIFY_LOOKUP_H
#define APUS_VERIFY_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/found.h"
#include "base/id.h"
#include "publish/published.h"
#include "publish/published_statement.h"
#include "verify/claims.h"

struct caller;
struct err;
struct gateway_block;
struct lookup;
struct prompt_model;
struct settings;

#define LOOKUP_BUNDLE_MAX ((size_t)256 << 20)

/* Make a lookup from the setting `gateways` and those of net/http.  The caller
 * (copied; may be NULL) is notified of failing gateways and skipped items. */
int lookup_new(struct lookup **out, const struct settings *s,
               const struct caller *caller, struct err *err);
void lookup_free(struct lookup *l);

/* A verified item and its bytes. */
struct lookup_item {
    struct buf raw;
    struct claims_item it;
};
void lookup_item_init(struct lookup_item *i, size_t max);
void lookup_item_clear(struct lookup_item *i);

int lookup_get(struct lookup *l, struct id id, struct lookup_item *i,
               struct err *err);
/* What a file holds; err has the reason unless it is a good item. */
enum lookup_found {
    LOOKUP_ERROR = -1, /* unreadable, something else (a bundle, a transaction),
                          or signed in a way that is not checked */
    LOOKUP_GOOD,       /* *i is set */
    LOOKUP_FORGED      /* *i is set; its signature is wrong */
};
enum lookup_found lookup_file(const char *path, struct lookup_item *i,
                              struct err *err);

/* Visit every statement that this owner signed about this batch (NULL: any),
 * newest first, until `visit` returns a value other than FOUND_NONE, which is
 * returned.  Statements that cannot be fetched are skipped. */
typedef enum found lookup_statement_fn(void *self,
                                       const struct lookup_item *i,
                                       const struct published_statement *s,
                                       struct err *err);
enum found lookup_statements(struct lookup *l, struct id owner,
                             const struct id *batch,
                             lookup_statement_fn *visit, void *self,
                             struct err *err);

/* Append the ids (32 bytes each) of at most `max` statements of a node about
 * batches of a queue, as gateways list them, newest first. */
int lookup_of_queue(struct lookup *l, struct id process, struct id node,
                    struct buf *ids, size_t max, struct err *err);

/* Fetch the message that a result answers, and its source, and report the
 * claims of question_check (verify/question.h); `m` (may be NULL) makes the ids
 * of the prompt.  A verified message in memory (`kept`, may be NULL) is used
 * instead of fetching it. -1 if an item cannot be fetched; no claim is reported
 * then. */
int lookup_question(struct lookup *l, struct claims *c, struct id item,
                    const struct published *p, const struct prompt_model *m,
                    const struct claims_item *kept, struct err *err);

/* Find the transaction that contains an item, its block, and the block n after
 * it.  FOUND_NONE if one does not exist yet, named in err. */
enum found lookup_blocks(struct lookup *l, struct id item, uint64_t n,
                         struct gateway_block *at,
                         struct gateway_block *later, struct err *err);

/* Report whether all statements that the signer made about the batch agree: two
 * that differ prove a fault by themselves. */
int lookup_others(struct lookup *l, struct claims *c,
                  const struct lookup_item *statement,
                  const struct published_statement *s, struct err *err);

/* For a result that names no process: report a failed claim if its request is
 * an item on Arweave, since the id of a line of a file is not one.  Return 0 if
 * no such item exists or can be fetched. */
int lookup_hidden(struct lookup *l, struct claims *c, struct id item,
                  const struct published *p);

/* Maximum number of wrong answers of a batch that are named; all are
 * counted. */
#define LOOKUP_NAMED 20

/* Callbacks for the answers of a batch.  Each may be NULL; -1 ends the
 * lookup. */
struct lookup_visit {
    uint64_t n_compute; /* answers, drawn at random, that compute() gets .. */
    bool (*draws)(void *self, const struct published *p); /* .. or these */
    int (*compute)(void *self, struct id item, const struct published *p,
                   struct err *err);
    /* Called once after all of them, also where the lookup failed (err is NULL
     * then): a compute() that puts answers off computes them here at last. */
    int (*computed)(void *self, struct err *err);
    /* Called once for every correct answer under the root. */
    int (*answer)(void *self, const struct published *p, struct err *err);
    /* Set *m to the model that turns prompts of messages into ids. */
    int (*model)(void *self, struct id id, const struct prompt_model **m,
                 struct err *err);
    void *self;
};

/* Check all answers of a batch on Arweave: every result in the bundles that the
 * signer of the statement tagged with the batch.  They are compared with the
 * statement, with each other (ascending by request id and choice, each pair
 * once, one model) and, for a batch from AO, with the messages that they
 * answer.  Report one claim for each bundle, for each wrong answer up to
 * LOOKUP_NAMED, and for the batch; open ones say how many messages were not
 * compared.  ERR_RETRY if answers are missing and all others hold. */
int lookup_batch(struct lookup *l, struct claims *c,
                 const struct lookup_item *statement,
                 const struct published_statement *s,
                 const struct lookup_visit *v, struct err *err);

#endif
