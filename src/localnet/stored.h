/*
 * Items that were uploaded, and what is inside bundles: where their bytes lie.
 * Small ones are in the journal, large ones in files of their own.
 */
#ifndef APUS_LOCALNET_STORED_H
#define APUS_LOCALNET_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "localnet/net.h"

struct buf;
struct err;
struct item;
struct journal_record;
struct net;
struct root;

#define STORED_MAX (UINT64_C(4) << 30) /* bytes of an item */

struct stored {
    struct id id, owner;
    struct stored *top;  /* the uploaded item that it is in, or itself */
    struct stored *parent; /* the bundle that it is in, or NULL */
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
/* All came: take it.  *stored is the item.  ERR_INPUT: not whole, not verified,
 * of an unknown wallet, no money (the text begins with "Insufficient
 * balance"). */
enum accepted upload_end(struct net *net, struct upload *u,
                         struct stored **stored, struct err *err);

struct stored *stored_get(const struct net *net, struct id id);

/* Its first bytes, and its head parsed into *it (which points into buf). */
int stored_head(const struct stored *h, struct buf *buf, struct item *it,
                struct err *err);

/* Index an item whose bytes lie in the journal and which was no upload: a
 * message on AO. */
struct stored *stored_add(struct net *net, const struct item *it, uint64_t at,
                          uint64_t size, uint64_t now_ms);

/* Bytes [at, at + n) of it. */
int stored_read(const struct stored *h, uint64_t at, void *out, size_t n,
                struct err *err);

/* SHA-256 of its data. */
int stored_digest(struct stored *h, struct id *out, struct err *err);

uint64_t stored_price(const struct net *net, uint64_t size);
uint64_t stored_balance(const struct net *net, struct id address);

/* Replay JOURNAL_ITEM, _FILE and _NESTED; then what a crash left undone. */
int stored_replay(struct net *net, const struct journal_record *r,
                  struct err *err);
void stored_replayed(struct net *net);

void stored_free(struct net *net);

#endif
