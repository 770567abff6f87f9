/*
 * The forward pass: a batch of rows (one position of one sequence each)
 * through the model, written once, in the order of the paper, over the kernel
 * table.  Which rows share a batch never changes a bit of any.
 */
#ifndef APUS_ENGINE_FORWARD_H
#define APUS_ENGINE_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/kv.h"

struct err;
struct forward;
struct model;

/* One row of a step.  Rows of one sequence are consecutive positions and in
 * order; its pages up to `position` must be reserved. */
struct forward_row {
    uint32_t token, position;
    bool draw;           /* compute logits here */
    struct kv *kv;
    bool *faulty;        /* of the sequence: set once one of its rows .. */
    struct fault *fault; /* .. leaves the range; the least place so far */
    void *user;          /* for the observer */
};

/* Work space for at most max_rows rows of which max_draws draw.  The model,
 * kernels, pool and observer are borrowed. */
int forward_new(struct forward **out, const struct model *m,
                const struct x1_kernels *k, struct kv_pool *pool,
                size_t max_rows, size_t max_draws,
                const struct observer *obs, struct err *err);
void forward_free(struct forward *f);

/* Compute rows[0..n).  The logits of the i-th drawing row are at
 * forward_logits(f, i). */
void forward_step(struct forward *f, const struct forward_row *rows,
                  size_t n);
const float *forward_logits(const struct forward *f, size_t i);
/* .. and its last residual row, x_L. */
const float *forward_last(const struct forward *f, size_t i);

/* Make room for the scores of positions below this; before any step that
 * has such rows. */
int forward_reserve(struct forward *f, size_t positions, struct err *err);

#endif
