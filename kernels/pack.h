/*
 * The packed form of a matrix: one for all levels that pack, on x86 and on ARM,
 * so that a process may change its level without packing again.
 *
 *   [blocks of 16 outputs][tiles of 64 k][16 quads of k][16 outputs][4]  int8
 *   [blocks of 16 outputs][16]  the scales of the outputs, float
 *   [blocks of 16 outputs][16]  the sums over k of their weights, int32
 *
 * Outputs and k are padded with zeros.  64 bytes of the first part are a quad
 * of k of 16 outputs: one operand of vpdpbusd, four of sdot, or four of
 * vpmaddwd once they are widened.  A block is one stream from memory, and the
 * next one follows.  The sums are what vpdpbusd needs for activations that are
 * stored as unsigned bytes; 131072 weights of 127 fit.
 */
#ifndef APUS_KERNELS_PACK_H
#define APUS_KERNELS_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

#define PACK_OUTS 16u         /* outputs of a block */
#define PACK_TILE_K 64u       /* k of a tile */
#define PACK_TILE_BYTES 1024u /* of a tile: 16 outputs x 64 k */

static inline size_t pack_tiles(size_t k)
{
    return (k + PACK_TILE_K - 1) / PACK_TILE_K;
}

/* The weights of block nb, kt tiles each. */
static inline const int8_t *pack_block(const struct x1_weights *w, size_t nb,
                                       size_t kt)
{
    return (const int8_t *)w->data + nb * kt * PACK_TILE_BYTES;
}

/* The sums of all outputs, after the scales; aligned to 64. */
static inline const int32_t *pack_sums(const struct x1_weights *w)
{
    size_t outs = (w->rows + PACK_OUTS - 1) / PACK_OUTS * PACK_OUTS;

    return (const int32_t *)(const void *)w->scale + outs;
}

/* What every level makes of a row x of n elements, amax being the bits of the
 * greatest size: its scale and its fault (kernels.h).  Returns the factor r of
 * q = rint(x * r), 0 if all of them are 0, whatever x has. */
float pack_factor(float *scale, int32_t *fault, const float *x, size_t n,
                  uint32_t amax, bool a8);

/* Set pack_bytes, pack, weights and embed of a table (kernels.h has their
 * contracts). */
void pack_init(struct x1_kernels *k);

#endif
