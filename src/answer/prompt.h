/*
 * From a request to the sequences that answer it: the prompt's ids, the
 * sampling, the stop strings, one sequence for each choice.  The worker
 * answers with it, a verifier makes the same prompt again.
 */
#ifndef APUS_ANSWER_PROMPT_H
#define APUS_ANSWER_PROMPT_H

#include <stddef.h>

#include "base/err.h"
#include "base/id.h"
#include "engine/engine.h"
#include "text/chat.h"
#include "text/tokenizer.h"

struct model;
struct request;

/* A model with what its prompts are made with. */
struct prompt_model {
    struct model *model;
    struct tokenizer *tokenizer; /* NULL if the model has none */
    struct chat *chat;           /* NULL if the model has no template .. */
    struct err no_chat;          /* .. or why, if it is not supported */
    char id[ID_TEXT];
};

/* Make tokenizer and template of a model that was opened, which is m's from
 * then on (also on failure: prompt_model_clear is due). */
int prompt_model_init(struct prompt_model *m, struct model *model,
                      struct err *err);
void prompt_model_clear(struct prompt_model *m);

/* Owns what its sequences borrow. */
struct prompt {
    struct tokens ids;
    struct sequence first; /* of choice 0; the others differ by number */
    struct stop stop[16];
    char *stop_text;
    size_t n_choices;
};

/* ERR_INPUT if this model cannot take the request.  id is the request's, for
 * its default seed. */
int prompt_make(struct prompt *p, const struct prompt_model *m,
                const struct request *r, struct id id, struct err *err);
/* The same, and r's ids, if its prompt is given so, become the prompt's:
 * r->prompt_id is NULL then. */
int prompt_take(struct prompt *p, const struct prompt_model *m,
                struct request *r, struct id id, struct err *err);
void prompt_clear(struct prompt *p);

#endif
