/*
 * Recomputes an answer from its request alone, where only the token ids are
 * known (an output file): each given id is fed, and the first that is drawn
 * otherwise ends the run.  For a record, see recompute.h.
 */
#ifndef APUS_VERIFY_RECOMPUTE_OUTPUT_H
#define APUS_VERIFY_RECOMPUTE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proof/result_record.h"
#include "store/topk.h"

struct backend;
struct err;
struct prompt_model;
struct recompute_output;
struct sequence;

/* The outcome; the storage is the caller's and is reused. */
struct recomputed {
    bool differs;          /* from the ids that were given */
    size_t at;             /* .. first at this one, from 0, .. */
    uint32_t theirs, mine; /* .. UINT32_MAX: there is none */

    /* if it does not differ */
    struct buf token, text; /* ids, u32 each as in memory; scrubbed text */
    struct topk likely;       /* its likeliest tokens, in bytes of topk; n is
                                 0 of a sequence without logits */
    struct buf topk;
    struct result_record end; /* its finish and the place of an error alone */
};
void recomputed_init(struct recomputed *r);
void recomputed_clear(struct recomputed *r);

/* Model (with its tokenizer) and backend are borrowed; until
 * recompute_output_free nothing else may use the backend. */
int recompute_output_new(struct recompute_output **out,
                         const struct prompt_model *m, struct backend *b,
                         struct err *err);
void recompute_output_free(struct recompute_output *r);

/* Compute a sequence, whose `forced` is set here.  `token` are the ids that the
 * answer claims; NULL: no claim, so nothing can differ. */
int recompute_output_run(struct recompute_output *r, const struct sequence *s,
                         const uint32_t *token, size_t n_tokens,
                         struct recomputed *out, struct err *err);

#endif
