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
    const float *attn_norm;         /* dim */
    struct x1_matrix wq, wk, wv;    /* (heads, kv heads) * head_dim x dim */
    struct x1_matrix wo;            /* dim x heads * head_dim */
    const float *bq, *bk, *bv;      /* NULL if the model has none */
    const float *q_norm, *k_norm;   /* head_dim, NULL if it has none */
    const float *ffn_norm;          /* dim */
    struct x1_matrix gate, up;      /* ffn_dim x dim */
    struct x1_matrix down;          /* dim x ffn_dim */
};

struct model {
    struct model_record rec;
    struct id id;
    struct x1_matrix embed;      /* n_vocab x dim */
    struct x1_matrix head;       /* the same as embed if tied */
    const float *inv_freq;       /* head_dim / 2 */
    const float *final_norm;     /* dim */
    struct model_layer *layers;  /* n_layers */
    const unsigned char *tokenizer; /* rec.tokenizer_size bytes */
    const char *chat_template;   /* rec.template_size bytes, not terminated */
    void *data;                  /* the file's bytes, which all point into */
    size_t size;
};

/* Read, check and index a file.  If want_id is not NULL a file with another
 * id is refused before its tensors are read.  ERR_INPUT for a bad file. */
int model_open(struct model **out, const char *path, const struct id *want_id,
               struct err *err);
void model_close(struct model *m);

/* The same for a file whose roots were checked before and which is known not
 * to have changed since: values are checked, hashes are not computed. */
int model_open_again(struct model **out, const char *path,
                     const struct id *want_id, struct err *err);

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
