/*
 * A dispute as a file (doc/dispute.md, "The dispute file"): the hash of the
 * result that it is about, and its moves in order.  Who made a move and when is
 * not in it: the judge needs neither.
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

/* Append the head of a file, of a dispute about a result, or about one that was
 * answered with a file of requests; then moves. */
void dispute_file_begin(struct buf *out, struct id result);
void dispute_file_begin_line(struct buf *out, const struct judge_file *file);
void dispute_file_put(struct buf *out, enum dispute_move move,
                      const void *bytes, size_t n);

/* Play a file: *g is initialised, and to be cleared, if this returns 0; its
 * turn says how far it goes.  ERR_INPUT names the move that is refused. */
int dispute_file_play(struct judge *g, const unsigned char *file, size_t n,
                      struct err *err);

#endif
