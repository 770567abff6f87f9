/*
 * Plans, and the matrices and vectors that are written by them.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/pool.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plural.h"
#include "fidelity/fit_internal.h"
#include "fidelity/sums.h"
#include "model/import/import.h"
#include "model/model_layout.h"

#define DAMPING 0.01
#define CHUNK ((size_t)4 << 20) /* numbers of a matrix in memory */

void fit_plan_init(struct fit *f, struct fit_plan *p, const float *x, size_t k)
{
    memset(p, 0, sizeof(*p));
    p->k = k;
    p->d = xmalloc(k * sizeof(*p->d));
    p->c = xmalloc(k * sizeof(*p->c));
    sums_energy(p->d, x, f->n, k, f->pool);
    for (size_t i = 0; i < k; i++)
        p->c[i] = 1;
}

void fit_plan_clear(struct fit_plan *p)
{
    rounding_clear(&p->r);
    free(p->d);
    free(p->c);
    memset(p, 0, sizeof(*p));
}

struct blocks_job {
    struct fit *f;
    struct fit_plan *p;
    const float *x;
    double damping;
};

static void some_blocks(void *self, size_t from, size_t to, size_t thread)
{
    const struct blocks_job *j = self;
    struct rounding *r = &j->p->r;
    double *g = xmalloc(ROUNDING_BLOCK * ROUNDING_BLOCK * sizeof(*g));

    (void)thread;
    for (size_t b = from; b < to; b++) {
        sums_products(g, j->x, j->f->n, r->k, r->order + b * ROUNDING_BLOCK,
                      rounding_width(r, b), j->p->c);
        if (rounding_factor(r, b, g, j->damping)) {
            pool_lock(j->f->pool);
            r->singular++;
            pool_unlock(j->f->pool);
        }
    }
    free(g);
}

void fit_plan_blocks(struct fit *f, struct fit_plan *p, const float *x)
{
    struct blocks_job j = { f, p, x, 0 };
    double *energy = xmalloc(p->k * sizeof(*energy));

    for (size_t i = 0; i < p->k; i++) {
        energy[i] = p->d[i] / (p->c[i] * p->c[i]);
        j.damping += energy[i];
    }
    j.damping = DAMPING * (j.damping / (double)p->k);
    rounding_init(&p->r, energy, p->k);
    free(energy);
    pool_run(f->pool, some_blocks, &j, p->r.n_blocks, 1);
}

void fit_note_singular(struct fit *f, uint32_t layer, size_t blocks)
{
    char *in, *line;

    if (blocks == 0 || !f->o.note)
        return;
    in = fit_layer_name(f, layer);
    line = xasprintf("calibration: %zu singular block%s of channels in %s:"
                     " rounded to nearest", blocks, plural_s(blocks), in);
    f->o.note(f->o.user, line);
    free(line);
    free(in);
}

/* ---- matrices ------------------------------------------------------------ */

struct fit_rows {
    const struct fit_matrix *m;
    const float *x; /* rows from `first` on */
    size_t first;
    int8_t *w;
    float *scale;
};

static void some_rows(void *self, size_t from, size_t to, size_t thread)
{
    const struct fit_rows *j = self;
    const struct fit_matrix *m = j->m;
    size_t k = m->plan->k;
    double *row = xmalloc(k * sizeof(*row));

    (void)thread;
    for (size_t i = from; i < to; i++) {
        double by = m->rows ? m->rows[j->first + i] : 1;

        for (size_t c = 0; c < k; c++) {
            row[c] = (double)j->x[i * k + c] * m->plan->c[c];
            row[c] = m->divide ? row[c] / by : row[c] * by;
        }
        rounding_row(&m->plan->r, row, j->w + i * k, j->scale + i);
    }
    free(row);
}

static int put_rows(struct fit *f, const struct fit_rows *j,
                    const struct tensor_record *t, size_t n, struct err *err)
{
    uint64_t at = f->lay->offset[j->m->tensor];
    uint64_t w = at + model_tensor_scales(t) + (uint64_t)j->first * t->cols;

    return fit_state_put(&f->st, at + 4 * (uint64_t)j->first, j->scale,
                         n * sizeof(*j->scale), err) ||
                   fit_state_put(&f->st, w, j->w, n * t->cols, err) ? -1 : 0;
}

int fit_matrix(struct fit *f, const struct fit_matrix *m, struct err *err)
{
    struct tensor_record t;
    struct fit_rows j = { .m = m };
    float *x = NULL;
    size_t step;
    int rc;

    model_expect(&f->source->rec, m->tensor, &t);
    step = CHUNK / t.cols + 1;
    step = step < t.rows ? step : t.rows;
    if (mem_big((void **)&x, step * t.cols, sizeof(*x), "rows of a matrix",
                err))
        return -1;
    j.x = x;
    j.w = xmalloc(step * t.cols);
    j.scale = xmalloc(step * sizeof(*j.scale));
    rc = fit_read_begin(f, m->tensor, err);
    for (; j.first < t.rows && rc == 0; j.first += step) {
        size_t n = t.rows - j.first < step ? t.rows - j.first : step;

        rc = fit_read_rows(f, m->tensor, j.first, n, x, err);
        if (rc)
            break;
        pool_run(f->pool, some_rows, &j, n, 1);
        rc = put_rows(f, &j, &t, n, err);
    }
    free(x);
    free(j.w);
    free(j.scale);
    return rc;
}

int fit_vector(struct fit *f, uint32_t tensor, const double *factor,
               bool divide, struct err *err)
{
    struct tensor_record t;
    float *x;
    int rc;

    model_expect(&f->source->rec, tensor, &t);
    if (t.type == TENSOR_ABSENT)
        return 0;
    x = xmalloc(t.rows * sizeof(*x));
    rc = fit_read_vector(f, tensor, t.rows, x, err);
    for (size_t i = 0; rc == 0 && i < t.rows; i++)
        x[i] = (float)(divide ? (double)x[i] / factor[i]
                              : (double)x[i] * factor[i]);
    if (rc == 0)
        rc = fit_state_put(&f->st, f->lay->offset[tensor], x,
                           t.rows * sizeof(*x), err);
    free(x);
    return rc;
}
