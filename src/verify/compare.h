/*
 * Compare two lists of answers: count equal ones, and report the first
 * difference of the others, in the answer or in its parameters.
 *
 * Two answers form a pair if they have the same request id; otherwise the same
 * custom_id, or the custom_id of one is the id of the other (store/rebuild.h
 * makes such); otherwise, if one has no custom_id, the same line.  The choice
 * must be the same in any case.
 */
#ifndef APUS_VERIFY_COMPARE_H
#define APUS_VERIFY_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verify/answers.h"

struct err;

/* Kinds of differences. */
enum {
    COMPARE_TOKENS = 1, COMPARE_TEXT = 2, COMPARE_FINISH = 4,
    COMPARE_PROMPT = 8, COMPARE_STOPS = 16, COMPARE_MAX_TOKENS = 32,
    COMPARE_TEMPERATURE = 64, COMPARE_TOP_P = 128, COMPARE_TOP_K = 256,
    COMPARE_SEED = 512, COMPARE_IGNORE_EOS = 1024
};
#define COMPARE_ANSWER (COMPARE_TOKENS | COMPARE_TEXT | COMPARE_FINISH)
#define COMPARE_NONE UINT64_MAX /* no token: it ends before */

/* Two answers that differ, or one that the other side lacks. */
struct compare_pair {
    const struct answer_key *key;  /* of a, or of b if a is NULL */
    const struct stored_answer *a, *b;
    unsigned differs;
    uint64_t token;                /* COMPARE_TOKENS: the first, from 0 .. */
    uint64_t token_a, token_b;     /* .. and what it is */
    uint64_t prompt;               /* COMPARE_PROMPT: the same of the prompt */
    uint64_t text;                 /* COMPARE_TEXT: the first byte, from 0 */
};

struct compare_counts {
    uint64_t same, differ;         /* answers */
    uint64_t parameters;           /* of both: asked for otherwise */
    uint64_t only_a, only_b;
    bool other_model;
};

/* Report every pair that differs, in the order of a, then of b.  Parameters are
 * compared only if both sides record them. */
typedef int compare_fn(void *self, const struct compare_pair *p,
                       struct err *err);
int compare_answers(struct compare_counts *n, struct answers *a,
                    struct answers *b, compare_fn *report, void *self,
                    struct err *err);

#endif
