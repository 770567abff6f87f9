/*
 * A model's matrices in the form of the kernels.  Where the kernels read them
 * as the file has them, nothing is copied and the model has to stay.
 */
#ifndef APUS_BACKEND_CPU_WEIGHTS_H
#define APUS_BACKEND_CPU_WEIGHTS_H

#include "kernels/kernels.h"

struct err;
struct model;

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

/* -1, and nothing is kept, when memory is out. */
int weights_init(struct weights *w, const struct x1_kernels *k,
                 const struct model *m, struct err *err);
void weights_clear(struct weights *w);

#endif
