/*
 * The KV cache: for each sequence a list of pages of KV_PAGE positions, each
 * page with the keys and values of all layers and KV heads, in the form of
 * the kernels.  Pages come from a pool that all sequences share and go back
 * to it.
 */
#ifndef APUS_ENGINE_KV_H
#define APUS_ENGINE_KV_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

struct err;

#define KV_PAGE X1_BLOCK /* positions */

struct kv_pool {
    const struct x1_kernels *k;
    size_t n_layers, n_kv_heads, head_dim;
    size_t head_bytes;     /* of a page for one layer and KV head */
    size_t page_bytes;
    size_t n_pages;        /* allocated, in use or free */
    unsigned char *free;   /* a list: each page begins with the next */
};

/* The pages of one sequence; dropped ones are NULL. */
struct kv {
    unsigned char **page;
    size_t n_pages;
};

/* The kernels are borrowed. */
void kv_pool_init(struct kv_pool *p, const struct x1_kernels *k,
                  size_t n_layers, size_t n_kv_heads, size_t head_dim);
void kv_pool_clear(struct kv_pool *p); /* all sequences must be cleared */

void kv_init(struct kv *kv);
/* Give all pages back. */
void kv_clear(struct kv *kv, struct kv_pool *p);

/* Pages for the positions below n.  -1 when memory is out. */
int kv_reserve(struct kv *kv, struct kv_pool *p, size_t n, struct err *err);

/* Give back the pages that hold only positions below `pos`. */
void kv_drop(struct kv *kv, struct kv_pool *p, size_t pos);

/* The cached positions of a layer and KV head, for the kernels. */
struct x1_blocks kv_blocks(const struct kv *kv, const struct kv_pool *p,
                           size_t layer, size_t head);

/* Read one position's row of a layer and KV head: head_dim each of k, v. */
void kv_fetch(int8_t *k, int8_t *v, float *s_k, float *s_v,
              const struct kv *kv, const struct kv_pool *p, size_t layer,
              size_t head, size_t pos);

#endif
