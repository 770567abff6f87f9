/*
 * The blocks of keys and values: each has KV_PAGE positions of all layers and
 * KV heads, in the form of the kernels, and a number that the engine gives.
 * A slot is a sequence's list of block numbers.  Memory of a block comes when
 * it, or one of the same slab, is first named, and stays until the end.
 */
#ifndef APUS_BACKEND_CPU_KV_H
#define APUS_BACKEND_CPU_KV_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

struct err;

#define KV_PAGE X1_BLOCK /* positions */

/* The blocks of a slot by index; those never entered are NULL. */
struct kv {
    unsigned char **block;
    size_t n;
};

struct kv_pool {
    const struct x1_kernels *k;
    size_t n_layers, n_kv_heads, head_dim;
    size_t head_bytes;      /* of a block for one layer and KV head */
    size_t block_bytes;
    unsigned char **slab;   /* some blocks each, NULL: none was named yet */
    size_t n_slabs, slab_blocks;
    struct kv *slot;
    size_t n_slots;
};

/* The kernels are borrowed. */
void kv_init(struct kv_pool *p, const struct x1_kernels *k, size_t n_layers,
             size_t n_kv_heads, size_t head_dim, size_t n_slots);
void kv_clear(struct kv_pool *p);

/* Entry `index` of a slot is this block from now on.  -1 when memory is
 * out. */
int kv_enter(struct kv_pool *p, uint32_t slot, uint32_t index, uint32_t block,
             struct err *err);

/* Copy all of a block. */
int kv_copy(struct kv_pool *p, uint32_t from, uint32_t to, struct err *err);

/* A slot's positions of one layer and KV head, for the kernels. */
struct x1_blocks kv_blocks(const struct kv_pool *p, uint32_t slot,
                           size_t layer, size_t head);

/* Where one position of a layer and KV head is: the block's part, and the
 * place in it is pos % KV_PAGE. */
unsigned char *kv_at(const struct kv_pool *p, uint32_t slot, size_t layer,
                     size_t head, size_t pos);

/* Fetch that part into the cache, while another one is computed. */
void kv_fetch_ahead(const struct kv_pool *p, uint32_t slot, size_t layer,
                    size_t head, size_t pos);

#endif
