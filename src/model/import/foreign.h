/*
 * Files of a model directory that are not what their name says: what a
 * download left in their place.
 */
#ifndef APUS_MODEL_IMPORT_FOREIGN_H
#define APUS_MODEL_IMPORT_FOREIGN_H

#include <stddef.h>

struct err;

/* ERR_INPUT if the first n bytes of a file, or up to 512 of them, are those of
 * a pointer of Git LFS, of a web page, or are zeros alone: says which, and what
 * helps.  `path` names it. */
int foreign_check(const char *path, const void *bytes, size_t n,
                  struct err *err);

/* The same for a file that is there, and of NAME.json also if it begins or ends
 * as no JSON object does: compressed, UTF-16, an error in place of it, cut off.
 * One that cannot be read is left to who reads it. */
int foreign_check_file(const char *path, struct err *err);

#endif
