/*
 * The KV cache: for each sequence a list of pages of KV_PAGE positions, each
 * page with the keys and values of all layers and KV heads.  Pages come from
 * a pool that all sequences share and go back to it.
 */
#ifndef APUS_ENGINE_KV_H
#define APUS_ENGINE_KV_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

struct err;

#define KV_PAGE 64 /* positions */

struct kv_page;

struct kv_pool {
    size_t n_layers, n_kv_heads, head_dim;
    size_t page_bytes;
    size_t n_pages;        /* allocated, in use or free */
    struct kv_page *free;  /* a list */
};

/* The pages of one sequence; dropped ones are NULL. */
struct kv {
    struct kv_page **page;
    size_t n_pages;
};

/* Where one position's row of one layer and KV head is stored. */
struct kv_row {
    int8_t *k, *v;     /* head_dim */
    float *s_k, *s_v;  /* one */
};

void kv_pool_init(struct kv_pool *p, size_t n_layers, size_t n_kv_heads,
                  size_t head_dim);
void kv_pool_clear(struct kv_pool *p); /* all sequences must be cleared */

void kv_init(struct kv *kv);
/* Give all pages back. */
void kv_clear(struct kv *kv, struct kv_pool *p);

/* Pages for the positions below n.  -1 when memory is out. */
int kv_reserve(struct kv *kv, struct kv_pool *p, size_t n, struct err *err);

/* Give back the pages that hold only positions below `pos`. */
void kv_drop(struct kv *kv, struct kv_pool *p, size_t pos);

void kv_row(struct kv_row *r, const struct kv *kv, const struct kv_pool *p,
            size_t layer, size_t head, size_t pos);

/* The positions [from, to) of a layer and head as spans; returns how many, at
 * most (to - from) / KV_PAGE + 2. */
size_t kv_spans(struct x1_span *span, const struct kv *kv,
                const struct kv_pool *p, size_t layer, size_t head,
                size_t from, size_t to);

#endif
