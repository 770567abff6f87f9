/*
 * The likeliest tokens of each step of an answer, as a log keeps them
 * (checkpoint.md, Log): payload of a `topk` frame.  For each of n output
 * tokens: the logarithm of the sum of exp over all logits, the logit of the
 * token itself, ids and logits of the k highest.  Logits are X1's, exact; the
 * logarithm is computed in float64 outside X1 (answer/logprobs.h).  The bytes
 * that the ids stand for follow, each id once, so that probabilities can be
 * shown without the model.
 */
#ifndef APUS_STORE_TOPK_H
#define APUS_STORE_TOPK_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define TOPK_MAX 20     /* logits of a step, fewer of a small vocabulary */
#define TOPK_PIECE 1024 /* bytes of a token */

/* Borrowed bytes, little-endian and unaligned, as they lie in the payload,
 * after n, k, n_pieces and piece_bytes (u32 each). */
struct topk {
    size_t n, k; /* steps; 0: there is nothing */
    const unsigned char *log_sum; /* n f64 */
    const unsigned char *logit;   /* n f32, of the output token */
    const unsigned char *token;   /* n * k i32, highest logit first */
    const unsigned char *top;     /* n * k f32 */
    size_t n_pieces, piece_bytes;
    const unsigned char *piece;   /* n_pieces i32, ascending */
    const unsigned char *end;     /* n_pieces u64: where the bytes of each end
                                   * in utf8 */
    const unsigned char *utf8;    /* piece_bytes */
};

void topk_put(struct buf *out, const struct topk *t);

/* View a payload.  ERR_INPUT if a length is wrong or past the end, or as
 * topk_check says. */
int topk_get(struct topk *t, const void *payload, size_t n, struct err *err);

/* ERR_INPUT unless ids of pieces ascend, their ends ascend to piece_bytes, and
 * k is from 1 to TOPK_MAX. */
int topk_check(const struct topk *t, struct err *err);

/* One step of it: natural logarithm of the probability of the output token,
 * and of the j-th highest, whose id is *id.  Never above 0. */
double topk_logprob(const struct topk *t, size_t step);
double topk_top(const struct topk *t, size_t step, size_t j, uint32_t *id);

/* The bytes that an id stands for, *n of them; none for an id without. */
const char *topk_piece(const struct topk *t, uint32_t id, size_t *n);

#endif
