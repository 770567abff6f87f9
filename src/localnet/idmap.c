/*
 * Open addressing with linear probing, at most half full.
 */
#include <config.h>

#include "localnet/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/id.h"
#include "base/mem.h"

struct idmap_slot {
    struct id id;
    void *value; /* NULL: free */
};

void idmap_init(struct idmap *m)
{
    m->slot = NULL;
    m->n = m->cap = 0;
}

void idmap_clear(struct idmap *m, void (*release)(void *value))
{
    for (size_t i = 0; release && i < m->cap; i++)
        if (m->slot[i].value)
            release(m->slot[i].value);
    free(m->slot);
    idmap_init(m);
}

/* The slot that has this id, or the free one where it would go. */
static struct idmap_slot *find_slot(const struct idmap *m, struct id id)
{
    size_t i = (size_t)get_u64(id.b) & (m->cap - 1);

    while (m->slot[i].value && !id_equal(m->slot[i].id, id))
        i = (i + 1) & (m->cap - 1);
    return &m->slot[i];
}

void *idmap_get(const struct idmap *m, struct id id)
{
    return m->cap ? find_slot(m, id)->value : NULL;
}

static void grow(struct idmap *m)
{
    struct idmap bigger;

    idmap_init(&bigger);
    bigger.cap = m->cap ? m->cap * 2 : 64;
    bigger.slot = xcalloc(bigger.cap, sizeof(*bigger.slot));
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i].value)
            *find_slot(&bigger, m->slot[i].id) = m->slot[i];
    bigger.n = m->n;
    free(m->slot);
    *m = bigger;
}

void idmap_put(struct idmap *m, struct id id, void *value)
{
    struct idmap_slot *s;

    if ((m->n + 1) * 2 > m->cap)
        grow(m);
    s = find_slot(m, id);
    if (!s->value)
        m->n++;
    s->id = id;
    s->value = value;
}
