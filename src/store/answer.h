/*
 * Answers in the output form of the OpenAI Batch API: one JSON line for each
 * request, an answer or an error.  No clock, host or order of work reaches a
 * byte of it: `created` is 0, ids come from the request id.
 */
#ifndef APUS_STORE_ANSWER_H
#define APUS_STORE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct result_record;
struct topk;

/* One choice of an answer. */
struct answer_choice {
    const char *text;       /* scrubbed UTF-8 */
    size_t n_text;
    const uint32_t *token;
    size_t n_tokens;
    const char *finish;     /* "stop" or "length" */
    const struct topk *topk; /* of its tokens, or NULL: no logprobs */
    uint32_t top_logprobs;  /* how many of each are listed */
};

struct answer_line {
    const struct id *id;      /* 32 bytes, the request's */
    const char *custom_id;    /* NULL gives null */
    bool chat;
    const char *model;        /* what the answer names as its model */
    const char *model_id;     /* 43 characters */
    size_t prompt_tokens;
    const struct answer_choice *choice;
    size_t n_choices;
};

/* Append the line with its newline. */
void answer_put(struct buf *out, const struct answer_line *a);

/* The id of a request as people copy it out of an answer: its 43 characters,
 * or an "id" in the line ("batch_req_..", "chatcmpl-..", "cmpl-..").  Return 0,
 * or -1 with *id untouched. */
int answer_id_parse(struct id *id, const char *text);

/* Append the line of a request that has no answer: `code` is a short word
 * (invalid_request, activation_out_of_range, prompt_too_long, prompt_empty),
 * `message` says what and how to mend it.  `line` is where the request stands
 * in its file, from 1; 0 leaves it out, as versions before did. */
void answer_put_error(struct buf *out, struct id id, const char *custom_id,
                      const char *code, const char *message, uint64_t line);

/* Mark the line at the end as made of a part of a checkpoint alone, without
 * its request. */
void answer_mark_part(struct buf *out);

/* "stop" or "length", for a finish below 16 (proof.md section 5). */
const char *answer_finish(uint32_t finish);

/* Code and message of an answer that is an error: finish 16 or above. */
void answer_reason(char *code, size_t code_size, char *message, size_t size,
                   const struct result_record *r, size_t n_prompt);

#endif
