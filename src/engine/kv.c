/*
 * Pages of the KV cache.  In a page each (layer, KV head) has K, V, s_k and
 * s_v of KV_PAGE positions, one after the other.
 */
#include <config.h>

#include "engine/kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct kv_page {
    struct kv_page *next; /* while it is free */
    char pad[56];         /* what follows is aligned to 64 */
    unsigned char data[];
};

static size_t head_bytes(const struct kv_pool *p)
{
    return KV_PAGE * (2 * p->head_dim + 2 * sizeof(float));
}

void kv_pool_init(struct kv_pool *p, size_t n_layers, size_t n_kv_heads,
                  size_t head_dim)
{
    memset(p, 0, sizeof(*p));
    p->n_layers = n_layers;
    p->n_kv_heads = n_kv_heads;
    p->head_dim = head_dim;
    p->page_bytes = sizeof(struct kv_page) +
                    n_layers * n_kv_heads * head_bytes(p);
}

void kv_pool_clear(struct kv_pool *p)
{
    while (p->free) {
        struct kv_page *page = p->free;

        p->free = page->next;
        free(page);
    }
    p->n_pages = 0;
}

void kv_init(struct kv *kv)
{
    kv->page = NULL;
    kv->n_pages = 0;
}

static void give_back(struct kv_pool *p, struct kv_page *page)
{
    if (!page)
        return;
    page->next = p->free;
    p->free = page;
}

void kv_clear(struct kv *kv, struct kv_pool *p)
{
    for (size_t i = 0; i < kv->n_pages; i++)
        give_back(p, kv->page[i]);
    free(kv->page);
    kv_init(kv);
}

static int take_page(struct kv_page **out, struct kv_pool *p,
                     struct err *err)
{
    void *fresh;

    if (p->free) {
        *out = p->free;
        p->free = p->free->next;
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
        kv->page = xrealloc(kv->page, want * sizeof(struct kv_page *));
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

void kv_row(struct kv_row *r, const struct kv *kv, const struct kv_pool *p,
            size_t layer, size_t head, size_t pos)
{
    size_t hd = p->head_dim, at = pos % KV_PAGE;
    unsigned char *b = kv->page[pos / KV_PAGE]->data +
                       (layer * p->n_kv_heads + head) * head_bytes(p);

    r->k = (int8_t *)b + at * hd;
    r->v = (int8_t *)b + (KV_PAGE + at) * hd;
    r->s_k = (float *)(void *)(b + 2 * KV_PAGE * hd) + at;
    r->s_v = r->s_k + KV_PAGE;
}

size_t kv_spans(struct x1_span *span, const struct kv *kv,
                const struct kv_pool *p, size_t layer, size_t head,
                size_t from, size_t to)
{
    size_t n = 0;

    while (from < to) {
        size_t end = (from / KV_PAGE + 1) * KV_PAGE;
        struct kv_row r;

        if (end > to)
            end = to;
        kv_row(&r, kv, p, layer, head, from);
        span[n].k = r.k;
        span[n].v = r.v;
        span[n].s_k = r.s_k;
        span[n].s_v = r.s_v;
        span[n].n = end - from;
        n++;
        from = end;
    }
    return n;
}
