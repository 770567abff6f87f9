/*
 * Ids of the lines of a file of requests (doc/proof.md section 5).  Those of
 * version 2 follow from the line, so a line keeps its id when others are
 * added.  Equal lines differ by how many came before.
 */
#ifndef APUS_PROOF_LINE_IDS_H
#define APUS_PROOF_LINE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;

/* Space, tab, CR: what is not a part of a line where it stands at one of its
 * ends. */
static inline bool line_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Version 1: H("apusline" || SHA-256(file) || n u64), n counting the lines of
 * the file from 0. */
void line_id_by_file(struct id *id, struct id file, uint64_t n);

/* Version 2: H("apuslin2" || model id || SHA-256(line) || k u64), k being the
 * number of equal lines before it. */
void line_id(struct id *id, struct id model, struct id sha256, uint64_t k);

/* How often each line has come so far; 36 bytes a line that is new, and as
 * much again for room. */
struct line_ids;
struct line_ids *line_ids_new(struct id model);
void line_ids_free(struct line_ids *t); /* NULL is allowed */

/* Count from n on for lines of this hash, of which none has come yet: so many
 * stand in parts of the file before this one.  Fails when memory is short. */
int line_ids_begin(struct line_ids *t, struct id sha256, uint32_t n,
                   struct err *err);

/* The id of the next line, of this hash, and in *n how many equal lines came
 * before.  Fails when memory is short, and may be tried again. */
int line_ids_next(struct line_ids *t, struct id *id, struct id sha256,
                  uint32_t *n, struct err *err);

#endif
