/*
 * Where published items are: fetched by id or read from a file, verified in
 * any case; statements and bundles found by owner and tags.  What an index
 * names is a hint (arweave/graphql.h): what is not what was looked for is
 * passed over.
 */
#ifndef APUS_VERIFY_LOOKUP_H
#define APUS_VERIFY_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
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

/* Of the settings `gateways` and those of net/http.  The caller
 * (copied; NULL: nobody) hears of gateways that fail and of items that are
 * passed over. */
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
/* What a raw item in a file is; err has the reason unless it is good. */
enum lookup_found {
    LOOKUP_ERROR = -1, /* unreadable, something else (a bundle, a transaction),
                          or signed in a way that is not checked */
    LOOKUP_GOOD,       /* *i is set */
    LOOKUP_FORGED      /* *i is set; its signature is wrong */
};
enum lookup_found lookup_file(const char *path, struct lookup_item *i,
                              struct err *err);

/* Every statement that this owner signed, about this batch (NULL: any),
 * newest first, until `visit` returns other than 0; that is returned, or 0 at
 * the end.  A statement that could not be fetched is passed over. */
typedef int lookup_statement_fn(void *self, const struct lookup_item *i,
                                const struct published_statement *s,
                                struct err *err);
int lookup_statements(struct lookup *l, struct id owner, const struct id *batch,
                      lookup_statement_fn *visit, void *self, struct err *err);

/* Append the ids (32 bytes each) of at most `max` statements about batches of a
 * queue, as the gateways name them, newest first: whoever signed them. */
int lookup_of_queue(struct lookup *l, struct id process, struct buf *ids,
                    size_t max, struct err *err);

/* Fetch the message that a result answers, and its source, and tell the
 * claims of question_check (verify/question.h); `m` (may be NULL) makes the ids
 * of the prompt.  A message that is here, verified (`kept`, may be NULL), need
 * not be fetched.  -1 if an item cannot be: no claim was reported then. */
int lookup_question(struct lookup *l, struct claims *c, struct id item,
                    const struct published *p, const struct prompt_model *m,
                    const struct claims_item *kept, struct err *err);

/* The transaction that has an item, its block, and the block so many after it:
 * 1 and *at, *later; 0 and which is not there yet in err; -1. */
int lookup_blocks(struct lookup *l, struct id item, uint64_t n,
                  struct gateway_block *at, struct gateway_block *later,
                  struct err *err);

/* Tell whether all that the signer of a statement has signed about its batch
 * says the same of it: two that differ are a fault by themselves. */
int lookup_others(struct lookup *l, struct claims *c,
                  const struct lookup_item *statement,
                  const struct published_statement *s, struct err *err);

/* Where a result names no process: tell a claim that fails if its request is
 * an item on Arweave.  A line of a file has an id that is none.  0 if there is
 * no such item, or none that can be fetched. */
int lookup_hidden(struct lookup *l, struct claims *c, struct id item,
                  const struct published *p);

/* At most so many wrong answers of a batch are named; all are counted. */
#define LOOKUP_NAMED 20

/* What the caller adds to the answers of a batch.  Each function may be
 * NULL; -1 ends the whole. */
struct lookup_visit {
    uint64_t n_compute; /* answers, drawn at random, that compute() gets .. */
    bool (*draws)(void *self, const struct published *p); /* .. or these */
    int (*compute)(void *self, struct id item, const struct published *p,
                   struct err *err);
    /* Every answer under the root, once; not the wrong ones. */
    int (*answer)(void *self, const struct published *p, struct err *err);
    /* The model that turns the prompts of messages into ids, into *m. */
    int (*model)(void *self, struct id id, const struct prompt_model **m,
                 struct err *err);
    void *self;
};

/* Check all answers of a batch as they lie on Arweave: every result in the
 * bundles that the signer of the statement has tagged with the batch, against
 * the statement, against each other (ascending by request id and choice, each
 * pair once, one model) and, in a batch from AO, against the messages they
 * answer.  Tell one claim for each bundle, each wrong answer up to
 * LOOKUP_NAMED, and for the whole; open ones say how many messages were not
 * compared.  ERR_RETRY if answers are missing and all others hold. */
int lookup_batch(struct lookup *l, struct claims *c,
                 const struct lookup_item *statement,
                 const struct published_statement *s,
                 const struct lookup_visit *v, struct err *err);

#endif
