/*
 * What a checkpoint has of an answer beside its record, from what the engine
 * reports to the frames of the log: the last residual row, the likeliest
 * tokens, all residual rows, all logits (doc/checkpoint.md).
 */
#ifndef APUS_MPI_TENSORS_H
#define APUS_MPI_TENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct answer;
struct err;
struct logprobs;
struct model_record;
struct tokenizer;
struct worklog;

enum {
    TENSORS_LAST = 1,   /* x_L of the last position where a token was drawn */
    TENSORS_TOPK = 2,   /* 20 logits of each output token */
    TENSORS_HIDDEN = 4, /* x_0 .. x_L of each position */
    TENSORS_LOGITS = 8  /* all logits of each output token */
};

/* Of one answer; large ones are held until it is finished. */
struct tensors {
    unsigned which;
    const struct model_record *rec; /* borrowed */
    size_t n_prompt;
    struct logprobs *logprobs;      /* or NULL */
    struct buf hidden, logits;      /* f32 rows, as the frames have them */
};

void tensors_init(struct tensors *t, const struct model_record *rec,
                  size_t n_prompt, unsigned which);
void tensors_clear(struct tensors *t);

/* Whether tensors_logits is to be called. */
bool tensors_want_logits(const struct tensors *t);

/* For observer.logits, observer.token and observer.residual. */
void tensors_logits(struct tensors *t, uint32_t position, const float *logits);
void tensors_token(struct tensors *t, uint32_t position, uint32_t token);
void tensors_residual(struct tensors *t, uint32_t position, uint32_t layer,
                      const float *x);

/* Put the frames of a finished answer of so many positions, before its record.
 * ERR_FATAL if one takes over 2 GiB. */
int tensors_put(const struct tensors *t, struct worklog *log, uint64_t index,
                const struct answer *a, const struct tokenizer *tokenizer,
                size_t n_positions, struct err *err);

#endif
