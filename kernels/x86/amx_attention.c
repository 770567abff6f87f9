/*
 * Attention of the level "amx", over blocks as pages.h has them: slices of
 * queries times keys, and slices of weights times values, with tdpbssd.  What
 * lies between is vnni's (vnni_attention.h).
 *
 * Rows of a tile are slice rows: 16 of the 2 m of m queries, or of their 3 m of
 * weights, whose seven bits are the same signed and unsigned.  A tile of keys
 * is 64 of head_dim x 16 positions, the last one of what is left of head_dim;
 * one of values is the 64 positions of a block x 16 of head_dim.
 *
 * Exactness: 64 * 127 * 1024 for a high slice of scores, 127 * 127 * 131072 <
 * 2^31 for values: sums hold all positions.
 */
#include <config.h>

#include "kernels/x86/amx.h"

#include "kernels/x86/vnni_attention.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define TILE_ROWS 16u
#define KEY_TILE 64u /* of head_dim */

/* Slice rows of tile number n, of `rows` in all. */
static uint8_t rows_of(size_t rows, size_t n)
{
    size_t left = rows > n * TILE_ROWS ? rows - n * TILE_ROWS : 1;

    return (uint8_t)(left < TILE_ROWS ? left : TILE_ROWS);
}

/* ---- scores -------------------------------------------------------------- */

/* Scores of all queries for 16 positions: d[slice row] = q * keys. */
static void multiply_keys(const struct vnni_tile *t, int32_t (*d)[16],
                          const int8_t *k)
{
    size_t hd = t->in.hd, at = 0;
    bool two = t->in.m * Q_SLICES > TILE_ROWS;
    const int8_t *q = t->q[0][0], *more = t->q[TILE_ROWS / Q_SLICES][0];

    tile_zero(0);
    tile_zero(1);
    for (; at + KEY_TILE <= hd; at += KEY_TILE, k += 1024) {
        tile_load(6, k, 64);
        tile_load(2, q + at, X1_MAX_HEAD_DIM);
        tile_dot(0, 2, 6);
        if (two) {
            tile_load(3, more + at, X1_MAX_HEAD_DIM);
            tile_dot(1, 3, 6);
        }
    }
    if (at < hd) {
        tile_load(7, k, 64);
        tile_load(4, q + at, X1_MAX_HEAD_DIM);
        tile_dot(0, 4, 7);
        if (two) {
            tile_load(5, more + at, X1_MAX_HEAD_DIM);
            tile_dot(1, 5, 7);
        }
    }
    tile_store(0, d[0], 64);
    if (two)
        tile_store(1, d[TILE_ROWS], 64);
}

static void score_pages(struct vnni_tile *t)
{
    int32_t d[Q_SLICES * TILE][16] __attribute__((aligned(64)));
    size_t m = t->in.m, quads = page_quads(t->in.hd);
    uint8_t a = rows_of(m * Q_SLICES, 0), b = rows_of(m * Q_SLICES, 1);
    uint8_t left = (uint8_t)(quads % 16 ? quads % 16 : 16);
    uint8_t tail = (uint8_t)(4 * left);

    configure_tiles((const uint8_t[]){ a, b, a, b, a, b, 16, left },
                    (const uint8_t[]){ 64, 64, 64, 64, tail, tail, 64, 64 });
    for (size_t page = 0; page < t->in.pages; page++) {
        struct page p = page_at(&t->in, page);

        for (size_t at = 0; at < X1_BLOCK; at += 16) {
            multiply_keys(t, d, p.k + at / 16 * quads * 64);
            for (size_t i = 0; i < m; i++)
                put_scores(t, i, page, at, p.s_k,
                           _mm512_load_si512(d[Q_SLICES * i]),
                           _mm512_load_si512(d[Q_SLICES * i + 1]));
        }
    }
    tile_release();
}

/* ---- values -------------------------------------------------------------- */

/* d[slice row] = weights * values of 16 of head_dim, over all pages. */
static void multiply_values(const struct vnni_tile *t, int32_t (*d)[16],
                            size_t at)
{
    size_t rows = t->in.m * U_SLICES;

    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    for (size_t page = 0; page < t->in.pages; page++) {
        const unsigned char *u = t->u + page * U_BYTES;

        tile_load(6, page_at(&t->in, page).v + at * X1_BLOCK, 64);
        tile_load(3, u, X1_BLOCK);
        tile_dot(0, 3, 6);
        if (rows > TILE_ROWS) {
            tile_load(4, u + TILE_ROWS * X1_BLOCK, X1_BLOCK);
            tile_dot(1, 4, 6);
        }
        if (rows > 2 * TILE_ROWS) {
            tile_load(5, u + 2 * TILE_ROWS * X1_BLOCK, X1_BLOCK);
            tile_dot(2, 5, 6);
        }
    }
    tile_store(0, d[0], 64);
    tile_store(1, d[TILE_ROWS], 64);
    tile_store(2, d[2 * TILE_ROWS], 64);
}

static void mix_pages(struct vnni_tile *t)
{
    int32_t d[U_SLICES * TILE][16] __attribute__((aligned(64)));
    size_t rows = t->in.m * U_SLICES;
    uint8_t a = rows_of(rows, 0), b = rows_of(rows, 1), c = rows_of(rows, 2);

    configure_tiles((const uint8_t[]){ a, b, c, a, b, c, 16, 16 },
                    (const uint8_t[]){ 64, 64, 64, 64, 64, 64, 64, 64 });
    for (size_t at = 0; at < t->in.hd; at += 16) {
        multiply_values(t, d, at);
        for (size_t i = 0; i < t->in.m; i++)
            put_output(t, i, at, d[U_SLICES * i], d[U_SLICES * i + 1],
                       d[U_SLICES * i + 2]);
    }
    tile_release();
}

static void attend(const struct page_tile *in, struct x1_scoring c,
                   void *scratch)
{
    vnni_attend(in, c, scratch, score_pages, mix_pages);
}

void amx_attention(struct x1_query *query, size_t m, struct x1_scoring c,
                   const struct x1_blocks *kv, size_t hd, void *scratch)
{
    page_attention(attend, TILE, query, m, c, kv, hd, scratch);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
