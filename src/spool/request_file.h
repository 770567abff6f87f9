/*
 * A file of requests as lines, read twice and never held whole, once for its
 * hash and once line by line.
 */
#ifndef APUS_SPOOL_REQUEST_FILE_H
#define APUS_SPOOL_REQUEST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct earlier;
struct err;
struct request_file;

#define REQUEST_FILE_MAX_LINE (16u << 20) /* bytes of one line */
#define REQUEST_FILE_BOM "\xef\xbb\xbf"

/* Open a regular file and read it through for its hash and number of lines.
 * The last line need not have a newline. */
int request_file_open(struct request_file **out, const char *path,
                      struct err *err);
void request_file_close(struct request_file *f);

/* The same of requests whose lines have ids of version 2 (doc/proof.md section
 * 5): a BOM at the beginning and blanks at both ends of a line are left out,
 * and a line of nothing but those is not a request. */
int request_file_open_v2(struct request_file **out, const char *path,
                         struct id model, struct err *err);

/* Count equal lines on from these, before the first request_file_next: the file
 * is a part of another.  Its ids must be of version 2. */
int request_file_begin_after(struct request_file *f, const struct earlier *e,
                             struct err *err);

/* Lines in the file, and those that are requests (not blank): the same number
 * unless it was opened by request_file_open_v2. */
uint64_t request_file_count(const struct request_file *f);
uint64_t request_file_requests(const struct request_file *f);

/* SHA-256 of the file. */
struct id request_file_hash(const struct request_file *f);

/* Offset in the file of the line that request_file_next gave last. */
uint64_t request_file_offset(const struct request_file *f);

/* The same, but of its first byte where request_file_offset leaves out a BOM
 * and blanks. */
uint64_t request_file_start(const struct request_file *f);

/* Whether that line is not a request. */
bool request_file_is_blank(const struct request_file *f);

/* Id of that line; zeros if it is not a request. */
void request_file_id(const struct request_file *f, struct id *id);

/* What that id of version 2 is made of: SHA-256 of the line, and how many
 * equal lines came before. */
void request_file_repeat(const struct request_file *f, struct id *sha256,
                         uint32_t *n);

/* The next line without its newline, valid until the next call; *line is NULL
 * at the end.  Of a line over REQUEST_FILE_MAX_LINE bytes only as many and one
 * are given.  Fails if the file is no longer the one that was hashed. */
int request_file_next(struct request_file *f, const char **line, size_t *n,
                         struct err *err);

#endif
