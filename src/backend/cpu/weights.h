/*
 * A model's matrices in the form of the kernels: one block for all of them,
 * aligned to 64, each packed once in the order of the file.  forward.c reads
 * them through the table of kernels alone.  Norms, biases and the table of
 * angles are f32 and stay in the model.
 *
 * They come from a model in memory, which then has to stay: scales, and where
 * the kernels read the file's form everything, stay there.  Or they are packed
 * as the file is read, row by row (struct model_sink), and the form of the
 * file is never held: memory is the packed form and a few rows.
 *
 * A member of a group has its part of each matrix (model_part.h), packed as if
 * it were a matrix of its own; what follows gives the shapes of the whole.
 */
#ifndef APUS_BACKEND_CPU_WEIGHTS_H
#define APUS_BACKEND_CPU_WEIGHTS_H

#include "backend/cpu/model_part.h"
#include "base/caller.h"
#include "kernels/kernels.h"
#include "proof/model_record.h"

struct err;
struct model;
struct pool;
struct shared;

/* Whom to share packed weights with. */
struct weights_share {
    unsigned wait_s;      /* for another process that packs them */
    struct caller caller; /* is told who has packed them, or why nobody has */
};

/* Shapes are rows x cols, y = W x: a row makes one output. */
struct layer_weights {
    struct x1_weights wq, wk, wv; /* (heads, kv heads) * head_dim x dim */
    struct x1_weights wo;         /* dim x heads * head_dim */
    struct x1_weights gate, up;   /* ffn_dim x dim */
    struct x1_weights down;       /* dim x ffn_dim */
    /* of a model with experts, instead of these: */
    struct x1_weights router;     /* experts x dim */
    struct x1_weights *experts;   /* gate, up and down of each */
};

struct weights {
    struct x1_weights embed, head; /* n_vocab x dim; one if they are tied */
    struct layer_weights *layers;
    unsigned char *packed;         /* what all of them read, or NULL .. */
    struct shared *shared;         /* .. whose memory it is, or NULL .. */
    bool there;                    /* .. and another process has packed it */
    bool of_socket;                /* .. and other sockets have their own */
    const struct x1_kernels *k;
    struct pool *threads;
    struct model_part part;        /* what of each matrix is here */
    /* of those that come: */
    struct model_record rec;
    size_t *at;                    /* a tensor each: where in `packed` */
    int8_t *stage;                 /* of a member: its part of the matrix that
                                      comes, until all of it is there */
};

/* Pack a part of the matrices of a model, which is borrowed until
 * weights_clear, as the kernels and the threads that pack are.  -1, and nothing
 * is kept, when memory is out. */
int weights_init(struct weights *w, const struct x1_kernels *k,
                 struct pool *threads, const struct model *m,
                 const struct model_part *part, struct err *err);
void weights_clear(struct weights *w);

/* Make room for a part of the matrices of such a model; kernels and threads are
 * borrowed until weights_clear.  With `share` (NULL: without) the room is
 * shared with other processes of this machine, of this socket if a quarter of
 * the memory holds it, and rows that another one has packed are passed over.
 * -1, and nothing is kept, when memory is out. */
int weights_begin(struct weights *w, const struct x1_kernels *k,
                  struct pool *threads, const struct model_record *rec,
                  const struct model_part *part,
                  const struct weights_share *share, struct err *err);

/* Pack rows [first, end) of a tensor: all scales are at m->scale, row `first`
 * is at m->w (struct model_sink).  `first` is a multiple of X1_GROUP. */
void weights_rows(struct weights *w, uint32_t tensor,
                  const struct x1_matrix *m, size_t first, size_t end);

/* All rows came: embed, head and layers are there to be read. */
void weights_end(struct weights *w);

#endif
