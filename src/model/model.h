/*
 * A model in memory: the file NAME.apus (man 5 apus-model), read once, every
 * length bounded before it is believed and every root checked while reading.
 * Leaves conversion to convert.h, names to models.h, arithmetic to kernels.
 */
#ifndef APUS_MODEL_MODEL_H
#define APUS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "kernels/kernels.h"
#include "proof/model_record.h"

struct buf;
struct err;

struct model_layer {
    uint32_t window;                /* keys that a query attends to; 0: all */
    float attn_scale;
    const float *inv_freq;          /* head_dim / 2, those of its table */
    const float *attn_norm;         /* dim; of x; NULL if norms come after */
    const float *attn_after;        /* dim; of what wo gives, or NULL */
    struct x1_matrix wq, wk, wv;    /* (heads, kv heads) * head_dim x dim */
    struct x1_matrix wo;            /* dim x heads * head_dim */
    const float *bq, *bk, *bv;      /* NULL if the model has none */
    const float *q_norm, *k_norm;   /* head_dim, or as wide as all heads; NULL
                                       if it has none */
    const float *ffn_norm;          /* dim; of x; NULL if norms come after */
    const float *ffn_after;         /* dim; of what down gives, or NULL */
    struct x1_matrix gate, up;      /* ffn_dim x dim; of each expert, if .. */
    struct x1_matrix down;          /* dim x ffn_dim; likewise */
    struct x1_matrix router;        /* .. there are some: experts x dim */
};

struct model {
    struct model_record rec;
    struct id id;
    struct x1_matrix embed;      /* n_vocab x dim */
    struct x1_matrix head;       /* the same as embed if tied */
    const float *inv_freq;       /* head_dim / 2 of each table, one after the
                                    other (model_tables) */
    const float *final_norm;     /* dim */
    float score_cap, logit_cap;  /* soft caps; 0: none */
    struct model_layer *layers;  /* n_layers */
    const unsigned char *tokenizer; /* rec.tokenizer_size bytes */
    const char *chat_template;   /* rec.template_size bytes, not terminated */
    bool streamed;               /* a sink has the matrices: here they have
                                    rows and cols, but w and scale are NULL */
    void *data;                  /* what all point into: the file's bytes, or
                                    those of vectors and texts */
    size_t size;
};

/* What takes the matrices of a model while its file is read, so that nobody
 * holds them in the form of the file.  Rows come in order, checked and hashed;
 * whether a matrix has its root is known after its last row, so nothing of it
 * may be used before `end`. */
struct model_sink {
    /* Make room for the matrices of such a model. */
    int (*begin)(void *self, const struct model_record *rec, struct err *err);

    /* Rows [from, to) of tensor number `tensor`, a multiple of X1_GROUP first.
     * m->scale[0] is the scale of row 0, m->w[0] the first of row `from`.
     * Both are borrowed for the call.  A tied head does not come. */
    void (*rows)(void *self, uint32_t tensor, const struct x1_matrix *m,
                 size_t from, size_t to);

    /* Everything came and is this model's, or, NULL: forget it.  Follows each
     * `begin` that succeeded. */
    void (*end)(void *self, const struct id *id);

    void *self;
};

/* Takes and forgets: for whoever needs the texts, or wants the roots to be
 * checked. */
extern const struct model_sink model_pass;

/* Read, check and index a file.  If want_id is not NULL a file with another
 * id is refused before its tensors are read.  ERR_INPUT for a bad file. */
int model_open(struct model **out, const char *path, const struct id *want_id,
               struct err *err);
void model_close(struct model *m);

/* The same, and the matrices go to a sink, if it is not NULL.  hash false: for
 * a file whose roots were checked before and which is known not to have
 * changed since, values are checked and hashes are not computed. */
int model_open_into(struct model **out, const char *path,
                    const struct id *want_id, bool hash,
                    const struct model_sink *sink, struct err *err);

/* Only the record, whose values are checked, and its id: nothing further is
 * read. */
int model_peek(struct model_record *rec, struct id *id, const char *path,
               struct err *err);

/* Append the tokenizer and the chat template of the file whose record this
 * is; their roots are checked.  Tensors are not read. */
int model_peek_texts(struct buf *tokenizer, struct buf *chat_template,
                     const struct model_record *rec, const char *path,
                     struct err *err);

#endif
