/*
 * A file that may be a part of a checkpoint, opened once: what is hashed is
 * what is parsed and read, even if its name stands for another meanwhile.
 */
#ifndef APUS_STORE_PART_FILE_H
#define APUS_STORE_PART_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;
struct part_file;

/* Open a regular file for reading.  ERR_INPUT if it is missing or not one. */
int part_file_open(struct part_file **out, const char *path,
                   struct err *err);
void part_file_close(struct part_file *f); /* NULL is allowed */

/* The name it was opened by, for messages. */
const char *part_file_path(const struct part_file *f);
int part_file_descriptor(const struct part_file *f);
uint64_t part_file_size(const struct part_file *f); /* bytes, when opened */

/* Read n bytes at an offset.  ERR_INPUT if the file ends before. */
int part_file_read(const struct part_file *f, void *data, size_t n,
                   uint64_t at, struct err *err);

/* Compute the SHA-256 of all its bytes. */
int part_file_hash(const struct part_file *f, struct id *sha256,
                   struct err *err);

/* Call it after the last byte was read.  ERR_RETRY if the file was written to
 * since it was opened: its size, mtime or ctime differs. */
int part_file_unchanged(const struct part_file *f, struct err *err);

#endif
