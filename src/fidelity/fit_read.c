/*
 * Numbers of the source, rotated where the model is.
 */
#include <config.h>

#include "base/err.h"
#include "fidelity/fit_internal.h"
#include "model/import/import.h"
#include "model/model_layout.h"
#include "model/rotated.h"

int fit_read_vector(struct fit *f, uint32_t tensor, size_t n, float *x,
                    struct err *err)
{
    if (!f->rotated || !rotated_is_ones(f->rotated, tensor))
        return import_read(f->source, tensor, 0, n, x, err);
    for (size_t i = 0; i < n; i++)
        x[i] = 1;
    return 0;
}

int fit_read_begin(struct fit *f, uint32_t tensor, struct err *err)
{
    return f->rotated ? rotated_begin(f->rotated, tensor, err) : 0;
}

int fit_read_rows(struct fit *f, uint32_t tensor, size_t first, size_t n,
                  float *x, struct err *err)
{
    struct rotated *r = f->rotated;
    struct tensor_record t;
    int rc = 0;

    model_expect(&f->source->rec, tensor, &t);
    if (r && rotated_writes(r, tensor)) {
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = rotated_written(r, first + i, x + i * t.cols, err);
        return rc;
    }
    if (r && r->tied && tensor == TENSOR_HEAD)
        tensor = TENSOR_EMBED;
    rc = import_read(f->source, tensor, (uint64_t)first * t.cols, n * t.cols,
                     x, err);
    for (size_t i = 0; r && rc == 0 && i < n; i++)
        rotated_row(r, x + i * t.cols);
    return rc;
}
