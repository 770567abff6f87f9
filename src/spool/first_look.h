/*
 * A look at the beginning of a file of requests, before anything is made of
 * it: what is not JSONL at all is named with the remedy.  A file that may be
 * JSONL passes; single lines are judged one by one, later (request.h).
 */
#ifndef APUS_SPOOL_FIRST_LOOK_H
#define APUS_SPOOL_FIRST_LOOK_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* As many bytes as are worth looking at. */
#define FIRST_LOOK ((size_t)64 << 10)

/* The first n bytes, `whole` if there are no more.  ERR_INPUT with a text that
 * begins with `name`. */
int first_look(const char *name, const void *data, size_t n, bool whole,
               struct err *err);

#endif
