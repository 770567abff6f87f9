/*
 * X1 arithmetic: the operations of a transformer on a CPU as one table.
 * doc/numerics.md defines each number; reference.c fills the table in plain C
 * and is the definition that runs.  A level of the CPU (levels.c) overrides
 * the operations for which it has faster code, and every level computes the
 * same bits.  kernels/check compares them on random shapes and values.
 *
 * To port X1 to another CPU: write the operations that matter (linear, gate
 * and attention take nearly all the time), add a row to levels.c, run
 * kernels/check and tests/x1vectors.
 *
 * Forms.  Weights, quantised rows and cached keys and values have the level's
 * own form: callers allocate as many bytes as the table asks for, let the
 * table fill them, and read nothing there themselves.  A table that overrides
 * an operation which reads a form therefore overrides all that touch it.
 *
 *   form      made by     read by                       bytes
 *   weights   pack        linear, gate, sums, embed     pack_bytes
 *   rows      quantise    linear, gate, sums, integers  rows_bytes
 *   block     quantise_kv, put  attention, fetch              block_bytes
 *
 * Order of sums.  Sums over a set are sums of integers, exact in the width
 * that each operation names, so their order is free.  Floating-point
 * operations are element by element, each rounded once, in the order that is
 * written here; no fused multiply-add.
 *
 * Ranges.  Operations on independent outputs take a range [from, to) of them,
 * so that threads can share one call.  `from` is a multiple of X1_GROUP, and
 * so is `to` unless it is the end.  Ranges never change a bit.
 *
 * Faults.  An operation that quantises rows writes fault[i] for row i: the
 * index of the first element whose size is 2^40 or more (NaN too), or -1.
 * A row with a fault is quantised as zeros, so all that follows is defined.
 *
 * Nothing here allocates, fails, prints or keeps state.  Arguments are the
 * caller's promise, within the limits below.  Pointers that an operation
 * takes are borrowed for the call alone.
 */
#ifndef APUS_KERNELS_KERNELS_H
#define APUS_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X1_VERSION 1
#define X1_MAX_K 131072       /* elements of a row */
#define X1_MAX_HEAD_DIM 1024
#define X1_MAX_CONTEXT 131072 /* positions */
#define X1_MAX_VOCAB 262144
#define X1_LIMIT_BITS 0x53800000u /* bits of 2^40 */
#define X1_GROUP 16           /* what ranges are multiples of */
#define X1_BLOCK 64           /* positions in a block of keys and values */

/* A W8 matrix as a model file has it, y = W x: element (n, k) is
 * w[n * cols + k] * scale[n].  Owned by the model. */
struct x1_matrix {
    uint32_t rows, cols;
    const float *scale; /* rows */
    const int8_t *w;    /* rows x cols, each in [-127, 127] */
};

/* A matrix in the form of a level (x1_pack).  `data` is the level's affair,
 * scale[n] that of row n in each; they lie in the caller's room, or, if
 * pack_bytes asks for none, in the matrix that was packed, which then has to
 * stay. */
struct x1_weights {
    uint32_t rows, cols;
    const float *scale;
    const void *data;
};

/* m rows of k quantised elements in the form of a level; storage is the
 * caller's.  A14: |q| <= 16384 and scale is the step, 2^(e-14).
 * A8: |q| <= 127 and scale is s. */
struct x1_rows {
    size_t m, k;
    bool a8;
    void *q;      /* rows_bytes(m, k) */
    float *scale; /* m */
};

/* The cached keys and values of one sequence, one layer and one KV head:
 * position p is at p % X1_BLOCK of block[p / X1_BLOCK] + offset.  A block has
 * block_bytes(head_dim) bytes, aligned to 64. */
struct x1_blocks {
    unsigned char *const *block;
    size_t offset;
};

/* One query of one head, and the positions that it attends to, at least one:
 * [from, to). */
struct x1_query {
    const float *q; /* head_dim, after rope */
    float *o;       /* head_dim, written */
    uint32_t from, to;
    int32_t fault;  /* of q, written */
};

/* What scores are multiplied by, the model's attention scale, and their soft
 * cap, 1 or more; 0: none. */
struct x1_scoring {
    float scale, cap;
};

struct x1_kernels {
    const char *name; /* of the highest level in it */

    /* Bytes of a packed matrix; 0: it is read where it lies. */
    size_t (*pack_bytes)(const struct x1_matrix *m);

    /* Rows [from, to) of a matrix into `out`, aligned to 64.  Ranges may be
     * packed by several threads at once. */
    void (*pack)(void *out, const struct x1_matrix *m, size_t from,
                 size_t to);

    /* What pack has put into `out` as weights. */
    void (*weights)(struct x1_weights *w, const struct x1_matrix *m,
                    const void *out);

    /* Bytes of m quantised rows of k. */
    size_t (*rows_bytes)(size_t m, size_t k);

    /* Rows [from, to) of out->m, of length out->k, as A14 or A8 by out->a8:
     * x, a row each `stride` floats, into out->q and out->scale; and
     * fault[from .. to). */
    void (*quantise)(struct x1_rows *out, const float *x, size_t stride,
                     int32_t *fault, size_t from, size_t to);

    /* The k integers of row i, as numerics.md defines them. */
    void (*integers)(int16_t *q, const struct x1_rows *rows, size_t i);

    /* Outputs n in [from, to) of all rows i of `in`, y[i * stride + n]:
     * ((f32(acc) * scale[n]) * in->scale[i]) + b[n], acc = sum over k of
     * w[n][k] * q[i][k], exact in 39 bits.  b is NULL, or a bias a row of the
     * matrix.  If `add`, the result is added to what y has: y + linear. */
    void (*linear)(float *y, size_t stride, const struct x1_weights *w,
                   const float *b, bool add, const struct x1_rows *in,
                   size_t from, size_t to);

    /* h[i * stride + n] = silu(g) * u, g and u being the linears of the same
     * rows by two matrices of one shape. */
    void (*swiglu)(float *h, size_t stride, const struct x1_weights *g,
                   const struct x1_weights *u, const struct x1_rows *in,
                   size_t from, size_t to);

    /* The sums of linear before they are rounded, acc[i * stride + n] = sum
     * over k of w[n][k] * q[i][k], exact: a part of a matrix whose columns lie
     * elsewhere, too, is added up so (x1_scale_acc rounds it then). */
    void (*sums)(int64_t *acc, size_t stride, const struct x1_weights *w,
                 const struct x1_rows *in, size_t from, size_t to);

    /* x[0 .. cols) = f32(w[id]) * scale[id]: row `id` of the embedding. */
    void (*embed)(float *x, const struct x1_weights *w, uint32_t id);

    /* y = RMSNorm(x) * g for m rows of k; x and y rows are `stride` apart
     * and may be the same.  The sum of squares is exact in 64 bits.  fault as
     * above, m of them; a row with a fault gives zeros. */
    void (*rmsnorm)(float *y, const float *x, size_t stride, const float *g,
                    float eps, size_t m, size_t k, int32_t *fault);

    /* Rotation of halves of `heads` vectors of hd floats, in place, with one
     * row of the table (cos, sin: hd/2 each). */
    void (*rope)(float *x, size_t heads, size_t hd, const float *cos,
                 const float *sin);

    /* Bytes of a block for one layer and KV head. */
    size_t (*block_bytes)(size_t hd);

    /* Keys and values of hd floats each as A8 to place `at`, below X1_BLOCK,
     * of a block; faults of k and of v.  What a block has at places that were
     * not stored is never read. */
    void (*quantise_kv)(unsigned char *block, size_t at, const float *k,
                        const float *v, size_t hd, int32_t fault[2]);

    /* Quantised values themselves to a place, and what is at a place: hd
     * each, and their scales. */
    void (*put)(unsigned char *block, size_t at, const int8_t *k,
                const int8_t *v, float s_k, float s_v, size_t hd);
    void (*fetch)(int8_t *k, int8_t *v, float *s_k, float *s_v,
                  const unsigned char *block, size_t at, size_t hd);

    /* Bytes of `scratch` for queries that attend to at most n positions. */
    size_t (*attention_bytes)(size_t n, size_t hd);

    /* Attention of m queries of one KV head over its blocks.  Queries may be
     * heads of one row, rows of one head, or both.  Two passes: the maximum of
     * the scores, then Z in 64 bits and sum u * v in 64 bits. */
    void (*attention)(struct x1_query *query, size_t m, struct x1_scoring c,
                      const struct x1_blocks *kv, size_t hd, void *scratch);

    /* For sampling, over a row of n logits.  `fault` is the index of the
     * first element out of range, or -1; `max` that of the greatest, of equal
     * ones the first, -0 being equal to +0. */
    int32_t (*fault)(const float *x, size_t n);
    size_t (*max)(const float *x, size_t n);

    /* w[i] = rint(exp32(((x[i] + 0) - max) / t) * 2^30), at most 2^30. */
    void (*exp_weights)(uint32_t *w, const float *x, size_t n, float max,
                        float t);

    /* The sum of n weights, and the first index up to which the running sum
     * exceeds r, which is below that sum; both in 64 bits. */
    uint64_t (*sum)(const uint32_t *w, size_t n);
    size_t (*pick)(const uint32_t *w, size_t n, uint64_t r);

    /* Of n weights, those of at least `least`, which is 1 to 2^30 + 1: their
     * sum and, in *count, their number. */
    uint64_t (*tally)(const uint32_t *w, size_t n, uint32_t least,
                      size_t *count);

    /* y[i] = exp32(x[i]) and silu(x[i]): what the others are made of. */
    void (*exp32)(float *y, const float *x, size_t n);
    void (*silu)(float *y, const float *x, size_t n);
};

/* A level: its name in the setting `kernel`, and what it needs of a CPU, a mask
 * (levels.h). */
struct x1_level {
    const char *name;
    unsigned cpu;
};

/* Fill a table for a CPU of these abilities: the reference, then in turn each
 * level that this build has code for and that needs nothing else. */
void x1_kernels_init(struct x1_kernels *k, unsigned cpu);

/* The abilities of this CPU for which this build has code, and which its
 * system lets this process use. */
unsigned x1_cpu(void);

/* An ability that the CPU has and the system refuses, for a warning: the next
 * level computes the same, slower.  NULL if there is none. */
const char *x1_cpu_refused(void);

/* The i-th level that this build has code for and this CPU runs, the fastest
 * first and "reference" last; NULL after the last. */
const struct x1_level *x1_level(size_t i);

/* The name of the i-th level that there is a name for, here or elsewhere; NULL
 * after the last. */
const char *x1_level_name(size_t i);

/* Fill a table for one of these levels; "auto" is the first.  -1, and *k as
 * it was, if there is none of this name. */
int x1_kernels_find(struct x1_kernels *k, const char *name);

/* Pack a whole matrix.  out: pack_bytes(m), aligned to 64, owned by the
 * caller for as long as *w is used. */
void x1_pack(const struct x1_kernels *k, struct x1_weights *w,
             const struct x1_matrix *m, void *out);

/* cos, sin of one position for hd/2 frequencies, in f64, rounded once.  Every
 * backend takes them from here. */
void x1_rope_row(float *cos, float *sin, const float *inv_freq, size_t half,
                 uint32_t pos);

/* W8 of one row by the default rule of the converter. */
void x1_w8_row(int8_t *w, float *scale, const float *x, size_t n);

/* The first index with a size of 2^40 or more, or -1. */
int32_t x1_fault(const float *x, size_t n);

/* h[i] = gelu(h[i]) * u[i], n of them (numerics.md, GELU): exp32 of a table,
 * all else here.  Every backend takes it from here. */
void x1_gelu(const struct x1_kernels *k, float *h, const float *u, size_t n);

/* x[i] = its soft cap (numerics.md), n of them, cap being 1 or more; likewise
 * for every backend. */
void x1_soft_caps(const struct x1_kernels *k, float *x, size_t n, float cap);

/* Experts of a row (numerics.md), `used` of n by their logits: chosen[0..used)
 * in ascending order, and the share of each, of all n or of those alone. */
void x1_experts(uint32_t *chosen, float *share, const float *logit, size_t n,
                size_t used, bool of_all);

/* Set the calling thread's floating-point state (round to nearest, no
 * flushing of subnormals).  Every thread that computes calls it first: a
 * library linked with -ffast-math may have changed it. */
void x1_thread_init(void);

/* Refuse a machine or build that contracts, flushes or reorders: a dozen
 * known answers.  0, or -1 with what is wrong in text[0..n). */
int x1_selftest(const struct x1_kernels *k, char *text, size_t n);

#endif
