/*
 * Answers that tests of stop strings dispute: a tokenizer of made-up tokens,
 * and executions whose leaves are made up too, so that nothing is computed.
 */
#ifndef APUS_TESTS_STOPS_UTIL_H
#define APUS_TESTS_STOPS_UTIL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "dispute/execution.h"
#include "engine/sequence.h"
#include "model/model.h"
#include "proof/job_record.h"

#define STOPPED_VOCAB 200000
#define STOPPED_OUT 40  /* output ids */
#define STOPPED_EOS 2
#define STOPPED_BYTES 3 /* token of byte 0 */
#define STOPPED_USER (STOPPED_BYTES + 256 + 5 + 3) /* "<user>" */
#define STOPPED_BYTE(c) ((uint32_t)(unsigned char)(c) + STOPPED_BYTES)

extern struct model stopped_model;   /* of the answers */
extern struct buf stopped_tokenizer; /* its tokenizer, being made */
extern uint32_t n_stopped_tokens;

/* Make the model's tokenizer, apustok1 or apustok2 (version 1, 2): control
 * tokens and bytes, tokens of all lengths up to 1024, and short ones up to
 * `many` tokens. */
void tokens_make(unsigned version, uint32_t kind, uint32_t many);

/* Its parts: the head; a token; a control token, one without a text, and an end
 * of text that has one; a token for each byte; and the end. */
void tokens_begin(unsigned version, uint32_t kind);
void stopped_token(uint32_t flags, const char *text, size_t n);
void tokens_controls(void);
void tokens_bytes(uint32_t kind);
void tokens_end(void);

struct stopped {
    struct execution x;
    uint32_t prompt[2], output[STOPPED_OUT];
    unsigned char job[JOB_RECORD_SIZE];
    struct job_stop stop[JOB_MAX_STOPS];
    size_t n_stops;
    struct buf stops; /* as records have them */
    uint32_t flags;   /* of the job */
};

void stopped_init(struct stopped *m);
void stopped_clear(struct stopped *m);

/* Add a stop string, unless it is there. */
void stopped_stop(struct stopped *m, const char *text, size_t n);

/* Answer with the first n_out of the output ids and this end. */
void stopped_answer(struct stopped *m, size_t n_out, uint32_t finish);

/* Let the engine end an output of at most `max` of the ids: their count, and
 * why it ends. */
size_t stopped_ends(const struct stopped *m, size_t max, enum finish *why);

/* Make the leaves of an execution. */
void stopped_leaves(struct execution *x);

/* A dispute file that is made by hand, of what no prover shows: begin it with
 * the records of an answer of index + 1 ids to these stop strings, the pick
 * "stop INDEX", and a show of the stop strings and these texts.  Lists end with
 * a text of NULL; more moves may follow. */
void stopped_file(struct buf *file, uint32_t index, const struct job_stop *stop,
                  const struct job_stop *text);

/* Play it, write it into a folder unless that is NULL, and return how it ends:
 * the word of a verdict, "open" or "refused". */
const char *stopped_play(const struct buf *file, const char *dir);

/* Try such files: stop strings and texts; and heads of tokenizers, of which
 * stopped_tokenizer has the last one afterwards.  The vocabulary of
 * stopped_model has STOPPED_VOCAB ids. */
void stopped_try_shows(const char *dir);
void stopped_try_heads(const char *dir);

#endif
