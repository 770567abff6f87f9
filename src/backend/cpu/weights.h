/*
 * A model's matrices in the form of the kernels.  Where the kernels read them
 * as the file has them, nothing is copied and the model has to stay.
 *
 * A level that wants another form gets one block for all matrices, aligned to
 * 64, each packed once in the order of the file (x1_pack); forward.c reads
 * them through the table of kernels alone.  Norms, biases and the table of
 * angles are f32 and stay in the model.
 */
#ifndef APUS_BACKEND_CPU_WEIGHTS_H
#define APUS_BACKEND_CPU_WEIGHTS_H

#include "kernels/kernels.h"

struct err;
struct model;

/* Shapes are rows x cols, y = W x: a row makes one output. */
struct layer_weights {
    struct x1_weights wq, wk, wv; /* (heads, kv heads) * head_dim x dim */
    struct x1_weights wo;         /* dim x heads * head_dim */
    struct x1_weights gate, up;   /* ffn_dim x dim */
    struct x1_weights down;       /* dim x ffn_dim */
};

struct weights {
    struct x1_weights embed, head; /* n_vocab x dim; one if they are tied */
    struct layer_weights *layers;
    unsigned char *packed;         /* what all of them read, or NULL */
};

/* Pack the matrices of a model, which is borrowed until weights_clear.  -1, and
 * nothing is kept, when memory is out. */
int weights_init(struct weights *w, const struct x1_kernels *k,
                 const struct model *m, struct err *err);
void weights_clear(struct weights *w);

#endif
