/*
 * Folding of factors, in binary64 from the f32 of the source, each result
 * rounded once.
 */
#include <config.h>

#include "model/import/fold.h"

#include <stdbool.h>

#include "base/err.h"
#include "model/import/import.h"

static bool usable(float x)
{
    return x >= 0x1p-20f && x <= 0x1p20f;
}

int fold_factors(struct import *m, const struct fold *f, struct err *err)
{
    double embedding = (double)f->embedding;

    if (!usable(f->embedding) || !usable(f->residual) || !usable(f->logits))
        return err_set(err, ERR_INPUT, "a factor of embedding (%g), residual"
                       " (%g) or logits (%g) is out of range",
                       (double)f->embedding, (double)f->residual,
                       (double)f->logits);
    m->rec.eps = (float)((double)m->rec.eps / (embedding * embedding));
    m->residual = (float)((double)f->residual / embedding);
    m->final = (float)(1 / (double)f->logits);
    return 0;
}
