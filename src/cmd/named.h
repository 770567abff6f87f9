/*
 * What a person named on a command line: a file of requests or a batch.
 *
 * A file stands for the batch that its bytes are in, whatever it was called
 * then; one that is gone for what had its path.  A file that was split stands
 * for its parts, unless a batch of the whole of it is done.
 */
#ifndef APUS_CMD_NAMED_H
#define APUS_CMD_NAMED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct batch;
struct err;
struct spool;

/* Whether it names a file: one that exists and is not a directory, or "-". */
bool named_is_file(const char *what);

/* Where a file has the name of a batch too: say that the file is taken.  The
 * spool may be NULL. */
void named_report_both(const struct spool *s, const char *what);

/* Batches by name, in the order of a file's lines; equal parts of a file are
 * one batch, which is there for each of them. */
struct named {
    struct batch *batch;
    size_t n;
    bool is_file; /* all of one file, whose first line is theirs */
};

/* Find what was named: a batch, or the batches of a file.  ERR_INPUT: there is
 * none, or several that answer it with different models and none is named
 * (`model`, NULL: none). */
int named_find(struct named *n, const struct spool *s, const char *what,
               const struct id *model, struct err *err);
void named_clear(struct named *n);

/* Find the batches of several names, each once.  Parts of a file that the
 * spool no longer has are left out.  ERR_INPUT if a name has no batch; then
 * there is nothing to clear. */
int named_find_all(struct named *n, const struct spool *s,
                   const char *const *what, size_t n_what, struct err *err);

/* Whether a file has requests that a batch of the spool answers, instead of
 * answers. */
bool named_is_answered(const char *what, const char *spool_dir);

/* Add a copy of a batch. */
void named_add(struct named *n, const struct batch *b);

#endif
