/*
 * A fault that is pretended, for tests and for who wants to see a dispute: one
 * element of one layer at one position computed wrongly, and all that follows
 * from it rightly.
 */
#ifndef APUS_DISPUTE_PRETENDED_H
#define APUS_DISPUTE_PRETENDED_H

#include <stdint.h>

#include "dispute/operators.h"

struct err;

struct pretended {
    uint32_t position, layer;
    enum entry entry; /* q k v o y g u */
    uint32_t index;
};

/* POSITION/LAYER/ENTRY/INDEX.  ERR_INPUT. */
int pretended_init(struct pretended *f, const char *text, struct err *err);

/* An explain_alter_fn of it: adds 1 to that element.  Elements past the end
 * of a vector are never reached. */
void pretended_alter(void *self, uint32_t position, uint32_t layer,
                     enum entry e, void *value, size_t n);

#endif
