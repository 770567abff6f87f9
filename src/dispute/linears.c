/*
 * The table follows doc/numerics.md, "A layer".
 */
#include <config.h>

#include "dispute/linears.h"

#include <stddef.h>

#include "proof/model_record.h"

static const struct {
    enum entry entry;
    struct linear_entry l;
} made[] = {
    { ENTRY_Q, { LAYER_WQ, LAYER_BQ, ENTRY_A, ENTRY_EA, ENTRIES } },
    { ENTRY_K, { LAYER_WK, LAYER_BK, ENTRY_A, ENTRY_EA, ENTRIES } },
    { ENTRY_V, { LAYER_WV, LAYER_BV, ENTRY_A, ENTRY_EA, ENTRIES } },
    { ENTRY_Y, { LAYER_WO, LAYER_TENSORS, ENTRY_B, ENTRY_EO, ENTRY_X } },
    { ENTRY_G, { LAYER_GATE, LAYER_TENSORS, ENTRY_C, ENTRY_EC, ENTRIES } },
    { ENTRY_U, { LAYER_UP, LAYER_TENSORS, ENTRY_C, ENTRY_EC, ENTRIES } },
    { ENTRY_X, { LAYER_DOWN, LAYER_TENSORS, ENTRY_H, ENTRY_EH, ENTRY_Y } },
    { ENTRY_LOGITS, { TENSOR_HEAD, LAYER_TENSORS, ENTRY_F, ENTRY_EN,
                      ENTRIES } },
};

const struct linear_entry *linears_of(enum entry e)
{
    for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
        if (made[i].entry == e)
            return &made[i].l;
    return NULL;
}

uint32_t linears_tensor(uint32_t layer, uint32_t local)
{
    return layer == OPERATORS_HEAD
               ? local
               : TENSOR_LAYERS + LAYER_TENSORS * layer + local;
}
