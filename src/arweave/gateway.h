/*
 * Reading from Arweave by id, from gateways that are not believed: every byte
 * is verified while it comes, and what one gateway cannot give rightly is
 * asked of the next.
 */
#ifndef APUS_ARWEAVE_GATEWAY_H
#define APUS_ARWEAVE_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/found.h"
#include "base/id.h"

struct caller;
struct err;
struct item;
struct settings;
struct gateways;

/* The gateways of the setting `gateways` (URLs, separated by spaces or
 * commas), in that order. */
int gateways_new(struct gateways **out, const struct settings *s,
                 struct err *err);
void gateways_free(struct gateways *g);
size_t gateways_count(const struct gateways *g);

/* Who is asked now and then whether to end early (ERR_RETRY), and hears when
 * one gateway failed and the next is asked.  Copied; NULL: nobody. */
void gateways_caller(struct gateways *g, const struct caller *c);

/* The whole item `id` (its raw bytes, verified, head included) appended to
 * `raw`, whose ceiling bounds it; *it points into raw->data.  `skip` gateways
 * are left out at the front (0; 1 to read back from a second one).
 * ERR_RETRY: no gateway has it now; ERR_INPUT: too long, or every gateway
 * gave something else.  `raw` is then as it was. */
int gateway_item(struct gateways *g, struct id id, size_t skip, struct buf *raw,
                 struct item *it, struct err *err);

/* The same where it is known in which bundle item it lies, and where in that
 * item's data: for items that gateways do not index. */
struct gateway_place {
    struct id bundle;         /* id of the item that holds it */
    uint64_t at, size;        /* in the bundle item's data */
};
int gateway_item_at(struct gateways *g, struct id id,
                    const struct gateway_place *place, size_t skip,
                    struct buf *raw, struct item *it, struct err *err);

/* For those who verify by themselves while it comes: where one gateway has
 * the data of an item, and the item's head; nothing of it is verified but
 * that the head's signature has the id.  Or of a transaction, whose root and
 * size of data are verified. */
struct gateway_data {
    char path[64];   /* below the gateway */
    uint64_t at;     /* of the data in what is there */
    uint64_t size;   /* of the data */
    struct buf head; /* the item's bytes before the data */
    bool is_tx;      /* a transaction: no head, but */
    struct id data_root;
};
void gateway_data_init(struct gateway_data *d);
void gateway_data_clear(struct gateway_data *d);
/* From gateway number i. */
int gateway_find(struct gateways *g, size_t i, struct id id,
                 struct gateway_data *d, struct err *err);
/* Data bytes [from, from + n) from gateway number i, where gateway_find found
 * it: pieces in order; what came before a failure stays with the caller. */
int gateway_read(struct gateways *g, size_t i, const struct gateway_data *d,
                 uint64_t from, uint64_t n,
                 int (*take)(void *self, const void *data, size_t n,
                             struct err *err),
                 void *self, struct err *err);
/* Tries something with gateway number i.  ERR_FATAL ends it all. */
typedef int gateway_attempt_fn(struct gateways *g, size_t i, void *self,
                               struct err *err);
/* Gateways [first, end) in turn until one succeeds; where some failed in a
 * way that may pass, once more, as often as http-retries says. */
int gateways_each(struct gateways *g, size_t first, size_t end,
                  gateway_attempt_fn *attempt, void *self, struct err *err);
const char *gateways_url(const struct gateways *g, size_t i);

/* What gateways say of a transaction: the first that has it counts.  Absent:
 * none has it, and one at least says so.  Mute: none says anything. */
enum gateway_word { GATEWAY_MUTE, GATEWAY_ABSENT, GATEWAY_PENDING,
                    GATEWAY_MINED };
/* *n: its confirmations, the block that has it being the first; 0 unless it
 * is mined.  -1 only when it was to end early; err may be filled otherwise,
 * too, with why the last one did not answer. */
int gateway_depth(struct gateways *g, struct id id, enum gateway_word *word,
                  uint64_t *n, struct err *err);
/* Find the transaction that holds item `id`, by the word of one gateway;
 * FOUND_NONE if none says it, with why in err; FOUND_FAILED when it was to end
 * early. */
enum found gateway_root(struct gateways *g, struct id id, struct id *root,
                        struct err *err);

/* A block of the chain. */
#define GATEWAY_BLOCK 48 /* bytes of its hash */
struct gateway_block {
    uint64_t height;
    unsigned char hash[GATEWAY_BLOCK]; /* indep_hash */
};
/* The block that has a transaction, and the block at a height (from 1);
 * FOUND_NONE if there is none yet.  Every gateway is asked; ERR_RETRY if two
 * say otherwise, or none answers. */
enum found gateway_tx_block(struct gateways *g, struct id tx,
                            struct gateway_block *b, struct err *err);
enum found gateway_block(struct gateways *g, uint64_t height,
                         struct gateway_block *b, struct err *err);

/* The data of item or transaction `id` into the file `path`, which appears
 * only when every byte was verified; what came before a failure is kept in
 * path.part and gone on with (Range) next time.  `head` (may be NULL) gets
 * the item's head bytes, for its tags.  progress may be NULL. */
int gateway_file(struct gateways *g, struct id id, const char *path,
                 uint64_t max_size, struct buf *head,
                 void (*progress)(void *self, uint64_t done, uint64_t size),
                 void *self, struct err *err);

#endif
