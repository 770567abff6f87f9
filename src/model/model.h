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

/* Limits beside those of kernels.h. */
#define MODEL_MAX_LAYERS 1024
#define MODEL_MAX_TOKENIZER ((uint64_t)64 << 20)
#define MODEL_MAX_TEMPLATE ((uint64_t)1 << 20)

/* Check the values of a record against the limits of numerics.md and each
 * other: ERR_INPUT names the field. */
int model_check(const struct model_record *rec, struct err *err);

/* Check, and compute where everything lies.  Each tensor, the tokenizer and
 * the chat template begin at a multiple of 64, with zeros before; what has no
 * bytes takes none, and no zeros.  A tied head shares the embedding's. */
struct model_layout {
    uint64_t *offset; /* of tensor i's bytes, n_tensors of them */
    uint64_t tokenizer, chat_template, size;
};
int model_layout(struct model_layout *lay, const struct model_record *rec,
                 struct err *err);
void model_layout_clear(struct model_layout *lay);

/* What tensor i of such a model must be. */
void model_expect(const struct model_record *rec, uint32_t i,
                  struct tensor_record *t);

/* Bytes of a tensor in the file, and of a matrix' scales with the zeros after
 * them. */
uint64_t model_tensor_size(const struct tensor_record *t);
uint64_t model_tensor_scales(const struct tensor_record *t);

/* How many numbers were learnt: a tied head counts once. */
uint64_t model_parameters(const struct model_record *rec);

/* What to call tensor i in a message: "layer 3 wq". */
#define MODEL_TENSOR_NAME 40
void model_tensor_name(char out[MODEL_TENSOR_NAME], uint32_t i);

/* ERR_INPUT "NAME: what" of tensor i; returns -1. */
int model_wrong(uint32_t i, const char *what, struct err *err);

/* The tensor records of a file: their root, and that each is what it must be.
 * t has room for n_tensors. */
int model_check_tensors(struct tensor_record *t, const unsigned char *raw,
                        const struct model_record *rec, struct err *err);

/* n floats of tensor i, little-endian: ERR_INPUT if one is out of range. */
int model_check_floats(uint32_t i, const unsigned char *p, size_t n,
                       struct err *err);

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
