/*
 * A statement as it is published (doc/proof.md section 5): the record that is
 * signed, then the size and SHA-256 of each file of the checkpoint.  Written
 * and read here; its item and its signature are elsewhere.
 */
#ifndef APUS_PUBLISH_PUBLISHED_STATEMENT_H
#define APUS_PUBLISH_PUBLISHED_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "proof/statement.h"

struct buf;
struct err;
struct seal_file;

#define PUBLISHED_FILE 40 /* of a statement: size u64, SHA-256 */

/* Append a statement about these files, in their order, which give it its
 * n_files and its `files`. */
void published_statement_put(struct buf *out, struct statement *s,
                             const struct seal_file *file, uint32_t n_files);

/* A statement and its files: PUBLISHED_FILE bytes each, borrowed. */
struct published_statement {
    struct statement s;
    const unsigned char *files;
};

/* ERR_INPUT if it is invalid or its length is not that of its files.  Whether
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
