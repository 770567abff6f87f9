/*
 * part-PPPP.jobs: which row of the part beside it answers which job
 * (doc/checkpoint.md), so that an answer can be found again by what determines
 * it.  It is made of the part when that is sealed.  What it says is a hint:
 * a reader of an answer compares the job with that of the row.
 */
#ifndef APUS_STORE_JOBS_FILE_H
#define APUS_STORE_JOBS_FILE_H

#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct err;
struct jobs_file;

/* Make it of a part. */
int jobs_file_write(const char *path, const char *part, struct err *err);

/* Open it for reading.  ERR_INPUT unless it is such a file, of version 1 and
 * as long as it says; ERR_RETRY if it cannot be read now. */
int jobs_file_open(struct jobs_file **out, const char *path,
                   struct err *err);
void jobs_file_close(struct jobs_file *f); /* NULL is allowed */

/* Of which model and which part (its part_root) it is. */
struct id jobs_file_model(const struct jobs_file *f);
struct id jobs_file_root(const struct jobs_file *f);

/* The next job, in ascending order, and its row.  ERR_INPUT if it is out of
 * order or of no row. */
enum found jobs_file_next(struct jobs_file *f, struct id *job, uint32_t *row,
                          struct err *err);

#endif
