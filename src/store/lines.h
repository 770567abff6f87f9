/*
 * A file of requests as lines, read twice and never held whole, once for its
 * hash and once line by line.
 */
#ifndef APUS_STORE_LINES_H
#define APUS_STORE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct lines;

/* Open a regular file and read it through for its hash and number of lines.
 * The last line need not have a newline. */
int lines_open(struct lines **out, const char *path, struct err *err);
void lines_close(struct lines *f);

uint64_t lines_count(const struct lines *f);

/* SHA-256 of the file. */
const unsigned char *lines_hash(const struct lines *f);

/* Offset in the file of the line that lines_next gave last. */
uint64_t lines_offset(const struct lines *f);

/* Id of the line that lines_next gave last. */
void lines_id(const struct lines *f, unsigned char id[32]);

/* The next line without its newline, valid until the next call; *line is NULL
 * at the end.  Of a line over REQUEST_MAX_LINE bytes only as many and one are
 * given.  Fails if the file is no longer the one that was hashed. */
int lines_next(struct lines *f, const char **line, size_t *n,
                  struct err *err);

#endif
