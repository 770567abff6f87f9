/*
 * The item of one result on Arweave (doc/proof.md section 5): its JSON, keys
 * in the order of that page, and its tags.  It is written from a record whose
 * commitments were checked.  No hash covers the JSON: when it is read, values
 * are taken out of it, records are built from them anew, and what it says of
 * itself is kept apart, to be compared.
 */
#ifndef APUS_PUBLISH_PUBLISHED_H
#define APUS_PUBLISH_PUBLISHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/id.h"
#include "proof/job_record.h"
#include "proof/merkle_path.h"
#include "proof/result_record.h"

struct err;
struct record;

/* No result has more bytes, and no statement. */
#define PUBLISHED_MAX ((size_t)8 << 20)

/* ---- writing ------------------------------------------------------------- */

/* What the results of a batch have in common.  Borrowed. */
struct published_batch {
    const struct id *process; /* 32 bytes each; zeros for a file */
    const struct id *batch, *root, *node;
    uint64_t count;               /* results of the batch */
    bool hashes;                  /* prompt, tokens and text as hashes */
};

/* Append the JSON of a result: at `index` in the order of the batch, with the
 * path from there to its root.  ERR_INPUT if a record is invalid, if the text
 * is not UTF-8, or if out is full. */
int published_put(struct buf *out, const struct record *r,
                  const struct published_batch *b, uint64_t index,
                  const unsigned char *path, size_t n_path, struct err *err);

/* The tags, and the texts that they borrow. */
#define PUBLISHED_TAGS 7
struct published_tags {
    struct item_text_tag tag[PUBLISHED_TAGS];
    char request[ID_TEXT], model[ID_TEXT], job[ID_TEXT], result[ID_TEXT],
        batch[ID_TEXT];
};
int published_tags(struct published_tags *t, const struct record *r,
                   struct id batch, struct err *err);

/* ---- reading ------------------------------------------------------------- */

struct published {
    struct job_record job;       /* built from the values */
    struct result_record result; /* the same, with the id of that job */
    struct id said_job;          /* the id that stands there */
    struct id process;           /* zeros: from a file */
    struct id batch;             /* batch id */
    struct id root;              /* of the batch */
    uint32_t index, count;       /* its place in the batch */
    unsigned char path[32 * MERKLE_PATH_MAX];
    size_t n_path;               /* hashes */
    struct id node;

    bool hashed; /* prompt, tokens and text are only hashes; the four below,
                    in the form of a record, are empty but for the stops */
    struct buf prompt, stops, output, text;
    unsigned char job_bytes[JOB_RECORD_SIZE]; /* packed, as is the next */
    unsigned char result_bytes[RESULT_RECORD_SIZE];
};

void published_init(struct published *p);
void published_clear(struct published *p);

/* Make `copy`, which is not initialised, another one of p. */
void published_copy(struct published *copy, const struct published *p);

/* Read a result's JSON: every key is there once and no other, in any order;
 * every value has its form.  ERR_INPUT names the key.  Values that contradict
 * each other are not judged here. */
int published_read(struct published *p, const char *json, size_t n,
                   struct err *err);

/* View it as a record without leaves, for recomputing it.  Not of a hashed one.
 */
void published_record(const struct published *p, struct record *r);

/* Whether the result lies at its place in a batch with this root and count,
 * by its path. */
bool published_is_in(const struct published *p, struct id root, uint32_t count);

#endif
