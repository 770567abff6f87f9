/*
 * A hash table over all prefixes and a list, oldest first, of those that
 * nobody uses.  Who uses a prefix uses its parents too and leaves them after
 * it, so the oldest in the list has no children.
 */
#include <config.h>

#include "engine/prefix.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUCKETS 16384u

void prefixes_init(struct prefixes *p, size_t positions, bool digests)
{
    memset(p, 0, sizeof(*p));
    p->bucket = xcalloc(BUCKETS, sizeof(struct prefix *));
    p->positions = positions;
    p->digests = digests;
}

void prefixes_clear(struct prefixes *p)
{
    for (size_t i = 0; p->bucket && i < BUCKETS; i++) {
        while (p->bucket[i]) {
            struct prefix *f = p->bucket[i];

            p->bucket[i] = f->next;
            free(f->digest);
            free(f);
        }
    }
    free(p->bucket);
    memset(p, 0, sizeof(*p));
}

/* FNV-1a over tokens; only the time of a search depends on it. */
static uint64_t hash(const struct prefixes *p, const struct prefix *parent,
                     const uint32_t *token)
{
    uint64_t h = parent ? parent->hash : 14695981039346656037u;

    for (size_t i = 0; i < p->positions; i++)
        h = (h ^ token[i]) * 1099511628211u;
    return h;
}

static struct prefix **bucket_of(const struct prefixes *p, uint64_t h)
{
    return &p->bucket[(h ^ h >> 32) % BUCKETS];
}

struct prefix *prefix_find(const struct prefixes *p,
                           const struct prefix *parent,
                           const uint32_t *token)
{
    uint64_t h = hash(p, parent, token);
    struct prefix *f = *bucket_of(p, h);

    while (f && (f->hash != h || f->parent != parent ||
                 memcmp(f->token, token, p->positions * sizeof(*token)) != 0))
        f = f->next;
    return f;
}

struct prefix *prefix_make(struct prefixes *p, struct prefix *parent,
                           const uint32_t *token, uint32_t block)
{
    size_t n = p->positions * sizeof(*token);
    struct prefix *f = xcalloc(1, sizeof(*f) + n);
    struct prefix **bucket;

    f->parent = parent;
    f->hash = hash(p, parent, token);
    f->block = block;
    f->n_users = 1;
    if (p->digests)
        f->digest = xcalloc(p->positions, sizeof(*f->digest));
    memcpy(f->token, token, n);
    bucket = bucket_of(p, f->hash);
    f->next = *bucket;
    *bucket = f;
    return f;
}

static void list_add(struct prefixes *p, struct prefix *f)
{
    f->older = p->newest;
    f->newer = NULL;
    *(p->newest ? &p->newest->newer : &p->oldest) = f;
    p->newest = f;
    p->n_unused++;
}

static void list_remove(struct prefixes *p, struct prefix *f)
{
    *(f->older ? &f->older->newer : &p->oldest) = f->newer;
    *(f->newer ? &f->newer->older : &p->newest) = f->older;
    p->n_unused--;
}

void prefix_use(struct prefixes *p, struct prefix *f)
{
    if (f->n_users++ == 0)
        list_remove(p, f);
}

/* Its block is the caller's. */
static void forget(struct prefixes *p, struct prefix *f)
{
    struct prefix **at = bucket_of(p, f->hash);

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    free(f->digest);
    free(f);
}

bool prefix_leave(struct prefixes *p, struct prefix *f)
{
    if (--f->n_users > 0)
        return false;
    if (f->ready) {
        list_add(p, f);
        return false;
    }
    forget(p, f);
    return true;
}

void prefix_digest(const struct prefixes *p, struct prefix *f, size_t at,
                   const struct id *kv)
{
    if (f->ready || !f->digest || at != f->n_digests)
        return;
    f->digest[f->n_digests++] = *kv;
    f->ready = f->n_digests == p->positions;
}

uint32_t prefix_evict(struct prefixes *p)
{
    struct prefix *f = p->oldest;
    uint32_t block = f->block;

    assert(f->n_users == 0);
    list_remove(p, f);
    forget(p, f);
    return block;
}
