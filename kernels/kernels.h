/*
 * X1 arithmetic: the operations of a transformer as one table, of which every
 * backend (plain C, later vector and matrix units, CUDA) has an instance.
 * doc/numerics.md defines each number; every backend gives the same bits.
 *
 * All arrays are row-major.  Operations on independent output rows take a
 * range [from, to) of them, so that threads can share one call's work; ranges
 * never change a bit.  Nothing here allocates, fails or prints: arguments are
 * the caller's promise, within the limits below.
 *
 * Faults.  An operation that quantises rows writes fault[i] for row i: the
 * index of the first element whose size is 2^40 or more (NaN too), or -1.
 * A faulty row is quantised as zeros, so whatever follows stays defined.
 */
#ifndef APUS_KERNELS_KERNELS_H
#define APUS_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X1_VERSION 1
#define X1_MAX_K 131072       /* length of a row */
#define X1_MAX_HEAD_DIM 1024
#define X1_MAX_CONTEXT 131072
#define X1_MAX_VOCAB 262144
#define X1_LIMIT_BITS 0x53800000u /* bits of 2^40 */

/* A W8 matrix: y = W x. */
struct x1_matrix {
    uint32_t rows, cols;
    const float *scale; /* rows */
    const int8_t *w;    /* rows x cols, each in [-127, 127] */
};

/* Rows to multiply with: q14 in A14 (|q| <= 16384, scale is the step) or A8
 * (|q| <= 127). */
struct x1_rows {
    size_t m, k;
    int16_t *q;   /* m x k */
    float *scale; /* m */
};

/* A run of cached positions of one layer and KV head, in order. */
struct x1_span {
    const int8_t *k, *v;   /* n x head_dim */
    const float *s_k, *s_v; /* n */
    size_t n;
};

struct x1_kernels {
    const char *name;

    /* A14 (a8 false) or A8 of m rows of length k; x rows are `stride` floats
     * apart.  out->q, out->scale and fault[0..m) are written. */
    void (*quantise)(struct x1_rows *out, const float *x, size_t stride,
                     bool a8, int32_t *fault);

    /* y[i][n] for n in [from, to): linear of the rows in `in`, b NULL or
     * the bias of the matrix' rows.  y rows are `stride` floats apart. */
    void (*linear)(float *y, size_t stride, const struct x1_matrix *w,
                   const float *b, const struct x1_rows *in, size_t from,
                   size_t to);

    /* y = RMSNorm(x) * g for m rows of k; x and y rows are `stride` apart
     * and may be the same.  fault as above; a faulty row gives zeros. */
    void (*rmsnorm)(float *y, const float *x, size_t stride, const float *g,
                    float eps, size_t m, size_t k, int32_t *fault);

    /* Rotation of halves of `heads` vectors of hd floats, in place, with one
     * row of the table (cos, sin: hd/2 each). */
    void (*rope)(float *x, size_t heads, size_t hd, const float *cos,
                 const float *sin);

    /* One row of n values as A8, to cache: q and *s.  *fault as above. */
    void (*store)(int8_t *q, float *s, const float *x, size_t n,
                  int32_t *fault);

    /* o[0..hd): attention of one query q (A14 with its step, attention scale
     * c) over all positions of the spans (at least one).  score has room for
     * that many floats, num for hd int64. */
    void (*attention)(float *o, const int16_t *q, float step, float c,
                      const struct x1_span *spans, size_t n_spans, size_t hd,
                      float *score, int64_t *num);

    /* h[i] = silu(g[i]) * u[i]; x[i] += y[i] */
    void (*gate)(float *h, const float *g, const float *u, size_t n);
    void (*add)(float *x, const float *y, size_t n);

    /* Row `id` of the embedding. */
    void (*embed)(float *x, const struct x1_matrix *w, uint32_t id);

    /* y[i] = exp32(x[i]) and silu: the element-wise pieces by themselves. */
    void (*exp32)(float *y, const float *x, size_t n);
    void (*silu)(float *y, const float *g, size_t n);
};

/* Plain C, the definition that runs; kernels/reference.c. */
extern const struct x1_kernels x1_reference;

/* The backends that this build has and this machine can run, the fastest
 * first, ended by NULL; x1_find gives one by name, "auto" the first, or
 * NULL. */
const struct x1_kernels *const *x1_variants(void);
const struct x1_kernels *x1_find(const char *name);

/* cos, sin of one position for hd/2 frequencies.  Made on the CPU. */
void x1_rope_row(float *cos, float *sin, const float *inv_freq, size_t half,
                 uint32_t pos);

/* W8 of one row by the default rule of the converter. */
void x1_w8_row(int8_t *w, float *scale, const float *x, size_t n);

/* The first index with a size of 2^40 or more, or -1. */
int32_t x1_fault(const float *x, size_t n);

/* Set the calling thread's floating-point state (round to nearest, no
 * flushing of subnormals).  Every thread that computes calls it first: a
 * library linked with -ffast-math may have changed it. */
void x1_thread_init(void);

/* Refuse a machine or build that contracts, flushes or reorders: a dozen
 * known answers.  0, or -1 with what is wrong in text[0..n). */
int x1_selftest(const struct x1_kernels *k, char *text, size_t n);

#endif
