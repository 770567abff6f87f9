/*
 * Continuous batching: sequences are added with their prompts, each step
 * computes a batch of rows (chunks of prompts and one row for each sequence
 * that is being answered), sequences end and leave room for the next within
 * the same step.  A sequence has memory for the keys and values that it has,
 * not for all it may come to; when there is none left the youngest is put back
 * and computed again later.  Prompts that begin alike are computed once: their
 * whole blocks are shared.  What else is in the batch, how a prompt is cut into
 * chunks, how many rows fit, who is put back and what is shared never changes a
 * bit of an answer, and each position is reported once.
 *
 * The engine decides what a step computes; a backend (engine/backend.h), which
 * the caller passes, computes it.  The engine reports to an observer and knows
 * nothing of files, requests or hashing.
 */
#ifndef APUS_ENGINE_ENGINE_H
#define APUS_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "engine/backend.h"
#include "engine/sampler.h"

struct err;
struct model;
struct tokenizer;
struct engine;

/* How a sequence ended (proof.md section 5). */
enum finish {
    FINISH_EOS = 0, FINISH_LENGTH = 1, FINISH_STOP = 2, FINISH_CONTEXT = 3,
    FINISH_RANGE = 16,  /* activation out of range */
    FINISH_LONG = 17,   /* prompt longer than the context */
    FINISH_PROMPT = 18  /* prompt empty or not UTF-8 */
};

/* A stop string: raw bytes. */
struct stop {
    const char *text;
    size_t n; /* 1 to 64 */
};

/* What to answer.  Everything is borrowed until the sequence ends. */
struct sequence {
    const uint32_t *prompt;
    size_t n_prompt;
    /* Forced tokens follow the prompt, as when an answer is recomputed: the
     * sampler still runs and is reported, but the forced id is used.  An end
     * among them ends the answer; after them it continues with what is drawn.
     * Fewer than max_tokens, and with the prompt no more than the context. */
    const uint32_t *forced;
    size_t n_forced;
    bool believed;  /* .. they are known to be what it draws: nothing is drawn
                       there and no token reported, which takes less time,
                       but with draw_all; positions are reported all the
                       same */
    uint32_t max_tokens;
    struct sampling sampling;
    bool ignore_eos;
    const struct stop *stops;
    size_t n_stops; /* at most 16 */
    bool without_logits; /* the observer's logits is not called for it */
    bool deep;      /* positions have the digest of their residual rows */
    void *user;
};

/* A finished answer; valid during the callback only. */
struct answer {
    void *user;
    enum finish finish;
    const uint32_t *token; /* n_out ids, forced ones among them; the last one
                              is not fed back */
    size_t n_out;
    const char *text;      /* raw bytes before end or stop, not scrubbed */
    size_t n_text;
    struct fault fault;    /* if finish is FINISH_RANGE, else zero */
    const float *last;     /* with_last: x_L (dim floats) of the last position
                              where a token was drawn; NULL if there is none */
};

/* A position that was computed: a token was fed, and where it was the last
 * one known, the next was drawn.  Digests are those of doc/proof.md section 4,
 * 32 bytes each.  Borrowed during the callback. */
struct position {
    uint32_t position, token;
    uint32_t next;        /* the id drawn here, taken or not; UINT32_MAX if
                             none */
    const struct id *kv;
    const struct id *fin;  /* where a token is drawn, else NULL */
    const struct id *deep; /* if the sequence asks for it, else NULL */
};

/* Called during engine_step; any may be NULL.  Rows are borrowed.  Residual
 * rows and logits come while a step is computed: also of positions after an
 * end among forced ids, or after a fault, which are not reported otherwise. */
struct observer {
    void *self;
    /* Residual row x_l (dim floats) of a position: layer 0 is the embedding,
     * n_layers the last, which exists only where a token is drawn. */
    void (*residual)(void *self, void *user, uint32_t position,
                     uint32_t layer, const float *x);
    /* Logits of a position where a token is drawn. */
    void (*logits)(void *self, void *user, uint32_t position,
                   const float *logits);
    /* A token was drawn; it has this position. */
    void (*token)(void *self, void *user, uint32_t position,
                  const struct drawn *d);
    /* Each position in order, once; none at or after a fault. */
    void (*position)(void *self, void *user, const struct position *p);
    /* A sequence is done; its user data may be freed. */
    void (*finished)(void *self, const struct answer *a);
};

struct engine_options {
    size_t max_sequences; /* in flight, at least 1 */
    size_t max_rows;      /* rows in a step; 0: max_sequences + 64 */
    size_t max_draws;     /* rows in a step that draw, of use with forced ids;
                             0, or too few: max_sequences */
    size_t chunk;         /* known rows of one sequence a step; 0: max_rows */
    uint64_t kv_bytes;    /* ceiling for the KV cache, unless one sequence
                             alone needs more; 0: none */
    bool draw_all;        /* compute logits at every prompt position too */
    bool with_last;       /* answers have their last x_L */
    bool deep;            /* sequences may ask for it */
};

/* Load the model into a backend, which then is this engine's alone until
 * engine_free; the caller closes it.  Backend, model and tokenizer (NULL: no
 * text) are borrowed, the observer is copied. */
int engine_new(struct engine **out, struct backend *b, const struct model *m,
               const struct tokenizer *t, const struct engine_options *o,
               const struct observer *obs, struct err *err);
void engine_free(struct engine *e);

/* Drop all sequences; they are not reported. */
void engine_reset(struct engine *e);

/* Bytes of blocks that a sequence of so many positions may come to need. */
uint64_t engine_kv_bytes(const struct engine *e, uint64_t positions);

/* How many more sequences can be added now. */
size_t engine_capacity(const struct engine *e);

/* Add one; there must be room.  A prompt that is empty or longer than the
 * context is finished at once.  ERR_INPUT: an id that is not below n_vocab,
 * or too many forced ids. */
int engine_add(struct engine *e, const struct sequence *s, struct err *err);

/* The answer so far of each sequence in flight, in the order they were added:
 * its n known ids, forced ones among them, borrowed during the call; fewer than
 * max_tokens, so that they can be forced.  One that ended and awaits its
 * digests is without the last. */
typedef void engine_sequence_fn(void *self, void *user, const uint32_t *token,
                                size_t n);
void engine_each(const struct engine *e, engine_sequence_fn *each,
                 void *self);

/* From the next step on, take at most so many known rows of a sequence, for a
 * caller who can give little time; no more than o.chunk, at least 1. */
void engine_limit(struct engine *e, size_t rows);

/* Compute one step, or launch it, where the backend's run ahead: what came of
 * an earlier one is reported then.  *busy is false if there was nothing to
 * do. */
int engine_step(struct engine *e, bool *busy, struct err *err);

/* Launch nothing more, and report what comes of the steps that run: for a
 * caller who will not call engine_step again.  Whoever has ended by then is
 * reported, digests and all. */
int engine_drain(struct engine *e, struct err *err);

/* Counters since the engine was made. */
struct engine_stats {
    uint64_t steps, rows, prompt_tokens, output_tokens, kv_bytes;
    uint64_t put_back; /* sequences that gave their blocks to older ones */
    uint64_t shared;   /* positions that another's prompt had computed */
};
void engine_stats(const struct engine *e, struct engine_stats *s);

#endif
