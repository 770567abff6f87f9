/*
 * Whether a file system has room for a file that is about to be written, and
 * errors that name the file system, what is free on it and what is needed.
 */
#ifndef APUS_BASE_ROOM_H
#define APUS_BASE_ROOM_H

#include <stdint.h>

struct err;

/* What helps where batches are. */
#define ROOM_OF_SPOOL "make room there (apus clean removes old batches, apus" \
                      " du tells what they take) and run it again"

/* Add what helps to an error that is filled, if its errno `why` is that of a
 * full disk or quota.  -1. */
int room_remedy(struct err *err, int why, const char *helps);

/* Whether a directory's file system has n bytes free, which is so where that
 * cannot be told: 0, or -1 with ERR_RETRY.  `helps` ends the message. */
int room_check(const char *dir, uint64_t n, const char *helps,
               struct err *err);

/* Reserve the first n bytes of an open file, whose size stays; where a file
 * system cannot do that, only check that they are free.  `path` is for the
 * message.  0, or -1: ERR_RETRY for a full disk or quota, ERR_INPUT for a
 * limit of the size of a file. */
int room_reserve(int fd, const char *path, uint64_t n, const char *helps,
                 struct err *err);

#endif
