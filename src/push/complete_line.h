/*
 * The lines of a Complete (doc/queue.md), each with its newline, in two forms:
 * with the records of an answer, and for a queue before version 2.0 with what
 * it would have made of them.
 */
#ifndef APUS_PUSH_COMPLETE_LINE_H
#define APUS_PUSH_COMPLETE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct results_row;

#define COMPLETE_TEXT 2048 /* bytes of a text that goes along */

/* Append one result, which is in this item; with_ids: the output's ids, too,
 * unless they are too many. */
void complete_line(struct buf *out, const struct results_row *row,
                   struct id item);
void complete_line_records(struct buf *out, const struct results_row *row,
                           struct id item, bool with_ids);

/* Bytes of a line in the JSON of a message: AOS takes 1e11 gas for more than
 * 80 kB of letters, and for less than 50 kB of texts that are all quotes. */
size_t complete_line_quoted(const struct buf *line);

/* Append the answer to an Infer-Batch: the root and number of its results. */
void complete_line_file(struct buf *out, struct id request, struct id root,
                        struct id statement);
void complete_line_file_records(struct buf *out, struct id request,
                                struct id root, uint64_t count,
                                struct id statement);

#endif
