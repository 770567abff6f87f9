/*
 * The forward pass: a batch of rows (one position of one sequence each)
 * through the model, written once, in the order of the paper, over the kernel
 * table.  Which rows share a batch never changes a bit of any.
 *
 * Sizes, in floats: a residual row is dim; q of a row n_heads * head_dim; k
 * and v n_kv_heads * head_dim; the feed-forward part ffn_dim; logits n_vocab.
 *
 * A member of a group computes its part of the heads, of the feed-forward rows
 * and of the logits (model_part.h).  Residual rows, faults, the greatest logit
 * and those logits that are given or weighed are whole on all members.
 */
#ifndef APUS_BACKEND_CPU_FORWARD_H
#define APUS_BACKEND_CPU_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"

struct err;
struct forward;
struct group;
struct kv_pool;
struct model;
struct model_part;
struct pool;
struct weights;
struct x1_kernels;

/* A residual row of a row of the step, as it comes; borrowed. */
typedef void forward_residual_fn(void *self, const struct backend_row *r,
                                 uint32_t layer, const float *x);

/* Keys and values of one row or two that are committed to are in their blocks,
 * of one head: layer by layer, and in a layer head by head.  Threads call it,
 * one at a time for a row. */
typedef void forward_stored_fn(void *self, const struct backend_row *const *r,
                               size_t n, uint32_t layer, size_t head);

struct forward_options {
    size_t rows, draws, slots; /* at most in a step: rows, with logits */
    forward_residual_fn *residual; /* NULL: nobody wants them */
    forward_stored_fn *stored; /* heads counted from the first of the part */
    void *self;
    const struct model_part *part;
    const struct group *group; /* borrowed; NULL: alone */
};

/* Work space.  The model, its weights in the form of the kernels, kernels,
 * blocks and threads are borrowed. */
int forward_new(struct forward **out, const struct model *m,
                const struct weights *w, const struct x1_kernels *k,
                struct kv_pool *pool, struct pool *threads,
                const struct forward_options *o, struct err *err);
void forward_free(struct forward *f);

/* Compute rows[0 .. n), whose blocks are entered.  Rows of a slot are
 * consecutive.  ERR_FATAL when there is no memory for scores; of a member also
 * the errors of its group, after which there is no further step. */
int forward_step(struct forward *f, const struct backend_row *rows, size_t n,
                 struct err *err);

/* Of the i-th row with logits of that step: them, its x_L, and whether its
 * sequence was within the range when the head came to it. */
const float *forward_logits(const struct forward *f, size_t i);
const float *forward_last(const struct forward *f, size_t i);
bool forward_good(const struct forward *f, size_t i);

/* The id of its greatest logit, of equal ones the first; of a row that is not
 * good, any. */
size_t forward_best(const struct forward *f, size_t i);

/* x_L of the row that is the i-th of all and has logits or fin. */
const float *forward_x(const struct forward *f, size_t i);

/* The least fault of a slot in that step, or NULL. */
const struct fault *forward_fault(const struct forward *f, uint32_t slot);

#endif
