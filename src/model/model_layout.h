/*
 * What a model record may say, what its tensors must be, and where each byte
 * of its file lies (man 5 apus-model): computed from the record alone.  All
 * that reads or writes a model file has this in common.
 */
#ifndef APUS_MODEL_MODEL_LAYOUT_H
#define APUS_MODEL_MODEL_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "proof/model_record.h"

struct err;

/* Limits beside those of kernels.h. */
#define MODEL_MAX_LAYERS 1024
#define MODEL_MAX_TOKENIZER ((uint64_t)64 << 20)
#define MODEL_MAX_TEMPLATE ((uint64_t)1 << 20)

/* The longest tensor of inverse frequencies: two tables, the layers, caps. */
#define MODEL_MAX_FREQUENCIES \
    (X1_MAX_HEAD_DIM + MODEL_LAYER_NUMBERS * MODEL_MAX_LAYERS + MODEL_CAPS)

/* Tables of inverse frequencies that such a model has: 1 or 2. */
uint32_t model_tables(const struct model_record *rec);

/* How many numbers that tensor has before the soft caps, if it has any. */
uint32_t model_caps_at(const struct model_record *rec);

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
void model_tensor_name(char out[MODEL_TENSOR_NAME],
                       const struct model_record *rec, uint32_t i);

/* ERR_INPUT "NAME: what" of tensor i; returns -1. */
int model_wrong(const struct model_record *rec, uint32_t i, const char *what,
                struct err *err);

/* The tensor records of a file: their root, and that each is what it must be.
 * t has room for n_tensors. */
int model_check_tensors(struct tensor_record *t, const unsigned char *raw,
                        const struct model_record *rec, struct err *err);

/* n floats of tensor i, little-endian: ERR_INPUT if one is out of range. */
int model_check_floats(const struct model_record *rec, uint32_t i,
                       const unsigned char *p, size_t n, struct err *err);

#endif
