/*
 * What the forward pass computes in, for the files that make it (forward_new.c)
 * and compute (forward.c, attend.c; of members of a group also forward_part.c).
 */
#ifndef APUS_BACKEND_CPU_FORWARD_INTERNAL_H
#define APUS_BACKEND_CPU_FORWARD_INTERNAL_H

#include "backend/cpu/forward.h"
#include "backend/cpu/logits.h"
#include "backend/cpu/model_part.h"
#include "base/err.h"
#include "kernels/kernels.h"

#define HEAD_LAYER 0xffffffffu /* the layer of a fault in the head */

/* What left the range in this step, a slot each. */
struct slot_fault {
    bool faulty;
    struct fault least;
};

/* Rows of one slot whose queries meet the same keys. */
struct span {
    size_t first, n;
};

struct forward {
    const struct model *model;
    const struct x1_kernels *k;
    struct kv_pool *pool;
    struct pool *threads;
    struct forward_options o;
    const struct weights *weights;
    struct model_part mine; /* what is computed: alone all of it */
    size_t dim, q_dim, kv_dim, ffn, hd; /* row lengths, of the part */
    size_t angles;         /* of a position: hd / 2 of each table */
    /* the rows that are still computed, n of them */
    const struct backend_row **row;
    size_t n, n_heads;     /* the first n_heads of them have logits */
    size_t *x_at;          /* where a row of the step is among them */
    struct slot_fault *slot;
    bool *good;            /* a row with logits each */
    struct greatest *greatest; /* of each thread, the same rows */
    /* row-major, max_rows each */
    float *x, *h;          /* dim */
    float *q, *o_rows;     /* q_dim */
    float *kx, *vx;        /* kv_dim */
    float *g, *u;          /* ffn; u: of a model with GELU */
    float *cos, *sin;      /* angles */
    /* of a model with experts, a row: */
    float *router;         /* their logits */
    uint32_t *chosen;      /* those that it has, ascending .. */
    float *share;          /* .. and the share of each */
    float *part, *sum;     /* dim: of one expert, of those up to it */
    uint32_t *member;      /* of an expert: places in `chosen` */
    struct x1_rows in;     /* what the next linear reads */
    int32_t *fault;        /* n_heads a row */
    int32_t *in_fault;     /* of in, one a row */
    struct span *span;     /* of these rows */
    size_t n_spans;
    float *logits;         /* max_draws x n_vocab */
    /* of a member, else NULL: */
    const struct group *group;
    bool broken;           /* an exchange failed, .. */
    struct err why;        /* .. so */
    float *part_row;       /* rows of its columns, with one column more */
    uint32_t *word, *place; /* what is exchanged, and what was given to it */
    int64_t *acc;          /* max_rows x dim: sums over columns .. */
    int32_t *acc32;        /* .. of A8 */
    size_t *best;          /* the greatest logit of all, a row each */
    bool *least;           /* whether a fault is the least so far, a row .. */
    struct fault *agreed;  /* .. each, and which one it is */
    /* of each thread */
    size_t positions;      /* that scratch is for */
    void **scratch;        /* of attention */
    struct x1_query *query; /* max_queries */
};

/* Queries of one call of attention: what the levels take at a time, or the
 * heads of one row if they are more. */
size_t forward_queries(const struct forward *f);

/* What a call of a job has to be worth before another thread is asked, in
 * products of a linear: one or two microseconds. */
#define FORWARD_CALL_COST 262144

/* How many items of this cost a call has to get, a multiple of unit. */
static inline size_t forward_least(size_t unit, size_t cost)
{
    return (FORWARD_CALL_COST / (cost + 1) + unit) / unit * unit;
}

/* What element `index` of a row was when it left the range, at this place
 * (backend/op_numbers.h); none if index is -1.  Jobs may call it. */
void forward_fault_at(struct forward *f, const struct backend_row *r,
                      uint32_t layer, uint32_t op, size_t head,
                      int32_t index);

/* The input of the linear `op` of a layer, or of the head: rows of k. */
void forward_prepare(struct forward *f, size_t k, uint32_t layer, uint32_t op);

/* y = linear(x), or y + linear(x), of m rows of which this member has k
 * columns, those from number `first` on: wo and down.  Faults are of (layer,
 * op, head), and of row i, or of[i] / used for rows that have an expert. */
struct part_linear {
    float *y; /* m x dim */
    bool add;
    const struct x1_weights *w;
    const float *x; /* m x k */
    size_t k, m, first;
    uint32_t layer, op;
    size_t head;
    const uint32_t *of; /* NULL: row i is row i */
    size_t used;
    struct forward *f;  /* set by the call */
};
void forward_part_linear(struct forward *f, struct part_linear *j);

/* x: rows of `heads` heads, those from `first` of `all` on.  They become their
 * part of the norm over all heads, with gains g. */
void forward_part_norm(struct forward *f, float *x, size_t first, size_t heads,
                       size_t all, const float *g, uint32_t layer,
                       uint32_t op);

/* The logits of this member, and what the rows' greatest are among them. */
void forward_part_head(struct forward *f);

/* After the head, of rows[0 .. n) of the step: faults, whether rows are good,
 * the greatest logits, and logits that are wanted.  The errors of the step. */
int forward_part_end(struct forward *f, const struct backend_row *rows,
                     size_t n, struct err *err);

/* o_rows = attention of every row and head over what its sequence
 * remembers. */
void forward_attend(struct forward *f, uint32_t l);

/* While row i is computed, fetch the blocks of row i + 1, if there is one and
 * it is the last of its sequence: its layer's keys and values go there, and
 * attention reads them next. */
void forward_fetch_row(const struct forward *f, uint32_t l, size_t i);

#endif
