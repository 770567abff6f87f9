/*
 * Rows of activations as slices of eight bits, for vpdpbusd: a row is one slice
 * row of bytes if it is A8, two (high, low) if it is A14, in groups as
 * groups.h has them.  A quad of k is [slices][4]; each byte is a slice + 128,
 * since the instruction takes it as unsigned.
 *
 * A14: q = 256 * high + low with low in [-128, 127], so high is in [-64, 64].
 */
#ifndef APUS_KERNELS_X86_SLICES_H
#define APUS_KERNELS_X86_SLICES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/pack.h"
#include "kernels/x86/groups.h"

/* Slice rows of a row. */
static inline size_t slices_of(const struct x1_rows *rows)
{
    return rows->a8 ? 1 : 2;
}

/* Groups of m rows, of at most `most` slice rows each. */
static inline size_t slice_groups(const struct x1_rows *rows, size_t most)
{
    return group_count(rows->m, most / slices_of(rows));
}

/* Where row i begins, and in *stride how many bytes its quads are apart.  The
 * low slice of a quad of A14 is 4 bytes after the high one; `most` is the
 * level's number of slice rows of a group, an even one. */
static inline unsigned char *slice_row(const struct x1_rows *rows, size_t i,
                                       size_t most, size_t *stride)
{
    size_t slices = slices_of(rows);

    return group_row(rows, i, most / slices, 4 * slices, stride);
}

/* Bytes of m rows of k: those of A14, of which A8 takes half, since a buffer is
 * made once for both. */
static inline size_t slice_rows_bytes(size_t m, size_t k)
{
    return m * pack_tiles(k) * PACK_TILE_K * 2;
}

/* The integers of row i (kernels.h, integers). */
static inline void slice_integers(int16_t *q, const struct x1_rows *rows,
                                  size_t i, size_t most)
{
    size_t stride;
    const unsigned char *p = slice_row(rows, i, most, &stride);

    for (size_t k = 0; k < rows->k; k++) {
        const unsigned char *at = p + k / 4 * stride + k % 4;

        q[k] = (int16_t)(at[0] - 128);
        if (!rows->a8)
            q[k] = (int16_t)(q[k] * 256 + at[4] - 128);
    }
}

#endif
