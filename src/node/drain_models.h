/*
 * The models that the batches of a spool need, as a step of apus drain asks
 * after them: each is looked up once for all of its batches.
 */
#ifndef APUS_NODE_DRAIN_MODELS_H
#define APUS_NODE_DRAIN_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct err;
struct drain_model;

/* What is known of a store; all zeros: nothing.  For one thread. */
struct drain_models {
    struct drain_model *list;
    size_t n;
};

/* Whether a model is in the store, and can be read: 1; 0 it is gone; -1 nobody
 * can say now, ERR_RETRY, and the next call looks again.  A store without any
 * may be one that is not mounted.  k may be NULL: look now. */
int drain_models_has(struct drain_models *k, const char *store,
                     struct id model, struct err *err);

/* Whether a worker that is given the id alone finds its file. */
bool drain_models_found(struct drain_models *k, const char *store,
                        struct id model);

/* Know nothing any more: the store may have changed. */
void drain_models_forget(struct drain_models *k);

#endif
