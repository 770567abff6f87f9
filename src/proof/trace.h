/*
 * The trace (proof.md section 4): one leaf for each position fed to the model,
 * and over the leaves a tree, which is a struct merkle of the caller's.
 * A step puts one leaf together from rows as they come; rows are borrowed
 * during the call and never kept.
 *
 *     trace_step_init(&s);
 *     for each l, if wanted: trace_step_deep(&s, x_l, dim);
 *     for each l, each g: trace_step_row(&s, s_k, s_v, k, v, head_dim);
 *     if a token is drawn: trace_step_draw(&s, next, x_L, dim);
 *     trace_step_leaf(&s, &leaf, position, token);
 *     trace_put(&trace, &leaf);
 *
 * Deep rows, kv rows and the draw may be mixed in any way; only the order
 * within each kind counts.  The last deep row is x_L where a token is drawn
 * and x_(L-1) elsewhere.
 */
#ifndef APUS_PROOF_TRACE_H
#define APUS_PROOF_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "proof/merkle.h"

#define TRACE_LEAF_SIZE 112
#define TRACE_NONE 0xffffffffu /* next: no token is drawn here */
#define TRACE_MAX_HEAD_DIM 1024

enum { TRACE_FIN = 1, TRACE_DEEP = 2 };

struct trace_leaf {
    uint32_t position, token;
    uint32_t next;          /* the id drawn here, or TRACE_NONE */
    uint32_t flags;         /* TRACE_... */
    struct id kv;           /* mth over l * Hkv + g of the rows */
    struct id fin;          /* blob of x_L; zeros where nothing is drawn */
    struct id deep;         /* mth over l of blob(x_l), or zeros */
};

/* A leaf that is being put together. */
struct trace_step {
    struct merkle kv, deep;
    uint32_t next;
    struct id fin;
};

void trace_step_init(struct trace_step *s);

/* The next row of K and V: layer by layer, in a layer one KV head after the
 * other.  head_dim is at most TRACE_MAX_HEAD_DIM. */
void trace_step_row(struct trace_step *s, float s_k, float s_v,
                    const int8_t *k, const int8_t *v, size_t head_dim);

/* The same of two steps that have equally many such rows, faster than one after
 * the other: row[0] into a, row[1] into b. */
struct trace_row {
    float s_k, s_v;
    const int8_t *k, *v;
};

void trace_step_row_pair(struct trace_step *a, struct trace_step *b,
                         const struct trace_row row[2], size_t head_dim);

/* The next residual row, from x_0. */
void trace_step_deep(struct trace_step *s, const float *x, size_t dim);

/* `next`, below TRACE_NONE, was drawn from the last residual row. */
void trace_step_draw(struct trace_step *s, uint32_t next, const float *last,
                     size_t dim);

/* The leaf of what has been put; s stays as it is. */
void trace_step_leaf(const struct trace_step *s, struct trace_leaf *out,
                     uint32_t position, uint32_t token);

void trace_leaf_pack(unsigned char out[TRACE_LEAF_SIZE],
                     const struct trace_leaf *l);
/* -1 if there are unknown flags, or a hash where the flags say zeros, or fin
 * without next or next without fin. */
int trace_leaf_unpack(struct trace_leaf *l,
                      const unsigned char in[TRACE_LEAF_SIZE]);

/* The leaf as it stands in the tree, H(00 || data); and into the tree. */
void trace_leaf_hash(struct id *out, const struct trace_leaf *l);
void trace_put(struct merkle *trace, const struct trace_leaf *l);

#endif
