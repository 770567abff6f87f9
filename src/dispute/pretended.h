/*
 * Fault injection, for tests and for demonstrating a dispute: one element of
 * one layer at one position is computed wrongly, and everything that depends on
 * it correctly.
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

/* Parse POSITION/LAYER/ENTRY/INDEX.  ERR_INPUT if it is malformed. */
int pretended_init(struct pretended *f, const char *text, struct err *err);

/* An explain_alter_fn that adds 1 to that element.  An index past the end of a
 * vector has no effect. */
void pretended_alter(void *self, uint32_t position, uint32_t layer,
                     enum entry e, void *value, size_t n);

#endif
