/*
 * Items that were uploaded, and what is inside bundles: where their bytes lie.
 * Small ones are in the journal, large ones in files of their own.
 */
#ifndef APUS_LOCALNET_HELD_H
#define APUS_LOCALNET_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct err;
struct item;
struct journal_record;
struct net;
struct root;

#define HELD_MAX (UINT64_C(4) << 30) /* bytes of an item */

struct held {
    struct id id, owner;
    struct held *top;  /* the uploaded item that it is in, or itself */
    struct held *parent; /* the bundle that it lies in, NULL: of none of ours */
    char *path;        /* of the file with its bytes; borrowed if nested */
    uint64_t at, size; /* all its bytes, in that file */
    uint32_t head_n;
    uint64_t winc, taken_ms;
    bool bundle, looked; /* is one; its items were looked for */
    bool hashed;
    struct id digest; /* of its data, if hashed */
    /* of the top */
    const struct root *root; /* NULL: in no block yet */
    uint64_t root_at;
};

/* An upload while it comes. */
struct upload;
/* NULL with err if it cannot be.  The lock is not held, nor for put. */
struct upload *upload_new(struct net *net, uint64_t size, struct err *err);
void upload_put(struct upload *u, const void *data, size_t n);
void upload_free(struct upload *u);
/* All came: take it.  *held is the item.  1: it was there already.
 * ERR_INPUT: not whole, not verified, of an unknown wallet, no money (the
 * text begins with "Insufficient balance"). */
int upload_end(struct net *net, struct upload *u, struct held **held,
               struct err *err);

struct held *held_get(const struct net *net, struct id id);

/* Its first bytes, and its head parsed into *it (which points into buf). */
int held_head(const struct held *h, struct buf *buf, struct item *it,
              struct err *err);

/* Index an item whose bytes lie in the journal and which was no upload: a
 * message on AO. */
struct held *held_add(struct net *net, const struct item *it, uint64_t at,
                      uint64_t size, uint64_t now_ms);

/* Bytes [at, at + n) of it. */
int held_read(const struct held *h, uint64_t at, void *out, size_t n,
              struct err *err);

/* SHA-256 of its data. */
int held_digest(struct held *h, struct id *out, struct err *err);

uint64_t held_price(const struct net *net, uint64_t size);
uint64_t held_balance(const struct net *net, struct id address);

/* Replay JOURNAL_ITEM, _FILE and _NESTED; then what a crash left undone. */
int held_replay(struct net *net, const struct journal_record *r,
                struct err *err);
void held_replayed(struct net *net);

void held_free(struct net *net);

#endif
