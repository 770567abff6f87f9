/*
 * Check products of a device by Freivalds: with r secret and v = W^T r made on
 * the CPU from the bytes of the model, acc = W q holds only if <acc, r> =
 * <q, v>, modulo p = 2^61 - 1; a wrong sum passes with a chance of 2^-61.  One
 * check costs rows + columns products instead of rows x columns.
 *
 * r is drawn from a key that nobody outside this process knows; an element of
 * it is a function of the key, the matrix's number and the row.
 */
#ifndef APUS_BACKEND_CUDA_FREIVALDS_H
#define APUS_BACKEND_CUDA_FREIVALDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#ifdef __cplusplus
extern "C" {
#endif

/* v of one matrix, whose rows come in any order, each once. */
struct freivalds {
    uint32_t key[2], number;
    uint32_t rows, cols;
    int64_t *low, *high; /* cols each: v = low + 2^31 high */
};

/* Draw a new secret.  ERR_FATAL: the system has no random bytes. */
int freivalds_key(uint32_t key[2], struct err *err);

/* Begin with no rows; freivalds_clear frees what it holds. */
void freivalds_init(struct freivalds *f, const uint32_t key[2],
                    uint32_t number, uint32_t rows, uint32_t cols);
void freivalds_clear(struct freivalds *f);

/* Add n rows of cols weights each, the first of which is row `first`. */
void freivalds_add(struct freivalds *f, const int8_t *w, size_t first,
                   size_t n);

/* Whether `sums` are the matrix times the row q, which has S slices of ldk
 * bytes, ldk >= cols: S x rows sums, those of slice s from s * rows on.  With
 * S = 2 the row is 256 times slice 0 plus slice 1, and so are its sums. */
bool freivalds_holds(const struct freivalds *f, const int8_t *q, size_t S,
                     size_t ldk, const int32_t *sums);

#ifdef __cplusplus
}
#endif

#endif
