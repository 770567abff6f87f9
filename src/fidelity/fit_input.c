/*
 * What a fitted conversion begins with: the ids of the text and those that the
 * model writes, their rows, and what tells this conversion from others.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backends.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "fidelity/fit_internal.h"
#include "fidelity/fit_text.h"
#include "kernels/philox.h"
#include "model/convert.h"
#include "model/import/import.h"
#include "model/model.h"
#include "proof/digest.h"
#include "text/tokenizer.h"

/* ---- what a model writes ------------------------------------------------- */

#define LABEL 0x776f7264 /* of the numbers that first ids are drawn by */
#define MILLION 1000000u

struct writing {
    uint32_t *id;
    size_t n, length;
    struct own_fault *fault;
    bool faulty;
};

/* The ids that window i begins with; returns how many. */
static size_t begin_window(uint32_t *id, size_t i,
                           const struct model_record *r)
{
    uint32_t counter[4] = { (uint32_t)i, 0, 0, LABEL }, key[2] = { 0, 0 };
    uint32_t out[4];
    size_t n = 0;

    philox4x32(out, counter, key);
    if (r->bos != MODEL_NONE)
        id[n++] = r->bos;
    id[n++] = (uint32_t)((uint64_t)out[0] * r->n_vocab >> 32);
    return n;
}

static void finished(void *self, const struct answer *a)
{
    struct writing *w = self;
    uint32_t *to = a->user;

    if (a->finish == FINISH_LENGTH) {
        memcpy(to, a->token, a->n_out * sizeof(*to));
    } else if (!w->faulty) {
        w->faulty = true;
        w->fault->at = a->fault;
        w->fault->window = (size_t)(to - w->id) / w->length;
    }
}

static int add_window(struct writing *w, struct engine *e, size_t i,
                      const struct model_record *r, struct err *err)
{
    uint32_t *id = w->id + i * w->length;
    size_t n = begin_window(id, i, r);
    struct sequence s = {
        .prompt = id, .n_prompt = n, .ignore_eos = true, .user = id + n,
        .max_tokens = (uint32_t)(w->length - n),
        .sampling = { .temperature = MILLION, .top_p = MILLION, .seed = i } };

    return engine_add(e, &s, err);
}

static int write_all(struct writing *w, struct engine *e,
                     const struct model_record *r, bool (*stop)(void),
                     struct err *err)
{
    size_t next = 0;
    bool busy = true;

    while (busy && !w->faulty) {
        for (; next < w->n && engine_capacity(e) > 0; next++)
            if (add_window(w, e, next, r, err))
                return -1;
        if (stop && stop())
            return err_set(err, ERR_RETRY, "interrupted before the first"
                           " layer: the same command begins again");
        if (engine_step(e, &busy, err))
            return -1;
        busy |= next < w->n;
    }
    return 0;
}

static int write_by(struct writing *w, const struct own_words *o,
                    struct err *err)
{
    struct engine_options options = { .max_sequences = w->n };
    struct observer obs = { .self = w, .finished = finished };
    struct backend *b = NULL;
    struct engine *e = NULL;
    struct model *m = NULL;
    int rc = -1;

    if (backend_open(&b, o->kernel, o->threads, err) == 0 &&
        model_open_into(&m, o->path, NULL, false, b->sink, err) == 0 &&
        engine_new(&e, b, m, NULL, &options, &obs, err) == 0)
        rc = write_all(w, e, &m->rec, o->stop, err);
    engine_free(e);
    backend_close(b);
    model_close(m);
    return rc;
}

enum own_end own_words(uint32_t *id, size_t n, size_t length,
                       const struct own_words *o, struct own_fault *fault,
                       struct err *err)
{
    struct convert_options plain = { .a14 = true, .no_chat = true,
                                     .within = true,
                                     .tokenizer = o->tokenizer,
                                     .threads = (unsigned)o->threads,
                                     .stop = o->stop };
    struct writing w = { id, n, length, fault, false };
    struct id model;
    int rc;

    if (convert_model(o->source, o->path, &plain, &model, err))
        return OWN_FAILED;
    rc = write_by(&w, o, err);
    unlink(o->path);
    if (rc)
        return OWN_FAILED;
    return w.faulty ? OWN_FAULT : OWN_WRITTEN;
}

/* ---- calibration windows ------------------------------------------------- */

/* No more windows than so many ids are in. */
static void cut_windows(struct windows *w, size_t most)
{
    while (w->n > 0 && w->start[w->n] > most)
        w->n--;
}

/* The windows of the text, which come first. */
static int cut_text(struct fit *f, size_t most, size_t length, struct err *err)
{
    const struct import *m = f->source;
    const char *text = f->o.text ? f->o.text : (const char *)fit_text;
    size_t n = f->o.text ? f->o.n_text : sizeof(fit_text) - 1, ids;
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
    cut_windows(&f->w, most);
    f->n_text = f->w.n;
    ids = f->w.start[f->w.n];
    if (ids < FIT_LEAST)
        return err_set(err, ERR_INPUT, "the calibration text gives %zu ids"
                       " with this tokenizer, and %d are needed: use"
                       " --rounding nearest", ids, FIT_LEAST);
    for (size_t i = 0; i < ids; i++)
        if (f->w.id[i] >= m->rec.n_vocab)
            return err_set(err, ERR_INPUT, "the tokenizer gives the id %u,"
                           " the model has %u", f->w.id[i], m->rec.n_vocab);
    return 0;
}

int fit_cut_windows(struct fit *f, struct err *err)
{
    size_t context = f->source->rec.context;
    size_t length = context < WINDOW_IDS ? context : WINDOW_IDS;
    size_t half = (f->o.ids ? f->o.ids : FIT_IDS) / 2;

    if (length < FIT_SHORTEST)
        return err_set(err, ERR_INPUT, "--rounding fitted needs a context of"
                       " %d ids, and it has one of %zu", FIT_SHORTEST, length);
    if (cut_text(f, half, length, err))
        return -1;
    windows_zeros(&f->w, half / length, length);
    f->n = f->w.start[f->w.n];
    return 0;
}

char *fit_layer_name(const struct fit *f, uint32_t layer)
{
    return layer < f->source->rec.n_layers ? xasprintf("layer %" PRIu32, layer)
                                           : xstrdup("the head");
}

void fit_note_fault(struct fit *f, uint32_t layer, size_t position,
                    size_t window, const char *text)
{
    char *in = fit_layer_name(f, layer);
    char *line = xasprintf("calibration: activation out of range in %s at"
                           " position %zu of window %zu of the %stext: the"
                           " nearest rule stays", in, position, window + 1,
                           text);

    if (f->o.note)
        f->o.note(f->o.user, line);
    free(line);
    free(in);
}

int fit_own_words(struct fit *f, const char *path, struct err *err)
{
    char *file = file_join(f->o.state, FIT_STATE_NEAREST);
    const struct own_words o = { path, f->tokenizer, file, f->o.kernel,
                                 f->o.threads, f->o.stop };
    size_t at = f->w.start[f->n_text], n = f->w.n - f->n_text;
    struct own_fault fault;
    enum own_end end = OWN_WRITTEN;

    if (n > 0)
        end = own_words(f->w.id + at, n, (f->n - at) / n, &o, &fault, err);
    free(file);
    if (end == OWN_FAULT)
        fit_note_fault(f, fault.at.layer, fault.at.position, fault.window,
                       "generated ");
    return end == OWN_WRITTEN ? 0 : end == OWN_FAULT ? 1 : -1;
}

/* The rows of the embedding by the nearest rule. */
int fit_embed(struct fit *f, struct err *err)
{
    size_t dim = f->source->rec.dim;
    int8_t *w = xmalloc(dim);
    int rc = fit_read_begin(f, TENSOR_EMBED, err);

    for (size_t i = 0; rc == 0 && i < f->n; i++) {
        float *x = f->s.x + i * dim, scale;

        rc = fit_read_rows(f, TENSOR_EMBED, f->w.id[i], 1, x, err);
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
    uint32_t rules[] = { CONVERT_RULE, FIT_RULE, (uint32_t)f->n };

    if (fit_state_source(&files, path, err))
        return -1;
    memset(&shape.tensors, 0, sizeof(shape.tensors));
    model_record_pack(record, &shape);
    d = digest_new();
    digest_put(d, rules, sizeof(rules));
    digest_put(d, files.b, sizeof(files.b));
    digest_put(d, record, sizeof(record));
    digest_put(d, f->w.id, f->w.start[f->n_text] * sizeof(*f->w.id));
    digest_end(d, key);
    return 0;
}
