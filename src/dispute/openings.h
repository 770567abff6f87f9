/*
 * The proof file `apusprf1` (doc/dispute.md, "The proof file"): a head that
 * says what is proven, then openings in the order in which a statement asks for
 * them.  The reader states which opening comes next, how many leaves its tree
 * has and how large its leaf is; the file's own claims about that are not
 * trusted.
 */
#ifndef APUS_DISPUTE_OPENINGS_H
#define APUS_DISPUTE_OPENINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct statement_place;

#define OPENINGS_HEAD 36 /* bytes of a proof before its openings */

/* What an opening is of.  ROLE_PIECE + an entry of the operator table is a
 * piece of that vector; + ENTRY_X, of the residual row. */
enum role {
    ROLE_LEAF = 1,    /* leaf of the trace; without a path: of a block */
    ROLE_BLOCK = 2,   /* leaf hashes of 16 positions */
    ROLE_ROW = 3,     /* kv row */
    ROLE_PROMPT = 4,  /* piece of prompt ids */
    ROLE_OUTPUT = 5,  /* .. and of output ids */
    ROLE_TENSOR = 6,  /* tensor record */
    ROLE_SCALE = 7,   /* leaf of a row of a matrix: scale and root */
    ROLE_WEIGHTS = 8, /* piece of that row */
    ROLE_VALUES = 9,  /* piece of a vector of the model */
    ROLE_TOKENIZER = 10, /* piece of the tokenizer bytes */
    ROLE_PIECE = 16
};

/* Return the bytes to open, for a proof being written: n_data bytes, valid
 * until the next call, and the path of their leaf.  NULL: unknown. */
typedef const unsigned char *openings_source_fn(void *self, uint32_t role,
                                                uint64_t index, size_t n_data,
                                                unsigned char *path,
                                                size_t *n_path);

struct openings {
    const unsigned char *at, *end;
    uint32_t left;  /* openings */
    bool refused;   /* one was not as asked for */
    openings_source_fn *source; /* NULL: a proof is read, else it is .. */
    void *self;
    struct buf *out;            /* .. written to this */
    unsigned char path[64 * 32];
};

/* Read the head of a proof.  Return -1 if it is malformed or proves another
 * place. */
int openings_init(struct openings *o, const unsigned char *proof, size_t n,
                  const struct statement_place *place);

/* Return the data (n_data bytes, never NULL) of the next opening, of leaf
 * `index` of n_leaves, and the root that its path leads to.  After a refusal:
 * zeros, up to 4 KiB, and a root that matches nothing. */
const unsigned char *openings_next(struct openings *o, uint32_t role,
                                   uint64_t index, uint64_t n_leaves,
                                   size_t n_data, struct id *root);

/* Return the data of an opening that has no path. */
const unsigned char *openings_bare(struct openings *o, uint32_t role,
                                   uint64_t index, size_t n_data);

/* Return whether every opening was read and none was refused. */
bool openings_done(const struct openings *o);

/* Write a proof of this place to `out`: openings_next gets what it asks for
 * from the source and appends it. */
void openings_write(struct openings *o, struct buf *out,
                    const struct statement_place *place,
                    openings_source_fn *source, void *self);

#endif
