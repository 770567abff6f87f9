/*
 * A layer of the source by the nearest rule, in memory.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "fidelity/fit_internal.h"
#include "model/import/import.h"
#include "model/model_layout.h"

void fit_nearest_clear(struct fit_nearest *y)
{
    for (size_t i = 0; i < LAYER_TENSORS; i++)
        for (size_t k = 0; k < 3; k++)
            free(y->part[i][k]);
}

static int get_matrix(struct fit *f, uint32_t tensor,
                      const struct tensor_record *t, struct x1_weights *w,
                      void *part[3], struct err *err)
{
    struct x1_matrix m = { t->rows, t->cols, NULL, NULL };
    float *row = xmalloc(t->cols * sizeof(*row)), *scale;
    int8_t *q;
    int rc = mem_big(&part[0], t->rows, sizeof(*scale), "scales", err) ||
                     mem_big(&part[1], t->rows, t->cols, "weights", err) ||
                     fit_read_begin(f, tensor, err)
                 ? -1 : 0;

    scale = part[0];
    q = part[1];
    for (uint32_t n = 0; rc == 0 && n < t->rows; n++) {
        rc = fit_read_rows(f, tensor, n, 1, row, err);
        if (rc == 0)
            x1_w8_row(q + (size_t)n * t->cols, &scale[n], row, t->cols);
    }
    free(row);
    m.scale = scale;
    m.w = q;
    if (rc || mem_big(&part[2], f->k.pack_bytes(&m), 1, "weights", err))
        return -1;
    x1_pack(&f->k, w, &m, part[2]);
    return 0;
}

static void set_numbers(const struct fit *f, uint32_t l, struct shown_layer *y)
{
    const struct model_record *r = &f->source->rec;
    const float *freq = f->source->inv_freq, *of;
    size_t half = r->head_dim / 2;

    y->window = r->window;
    y->scale = r->attn_scale;
    y->inv_freq = freq;
    if (!(r->flags & MODEL_LAYERS))
        return;
    of = freq + model_tables(r) * half + l * MODEL_LAYER_NUMBERS;
    y->window = (uint32_t)of[MODEL_LAYER_WINDOW];
    y->scale = of[MODEL_LAYER_SCALE];
    y->inv_freq = freq + (size_t)of[MODEL_LAYER_TABLE] * half;
}

int fit_nearest(struct fit *f, uint32_t l, struct fit_nearest *y,
                struct err *err)
{
    const struct model_record *r = &f->source->rec;
    int rc = 0;

    memset(y, 0, sizeof(*y));
    set_numbers(f, l, &y->layer);
    for (uint32_t i = 0; i < LAYER_TENSORS && rc == 0; i++) {
        uint32_t tensor = model_tensor_at(r, l, i);
        struct tensor_record t;

        model_expect(r, tensor, &t);
        if (t.type == TENSOR_W8) {
            rc = get_matrix(f, tensor, &t, &y->layer.w[i], y->part[i], err);
        } else if (t.type == TENSOR_F32) {
            float *x = xmalloc(t.rows * sizeof(*x));

            y->part[i][0] = x;
            y->layer.vector[i] = x;
            rc = fit_read_vector(f, tensor, t.rows, x, err);
        }
    }
    return rc;
}
