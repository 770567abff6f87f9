/*
 * A table from ids of 32 bytes to pointers, which only grows.  Ids are hashes,
 * so their first bytes are all the hashing that is needed.
 */
#ifndef APUS_LOCALNET_IDMAP_H
#define APUS_LOCALNET_IDMAP_H

#include <stddef.h>

#include "base/id.h"

struct idmap {
    struct idmap_slot *slot;
    size_t n, cap; /* cap is 0 or a power of two */
};

void idmap_init(struct idmap *m);
/* The pointers stay the caller's; release (NULL is allowed) is called for
 * each. */
void idmap_clear(struct idmap *m, void (*release)(void *value));

/* NULL if there is none. */
void *idmap_get(const struct idmap *m, struct id id);

/* Put or replace; value is not NULL. */
void idmap_put(struct idmap *m, struct id id, void *value);

#endif
