/*
 * Between the two files that read tokenizer.json.
 */
#ifndef APUS_TEXT_TOKENIZER_JSON_H
#define APUS_TEXT_TOKENIZER_JSON_H

#include "text/tokenizer_internal.h"

struct json;

/* What a post-processor puts before a text, by its texts: the caller knows the
 * ids. */
struct tok_first {
    const struct json *post; /* a TemplateProcessing; NULL if there is none */
    bool bos;                /* bos_token */
};

/* Recognise the pipeline: kind, pattern, flags and steps of `b`.  One that has
 * a number (apustok1) is that, unless `steps`; another becomes steps; a step
 * that is not known is refused by name (ERR_INPUT).  `b` is new. */
int tokenizer_json_form(struct tok_build *b, const struct json *root,
                        bool steps, struct err *err);

/* The same for what is not known by number. */
int tokenizer_json_steps(struct tok_build *b, const struct json *root,
                         struct err *err);

/* The decoder, when the vocabulary is in: steps of `b`, none if it is what the
 * kind does by itself. */
int tokenizer_json_decoder(struct tok_build *b, const struct json *root,
                           struct err *err);

/* What a text begins with. */
int tokenizer_json_first(struct tok_first *first, const struct json *root,
                         const struct tok_config *config, struct err *err);

/* Questions to the tree that these files share: a member that is null or not
 * there; its type; a boolean or what it is when it is not there; whether a
 * member is this text; a Sequence of one as that one; a refusal by name. */
bool tok_absent(const struct json *v);
const char *tok_type(const struct json *v);
bool tok_is(const struct json *v, const char *type);
bool tok_flag(const struct json *v, const char *key, bool otherwise);
bool tok_says(const struct json *v, const char *key, const char *text);
const struct json *tok_unwrap(const struct json *v, const char *key);
int tok_refuse(struct err *err, const char *what, const struct json *v);

#endif
