/*
 * Rows of activations as the products of x86 read them: in groups, whose rows
 * share each operand of weights while their sums stay in registers.
 *
 *   [groups of rows][quads of k][rows of the group][bytes of a quad]
 *
 * Groups have at most `most` rows and are as equal as can be; k is padded to
 * whole tiles (pack.h).  How many bytes a quad of k has is the level's affair:
 * four elements of int16, or four bytes a slice.
 */
#ifndef APUS_KERNELS_X86_GROUPS_H
#define APUS_KERNELS_X86_GROUPS_H

#include <stddef.h>

#include "kernels/kernels.h"
#include "kernels/pack.h"

/* How many groups m rows are in, with at most `most` rows in each; 0 of
 * none. */
static inline size_t group_count(size_t m, size_t most)
{
    return (m + most - 1) / most;
}

/* The first row of group g of n, out of m rows; of group n it is m, so that
 * group g has the rows up to the first one of group g + 1. */
static inline size_t group_first(size_t g, size_t n, size_t m)
{
    return m * g / n;
}

/* Where row i begins, and in *stride how many bytes its quads are apart: as
 * many rows as its group has, times `quad`, the bytes of a quad of one row. */
static inline unsigned char *group_row(const struct x1_rows *rows, size_t i,
                                       size_t most, size_t quad,
                                       size_t *stride)
{
    size_t m = rows->m, n = group_count(m, most), g = ((i + 1) * n - 1) / m;
    size_t first = group_first(g, n, m), end = group_first(g + 1, n, m);

    *stride = (end - first) * quad;
    return (unsigned char *)rows->q +
           first * pack_tiles(rows->k) * (PACK_TILE_K / 4) * quad +
           (i - first) * quad;
}

#endif
