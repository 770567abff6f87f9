/*
 * The answer that a queue gives a DApp, read from Arweave.  Only signed data is
 * trusted.
 */
#ifndef APUS_VERIFY_DAPP_ANSWER_H
#define APUS_VERIFY_DAPP_ANSWER_H

#include "base/id.h"

struct buf;
struct claims_item;
struct dapp_status;
struct err;
struct settings;

/* Append the answer text of a finished request, read from Arweave.  This
 * verifies that the node signed the item, that it answers this request of this
 * queue (`process`), that its hashes match its contents, and that it was
 * computed with the parameters of the message.  The message is read from the
 * file `kept` (may be NULL or missing) or from Arweave; if neither has it,
 * *unseen says why.  ERR_RETRY if no gateway has the item yet; ERR_INPUT if a
 * check fails, or if the answer is an error (then every correct node's is).
 * Use the text only after 0. */
int dapp_answer_fetch(struct id process, const struct settings *settings,
                      const struct dapp_status *s, struct id id,
                      const char *kept, struct buf *text, struct err *unseen,
                      struct err *err);

/* The same for a verified item in memory, without its message. */
int dapp_answer_check(struct id process, const struct dapp_status *s,
                      struct id id, const struct claims_item *it,
                      struct buf *text, struct err *err);

#endif
