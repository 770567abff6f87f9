/*
 * What a request for `logprobs` asks: from the exact logits of each draw to
 * the likeliest tokens and the sum that makes probabilities of them.  Computed
 * outside X1, in IEEE 754 float64 by additions, multiplications and divisions
 * in a fixed order, so that checkpoints have the same bytes on every machine;
 * no commitment covers it.
 */
#ifndef APUS_ANSWER_LOGPROBS_H
#define APUS_ANSWER_LOGPROBS_H

#include <stddef.h>
#include <stdint.h>

struct answer;
struct buf;
struct err;
struct logprobs;
struct tokenizer;

/* Natural logarithm of the sum of exp(logits[i]), n of them, at least one;
 * within 1e-14 of the exact value, relative or absolute. */
double logprobs_log_sum(const float *logits, size_t n);

/* For the answer of one sequence, whose prompt has n_prompt ids. */
struct logprobs *logprobs_new(size_t n_vocab, size_t n_prompt);
void logprobs_free(struct logprobs *l); /* NULL is allowed */

/* For observer.logits: the logits at `position`, borrowed until the step
 * ends.  A position that comes again replaces what it was. */
void logprobs_logits(struct logprobs *l, uint32_t position,
                     const float *logits);

/* For observer.token, of the same step: token was drawn from them, and has
 * this position. */
void logprobs_token(struct logprobs *l, uint32_t position, uint32_t token);

/* Append the payload of a topk frame (store/topk.h) for a finished answer; the
 * tokenizer may be NULL: ids then stand for no bytes.  ERR_FATAL if a step of
 * the answer did not come. */
int logprobs_put(struct buf *out, const struct logprobs *l,
                 const struct answer *a, const struct tokenizer *t,
                 struct err *err);

#endif
