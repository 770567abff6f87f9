/*
 * A file of requests as lines, read twice and never held whole, once for its
 * hash and once line by line.
 */
#ifndef APUS_SPOOL_LINES_H
#define APUS_SPOOL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct earlier;
struct err;
struct lines;

#define LINES_MAX_LINE (16u << 20) /* bytes of one line */
#define LINES_BOM "\xef\xbb\xbf"

/* Open a regular file and read it through for its hash and number of lines.
 * The last line need not have a newline. */
int lines_open(struct lines **out, const char *path, struct err *err);
void lines_close(struct lines *f);

/* The same of requests whose lines have ids of version 2 (doc/proof.md section
 * 5): a BOM at the beginning and blanks at both ends of a line are left out,
 * and a line of nothing but those is not a request. */
int lines_open_requests(struct lines **out, const char *path, struct id model,
                        struct err *err);

/* Count equal lines on from these, before the first lines_next: the file is a
 * part of another.  Its ids must be of version 2. */
int lines_begin_after(struct lines *f, const struct earlier *e,
                      struct err *err);

/* Lines in the file, and those that are requests (not blank): the same number
 * unless it was opened by lines_open_requests. */
uint64_t lines_count(const struct lines *f);
uint64_t lines_requests(const struct lines *f);

/* SHA-256 of the file. */
struct id lines_hash(const struct lines *f);

/* Offset in the file of the line that lines_next gave last. */
uint64_t lines_offset(const struct lines *f);

/* The same, but of its first byte where lines_offset leaves out a BOM and
 * blanks. */
uint64_t lines_start(const struct lines *f);

/* Whether that line is not a request. */
bool lines_is_blank(const struct lines *f);

/* Id of that line; zeros if it is not a request. */
void lines_id(const struct lines *f, struct id *id);

/* What that id of version 2 is made of: SHA-256 of the line, and how many
 * equal lines came before. */
void lines_repeat(const struct lines *f, struct id *sha256, uint32_t *n);

/* The next line without its newline, valid until the next call; *line is NULL
 * at the end.  Of a line over LINES_MAX_LINE bytes only as many and one are
 * given.  Fails if the file is no longer the one that was hashed. */
int lines_next(struct lines *f, const char **line, size_t *n,
                  struct err *err);

#endif
