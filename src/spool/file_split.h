/*
 * A file of requests that became several batches: SPOOL/split/<id>.json, by
 * the id that a batch of the whole file has, names them in the file's order.
 * Where each of them stands is in the spool alone.
 */
#ifndef APUS_SPOOL_FILE_SPLIT_H
#define APUS_SPOOL_FILE_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;
struct file_out;
struct spool;

#define FILE_SPLIT_MAX 10000 /* parts of a file */

struct file_split {
    struct id id, model, file;  /* SHA-256 of the file */
    char *source;               /* its path, for people and for finding it */
    struct id *part;            /* ids of batches; of an older version equal
                                   parts are one batch */
    size_t n;
};
void file_split_clear(struct file_split *p);

/* Make at most n batches of a file that can be read twice, each of requests
 * that follow each other, and write down which.  Fewer requests are fewer
 * batches; blank lines go with the request before them.  If it fails there is
 * none of the batches that it made.
 * Of the same file and model the last split counts.  Run again it finds what
 * there is. */
int file_split_make(struct file_split *out, const struct spool *s,
                    const char *file, struct id model, size_t n,
                    struct err *err);

/* Call `each` for every file that was split; it ends the walk with anything
 * but 0.  One that cannot be read is left out. */
typedef int file_split_fn(void *self, const struct file_split *p,
                          struct err *err);
int file_split_walk(const struct spool *s, file_split_fn *each, void *self,
                    struct err *err);

/* Append the requests of all parts, the bytes of the file, and the ids that
 * the parts give its lines, 32 bytes each.  Those of an older version counted
 * equal lines from their own first line, so the ids may not be the file's. */
int file_split_join(const struct file_split *p, const struct spool *s,
                    struct file_out *out, struct file_out *ids,
                    struct err *err);

/* Forget each split of which no batch is in the spool any more. */
int file_split_tidy(const struct spool *s, struct err *err);

/* For tests: the text of such a file.  ERR_INPUT says what is wrong. */
int file_split_parse(struct file_split *out, const char *text, size_t n,
                     struct err *err);

#endif
