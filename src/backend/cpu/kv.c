/*
 * A block is one block of the kernels after the other, layer by layer and in
 * a layer KV head by KV head, each aligned to 64 bytes.
 */
#include <config.h>

#include "backend/cpu/kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

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
    p->n_slots = n_slots;
    p->slot = xcalloc(n_slots, sizeof(*p->slot));
}

void kv_clear(struct kv_pool *p)
{
    for (size_t i = 0; i < p->n_slots; i++)
        free(p->slot[i].block);
    for (size_t i = 0; i < p->n_blocks; i++)
        free(p->block[i]);
    free(p->slot);
    free(p->block);
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

static int named(struct kv_pool *p, uint32_t block, struct err *err)
{
    void *fresh;

    grow(&p->block, &p->n_blocks, (size_t)block + 1);
    if (p->block[block])
        return 0;
    if (mem_big(&fresh, 1, p->block_bytes, "KV cache", err))
        return -1;
    /* kernels multiply what was never stored by zero, or mask it out: once
     * defined, valgrind finds what matters */
    memset(fresh, 0, p->block_bytes);
    p->block[block] = fresh;
    return 0;
}

int kv_enter(struct kv_pool *p, uint32_t slot, uint32_t index, uint32_t block,
             struct err *err)
{
    struct kv *kv = &p->slot[slot];

    if (named(p, block, err))
        return -1;
    grow(&kv->block, &kv->n, (size_t)index + 1);
    kv->block[index] = p->block[block];
    return 0;
}

int kv_copy(struct kv_pool *p, uint32_t from, uint32_t to, struct err *err)
{
    if (named(p, from, err) || named(p, to, err))
        return -1;
    memcpy(p->block[to], p->block[from], p->block_bytes);
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
