/*
 * The models that the batches of a spool need.  A step of apus drain looks each
 * one up once for all of its batches.
 */
#ifndef APUS_NODE_DRAIN_MODELS_H
#define APUS_NODE_DRAIN_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/found.h"
#include "base/id.h"

struct err;
struct drain_model;

/* What is known about a store; all zeros: nothing.  Not thread-safe. */
struct drain_models {
    struct drain_model *list;
    size_t n;
};

/* Find a model in the store, readable.  FOUND_NONE if it is gone; FOUND_FAILED
 * with ERR_RETRY if that is unknown now, and the next call looks again.  An
 * empty store may be one that is not mounted.  k may be NULL: look now. */
enum found drain_models_has(struct drain_models *k, const char *store,
                            struct id model, struct err *err);

/* Return whether a worker finds the file if it is given only the id. */
bool drain_models_found(struct drain_models *k, const char *store,
                        struct id model);

/* Forget everything: the store may have changed. */
void drain_models_forget(struct drain_models *k);

#endif
