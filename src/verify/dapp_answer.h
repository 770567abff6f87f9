/*
 * What a queue answers a DApp: read from Arweave, and believed only as far as
 * it is signed.
 */
#ifndef APUS_VERIFY_DAPP_ANSWER_H
#define APUS_VERIFY_DAPP_ANSWER_H

#include "base/id.h"

struct buf;
struct claims_item;
struct dapp_status;
struct err;
struct settings;

/* Append the text of a request that is done, read from Arweave: the item is
 * signed by that node, answers this request of this queue (`process`), its
 * hashes are those of what it says, and it was computed with the parameters of
 * the message, which is in the file `kept` (may be NULL, or not there) or on
 * Arweave; *unseen says why that could not be had, if so.  ERR_RETRY if no
 * gateway has the item yet; ERR_INPUT if it is not so, or if the answer is an
 * error (every correct node's).  Only after 0 is the text to be used. */
int dapp_answer_fetch(struct id process, const struct settings *settings,
                      const struct dapp_status *s, struct id id,
                      const char *kept, struct buf *text, struct err *unseen,
                      struct err *err);

/* The same of an item that is here and verified, without its message. */
int dapp_answer_check(struct id process, const struct dapp_status *s,
                      struct id id, const struct claims_item *it,
                      struct buf *text, struct err *err);

#endif
