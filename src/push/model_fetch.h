/*
 * Models on Arweave: a model file is the data of one item with the tags Apus:
 * model-1 and Model: its model id.
 */
#ifndef APUS_PUSH_MODEL_FETCH_H
#define APUS_PUSH_MODEL_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/caller.h"
#include "base/id.h"

struct err;
struct gateways;

#define MODEL_TAG "Model" /* its value is the id */

struct model_fetch {
    struct gateways *gateways;
    const char *store;
    const char *name;    /* for the model in the store, or NULL */
    struct caller caller; /* may stop it; hears what failed and is resumed */
    /* How many bytes are in; may be NULL.  self is the caller's. */
    void (*progress)(void *self, uint64_t done, uint64_t size);
};

/* Fetch the model of this id on Arweave into the store, unless it is there;
 * its model id is in *id.  Gateways are asked in turn; every part of the file
 * is verified against the model id when it is in, and a wrong one asked of the
 * next; what came before a failure or a kill is resumed.  It becomes a
 * model of the store only when the item's signature was verified, too.
 * ERR_INPUT: what is there is no model, or another one than its tag says. */
int model_fetch(const struct model_fetch *f, struct id arweave, struct id *id,
                struct err *err);

#endif
