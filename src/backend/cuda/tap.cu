/*
 * One product of each step is checked on the CPU by freivalds.h: a linear and
 * a row are drawn from a secret; the kernel writes the row's sums beside its
 * epilogue, so what is checked is what was used.
 */
#include "backend/cuda/device.cuh"

extern "C" {
#include "kernels/philox.h"
}

#define UNDRAWN 0xffffffffu
#define LINEARS 4 /* of a layer: q k v, o, gate and up, down */

uint32_t draw_below(struct device *d, uint32_t n)
{
    const uint64_t at = d->draws_made++;
    const uint32_t counter[4] = { (uint32_t)at, (uint32_t)(at >> 32), 1, 0 };
    uint32_t out[4];

    philox4x32(out, counter, d->key);
    return (uint32_t)(((uint64_t)out[0] * n) >> 32);
}

void tap_choose(struct device *d)
{
    const struct model_record *r = &d->model->rec;
    uint32_t at;

    d->f->tap = {};
    if (!d->checks)
        return;
    at = draw_below(d, r->n_layers * LINEARS + 1);
    d->f->tap.layer = at / LINEARS;
    d->f->tap.row = UNDRAWN;
    if (d->f->tap.layer == r->n_layers) {
        d->f->tap.w = &d->weights.head;
        return;
    }
    const struct cuda_layer *y = &d->weights.layer[d->f->tap.layer];
    const struct cuda_matrix *of[LINEARS] = { &y->qkv, &y->o, &y->gate,
                                              &y->down };

    d->f->tap.w = of[at % LINEARS];
    if (d->f->tap.w == &y->gate && r->flags & MODEL_GELU && draw_below(d, 2))
        d->f->tap.w = &y->up;
}

bool tap_wants(struct device *d, const struct cuda_matrix *w,
               const struct cuda_matrix *up, uint32_t from, uint32_t m,
               uint32_t all)
{
    /* nobody is checked outside of steps, where bench/gpu launches products */
    if (!d->f || d->f->tap.w != w || d->f->tap.S)
        return false;
    if (d->f->tap.row == UNDRAWN)
        d->f->tap.row = draw_below(d, all);
    if (d->f->tap.row < from || d->f->tap.row - from >= m)
        return false;
    d->f->tap.up = up;
    d->f->tap_words[0] = 0;
    d->f->tap_words[1] = d->f->tap.row - from;
    return true;
}

int tap_keep(struct device *d, const int8_t *q, size_t S, struct err *err)
{
    size_t n = S * d->f->tap.w->ldk;

    d->f->tap.S = S;
    CUDA_TRY(cudaMemcpyAsync(d->at[PLAN_TAP], d->f->tap_words, 8,
                             cudaMemcpyHostToDevice, d->stream), err);
    CUDA_TRY(cudaMemcpyAsync(d->at[PLAN_TAP_Q], q + d->f->tap_words[1] * n, n,
                             cudaMemcpyDeviceToDevice, d->stream), err);
    return 0;
}

int tap_receive(struct device *d, struct err *err)
{
    const struct cuda_tap *t = &d->f->tap;
    size_t sums = t->S * (t->up ? 2 : 1);

    if (!t->S)
        return 0;
    CUDA_TRY(cudaMemcpyAsync(d->f->tapped, d->at[PLAN_TAPPED],
                             sums * t->w->rows * sizeof(*d->f->tapped),
                             cudaMemcpyDeviceToHost, d->stream), err);
    CUDA_TRY(cudaMemcpyAsync(d->f->tap_q, d->at[PLAN_TAP_Q], t->S * t->w->ldk,
                             cudaMemcpyDeviceToHost, d->stream), err);
    return 0;
}

int tap_check(struct device *d, const struct cuda_frame *f, struct err *err)
{
    const struct cuda_tap *t = &f->tap;

    if (!t->S ||
        (freivalds_holds(t->w->check, f->tap_q, t->S, t->w->ldk, f->tapped) &&
         (!t->up || freivalds_holds(t->up->check, f->tap_q, t->S, t->up->ldk,
                                    f->tapped + t->S * t->w->rows))))
        return 0;
    d->base.wrong = true;
    return err_set(err, ERR_RETRY, "a product of layer %u is wrong, of row %u:"
                   " what came of this GPU is withdrawn", t->layer, t->row);
}
