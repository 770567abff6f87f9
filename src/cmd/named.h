/*
 * What a person named on a command line: a file of requests or a batch.
 */
#ifndef APUS_CMD_NAMED_H
#define APUS_CMD_NAMED_H

#include <stdbool.h>

struct spool;

/* Whether it names a file: one that exists and is no directory, or "-". */
bool named_is_file(const char *what);

/* Where a file has the name of a batch too: say that the file is taken.  The
 * spool may be NULL. */
void named_tell_both(const struct spool *s, const char *what);

#endif
