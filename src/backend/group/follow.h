/*
 * A member of a group (engine/group.h) that is not the first: it hears the
 * first one's orders (orders.h) and makes each call on a backend of its own.
 * The same for every kind of backend; what differs is in a table.
 */
#ifndef APUS_BACKEND_GROUP_FOLLOW_H
#define APUS_BACKEND_GROUP_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/group/agree.h"
#include "engine/backend.h"

struct err;
struct group;
struct model;

/* Calls on the backend `self`.  Errors other than those of load end the
 * member. */
struct follow_ops {
    bool device; /* it computes on a GPU; members of a group are alike */

    /* Forget the model: another one is looked for. */
    void (*drop)(void *self);

    /* Load a model, or, NULL, say with the others why this member has none;
     * whether all have loaded it (agree.h). */
    enum agreed (*load)(void *self, const struct model *m,
                        const struct err *none, const struct backend_load *want,
                        struct err *err);

    /* Of a model that was loaded by all.  Rows fit what it was loaded for, and
     * so do the slots of entries; their blocks may be any. */
    int (*step)(void *self, const struct backend_step *s, struct err *err);
    int (*copy)(void *self, uint32_t from, uint32_t to, struct err *err);

    /* What the first member collects; NULL: a step leaves nothing. */
    int (*collect)(void *self, struct err *err);
};

/* Until the first member closes.  find and find_self as in backend_follow
 * (backend/backends.h); -1 for its errors. */
int follow(const struct group *g, const struct follow_ops *ops, void *self,
           backend_find_fn *find, void *find_self, struct err *err);

/* Of a member without a backend: backend_refuse. */
int follow_refuse(const struct group *g, const struct err *why,
                  struct err *err);

#endif
