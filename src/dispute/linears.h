/*
 * Which linear makes a vector of the operator table: its matrix, bias, input
 * and residual.
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

/* NULL if no linear makes it. */
const struct linear_entry *linears_of(enum entry e);

/* The tensor of `local` in a layer, or of the head. */
uint32_t linears_tensor(uint32_t layer, uint32_t local);

#endif
