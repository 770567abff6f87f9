/*
 * Blocks of keys and values (X1_BLOCK positions of one layer and KV head) as
 * products of four bytes read them:
 *
 *   keys    [4 blocks of 16 positions][quads of head_dim][16 positions][4]
 *   values  [blocks of 16 of head_dim][16 quads of positions][16 of it][4]
 *   s_k     64 floats
 *   s_v     64 floats
 *
 * So 64 bytes of keys are 4 elements of 16 keys, a result a key; 64 bytes of
 * values are 4 positions of 16 elements, a result an element.  head_dim is
 * padded: keys with zeros up to a quad, values with anything up to 16.
 */
#ifndef APUS_KERNELS_X86_PAGES_H
#define APUS_KERNELS_X86_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

static inline size_t page_quads(size_t hd)
{
    return (hd + 3) / 4;
}

/* Bytes of the keys, and of the values after them. */
static inline size_t page_key_bytes(size_t hd)
{
    return page_quads(hd) * 4 * X1_BLOCK;
}

static inline size_t page_value_bytes(size_t hd)
{
    return (hd + 15) / 16 * 16 * X1_BLOCK;
}

/* The parts of a block, as they lie in it one after the other; each is aligned
 * to 64 where the block is. */
struct page {
    int8_t *k, *v;
    float *s_k, *s_v;
};

static inline struct page page_of(unsigned char *block, size_t hd)
{
    unsigned char *v = block + page_key_bytes(hd);
    float *s = (float *)(void *)(v + page_value_bytes(hd));

    return (struct page){ (int8_t *)block, (int8_t *)v, s, s + X1_BLOCK };
}

/* The most pages that n positions in a row are in: they may begin at the last
 * position of one. */
static inline size_t page_most(size_t n)
{
    return (n + 2 * X1_BLOCK - 2) / X1_BLOCK;
}

/* Queries that are computed at a time, and the pages in which all that they
 * attend to lies: `pages` of them, from number `first` on. */
struct page_tile {
    struct x1_query *query;
    size_t m, hd;
    const struct x1_blocks *kv;
    size_t first, pages;
};

/* Page `page` of a tile, counted from its first one.  What it has at positions
 * that were not stored is never part of a result. */
static inline struct page page_at(const struct page_tile *t, size_t page)
{
    return page_of(t->kv->block[t->first + page] + t->kv->offset, t->hd);
}

/* Compute a tile with the scratch of its caller. */
typedef void page_attend_fn(const struct page_tile *t, struct x1_scoring c,
                            void *scratch);

/* Attention as kernels.h has it, in tiles of at most `most` queries; a tile has
 * no more pages than the query with most of them may need. */
void page_attention(page_attend_fn *attend, size_t most,
                    struct x1_query *query, size_t m, struct x1_scoring c,
                    const struct x1_blocks *kv, size_t hd, void *scratch);

/* Keys and values of hd bytes each, and their scales, to place `at`. */
void page_put(unsigned char *block, size_t at, const int8_t *k,
              const int8_t *v, float s_k, float s_v, size_t hd);

/* Set block_bytes, put and fetch of a table (kernels.h has their
 * contracts). */
void page_init(struct x1_kernels *k);

#endif
