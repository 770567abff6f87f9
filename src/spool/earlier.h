/*
 * Lines of a part of a file that also stand in the parts before it: how many
 * of each.  The ids of the part's lines count on from there (doc/proof.md
 * section 5), so that equal lines of a file that was split have the ids that
 * they have in the whole file.
 */
#ifndef APUS_SPOOL_EARLIER_H
#define APUS_SPOOL_EARLIER_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;

struct earlier_line {
    struct id sha256; /* of the line, as in its id */
    uint32_t n;       /* equal lines in the parts before */
};

struct earlier {
    struct earlier_line *line;
    size_t n, capacity;
};
void earlier_clear(struct earlier *e);

/* Note a line of the part, of which there were n in the file so far.  Fails
 * when memory is short. */
int earlier_note(struct earlier *e, struct id sha256, uint32_t n,
                 struct err *err);
/* The part ends: keep what was before its first line, sorted by hash. */
void earlier_end(struct earlier *e);

/* Make the file `earlier` of a batch (doc/checkpoint.md) that no other process
 * knows yet; the caller syncs it.  *sha256 is its hash. */
int earlier_write(const char *batch_path, const struct earlier *e,
                  struct id *sha256, struct err *err);
/* ERR_INPUT if it is not the file of that SHA-256, or too long for a batch of
 * so many lines. */
int earlier_read(struct earlier *e, const char *batch_path, struct id sha256,
                 uint64_t n_lines, struct err *err);

#endif
