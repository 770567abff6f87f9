/*
 * Rows of a source that are rotated as they are read.
 */
#include <config.h>

#include "model/rotated.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/import/import.h"
#include "model/model_layout.h"

static uint32_t part_of(const struct rotated *r, uint32_t i)
{
    return i < TENSOR_LAYERS ? 0 : model_part_of(&r->source->rec, i);
}

/* Columns of what writes. */
static size_t widest(const struct model_record *r)
{
    size_t q = (size_t)r->n_heads * r->head_dim;

    return q < r->ffn_dim ? r->ffn_dim : q;
}

int rotated_init(struct rotated *r, const struct import *source, bool tied,
                 struct err *err)
{
    const struct model_record *rec = &source->rec;

    memset(r, 0, sizeof(*r));
    if (mem_big((void **)&r->block, rotate_block(rec->dim) * widest(rec),
                sizeof(*r->block), "rows that are rotated", err))
        return -1;
    r->source = source;
    r->tied = tied;
    r->first = UINT64_MAX;
    r->gain = xmalloc(rec->dim * sizeof(*r->gain));
    rotate_init(&r->rotation, rec->dim);
    return 0;
}

void rotated_clear(struct rotated *r)
{
    rotate_clear(&r->rotation);
    free(r->gain);
    free(r->block);
    memset(r, 0, sizeof(*r));
}

bool rotated_is_ones(const struct rotated *r, uint32_t tensor)
{
    uint32_t part = part_of(r, tensor);

    if (tensor < TENSOR_LAYERS)
        return tensor == TENSOR_FINAL_NORM;
    return part == LAYER_ATTN_NORM || part == LAYER_FFN_NORM;
}

bool rotated_writes(const struct rotated *r, uint32_t tensor)
{
    uint32_t part = part_of(r, tensor);

    return tensor >= TENSOR_LAYERS &&
           (part == LAYER_WO || part == LAYER_DOWN);
}

/* The norm before a matrix that reads one. */
static uint32_t norm_of(const struct rotated *r, uint32_t tensor)
{
    uint32_t part = part_of(r, tensor);

    if (tensor < TENSOR_LAYERS)
        return TENSOR_FINAL_NORM;
    return tensor - part + (part < LAYER_FFN_NORM ? LAYER_ATTN_NORM
                                                  : LAYER_FFN_NORM);
}

int rotated_begin(struct rotated *r, uint32_t tensor, struct err *err)
{
    r->matrix = tensor;
    r->first = UINT64_MAX;
    r->reads_norm = tensor != TENSOR_EMBED && !rotated_writes(r, tensor);
    if (!r->reads_norm)
        return 0;
    return import_read(r->source, norm_of(r, tensor), 0, r->source->rec.dim,
                       r->gain, err);
}

void rotated_row(struct rotated *r, float *x)
{
    rotate_row(&r->rotation, x, r->reads_norm ? r->gain : NULL);
}

int rotated_written(struct rotated *r, uint64_t n, float *x, struct err *err)
{
    size_t b = r->rotation.block, cols;
    uint64_t first = n / b * b;
    struct tensor_record t;

    model_expect(&r->source->rec, r->matrix, &t);
    cols = t.cols;
    if (first != r->first) {
        r->first = UINT64_MAX;
        if (import_read(r->source, r->matrix, first * cols, b * cols,
                        r->block, err))
            return -1;
        rotate_columns(&r->rotation, r->block, (size_t)first, cols);
        r->first = first;
    }
    memcpy(x, r->block + (n - first) * cols, cols * sizeof(*x));
    return 0;
}
