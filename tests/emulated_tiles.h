/*
 * Emulated tiles: the instructions of kernels/x86/tiles.h as plain C, so that
 * the level "amx" computes on CPUs without AMX.  For tests alone: included
 * before a source file of that level, it takes the place of tiles.h.
 *
 * What an instruction would fault on ends the program: no configuration, shapes
 * that do not fit, another palette (Intel SDM, volume 2, LDTILECFG and
 * TDPBSSD).  Rows and bytes beyond a configuration are zero after a load.
 */
#ifndef APUS_TESTS_EMULATED_TILES_H
#define APUS_TESTS_EMULATED_TILES_H
#define APUS_KERNELS_X86_TILES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TILES 8

struct tile_config {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));

static _Thread_local struct {
    struct tile_config config;
    int8_t data[TILES][16][64];
} tiles;

static inline void tile_require(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "emulated tiles: %s\n", what);
    abort();
}

static inline void tile_configure(const struct tile_config *c)
{
    tile_require(c->palette == 1 && c->start == 0, "no palette 1");
    for (int i = 0; i < 16; i++) {
        int used = i < TILES ? c->rows[i] > 0 : 0;

        tile_require(c->rows[i] <= 16 && c->bytes[i] <= 64, "too large");
        tile_require(used == (c->bytes[i] > 0), "half a configuration");
    }
    tiles.config = *c;
    memset(tiles.data, 0, sizeof(tiles.data));
}

static inline void tile_release(void)
{
    tiles.config.palette = 0;
}

static inline void tile_zero(int t)
{
    tile_require(tiles.config.palette == 1 && tiles.config.rows[t] > 0,
                 "zero without a configuration");
    memset(tiles.data[t], 0, sizeof(tiles.data[t]));
}

static inline void tile_load(int t, const void *from, size_t stride)
{
    tile_zero(t);
    for (size_t i = 0; i < tiles.config.rows[t]; i++)
        memcpy(tiles.data[t][i], (const char *)from + i * stride,
               tiles.config.bytes[t]);
}

static inline void tile_store(int t, void *to, size_t stride)
{
    tile_require(tiles.config.palette == 1 && tiles.config.rows[t] > 0,
                 "store without a configuration");
    for (size_t i = 0; i < tiles.config.rows[t]; i++)
        memcpy((char *)to + i * stride, tiles.data[t][i],
               tiles.config.bytes[t]);
}

/* sum += four bytes of a row times four of each of 16 outputs. */
static inline void tile_quad(uint32_t sum[16], const int8_t *a,
                             const int8_t *b)
{
    for (size_t n = 0; n < 16; n++)
        for (size_t j = 0; j < 4; j++)
            sum[n] += (uint32_t)(a[j] * b[4 * n + j]);
}

static inline void tile_dot(int c, int a, int b)
{
    const struct tile_config *f = &tiles.config;
    uint32_t sum[16];

    tile_require(f->palette == 1 && f->rows[c] > 0,
                 "a product without a configuration");
    tile_require(c != a && c != b && a != b, "a product of one register");
    tile_require(f->rows[c] == f->rows[a] && f->bytes[c] == f->bytes[b] &&
                     f->bytes[a] == 4 * f->rows[b] && f->bytes[c] % 4 == 0,
                 "a product of shapes that do not fit");
    for (size_t i = 0; i < f->rows[c]; i++) {
        memcpy(sum, tiles.data[c][i], sizeof(sum));
        for (size_t k = 0; k < f->rows[b]; k++)
            tile_quad(sum, tiles.data[a][i] + 4 * k, tiles.data[b][k]);
        memcpy(tiles.data[c][i], sum, sizeof(sum));
    }
}

#endif
