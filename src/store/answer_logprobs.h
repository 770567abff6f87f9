/*
 * The member `logprobs` of a choice, in the two forms of OpenAI's API.
 */
#ifndef APUS_STORE_ANSWER_LOGPROBS_H
#define APUS_STORE_ANSWER_LOGPROBS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct topk;

/* Append the value: of t->n output tokens, `top` of the likeliest of each, at
 * most t->k.  Of a chat {"content":[{"token","logprob","bytes",
 * "top_logprobs"}, ..],"refusal":null}; of a completion {"tokens",
 * "token_logprobs","top_logprobs","text_offset"}, where offsets count
 * characters of the output.  Probabilities have 8 decimals. */
void answer_put_logprobs(struct buf *out, const struct topk *t, uint32_t top,
                         const uint32_t *token, bool chat);

#endif
