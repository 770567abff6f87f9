/*
 * What nodes publish on Arweave, read back (doc/proof.md section 5): the JSON
 * of a result and the bytes of a statement.  No hash covers the JSON: values
 * are taken out of it, records are built from them anew, and what it says of
 * itself is kept apart, to be compared.
 */
#ifndef APUS_PUBLISH_PUBLISHED_H
#define APUS_PUBLISH_PUBLISHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "proof/job_record.h"
#include "proof/merkle_path.h"
#include "proof/result_record.h"
#include "proof/statement.h"

struct err;
struct record;

/* No result, and no statement, has more bytes. */
#define PUBLISHED_MAX ((size_t)8 << 20)
#define PUBLISHED_FILE 40 /* of a statement: size u64, SHA-256 */

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

/* Read a result's JSON: every key is there once and no other, in any order;
 * every value has its form.  ERR_INPUT names the key.  Values that contradict
 * each other are not judged here. */
int published_read(struct published *p, const char *json, size_t n,
                   struct err *err);

/* View it as a record without leaves, for a replay.  Not of a hashed one. */
void published_record(const struct published *p, struct record *r);

/* Whether the result lies at its place in a batch with this root and count,
 * by its path. */
bool published_is_in(const struct published *p, struct id root, uint32_t count);

/* A statement and its files: PUBLISHED_FILE bytes each, borrowed. */
struct published_statement {
    struct statement s;
    const unsigned char *files;
};

/* ERR_INPUT if it is none or its length is not that of its files.  Whether
 * their root is that of the statement is published_files_fit. */
int published_statement_read(struct published_statement *p, const void *data,
                             size_t n, struct err *err);
bool published_files_fit(const struct published_statement *p);

/* Whether it names a file twice: no two parts of a batch are the same. */
bool published_file_twice(const struct published_statement *p);

/* Whether it names a file of this size and SHA-256. */
bool published_has_file(const struct published_statement *p, uint64_t size,
                        struct id sha256);

#endif
