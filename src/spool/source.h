/*
 * Where requests come from: a file, a pipe, or standard input, which is "-".
 * What is not a regular file is read once and as it comes.
 */
#ifndef APUS_SPOOL_SOURCE_H
#define APUS_SPOOL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct source;

/* What people call standard input. */
#define SOURCE_STDIN "standard input"

/* Open it, and take a first look (first_look.h): what is not a file of requests
 * is ERR_INPUT.  A pipe is waited for until it has so much or ends. */
int source_open(struct source **out, const char *name, struct err *err);
/* The same without the look: of a part of what was looked at as a whole. */
int source_open_part(struct source **out, const char *name, struct err *err);
/* The same of n bytes from offset `at` of a regular file that the caller keeps
 * open; `name` is for messages.  ERR_RETRY if it ends before them. */
int source_open_range(struct source **out, int fd, const char *name,
                      uint64_t at, uint64_t n, struct err *err);
void source_close(struct source *s); /* NULL is allowed */

/* Take the first look alone.  A pipe, which can be read once only, is left
 * as it is. */
int source_look(const char *name, struct err *err);

/* The next bytes; *n is 0 at the end.  ERR_RETRY at the end of a file that was
 * changed since it was opened. */
int source_read(struct source *s, void *data, size_t size, size_t *n,
                struct err *err);

/* Wait for the next bytes, or the end, at most timeout_ms: false if there is
 * neither yet. */
bool source_wait(const struct source *s, int timeout_ms);

/* A path by which it can be read more than once, which the caller frees: the
 * file's own after a first look, or that of a copy in TMPDIR, which the caller
 * unlinks (*copied). */
int source_path(char **path, bool *copied, const char *name,
                struct err *err);

/* Whether this is standard input by any name. */
bool source_is_stdin(const char *name);

/* Whether it has a path that is a regular file: one that can be read again,
 * and that an output can be named after. */
bool source_is_file(const char *name);

#endif
