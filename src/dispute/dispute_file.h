/*
 * A dispute as a file (doc/dispute.md, "The dispute file"): the hash of the
 * result that it is about, and its moves in order.  It does not say who made a
 * move or when: the judge needs neither.
 */
#ifndef APUS_DISPUTE_DISPUTE_FILE_H
#define APUS_DISPUTE_DISPUTE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct err;
struct judge;
struct judge_file;

#define DISPUTE_FILE_MAX ((size_t)1 << 20)

enum dispute_move { DISPUTE_SHOW = 1, DISPUTE_PICK, DISPUTE_PROVE };

/* Append the head of a dispute file: of a dispute about a result, or about one
 * answer to a file of requests.  Moves follow it. */
void dispute_file_begin(struct buf *out, struct id result);
void dispute_file_begin_line(struct buf *out, const struct judge_file *file);
void dispute_file_put(struct buf *out, enum dispute_move move,
                      const void *bytes, size_t n);

/* Play a dispute file.  If this returns 0, *g is initialised, the caller clears
 * it, and its turn says how far the dispute went.  ERR_INPUT names the move
 * that the judge refuses. */
int dispute_file_play(struct judge *g, const unsigned char *file, size_t n,
                      struct err *err);

#endif
