/*
 * The rows of a sealed batch: those of all its parts, one part after the other,
 * in the order of line and choice.  A part is compared with checkpoint.json as
 * it is opened; what its rows hold is checked by the code that reads them
 * (record.h).
 */
#ifndef APUS_STORE_ROWS_H
#define APUS_STORE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/found.h"

struct checkpoint;
struct err;
struct part_file;
struct rows;
struct seal_info;

/* Before the first row of a batch.  No part is opened yet.  info is borrowed
 * until rows_close. */
struct rows *rows_open(const char *batch_path, const struct seal_info *info);
/* The same of one part by itself, which is opened and compared with nothing.
 * f is borrowed. */
int rows_open_part(struct rows **out, const struct part_file *f,
                   struct err *err);
void rows_close(struct rows *r); /* NULL is allowed */

/* Go back before the first row of a batch. */
void rows_rewind(struct rows *r);

/* Move to the next row, opening the next part if need be.  ERR_INPUT if a part
 * is missing, or has another root, batch or model than checkpoint.json
 * names. */
enum found rows_next(struct rows *r, struct err *err);

/* Open the next part, before its first row; unread rows of the one before are
 * skipped.  After FOUND_FAILED of either, no part is open and the next call
 * opens the one after the part that failed. */
enum found rows_next_part(struct rows *r, struct err *err);

/* Pass over n rows.  ERR_INPUT if there are fewer. */
int rows_skip(struct rows *r, uint64_t n, struct err *err);

/* The current row, after rows_next: its part, the number of that part, and
 * the number of the row in it, both from 0. */
struct checkpoint *rows_part(const struct rows *r);
size_t rows_part_number(const struct rows *r);
uint64_t rows_number(const struct rows *r);

#endif
