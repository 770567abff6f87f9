/*
 * Answers that a start had to leave before they were finished: the tokens they
 * had, in PARTIAL frames of its log (doc/checkpoint.md, Log), so that the next
 * start goes on with them.  The payload: id of the job record (32), n u32, n
 * token ids u32.
 */
#ifndef APUS_STORE_PARTIAL_H
#define APUS_STORE_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct err;

#define PARTIAL_FIXED 36 /* bytes before the ids */

/* Where the newest of a choice is. */
struct partial {
    uint64_t index;       /* of the frame: frame_index() */
    uint32_t start, rank; /* whose log */
    uint64_t at;          /* offset of the frame */
    size_t n;             /* tokens */
};

struct partials {
    struct partial *list; /* the first n_sorted by index, each index once */
    size_t n, n_sorted, cap;
};

void partials_clear(struct partials *p);

/* Note a frame; those of a start come after those of the starts before.
 * Whether it has more tokens than any that was sorted in had of this index:
 * the start got further. */
bool partials_add(struct partials *p, const struct partial *frame);

/* Sort in what was noted, the newest of each index. */
void partials_sort(struct partials *p);

/* The newest of an index among those sorted in, or NULL. */
const struct partial *partials_find(const struct partials *p, uint64_t index);

/* Append a payload. */
void partial_pack(struct buf *out, struct id job, const uint32_t *token,
                  size_t n);

/* Read the frame at p's place in its log, whose path this is: *token gets *n
 * ids, which the caller frees.  ERR_INPUT if it is not there, of another index
 * or job, or has other than 1 to `most` ids below n_vocab. */
int partial_read(uint32_t **token, size_t *n, const char *path,
                 struct id batch, const struct partial *p, struct id job,
                 size_t most, uint32_t n_vocab, struct err *err);

#endif
