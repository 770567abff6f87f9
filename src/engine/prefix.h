/*
 * Blocks of prompts whose keys and values are there, so that what begins with
 * the same tokens need not compute them again.  A tree: a prefix is one block
 * of positions, its parent the block before.  Prefixes without users stay, the
 * latest longest, until the engine wants their blocks.  Keys, values and
 * digests of a position depend on the tokens up to it alone (doc/numerics.md),
 * so who computed them changes no bit.
 */
#ifndef APUS_ENGINE_PREFIX_H
#define APUS_ENGINE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct prefix {
    struct prefix *parent;  /* NULL: positions from 0 */
    struct prefix *next;    /* in its bucket */
    struct prefix *older, *newer; /* among those without users */
    uint64_t hash;          /* of all tokens up to its last */
    uint32_t block;
    size_t n_users;         /* sequences */
    bool ready;             /* computed, with all digests */
    size_t n_digests;
    struct id *digest;      /* kv of each position; NULL: nobody wants them */
    uint32_t token[];
};

struct prefixes {
    struct prefix **bucket;
    size_t positions;       /* in a block */
    bool digests;
    struct prefix *oldest, *newest; /* without users */
    size_t n_unused;
};

/* Blocks have so many positions, and digests if they are wanted. */
void prefixes_init(struct prefixes *p, size_t positions, bool digests);
void prefixes_clear(struct prefixes *p);

/* The prefix that continues `parent` (NULL: none) with these tokens, as many
 * as a block has; NULL if there is none. */
struct prefix *prefix_find(const struct prefixes *p,
                           const struct prefix *parent,
                           const uint32_t *token);

/* A new one in this block, not ready, with one user: whoever computes it. */
struct prefix *prefix_make(struct prefixes *p, struct prefix *parent,
                           const uint32_t *token, uint32_t block);

/* One user more, one less: of parents first, and left last.  A prefix that is
 * not ready goes with its user: then true, and its block is free. */
void prefix_use(struct prefixes *p, struct prefix *f);
bool prefix_leave(struct prefixes *p, struct prefix *f);

/* The digest of the at-th position, in order; with the last it is ready. */
void prefix_digest(const struct prefixes *p, struct prefix *f, size_t at,
                   const struct id *kv);

/* Forget the one that has been without users for longest, of which there must
 * be one; its block, which is free. */
uint32_t prefix_evict(struct prefixes *p);

#endif
