/*
 * Maps a vector of the operator table to the linear that makes it: matrix,
 * bias, input and residual.
 */
#ifndef APUS_DISPUTE_LINEARS_H
#define APUS_DISPUTE_LINEARS_H

#include <stdint.h>

#include "dispute/operators.h"

struct linear_entry {
    uint32_t matrix, bias;  /* LAYER_..; bias LAYER_TENSORS: none */
    enum entry input;       /* the quantised row */
    enum entry exponent;
    enum entry residual;    /* ENTRIES none; ENTRY_X: the row x_l */
};

/* Return the linear that makes an entry, or NULL if none does. */
const struct linear_entry *linears_of(enum entry e);

/* Return the tensor number of `local` in a layer, or in the head. */
uint32_t linears_tensor(uint32_t layer, uint32_t local);

#endif
