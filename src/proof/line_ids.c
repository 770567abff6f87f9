/*
 * A hash table of lines.  Their hashes are spread evenly already; who grinds
 * them into one place makes his own file slow.
 */
#include <config.h>

#include "proof/line_ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"

#define FIRST_SIZE 1024 /* a power of two, as all sizes are */

struct line_entry {
    struct id sha256;
    uint32_t n; /* lines of this hash; 0: nothing is here */
};

struct line_ids {
    struct id model;
    struct line_entry *entry;
    size_t size, used;
};

void line_id_by_file(struct id *id, struct id file, uint64_t n)
{
    unsigned char b[8 + 32 + 8];

    memcpy(b, "apusline", 8);
    memcpy(b + 8, file.b, 32);
    set_u64(b + 40, n);
    digest(id, b, sizeof(b));
}

void line_id(struct id *id, struct id model, struct id sha256, uint64_t k)
{
    unsigned char b[8 + 32 + 32 + 8];

    memcpy(b, "apuslin2", 8);
    memcpy(b + 8, model.b, 32);
    memcpy(b + 40, sha256.b, 32);
    set_u64(b + 72, k);
    digest(id, b, sizeof(b));
}

struct line_ids *line_ids_new(struct id model)
{
    struct line_ids *t = xcalloc(1, sizeof(*t));

    t->model = model;
    return t;
}

void line_ids_free(struct line_ids *t)
{
    if (!t)
        return;
    free(t->entry);
    free(t);
}

/* Where a hash is, or is to be put. */
static struct line_entry *find_entry(struct line_entry *list, size_t size,
                                     struct id sha256)
{
    size_t at = (size_t)get_u64(sha256.b) & (size - 1);

    while (list[at].n && !id_equal(list[at].sha256, sha256))
        at = (at + 1) & (size - 1);
    return &list[at];
}

static int grow(struct line_ids *t, struct err *err)
{
    size_t size = t->size ? 2 * t->size : FIRST_SIZE;
    struct line_entry *list;
    void *memory;

    if (mem_big(&memory, size, sizeof(*list), "the ids of lines", err))
        return -1;
    list = memory;
    memset(list, 0, size * sizeof(*list));
    for (size_t i = 0; i < t->size; i++)
        if (t->entry[i].n)
            *find_entry(list, size, t->entry[i].sha256) = t->entry[i];
    free(t->entry);
    t->entry = list;
    t->size = size;
    return 0;
}

/* The entry of a hash; made if there is none, with n = 0. */
static struct line_entry *entry_of(struct line_ids *t, struct id sha256,
                                   struct err *err)
{
    struct line_entry *e;

    if (t->used >= t->size / 4 * 3 && grow(t, err))
        return NULL;
    e = find_entry(t->entry, t->size, sha256);
    if (e->n == 0) {
        e->sha256 = sha256;
        t->used++;
    }
    return e;
}

int line_ids_begin(struct line_ids *t, struct id sha256, uint32_t n,
                   struct err *err)
{
    struct line_entry *e = n ? entry_of(t, sha256, err) : NULL;

    if (e)
        e->n = n;
    return n && !e ? -1 : 0;
}

int line_ids_next(struct line_ids *t, struct id *id, struct id sha256,
                  uint32_t *n, struct err *err)
{
    struct line_entry *e = entry_of(t, sha256, err);

    if (!e)
        return -1;
    *n = e->n++;
    line_id(id, t->model, sha256, *n);
    return 0;
}
