/*
 * What the linears of one layer are shown when a text runs through it: the
 * layer by X1 (kernels.h), with weights by the nearest rule, for all windows at
 * once.  Each row below has the bits of doc/numerics.md on every machine.
 *
 * For models whose layers have norms before, SiLU, and no experts.
 */
#ifndef APUS_FIDELITY_SHOWN_H
#define APUS_FIDELITY_SHOWN_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "proof/model_record.h"

struct err;
struct pool;
struct windows;

/* Rows of f32, one for each id of the windows. */
struct shown_rows {
    float *x;    /* dim: the residual stream; in and out */
    float *attn; /* dim: into wq, wk, wv */
    float *q, *k; /* heads * head_dim and kv_heads * head_dim, after RoPE */
    float *o;    /* heads * head_dim: into wo */
    float *ffn;  /* dim: into gate and up */
    float *h;    /* ffn_dim: into down */
};

/* Room for n rows; on failure nothing is kept. */
int shown_init(struct shown_rows *s, const struct model_record *r, size_t n,
               struct err *err);
void shown_clear(struct shown_rows *s);

/* A layer in memory. */
struct shown_layer {
    struct x1_weights w[LAYER_TENSORS]; /* by LAYER_...: the matrices .. */
    const float *vector[LAYER_TENSORS]; /* .. and the vectors; NULL: none */
    const float *inv_freq;              /* head_dim / 2 */
    uint32_t window;
    float scale;
};

/* Where a number left the range first. */
struct shown_fault {
    size_t row;  /* of the windows' ids; SIZE_MAX: nowhere */
};

/* Run all windows, which takes room for one in each thread. */
int shown_run(struct shown_rows *s, struct shown_fault *fault,
              const struct x1_kernels *k, const struct model_record *r,
              const struct shown_layer *l, const struct windows *w,
              struct pool *pool, struct err *err);

/* attn = the last norm of x by these gains: what the head is shown. */
void shown_head(struct shown_rows *s, struct shown_fault *fault,
                const struct x1_kernels *k, const struct model_record *r,
                const float *gain, size_t n);

#endif
