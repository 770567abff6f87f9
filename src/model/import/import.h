/*
 * A model in a format that others made, as convert.c reads it: the fields of
 * its record, its texts as they lie in a model file, and the numbers of each
 * tensor as f32.  Tensors are those of a model file, by their index there
 * (proof/model_record.h).  A format is a file of this directory that fills a
 * struct import; formats.h opens whatever there is.
 */
#ifndef APUS_MODEL_IMPORT_IMPORT_H
#define APUS_MODEL_IMPORT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/model_layout.h"
#include "proof/model_record.h"

struct err;
struct import_format;

struct import {
    struct model_record rec;      /* all but the root of the tensors */
    float inv_freq[MODEL_MAX_FREQUENCIES]; /* that tensor */
    /* Factors that the family has and X1 has not: what the numbers of wo and
     * down, and those of the final norm, are multiplied by; 0: nothing. */
    float residual, final;
    float embedding;              /* .. and those of the embedding */
    bool one_plus;                /* gains are what is there, plus 1 */
    struct buf tokenizer, chat_template;
    struct buf notes;             /* lines that the user should know */
    const struct import_format *format;
    void *self;                   /* the format's own */
};

/* What a format gives, called by import_name, import_read, import_free. */
struct import_format {
    const char *(*name)(const struct import *m, uint32_t tensor);
    int (*read)(const struct import *m, uint32_t tensor, uint64_t from,
                size_t n, float *out, struct err *err);
    void (*close)(struct import *m); /* self may be half made */
};

struct import *import_new(void); /* its texts are empty */
void import_free(struct import *m); /* NULL is allowed */

/* What the source calls a tensor, for messages; NULL if it has none: the model
 * has no such tensor, it is computed (the frequencies), or it is a tied head.
 * Borrowed until import_free. */
const char *import_name(const struct import *m, uint32_t tensor);

/* out[0..n) = the numbers [from, from + n) of a tensor with a name, row-major,
 * which it must have (assert), times its factor.  ERR_INPUT if one is not below
 * 2^40 in size. */
int import_read(const struct import *m, uint32_t tensor, uint64_t from,
                size_t n, float *out, struct err *err);

/* How the channels of a head of q or k lie in a source: the first `turned` of
 * them are pairs of RoPE, side by side or half of `turned` apart; the others
 * are not turned. */
struct import_heads {
    uint32_t turned;  /* even; head_dim: all */
    bool interleaved;
};

/* Whether a tensor has a row, or a number, for each channel of q or k. */
bool import_has_heads(const struct model_record *rec, uint32_t tensor);

/* The row in a source that is row `row` of the model, where pairs are half a
 * head apart and those that are not turned come after the others in each
 * half. */
uint64_t import_head_row(uint64_t row, uint32_t head_dim,
                         const struct import_heads *h);

/* inv_freq[0..head_dim / 2) of such heads: those of `turned` channels, then
 * zeros. */
struct hf_rope;
void import_frequencies(float *inv_freq, const struct hf_rope *rope,
                        uint32_t head_dim, const struct import_heads *h);

/* For formats: where the rows of q, k and v (and numbers of their biases) are
 * one tensor, and those of gate and up another, the first row of tensor i in
 * its tensor, and how many that has in all; of another one both stay as they
 * are. */
void import_fused(const struct model_record *rec, uint32_t tensor,
                  uint64_t *row, uint64_t *rows);

/* The check of import_read alone: x[0..n) is at `from` in the tensor of this
 * name. */
int import_check(const char *name, const float *x, size_t n, uint64_t from,
                 struct err *err);

#endif
