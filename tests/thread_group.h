/*
 * A group (engine/group.h) whose members are threads of this process.  Each
 * member is used by one thread at a time.
 */
#ifndef APUS_TESTS_THREAD_GROUP_H
#define APUS_TESTS_THREAD_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "engine/group.h"

struct thread_group;

/* `size` members, 1 to GROUP_MAX. */
struct thread_group *thread_group_new(uint32_t size);

/* Nobody is in a call any more. */
void thread_group_free(struct thread_group *g);

/* A member's view, valid until thread_group_free. */
struct group thread_group_member(struct thread_group *g, uint32_t rank);

/* Exchanges so far, of all kinds. */
size_t thread_group_calls(struct thread_group *g);

#endif
