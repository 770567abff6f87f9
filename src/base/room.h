/*
 * Whether a file system has room for a file that is about to be written, and
 * errors that name the file system, what is free on it and what is needed.
 */
#ifndef APUS_BASE_ROOM_H
#define APUS_BASE_ROOM_H

#include <stdint.h>

#include "base/err.h"

/* What helps where it is not known whose files lie there. */
#define ROOM_ANYWHERE "make room there and run it again"

/* What helps where batches are. */
#define ROOM_OF_SPOOL "make room there (apus clean removes old batches, apus" \
                      " du tells what they take) and run it again"

/* Set "cannot WHAT "PATH"", followed by the text of errno; of a full disk or
 * quota also what is free there, and to make room; of a limit of the size of a
 * file what raises it.  errno stays.  -1. */
int room_fail(struct err *err, enum err_code code, const char *what,
              const char *path);

/* Add what helps to an error that is filled, if its errno `why` is that of a
 * full disk or quota.  -1. */
int room_remedy(struct err *err, int why, const char *helps);

/* Whether the file system of `path`, a directory or a file that may be missing,
 * has n bytes free; if the system does not say, it has: 0, or -1 with
 * ERR_RETRY.  `helps` ends the message. */
int room_check(const char *path, uint64_t n, const char *helps,
               struct err *err);

/* Reserve the first n bytes of an open file, whose size stays; where a file
 * system cannot do that, only check that they are free.  `path` is for the
 * message.  0, or -1: ERR_RETRY for a full disk or quota, ERR_INPUT for a
 * limit of the size of a file. */
int room_reserve(int fd, const char *path, uint64_t n, const char *helps,
                 struct err *err);

#endif
