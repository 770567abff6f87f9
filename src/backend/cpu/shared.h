/*
 * Packed weights that the processes of one machine share: one of them packs,
 * the others map what it made, read only.  The memory is a memfd, which is gone
 * with the last process that has it; a small file in /dev/shm says who has it.
 * Whoever came first may die: what is mapped stays, and the others have it to
 * give.  Only processes of the same user are believed.
 */
#ifndef APUS_BACKEND_CPU_SHARED_H
#define APUS_BACKEND_CPU_SHARED_H

#include <stddef.h>

#include "base/id.h"

struct shared;

#define SHARED_WHY 200 /* bytes of a reason */

enum shared_state {
    SHARED_NONE,  /* it cannot be shared, for the reason in `why` */
    SHARED_FILL,  /* the memory is zeros: fill it, then shared_publish */
    SHARED_READY  /* another process has filled it: read only */
};

/* Share n bytes, aligned to 64, that `key` determines.  While another process
 * fills them this one waits, at most wait_s seconds.  `giver` becomes the
 * number of the process that had them.  After SHARED_NONE there is nothing to
 * close. */
enum shared_state shared_open(struct shared **out, struct id key, size_t n,
                              unsigned wait_s, char why[SHARED_WHY]);

/* The memory, until shared_close, and its bytes: 0 for NULL. */
void *shared_memory(const struct shared *s);
size_t shared_size(const struct shared *s);

/* The process that had them, 0 where it is this one. */
int shared_giver(const struct shared *s);

/* What was filled is read only from here on, and others may have it. */
void shared_publish(struct shared *s);

/* NULL is allowed.  What was not published is filled by the next process that
 * waits for it. */
void shared_close(struct shared *s);

#endif
