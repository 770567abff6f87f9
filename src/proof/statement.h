/*
 * The statement about a batch (proof.md section 5), which a node signs, and
 * the id of a file's batch.  Signing is not here: the packed statement is the
 * data of a data item (arweave/item.h), which the node's wallet signs.
 *
 * The statements of one node are a chain by `previous`.  A fork in it is no
 * proof of anything; two statements about one batch with another root are.
 */
#ifndef APUS_PROOF_STATEMENT_H
#define APUS_PROOF_STATEMENT_H

#include <stdint.h>

#include "base/id.h"

struct merkle;

#define STATEMENT_SIZE 208

struct statement {
    struct id batch;            /* batch id */
    struct id root;             /* of the batch's result records */
    uint32_t count;             /* of results: requests times choices */
    uint32_t n_files;           /* parts of the checkpoint */
    struct id process;  /* the queue on AO, zeros for a file */
    struct id node;     /* address */
    struct id files;    /* mth over the checkpoint's files */
    struct id previous; /* statement_id of the last, or zeros */
};

/* The next file of a checkpoint, into the tree of which `files` is the root:
 * its leaf is size u64 || SHA-256. */
void statement_file(struct merkle *files, uint64_t size, struct id sha256);

void statement_pack(unsigned char out[STATEMENT_SIZE],
                    const struct statement *s);
/* -1 if the magic is wrong; values are not judged here. */
int statement_unpack(struct statement *s,
                     const unsigned char in[STATEMENT_SIZE]);

/* H of the packed statement: what the next one has as `previous`. */
void statement_id(struct id *id, const struct statement *s);

/* Batch id of a file with this SHA-256, answered by this model:
 * H("apusbtch" || model || SHA-256(file)). */
void batch_file_id(struct id *id, struct id model, struct id file);

/* The same of a part of a file, of whose lines some stand in the parts before
 * it: H("apusbtcp" || model || SHA-256(file) || SHA-256(list of those)). */
void batch_part_id(struct id *id, struct id model, struct id file,
                   struct id earlier);

#endif
