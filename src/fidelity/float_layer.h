/*
 * One layer of a transformer in f64 for one window, all of whose positions are
 * computed at once: doc/numerics.md, "A layer", with nothing rounded to
 * integers and the functions of libm.
 */
#ifndef APUS_FIDELITY_FLOAT_LAYER_H
#define APUS_FIDELITY_FLOAT_LAYER_H

#include <stddef.h>
#include <stdint.h>

#include "proof/model_record.h"

struct float_shape {
    uint32_t flags; /* MODEL_... */
    size_t dim, heads, kv_heads, head_dim, ffn;
    double eps, score_cap, logit_cap; /* caps: 0 is none */
};

struct float_layer {
    float *tensor[LAYER_TENSORS_BOTH]; /* by LAYER_..., NULL: absent */
    size_t window;                     /* 0: none */
    double scale;                      /* of scores */
    const float *inv_freq;             /* head_dim / 2 */
};

/* What one window is computed in. */
struct float_room {
    double *h, *q, *k, *v, *o, *g, *u, *score;
};

void float_room_init(struct float_room *r, const struct float_shape *s,
                     size_t positions);
void float_room_clear(struct float_room *r);

/* x (n rows of dim) becomes what it is after the layer. */
void float_layer_run(struct float_room *r, const struct float_shape *s,
                     const struct float_layer *l, double *x, size_t n);

/* y (n x rows) = x (n x cols) times the transpose of w (rows x cols), plus a
 * bias, or NULL.  Sums in the order of the columns. */
void float_linear(double *y, const float *w, const float *bias,
                  const double *x, size_t n, size_t rows, size_t cols);

/* y = RMSNorm(x) times gains; y may be x. */
void float_norm(double *y, const double *x, const float *g, size_t n,
                double eps);

/* Soft cap of n numbers; cap 0: nothing. */
void float_cap(double *x, size_t n, double cap);

#endif
