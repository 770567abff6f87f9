/*
 * One product of each step is checked on the CPU by freivalds.h: a linear and
 * a row are drawn from a secret; the kernel writes the row's sums beside its
 * epilogue, so what is checked is what was used.
 */
#include "backend/cuda/device.cuh"

#include "backend/op_numbers.h"

extern "C" {
#include "kernels/philox.h"
}

#define LINEARS 4 /* of a layer: q k v, o, gate and up, down */

uint32_t draw_below(struct device *d, uint32_t n)
{
    const uint64_t at = d->draws_made++;
    const uint32_t counter[4] = { (uint32_t)at, (uint32_t)(at >> 32), 1, 0 };
    uint32_t out[4];

    philox4x32(out, counter, d->key);
    return (uint32_t)(((uint64_t)out[0] * n) >> 32);
}

/* One of a layer's linears; the operator of its input. */
static uint32_t choose_linear(struct device *d, struct cuda_tap *t,
                              uint32_t which)
{
    static const uint32_t op[LINEARS] = { OP_ATTN_NORM, OP_O, OP_FFN_NORM,
                                          OP_DOWN };
    const struct cuda_layer *y = &d->weights.layer[t->layer];
    const struct cuda_matrix *of[LINEARS] = { &y->qkv, &y->o, &y->gate,
                                              &y->down };

    t->w = of[which];
    if (t->w != &y->gate)
        return op[which];
    if (!(d->model->rec.flags & MODEL_GELU))
        t->up = &y->up;
    else if (draw_below(d, 2))
        t->w = &y->up;
    return op[which];
}

/* The rows that it has in this step; 0: it is not computed. */
static uint32_t rows_of(const struct device *d, const struct cuda_tap *t)
{
    const struct cuda_frame *f = d->f;
    uint32_t layers = d->model->rec.n_layers;

    if (t->layer == layers)
        return (uint32_t)f->n_logits;
    if (t->layer + 1 < layers || t->w == &d->weights.layer[t->layer].qkv)
        return (uint32_t)f->n;
    return (uint32_t)f->n_going;
}

static void choose(struct device *d, struct cuda_tap *t)
{
    const struct model_record *r = &d->model->rec;
    uint32_t at = draw_below(d, r->n_layers * LINEARS + 1), op = HEAD_NORM, n;

    t->layer = at / LINEARS;
    if (t->layer == r->n_layers)
        t->w = &d->weights.head;
    else
        op = choose_linear(d, t, at % LINEARS);
    n = rows_of(d, t);
    /* a member of a group may have nothing of a matrix */
    if (n == 0 || t->w->rows == 0 || t->w->cols == 0)
        return;
    t->row = draw_below(d, n);
    t->S = forward_is_a8(r, t->layer < r->n_layers ? t->layer : FAULT_HEAD, op)
               ? 1 : 2;
}

int tap_send(struct device *d, struct err *err)
{
    struct cuda_frame *f = d->f;

    f->tap = {};
    if (!d->checks)
        return 0;
    choose(d, &f->tap);
    *f->tap_at = { f->tap.S ? f->tap.w->number : TAP_NONE, f->tap.row };
    CUDA_TRY(cudaMemcpyAsync(d->at[PLAN_TAP], f->tap_at, sizeof(*f->tap_at),
                             cudaMemcpyHostToDevice, d->stream), err);
    return 0;
}

/* Nobody is checked outside of steps, where bench/gpu launches products. */
void tap_linear(const struct device *d, const struct cuda_matrix *w,
                struct linear_args *a)
{
    if (!d->checks || !d->f)
        return;
    a->tap = cuda_array<struct linear_tap>(d, PLAN_TAP);
    a->tapped = cuda_array<int32_t>(d, PLAN_TAPPED);
    a->number = w->number;
}

void tap_rows(const struct device *d, const struct cuda_matrix *w,
              const struct cuda_matrix *up, struct rows_args *a)
{
    if (!d->checks)
        return;
    a->tap = cuda_array<struct linear_tap>(d, PLAN_TAP);
    a->tapped_q = cuda_array<int8_t>(d, PLAN_TAP_Q);
    a->reader[0] = w->number;
    a->reader[1] = up ? up->number : w->number;
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
