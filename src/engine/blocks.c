/*
 * A stack of free numbers.
 */
#include <config.h>

#include "engine/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

void blocks_clear(struct blocks *b)
{
    free(b->free);
    memset(b, 0, sizeof(*b));
}

uint32_t blocks_take(struct blocks *b)
{
    return b->n_free ? b->free[--b->n_free] : b->made++;
}

void blocks_give(struct blocks *b, uint32_t number)
{
    VEC_RESERVE(b->free, b->cap, b->n_free + 1);
    b->free[b->n_free++] = number;
}
