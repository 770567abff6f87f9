/*
 * Pieces are turned into little-endian bytes where their leaf is put together,
 * which costs no more than the copy that a leaf needs anyway; so there is one
 * way for all machines.
 */
#include <config.h>

#include "proof/blob.h"

#include "base/bytes.h"
#include "base/id.h"
#include "proof/digest.h"
#include "proof/merkle.h"

#define PIECE 256 /* numbers in a piece of a blob */

static size_t piece(size_t left)
{
    return left < PIECE ? left : PIECE;
}

static void put_blob_leaf(struct merkle *m, const unsigned char *leaf, size_t n)
{
    struct id h;

    digest(&h, leaf, 1 + 4 * n);
    merkle_hash(m, h);
}

void blob_u32(struct id *out, const uint32_t *v, size_t n)
{
    unsigned char leaf[1 + 4 * PIECE];
    struct merkle m;

    leaf[0] = 0;
    merkle_init(&m);
    for (size_t i = 0; i < n; i += PIECE) {
        for (size_t j = 0; j < piece(n - i); j++)
            set_u32(leaf + 1 + 4 * j, v[i + j]);
        put_blob_leaf(&m, leaf, piece(n - i));
    }
    merkle_root(&m, out);
}

void blob_f32(struct id *out, const float *v, size_t n)
{
    unsigned char leaf[1 + 4 * PIECE];
    struct merkle m;

    leaf[0] = 0;
    merkle_init(&m);
    for (size_t i = 0; i < n; i += PIECE) {
        for (size_t j = 0; j < piece(n - i); j++)
            set_u32(leaf + 1 + 4 * j, f32_bits(v[i + j]));
        put_blob_leaf(&m, leaf, piece(n - i));
    }
    merkle_root(&m, out);
}
