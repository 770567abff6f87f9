/*
 * The layers of a transformer in f64, window by window.  float_layer.c has the
 * arithmetic of one.
 */
#include <config.h>

#include "fidelity/float_source.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/pool.h"
#include "base/err.h"
#include "base/mem.h"
#include "fidelity/float_layer.h"
#include "fidelity/windows.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "model/model_layout.h"

struct float_source {
    struct import *m;
    struct pool *pool;
    const struct windows *w;
    struct float_shape shape;
    double *x;                /* dim for each id of the windows */
    float *head, *final_norm; /* n_vocab x dim, dim */
};

const struct import *float_source_import(const struct float_source *f)
{
    return f->m;
}

void float_source_free(struct float_source *f)
{
    if (!f)
        return;
    import_free(f->m);
    free(f->x);
    free(f->head);
    free(f->final_norm);
    free(f);
}

/* The numbers of a tensor, or NULL if there is none; *out is the caller's. */
static int get_tensor(const struct import *m, uint32_t i, float **out,
                      struct err *err)
{
    struct tensor_record t;
    size_t n;

    *out = NULL;
    model_expect(&m->rec, i, &t);
    if (t.type == TENSOR_ABSENT)
        return 0;
    n = (size_t)t.rows * t.cols;
    if (mem_big((void **)out, n, sizeof(**out), "float values", err))
        return -1;
    return import_read(m, i, 0, n, *out, err);
}

int float_source_open(struct float_source **out, const char *path,
                      struct pool *pool, struct err *err)
{
    struct float_source *f = xcalloc(1, sizeof(*f));
    const struct model_record *r;

    f->pool = pool;
    if (formats_open(&f->m, path, err))
        goto fail;
    r = &f->m->rec;
    if (r->flags & MODEL_EXPERTS) {
        err_set(err, ERR_INPUT, "\"%s\": a model with experts is not computed"
                " in float here", path);
        goto fail;
    }
    f->shape = (struct float_shape){
        .flags = r->flags, .dim = r->dim, .heads = r->n_heads,
        .kv_heads = r->n_kv_heads, .head_dim = r->head_dim,
        .ffn = r->ffn_dim, .eps = (double)r->eps };
    if (r->flags & MODEL_SOFT_CAPS) {
        const float *caps = f->m->inv_freq + model_caps_at(r);

        f->shape.score_cap = (double)caps[MODEL_CAP_SCORES];
        f->shape.logit_cap = (double)caps[MODEL_CAP_LOGITS];
    }
    *out = f;
    return 0;
fail:
    float_source_free(f);
    return -1;
}

/* ---- layers -------------------------------------------------------------- */

/* Window, scale and frequencies: of the layer, or the record's. */
static void set_numbers(const struct float_source *f, uint32_t l,
                        struct float_layer *y)
{
    const struct model_record *r = &f->m->rec;
    const float *freq = f->m->inv_freq, *of;

    y->window = r->window;
    y->scale = (double)r->attn_scale;
    y->inv_freq = freq;
    if (!(r->flags & MODEL_LAYERS))
        return;
    of = freq + model_tables(r) * (r->head_dim / 2) + l * MODEL_LAYER_NUMBERS;
    y->window = (size_t)of[MODEL_LAYER_WINDOW];
    y->scale = (double)of[MODEL_LAYER_SCALE];
    y->inv_freq = freq + (size_t)of[MODEL_LAYER_TABLE] * (r->head_dim / 2);
}

static void clear_layer(struct float_layer *y)
{
    for (size_t i = 0; i < LAYER_TENSORS_BOTH; i++)
        free(y->tensor[i]);
}

static int get_layer(const struct float_source *f, uint32_t l,
                     struct float_layer *y, struct err *err)
{
    const struct model_record *r = &f->m->rec;
    uint32_t n = r->flags & MODEL_NORM_BOTH ? LAYER_TENSORS_BOTH
                                            : LAYER_TENSORS;

    memset(y, 0, sizeof(*y));
    set_numbers(f, l, y);
    for (uint32_t i = 0; i < n; i++)
        if (get_tensor(f->m, model_tensor_at(r, l, i), &y->tensor[i], err)) {
            clear_layer(y);
            return -1;
        }
    return 0;
}

struct layer_job {
    const struct float_source *f;
    const struct float_layer *layer;
};

static void layer_windows(void *self, size_t from, size_t to, size_t thread)
{
    const struct layer_job *j = self;
    const struct float_source *f = j->f;
    struct float_room room;

    (void)thread;
    float_room_init(&room, &f->shape, f->w->longest);
    for (size_t i = from; i < to; i++)
        float_layer_run(&room, &f->shape, j->layer,
                        f->x + f->w->start[i] * f->shape.dim,
                        f->w->start[i + 1] - f->w->start[i]);
    float_room_clear(&room);
}

static int get_rows(struct float_source *f, struct err *err)
{
    const struct windows *w = f->w;
    size_t n = w->start[w->n], dim = f->shape.dim;
    float *row;

    if (mem_big((void **)&f->x, n * dim, sizeof(*f->x), "rows of the text",
                err))
        return -1;
    row = xmalloc(dim * sizeof(*row));
    for (size_t i = 0; i < n; i++) {
        if (import_read(f->m, TENSOR_EMBED, (uint64_t)w->id[i] * dim, dim, row,
                        err)) {
            free(row);
            return -1;
        }
        for (size_t k = 0; k < dim; k++)
            f->x[i * dim + k] = (double)row[k];
    }
    free(row);
    return 0;
}

int float_source_read(struct float_source *f, const struct windows *w,
                      void (*progress)(void *user, size_t done, size_t of),
                      void *user, struct err *err)
{
    const struct model_record *r = &f->m->rec;
    bool tied = r->flags & MODEL_TIED;

    f->w = w;
    if (get_rows(f, err))
        return -1;
    for (uint32_t l = 0; l < r->n_layers; l++) {
        struct float_layer y;
        struct layer_job j = { f, &y };

        if (get_layer(f, l, &y, err))
            return -1;
        pool_run(f->pool, layer_windows, &j, w->n, 1);
        clear_layer(&y);
        if (progress)
            progress(user, l + 1, r->n_layers);
    }
    return get_tensor(f->m, TENSOR_FINAL_NORM, &f->final_norm, err) ||
                   get_tensor(f->m, tied ? TENSOR_EMBED : TENSOR_HEAD,
                              &f->head, err) ? -1 : 0;
}

/* ---- head ---------------------------------------------------------------- */

#define HEAD_ROWS 64 /* of the vocabulary, that a thread takes at a time */

struct head_job {
    const struct float_source *f;
    const double *h;
    size_t n;
    float *logits;
};

static void head_rows(void *self, size_t from, size_t to, size_t thread)
{
    const struct head_job *j = self;
    size_t v = j->f->m->rec.n_vocab, dim = j->f->shape.dim;
    double *y = xmalloc(j->n * HEAD_ROWS * sizeof(*y));

    (void)thread;
    for (size_t i = from; i < to; i++) {
        size_t a = i * HEAD_ROWS, b = a + HEAD_ROWS < v ? a + HEAD_ROWS : v;

        float_linear(y, j->f->head + a * dim, NULL, j->h, j->n, b - a, dim);
        float_cap(y, j->n * (b - a), j->f->shape.logit_cap);
        for (size_t p = 0; p < j->n; p++)
            for (size_t k = a; k < b; k++)
                j->logits[p * v + k] = (float)y[p * (b - a) + k - a];
    }
    free(y);
}

void float_source_logits(const struct float_source *f, size_t i,
                         float *logits)
{
    size_t n = f->w->start[i + 1] - f->w->start[i], dim = f->shape.dim;
    double *h = xmalloc(n * dim * sizeof(*h));
    struct head_job j = { f, h, n, logits };

    for (size_t p = 0; p < n; p++)
        float_norm(h + p * dim, f->x + (f->w->start[i] + p) * dim,
                   f->final_norm, dim, f->shape.eps);
    pool_run(f->pool, head_rows, &j,
             (f->m->rec.n_vocab + HEAD_ROWS - 1) / HEAD_ROWS, 1);
    free(h);
}
