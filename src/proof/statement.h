/*
 * The statement about a batch (proof.md section 5), which a node signs, and
 * the id of a file's batch.  Signing is not here.
 */
#ifndef APUS_PROOF_STATEMENT_H
#define APUS_PROOF_STATEMENT_H

#include <stdint.h>

struct merkle;

#define STATEMENT_SIZE 208

struct statement {
    unsigned char batch[32];    /* batch id */
    unsigned char root[32];     /* of the batch's result records */
    uint32_t count;             /* of results */
    uint32_t n_files;
    unsigned char process[32];  /* zeros for a file */
    unsigned char node[32];     /* address */
    unsigned char files[32];    /* mth over the checkpoint's files */
    unsigned char previous[32]; /* statement_id of the last, or zeros */
};

/* The next file of a checkpoint, into the tree of which `files` is the root:
 * its leaf is size u64 || SHA-256. */
void statement_file(struct merkle *files, uint64_t size,
                    const unsigned char sha256[32]);

void statement_pack(unsigned char out[STATEMENT_SIZE],
                    const struct statement *s);
/* -1 if the magic is wrong; values are not judged here. */
int statement_unpack(struct statement *s,
                     const unsigned char in[STATEMENT_SIZE]);

/* H of the packed statement: what the next one has as `previous`. */
void statement_id(unsigned char id[32], const struct statement *s);

/* Batch id of a file with this SHA-256, answered by this model:
 * H("apusbtch" || model || SHA-256(file)). */
void batch_file_id(unsigned char id[32], const unsigned char model[32],
                   const unsigned char file[32]);

#endif
