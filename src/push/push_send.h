/*
 * Handing over what a push has signed: to a bundler whose signer is pinned,
 * within what it may cost, each item with its receipt kept beside it.
 *
 *     BATCH/push/NAME.receipt    what the bundler signed, or that it had the
 *                                item already
 *     BATCH/push/costs.jsonl     ledger of the batch (ledger.h)
 *     LEDGER/ADDRESS-DATE.jsonl  ledger of the wallet and a day (ledger_day.h)
 *     SPOOL/bundler-key          lines "URL ADDRESS": who signed the first time
 */
#ifndef APUS_PUSH_PUSH_SEND_H
#define APUS_PUSH_PUSH_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct bundler;
struct caller;
struct err;
struct push_send;
struct push_upload;
struct settings;

/* Of the settings bundler, bundler-key, max-winc, max-winc-day and ledger;
 * `node` is the address of the wallet that pays.  The settings must live as
 * long; the caller is told what a person should know.  Asks the bundler who it
 * is: ERR_INPUT if that is another than the pinned one. */
int push_send_new(struct push_send **out, const struct settings *s,
                  const char *spool_dir, struct id node,
                  const struct caller *caller, struct err *err);
void push_send_free(struct push_send *p);
struct bundler *push_send_bundler(struct push_send *p);

/* Is `signer` the one that must sign the receipts of the bundler at `url`: by
 * the setting bundler-key, else by what SPOOL/bundler-key has?  FOUND_NONE if
 * none is pinned yet, FOUND_FAILED also if another is, with the remedy. */
enum found push_signer_check(const struct settings *s, const char *spool_dir,
                             const char *url, struct id signer,
                             struct err *err);

/* What n bytes cost now: 0 below the bundler's free limit. */
int push_send_price(struct push_send *p, uint64_t n, uint64_t *winc,
                    struct err *err);

/* ERR_INPUT if so much more is over max-winc of the batch, ERR_RETRY if it is
 * over what is left of today, or if either is over already; nothing is put
 * down. */
int push_send_allows(struct push_send *p, const char *batch_path,
                     uint64_t winc, struct err *err);

/* Whether its receipt is there. */
bool push_send_is_done(const char *batch_path, const struct push_upload *u);

/* Whether another bundler than the one of the settings signed for it: this
 * one need not know of it, and would be paid for it again. */
bool push_send_is_others(const struct push_send *p, const char *batch_path,
                         const struct push_upload *u);

/* Hand an upload over, unless its receipt is there; `again` does it in any
 * case, for what was lost.  What the bundler says it charged counts against
 * both ceilings before the next one: ERR_INPUT and ERR_RETRY as above. */
int push_send_item(struct push_send *p, const char *batch_path,
                   const struct push_upload *u, bool again, struct err *err);

#endif
