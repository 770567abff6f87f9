/*
 * The host's memory of the steps in flight: for each frame one pinned piece, in
 * which the arrays of its copies lie one after the other, and its events.
 */
#include "backend/cuda/device.cuh"

#include <stdlib.h>
#include <string.h>

#define FRAME_ALIGN 64

/* Where the next array goes; with base NULL they are counted. */
struct pinned {
    unsigned char *base;
    size_t n;
};

template <typename T>
static void carve(struct pinned *p, T **out, size_t n)
{
    *out = p->base ? (T *)(p->base + p->n) : NULL;
    p->n += (n * sizeof(T) + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

static void carve_frame(const struct device *d, struct cuda_frame *f,
                        struct pinned *p)
{
    const struct cuda_plan *n = &d->plan;
    size_t dim = d->model->rec.dim;

    carve(p, &f->words, n->bytes[PLAN_WORDS] / sizeof(*f->words));
    carve(p, &f->entry, 3 * n->entries);
    carve(p, &f->angles, 2 * n->rows * n->angles);
    carve(p, &f->last_x, n->slots * dim);
    carve(p, &f->list, 2 * n->rows);
    carve(p, &f->tile, 2 * n->rows);
    carve(p, &f->draws, n->draws);
    carve(p, &f->hash, (n->trees + 1) * n->rows * 8);
    carve(p, &f->least, n->slots);
    carve(p, &f->tap_at, 1);
    carve(p, &f->tapped, n->bytes[PLAN_TAPPED] / 4);
    carve(p, &f->tap_q, n->bytes[PLAN_TAP_Q]);
    carve(p, &f->again_rows, n->ring_row);
    carve(p, &f->again_x, dim);
}

template <typename T>
static cudaError_t pin(T **out, size_t n)
{
    cudaError_t e = cudaMallocHost((void **)out, n * sizeof(T));

    if (e == cudaSuccess)
        memset(*out, 0, n * sizeof(T));
    return e;
}

template <typename T> static void alloc(T **out, size_t n)
{
    *out = (T *)xcalloc(n, sizeof(T));
}

static int take_frame(struct device *d, struct cuda_frame *f, struct err *err)
{
    struct pinned p = { NULL, 0 };

    carve_frame(d, f, &p);
    CUDA_TRY(pin(&f->pinned, p.n), err);
    p = { f->pinned, 0 };
    carve_frame(d, f, &p);
    CUDA_TRY(cudaEventCreateWithFlags(&f->done, cudaEventDisableTiming), err);
    CUDA_TRY(cudaEventCreateWithFlags(&f->hashed, cudaEventDisableTiming),
             err);
    alloc(&f->row, d->plan.rows);
    alloc(&f->where, d->plan.rows);
    alloc(&f->last, d->plan.slots);
    return 0;
}

int frames_take(struct device *d, unsigned taps, struct err *err)
{
    const struct cuda_plan *p = &d->plan;
    size_t logits = p->draws * d->model->rec.n_vocab;

    for (size_t i = 0; i < PLAN_KEPT; i++)
        if (take_frame(d, &d->frame[i], err))
            return -1;
    for (size_t i = 0; i < 2 && taps & BACKEND_TAP_LOGITS; i++)
        CUDA_TRY(pin(&d->logits[i], logits), err);
    alloc(&d->taken, p->rows);
    for (size_t i = 0; i < 2; i++)
        CUDA_TRY(cudaEventCreateWithFlags(&d->near[i], cudaEventDisableTiming),
                 err);
    alloc(&d->in_slot, p->slots);
    alloc(&d->told, p->slots);
    alloc(&d->draw, p->draws);
    alloc(&d->fault, p->slots);
    alloc(&d->digest, p->rows);
    return 0;
}

static void drop_frame(struct device *d, struct cuda_frame *f)
{
    if (!d->lost) {
        cudaFreeHost(f->pinned);
        if (f->done)
            cudaEventDestroy(f->done);
        if (f->hashed)
            cudaEventDestroy(f->hashed);
    }
    free(f->row);
    free(f->where);
    free(f->last);
    *f = {};
}

void frames_drop(struct device *d)
{
    for (size_t i = 0; i < PLAN_KEPT; i++)
        drop_frame(d, &d->frame[i]);
    for (size_t i = 0; i < 2; i++) {
        if (!d->lost)
            cudaFreeHost(d->logits[i]);
        if (!d->lost && d->near[i])
            cudaEventDestroy(d->near[i]);
        d->logits[i] = NULL;
        d->near[i] = NULL;
    }
    free(d->taken);
    free(d->in_slot);
    free(d->told);
    free(d->draw);
    free(d->fault);
    free(d->digest);
    d->taken = NULL;
    d->in_slot = NULL;
    d->told = NULL;
    d->draw = NULL;
    d->fault = NULL;
    d->digest = NULL;
    d->f = d->hashing = NULL;
    d->begun = d->given = 0;
}
