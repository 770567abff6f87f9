/*
 * Between the two files that read tokenizer.json.
 */
#ifndef APUS_TEXT_TOKENIZER_JSON_H
#define APUS_TEXT_TOKENIZER_JSON_H

#include "text/tokenizer_internal.h"

struct json;

/* Recognise the pipeline: kind, pattern and flags of `b`.  Whatever is not
 * exactly one of the known ones is refused by name (ERR_INPUT). */
int tokenizer_json_form(struct tok_build *b, const struct json *root,
                        const struct tok_config *config, struct err *err);

#endif
