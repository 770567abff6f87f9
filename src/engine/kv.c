/*
 * Pages of the KV cache: one block of the kernels after the other, layer by
 * layer and in a layer KV head by KV head, each aligned to 64 bytes.
 */
#include <config.h>

#include "engine/kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void kv_pool_init(struct kv_pool *p, const struct x1_kernels *k,
                  size_t n_layers, size_t n_kv_heads, size_t head_dim)
{
    memset(p, 0, sizeof(*p));
    p->k = k;
    p->n_layers = n_layers;
    p->n_kv_heads = n_kv_heads;
    p->head_dim = head_dim;
    p->head_bytes = (k->block_bytes(head_dim) + 63) / 64 * 64;
    p->page_bytes = n_layers * n_kv_heads * p->head_bytes;
}

void kv_pool_clear(struct kv_pool *p)
{
    while (p->free) {
        unsigned char *page = p->free;

        memcpy(&p->free, page, sizeof(p->free));
        free(page);
    }
    p->n_pages = 0;
}

void kv_init(struct kv *kv)
{
    kv->page = NULL;
    kv->n_pages = 0;
}

static void give_back(struct kv_pool *p, unsigned char *page)
{
    if (!page)
        return;
    memcpy(page, &p->free, sizeof(p->free));
    p->free = page;
}

void kv_clear(struct kv *kv, struct kv_pool *p)
{
    for (size_t i = 0; i < kv->n_pages; i++)
        give_back(p, kv->page[i]);
    free(kv->page);
    kv_init(kv);
}

static int take_page(unsigned char **out, struct kv_pool *p,
                     struct err *err)
{
    void *fresh;

    if (p->free) {
        *out = p->free;
        memcpy(&p->free, *out, sizeof(p->free));
        return 0;
    }
    if (mem_big(&fresh, 1, p->page_bytes, "KV cache", err))
        return -1;
    p->n_pages++;
    *out = fresh;
    return 0;
}

int kv_reserve(struct kv *kv, struct kv_pool *p, size_t n, struct err *err)
{
    size_t want = (n + KV_PAGE - 1) / KV_PAGE;

    if (want > kv->n_pages)
        kv->page = xrealloc(kv->page, want * sizeof(*kv->page));
    while (kv->n_pages < want) {
        if (take_page(&kv->page[kv->n_pages], p, err))
            return -1;
        kv->n_pages++;
    }
    return 0;
}

void kv_drop(struct kv *kv, struct kv_pool *p, size_t pos)
{
    for (size_t i = pos / KV_PAGE; i-- > 0 && kv->page[i];) {
        give_back(p, kv->page[i]);
        kv->page[i] = NULL;
    }
}

struct x1_blocks kv_blocks(const struct kv *kv, const struct kv_pool *p,
                           size_t layer, size_t head)
{
    return (struct x1_blocks){
        kv->page, (layer * p->n_kv_heads + head) * p->head_bytes
    };
}

void kv_fetch(int8_t *k, int8_t *v, float *s_k, float *s_v,
              const struct kv *kv, const struct kv_pool *p, size_t layer,
              size_t head, size_t pos)
{
    struct x1_blocks b = kv_blocks(kv, p, layer, head);

    p->k->fetch(k, v, s_k, s_v, b.block[pos / KV_PAGE] + b.offset,
                pos % KV_PAGE, p->head_dim);
}
