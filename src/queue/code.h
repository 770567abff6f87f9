/*
 * The code of a queue as files: the first, with which a process begins, and
 * the others that it is sent as messages (doc/queue.md, "The code").
 */
#ifndef APUS_QUEUE_CODE_H
#define APUS_QUEUE_CODE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/id.h"

struct err;

#define QUEUE_CODE_PARTS 16 /* at most */

struct queue_code {
    size_t n;                          /* parts; 1: a process by itself */
    struct buf part[QUEUE_CODE_PARTS]; /* Lua, each an Eval or On-Boot data */
    struct id sha256;                  /* of the texts in parts 2 to n, which
                                          Info says as Code-Sha256 */
    struct id all;                     /* of every byte of every part */
};

/* Read "DIR/NAME.lua" and, if its first line says that it is part 1 of n,
 * "DIR/NAME-2.lua" to "DIR/NAME-n.lua".  ERR_INPUT if a file is missing, is
 * another part than its name says, or is larger than a message may be. */
int queue_code_read(struct queue_code *c, const char *path, struct err *err);

/* Free the parts of what was read; all zero is allowed. */
void queue_code_clear(struct queue_code *c);

#endif
