/*
 * Blocks.  They come every NET_BLOCK_MS and whenever somebody asks for them
 * (POST /mine/N); those that find new items put them into a transaction, the
 * "root", a bundle of bundles as bundlers make it, signed by this net.
 */
#ifndef APUS_LOCALNET_CHAIN_H
#define APUS_LOCALNET_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct response;
struct err;
struct stored;
struct journal_record;
struct net;

struct root {
    struct id id;
    unsigned char signature[512];
    struct id data_root;
    uint64_t height, weave_at;   /* where it begins in the weave */
    struct stored **item;
    size_t n;
    unsigned char *head;         /* of the bundle */
    size_t n_head;
    uint64_t size;               /* of its data */
};

/* Tags of a root. */
#define CHAIN_TAGS 2
extern const char *const chain_tags[CHAIN_TAGS][2];

/* What a transaction at this height has as last_tx. */
void chain_anchor(unsigned char anchor[48], uint64_t height);

/* Put new items into a block at the height of now, if there are any and the
 * last root has another height. */
int chain_tick(struct net *net, struct err *err);
/* n more blocks; what is new is in the first. */
int chain_mine(struct net *net, uint64_t n, struct err *err);

const struct root *chain_root(const struct net *net, struct id id);
/* The bundle that an item lies in: an item, or a root; NULL: none yet. */
const struct id *chain_bundle(const struct stored *h);
/* The hash of a root's block, and of any. */
void chain_block(unsigned char hash[48], const struct root *r);
void chain_block_at(unsigned char hash[48], const struct net *net,
                    uint64_t height);

/* Bytes [at, at + n) of a root's data as pieces of an answer. */
void chain_pieces(struct response *a, const struct root *root, uint64_t at,
                  uint64_t n);

/* Into memory. */
int chain_read(const struct root *root, uint64_t at, void *out, size_t n,
               struct err *err);
/* The root that has this byte of the weave, or NULL. */
const struct root *chain_at(const struct net *net, uint64_t offset);

/* Replay JOURNAL_BLOCK and _MINE. */
int chain_replay(struct net *net, const struct journal_record *r,
                 struct err *err);
void chain_free(struct net *net);

#endif
