/*
 * Which blocks of keys and values are in use, by number: the engine's count,
 * regardless of what a backend has in them.
 */
#ifndef APUS_ENGINE_BLOCKS_H
#define APUS_ENGINE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

struct blocks {
    uint32_t *free; /* numbers given back, the latest last */
    size_t n_free, cap;
    uint32_t made;  /* numbers ever used: 0 .. made - 1 */
};

void blocks_clear(struct blocks *b);

/* A number that is not in use, the lowest fresh one if none came back. */
uint32_t blocks_take(struct blocks *b);
void blocks_give(struct blocks *b, uint32_t number);

#endif
