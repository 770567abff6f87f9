/*
 * BATCH/ids: the ids of the lines of requests.jsonl, 32 bytes each, those of
 * blank lines zeros; not in batches whose ids are of version 1.  It is made
 * with requests.jsonl, so that every rank can look up one line without
 * reading those before it.
 */
#ifndef APUS_SPOOL_IDS_FILE_H
#define APUS_SPOOL_IDS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct batch_info;
struct err;
struct ids_file;

/* Make it of requests.jsonl in that directory; it appears whole.  Tells how
 * many lines there are, and how many of them are requests.  With `sync_later`
 * it is not synced: the caller does that. */
int ids_file_write(const char *batch_path, const struct batch_info *i,
                   bool sync_later, uint64_t *n_lines, uint64_t *n_requests,
                   struct err *err);

/* Open it for reading.  ERR_INPUT unless it is a file of so many lines. */
int ids_file_open(struct ids_file **out, const char *batch_path,
                  uint64_t n_lines, struct err *err);
void ids_file_close(struct ids_file *f); /* NULL is allowed */

/* The id of line `line` (from 0).  One after the other is fast. */
int ids_file_get(struct ids_file *f, uint64_t line, struct id *id,
                 struct err *err);

#endif
