/*
 * The backend of the CPU: the forward pass over a table of kernels, draws and
 * digests, on a pool of threads.  Blocks are of KV_PAGE positions and come as
 * they are named, so the plan's number of blocks is the ceiling asked for, and
 * one sequence alone may pass it.  All taps are offered.  Steps ahead: none;
 * every result of a step is there when it is collected.
 *
 * With a group (engine/group.h) members compute a model together, each its part
 * (model_part.h).  The first one is a backend as any other; the others follow
 * it (backend/group/follow.h).  Memory and blocks are planned by the first
 * member: others are to have as much.
 */
#ifndef APUS_BACKEND_CPU_CPU_H
#define APUS_BACKEND_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct backend;
struct caller;
struct err;
struct group;
struct model;
struct x1_kernels;

/* The table is copied.  `threads` compute, the caller's among them; fewer where
 * the system makes no more.  The caller closes it with backend_close. */
struct backend *cpu_new(const struct x1_kernels *k, size_t threads);

/* The same of a member of a group, which is copied; what it points to is
 * borrowed until the backend is closed.  Size 1 is alone. */
struct backend *cpu_new_member(const struct x1_kernels *k, size_t threads,
                               const struct group *g);

/* backend_share. */
void cpu_share(struct backend *b, unsigned wait_s,
               const struct caller *caller);

/* backend_shared_bytes. */
size_t cpu_shared_bytes(const struct backend *b, bool *of_socket);

#endif
