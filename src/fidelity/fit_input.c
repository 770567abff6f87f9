/*
 * What a fitted conversion begins with: the ids of the text, their rows, and
 * what tells this conversion from others.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "fidelity/fit_internal.h"
#include "fidelity/fit_text.h"
#include "model/convert.h"
#include "model/import/import.h"
#include "proof/digest.h"
#include "text/tokenizer.h"

/* No more windows than FIT_IDS ids are in. */
static void cut_windows(struct windows *w, size_t most)
{
    while (w->n > 0 && w->start[w->n] > most)
        w->n--;
}

int fit_cut_text(struct fit *f, struct err *err)
{
    const struct import *m = f->source;
    const char *text = f->o.text ? f->o.text
                                  : (const char *)fit_text;
    size_t n = f->o.text ? f->o.n_text : sizeof(fit_text) - 1;
    size_t length = m->rec.context < WINDOW_IDS ? m->rec.context : WINDOW_IDS;
    struct tokenizer *t;
    int rc;

    if (m->tokenizer.len == 0)
        return err_set(err, ERR_INPUT, "--rounding fitted needs a tokenizer,"
                       " which the source has not");
    if (tokenizer_new(&t, (const unsigned char *)m->tokenizer.data,
                      m->tokenizer.len, m->rec.n_vocab, err))
        return -1;
    rc = windows_of_text(&f->w, t, m->rec.bos, text, n, length, err);
    tokenizer_free(t);
    if (rc)
        return err_prefix(err, "the calibration text");
    cut_windows(&f->w, FIT_IDS);
    f->n = f->w.start[f->w.n];
    if (f->n < FIT_LEAST)
        return err_set(err, ERR_INPUT, "the calibration text gives %zu ids,"
                       " and %d are needed", f->n, FIT_LEAST);
    for (size_t i = 0; i < f->n; i++)
        if (f->w.id[i] >= m->rec.n_vocab)
            return err_set(err, ERR_INPUT, "the tokenizer gives the id %u,"
                           " the model has %u", f->w.id[i], m->rec.n_vocab);
    return 0;
}

/* The rows of the embedding by the nearest rule. */
int fit_embed(struct fit *f, struct err *err)
{
    size_t dim = f->source->rec.dim;
    int8_t *w = xmalloc(dim);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < f->n; i++) {
        float *x = f->s.x + i * dim, scale;

        rc = import_read(f->source, TENSOR_EMBED, f->w.id[i] * (uint64_t)dim,
                         dim, x, err);
        if (rc)
            break;
        x1_w8_row(w, &scale, x, dim);
        for (size_t k = 0; k < dim; k++)
            x[k] = (float)w[k] * scale;
    }
    free(w);
    return rc;
}

/* What the state must be of to be gone on with. */
int fit_state_key(struct fit *f, const char *path, struct id *key,
                  struct err *err)
{
    unsigned char record[MODEL_RECORD_SIZE];
    const struct model_record *r = &f->source->rec;
    struct model_record shape = *r;
    struct digest *d;
    struct id files;
    int rule = CONVERT_RULE;

    if (fit_state_source(&files, path, err))
        return -1;
    memset(&shape.tensors, 0, sizeof(shape.tensors));
    model_record_pack(record, &shape);
    d = digest_new();
    digest_put(d, &rule, sizeof(rule));
    digest_put(d, files.b, sizeof(files.b));
    digest_put(d, record, sizeof(record));
    digest_put(d, f->w.id, f->n * sizeof(*f->w.id));
    digest_end(d, key);
    return 0;
}
