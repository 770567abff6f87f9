/*
 * The launch of large.cuh, and which form of it serves where.
 */
#include "kernels/cuda/large.cuh"

/* Every split has at least so many chunks of K. */
#define LEAST_CHUNKS 8

static uint32_t tiles_of(enum large_form form, const struct linear_args *a,
                         bool a8)
{
    const bool gate = a->w2 != NULL;
    uint32_t cols = a->m * (a8 ? 1 : 2);
    dim3 t = form == LARGE_WIDE ? large_tiles<large_wide>(a->n, gate, cols)
             : form == LARGE_MIDDLE
                 ? large_tiles<large_middle>(a->n, gate, cols)
                 : large_tiles<large_small>(a->n, gate, cols);

    return t.x * t.y;
}

struct large_needs large_needs_of(enum large_form form,
                                  const struct linear_args *a, bool a8)
{
    size_t tiles = tiles_of(form, a, a8), each;

    each = form == LARGE_WIDE     ? large_wide::ROWS * large_wide::COLS
           : form == LARGE_MIDDLE ? large_middle::ROWS * large_middle::COLS
                                  : large_small::ROWS * large_small::COLS;
    return { tiles * each, tiles };
}

/* Whether columns past the last are at most an eighth more of them with the
 * widest tiles. */
static bool suits_wide(uint32_t cols)
{
    const uint32_t wide = large_wide::COLS, middle = large_middle::COLS;

    return 8 * ((cols + wide - 1) / wide * wide) <=
           9 * ((cols + middle - 1) / middle * middle);
}

/* The largest form that gives every multiprocessor a tile; else the smallest,
 * over as many splits as give each two. */
struct large_way large_choose(const struct linear_args *a, bool a8,
                              uint32_t processors, struct large_needs most)
{
    const struct large_needs needs = large_needs_of(LARGE_SMALL, a, a8);
    uint32_t longest = a->ldk / LARGE_CHUNK / LEAST_CHUNKS;
    struct large_way way = { LARGE_WIDE, 1 };

    if (tiles_of(LARGE_WIDE, a, a8) >= processors &&
        suits_wide(a->m * (a8 ? 1 : 2)))
        return way;
    way.form = LARGE_MIDDLE;
    if (tiles_of(LARGE_MIDDLE, a, a8) >= processors)
        return way;
    way.form = LARGE_SMALL;
    if (needs.sums > most.sums || needs.counts > most.counts)
        return way;
    way.splits = 2 * processors / (uint32_t)needs.counts;
    if (way.splits > longest)
        way.splits = longest;
    if (way.splits == 0)
        way.splits = 1;
    return way;
}

cudaError_t large_launch(const struct linear_args *a, bool a8,
                         struct large_way way, cudaStream_t stream)
{
    if (a->m == 0 || a->n == 0 || way.splits == 0)
        return cudaErrorInvalidValue;
    switch (way.form) {
    case LARGE_WIDE:
        return large_pick<large_wide>(*a, a8, way.splits, stream);
    case LARGE_MIDDLE:
        return large_pick<large_middle>(*a, a8, way.splits, stream);
    default:
        return large_pick<large_small>(*a, a8, way.splits, stream);
    }
}
