/*
 * Handing signed items to a bundler (doc/arweave.md): POST /v1/tx, or in parts
 * for large ones, and asking what has become of them.  The bytes are signed
 * and journalled before; nothing here makes or keeps state, so every call can
 * be made again.
 */
#ifndef APUS_ARWEAVE_BUNDLER_H
#define APUS_ARWEAVE_BUNDLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arweave/bundler_answer.h"
#include "base/id.h"

struct buf;
struct bundler;
struct err;
struct settings;

/* Of the settings `bundler` (URL), `bundler-key` (address that must sign
 * receipts; empty: what GET /info said the first time, kept by the caller)
 * and those of net/http. */
int bundler_new(struct bundler **out, const struct settings *s,
                struct err *err);
void bundler_free(struct bundler *b);
/* Asked now and then whether to end early (ERR_RETRY); may be NULL. */
void bundler_stop(struct bundler *b, bool (*stop)(void));
/* Items of more than `above` bytes go in parts of at least `part` bytes, of
 * which there are about 500 at most; 10 and 5 MiB unless it is set. */
void bundler_parts(struct bundler *b, uint64_t part, uint64_t above);
const char *bundler_url(const struct bundler *b);

/* What GET /info and /v1/price say. */
int bundler_info(struct bundler *b, struct bundler_info *i, struct err *err);
/* Price in winston credits of n bytes. */
int bundler_price(struct bundler *b, uint64_t n, uint64_t *winc,
                  struct err *err);
/* "4861222 winston credits (0.000004861222 AR)": 10^12 of them pay for what one
 * AR does. */
#define WINC_TEXT 80
void winc_text(char out[WINC_TEXT], uint64_t winc);
int bundler_balance(struct bundler *b, struct id address, uint64_t *winc,
                    struct err *err);

/* The bytes of an item: a head in memory (or all of it) and, behind it, a file
 * (may be NULL), of which bytes [at, at + n) are the data. */
struct bundler_item {
    struct id id;
    const void *head;
    size_t n_head;
    const char *path;
    uint64_t at, n;
    /* Where an upload in parts is remembered, so that the next call goes on
     * with it; removed when it is done.  NULL: it begins anew each time. */
    const char *state;
    /* Told how much was sent; may be NULL. */
    void (*progress)(void *self, uint64_t done, uint64_t size);
    void *self;
};

/* Upload.  0: taken; the receipt's JSON, verified against `signer` (NULL:
 * any), is in `receipt`, or nothing where it was already there (202, 201, an
 * "already" answer, any of which must name the item's id).  Failures:
 * ERR_INPUT with the remedy for 402 (the message begins with "payment
 * required"), for an item that is refused, and for one without tags, which is
 * never sent; ERR_RETRY for what may pass, and for a receipt that is not the
 * signer's: the item may have been taken. */
int bundler_post(struct bundler *b, const struct bundler_item *it,
                 const struct id *signer, struct buf *receipt, struct err *err);

/* Whether the answer to the last bundler_post said what was charged, as a
 * valid receipt or not; *winc is that in winston credits, UINT64_MAX if it
 * cannot be read as an amount. */
bool bundler_charged(const struct bundler *b, uint64_t *winc);

/* What became of an item: its status and, where there is one, the id of the
 * transaction that it is in. */
int bundler_status(struct bundler *b, struct id id, enum bundler_status *status,
                   struct id *root, bool *has_root, struct err *err);

#endif
