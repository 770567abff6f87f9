/*
 * A stack of free numbers.
 */
#include <config.h>

#include "engine/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

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
    if (b->n_free == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 64;
        b->free = xrealloc(b->free, b->cap * sizeof(*b->free));
    }
    b->free[b->n_free++] = number;
}
