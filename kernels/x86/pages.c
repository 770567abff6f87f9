/*
 * Keys and values into blocks, and back: bytes in another order; and which
 * queries share the pages of a tile.
 */
#include <config.h>

#include "kernels/x86/pages.h"

#include <string.h>

static size_t block_bytes(size_t hd)
{
    return page_key_bytes(hd) + page_value_bytes(hd) +
           2 * X1_BLOCK * sizeof(float);
}

/* Where element i of the key, and of the value, of a position is. */
static size_t key_at(size_t at, size_t i, size_t hd)
{
    return (at / 16 * page_quads(hd) + i / 4) * 64 + at % 16 * 4 + i % 4;
}

static size_t value_at(size_t at, size_t i)
{
    return (i / 16 * 16 + at / 4) * 64 + i % 16 * 4 + at % 4;
}

void page_put(unsigned char *block, size_t at, const int8_t *k,
              const int8_t *v, float s_k, float s_v, size_t hd)
{
    struct page p = page_of(block, hd);
    size_t i = 0;

    for (; i + 4 <= hd; i += 4)
        memcpy(p.k + key_at(at, i, hd), k + i, 4);
    if (i < hd) {
        memset(p.k + key_at(at, i, hd), 0, 4);
        memcpy(p.k + key_at(at, i, hd), k + i, hd - i);
    }
    for (i = 0; i < hd; i++)
        p.v[value_at(at, i)] = v[i];
    p.s_k[at] = s_k;
    p.s_v[at] = s_v;
}

/* Of sixteen words a byte each.  The other bytes are other positions', which
 * another thread may be storing: they are not read. */
static void fetch_value(int8_t *v, const int8_t *line, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = line[4 * i + at];
}

static void fetch(int8_t *k, int8_t *v, float *s_k, float *s_v,
                  const unsigned char *block, size_t at, size_t hd)
{
    struct page p = page_of((unsigned char *)(uintptr_t)block, hd);

    for (size_t i = 0; i < hd; i += 4)
        memcpy(k + i, p.k + key_at(at, i, hd), hd - i < 4 ? hd - i : 4);
    for (size_t i = 0; i < hd; i += 16)
        fetch_value(v + i, p.v + value_at(at / 4 * 4, i), at % 4,
                    hd - i < 16 ? hd - i : 16);
    *s_k = p.s_k[at];
    *s_v = p.s_v[at];
}

/* The most pages of any of m queries. */
static size_t most_pages(const struct x1_query *query, size_t m)
{
    size_t most = 0;

    for (size_t i = 0; i < m; i++) {
        size_t pages = page_most(query[i].to - query[i].from);

        most = pages > most ? pages : most;
    }
    return most;
}

/* How many of the first m queries lie in `most` pages together, at least one;
 * these begin with page *first and are *pages. */
static size_t find_tile(const struct x1_query *query, size_t m, size_t most,
                        size_t *first, size_t *pages)
{
    size_t from = query[0].from, to = query[0].to, n = 0;

    for (; n < m; n++) {
        size_t a = query[n].from < from ? query[n].from : from;
        size_t b = query[n].to > to ? query[n].to : to;

        if (n > 0 && (b - 1) / X1_BLOCK - a / X1_BLOCK >= most)
            break;
        from = a;
        to = b;
    }
    *first = from / X1_BLOCK;
    *pages = (to - 1) / X1_BLOCK - *first + 1;
    return n;
}

void page_attention(page_attend_fn *attend, size_t most,
                    struct x1_query *query, size_t m, struct x1_scoring c,
                    const struct x1_blocks *kv, size_t hd, void *scratch)
{
    size_t pages = most_pages(query, m);
    struct page_tile t = { .hd = hd, .kv = kv };

    for (size_t i = 0; i < m; i += t.m) {
        t.query = query + i;
        t.m = find_tile(t.query, m - i < most ? m - i : most, pages, &t.first,
                        &t.pages);
        attend(&t, c, scratch);
    }
}

void page_init(struct x1_kernels *k)
{
    k->block_bytes = block_bytes;
    k->put = page_put;
    k->fetch = fetch;
}
