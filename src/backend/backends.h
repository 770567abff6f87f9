/*
 * Backends of this build, chosen by name: the setting `kernel`.  What a
 * backend is, is in engine/backend.h; engines get one from their callers.
 *
 *   auto        the best one that this machine runs
 *   reference   a level of the CPU by its name in kernels/levels.c; others
 *   avx2 ..     are known there and may be missing in this build
 *
 * The pretended backend (backend/pretend/pretend.h) has no name here: it
 * proves nothing and is asked for by a program, never by a setting.
 */
#ifndef APUS_BACKEND_BACKENDS_H
#define APUS_BACKEND_BACKENDS_H

#include "engine/backend.h"

struct caller;
struct err;
struct group;
struct model;

/* Open a backend that has passed its self-test; the caller closes it with
 * backend_close, after the engine that uses it.  A CPU computes on `threads`
 * threads, 0: one for each core that this process may use.  Sets the
 * floating-point state of the calling thread; another one that calls it later
 * has to call x1_thread_init.  ERR_INPUT: no backend of this name is in this
 * build or on this machine.  ERR_FATAL: it computes wrongly here. */
int backend_open(struct backend **out, const char *name, size_t threads,
                 struct err *err);

/* The same of a member of a group (engine/group.h), which is copied; what it
 * points to is borrowed until the backend is closed. */
int backend_open_member(struct backend **out, const char *name, size_t threads,
                        const struct group *g, struct err *err);

/* Of a member that is not the first: make each call that the first member's
 * backend gets, until that one is closed.  `find` gives the model of an id,
 * whose matrices may have come to this backend's sink, or NULL; it stays until
 * find is called again.  A load that fails, here or with another member, fails
 * with all of them: the first one's error is that of the first member that has
 * any, after its name, and the group goes on.  -1 for the errors of other calls
 * and of the group, after which the backend can only be closed. */
int backend_follow(struct backend *b, backend_find_fn *find, void *self,
                   struct err *err);

/* Of a member that has no backend: let each load of the first one fail for this
 * reason, until its backend is closed.  -1 for the errors of the group. */
int backend_refuse(const struct group *g, const struct err *why,
                   struct err *err);

/* Share the weights of models that come to its sink from now on with other
 * processes of this machine that say so, too: one of them packs, the others map
 * what it made (backend/cpu/shared.h), after at most wait_s seconds.  The
 * caller, which is copied, is told who has packed them; what cannot be shared
 * is packed by each, with a warning. */
void backend_share(struct backend *b, unsigned wait_s,
                   const struct caller *caller);

/* Bytes of its weights that lie in memory shared with other processes, which
 * the memory of this process alone does not count; 0: none.  *of_socket: each
 * socket of the machine has its own. */
size_t backend_shared_bytes(const struct backend *b, bool *of_socket);

#endif
