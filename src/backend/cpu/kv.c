/*
 * A block is one block of the kernels after the other, layer by layer and in
 * a layer KV head by KV head, each aligned to 64 bytes.
 */
#include <config.h>

#include "backend/cpu/kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SLAB_BYTES ((size_t)8 << 20) /* about: some large pages */
#define LINE 64

void kv_init(struct kv_pool *p, const struct x1_kernels *k, size_t n_layers,
             size_t n_kv_heads, size_t head_dim, size_t n_slots)
{
    memset(p, 0, sizeof(*p));
    p->k = k;
    p->n_layers = n_layers;
    p->n_kv_heads = n_kv_heads;
    p->head_dim = head_dim;
    p->head_bytes = (k->block_bytes(head_dim) + 63) / 64 * 64;
    p->block_bytes = n_layers * n_kv_heads * p->head_bytes;
    p->slab_blocks = SLAB_BYTES / p->block_bytes;
    p->slab_blocks += p->slab_blocks == 0;
    p->n_slots = n_slots;
    p->slot = xcalloc(n_slots, sizeof(*p->slot));
}

void kv_clear(struct kv_pool *p)
{
    for (size_t i = 0; i < p->n_slots; i++)
        free(p->slot[i].block);
    for (size_t i = 0; i < p->n_slabs; i++)
        free(p->slab[i]);
    free(p->slot);
    free(p->slab);
    memset(p, 0, sizeof(*p));
}

/* More pointers, NULL: at least n. */
static void grow(unsigned char ***list, size_t *n, size_t want)
{
    size_t old = *n;

    if (want <= old)
        return;
    want = want < 2 * old ? 2 * old : want;
    *list = xrealloc(*list, want * sizeof(**list));
    memset(*list + old, 0, (want - old) * sizeof(**list));
    *n = want;
}

/* Where a block is; NULL when memory is out. */
static unsigned char *name_block(struct kv_pool *p, uint32_t block,
                                 struct err *err)
{
    size_t slab = block / p->slab_blocks;
    size_t bytes = p->slab_blocks * p->block_bytes;
    void *fresh;

    grow(&p->slab, &p->n_slabs, slab + 1);
    if (!p->slab[slab]) {
        if (mem_big(&fresh, 1, bytes, "KV cache", err))
            return NULL;
        /* kernels multiply what was never stored by zero, or mask it out: once
         * defined, valgrind finds what matters */
        memset(fresh, 0, bytes);
        p->slab[slab] = fresh;
    }
    return p->slab[slab] + block % p->slab_blocks * p->block_bytes;
}

int kv_enter(struct kv_pool *p, uint32_t slot, uint32_t index, uint32_t block,
             struct err *err)
{
    unsigned char *at = name_block(p, block, err);
    struct kv *kv = &p->slot[slot];

    if (!at)
        return -1;
    grow(&kv->block, &kv->n, (size_t)index + 1);
    kv->block[index] = at;
    return 0;
}

int kv_copy(struct kv_pool *p, uint32_t from, uint32_t to, struct err *err)
{
    const unsigned char *a = name_block(p, from, err);
    unsigned char *b = a ? name_block(p, to, err) : NULL;

    if (!b)
        return -1;
    memcpy(b, a, p->block_bytes);
    return 0;
}

struct x1_blocks kv_blocks(const struct kv_pool *p, uint32_t slot,
                           size_t layer, size_t head)
{
    return (struct x1_blocks){
        p->slot[slot].block, (layer * p->n_kv_heads + head) * p->head_bytes
    };
}

unsigned char *kv_at(const struct kv_pool *p, uint32_t slot, size_t layer,
                     size_t head, size_t pos)
{
    struct x1_blocks b = kv_blocks(p, slot, layer, head);

    return b.block[pos / KV_PAGE] + b.offset;
}

void kv_fetch_ahead(const struct kv_pool *p, uint32_t slot, size_t layer,
                    size_t head, size_t pos)
{
#ifdef __GNUC__
    const unsigned char *at = kv_at(p, slot, layer, head, pos);

    for (size_t i = 0; i < p->head_bytes; i += LINE)
        __builtin_prefetch(at + i, 0, 2);
#else
    (void)p;
    (void)slot;
    (void)layer;
    (void)head;
    (void)pos;
#endif
}
