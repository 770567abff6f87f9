/*
 * What ends a text: ids that a source names, and the token with which its chat
 * template closes a turn of the assistant.
 */
#ifndef APUS_MODEL_IMPORT_ENDS_H
#define APUS_MODEL_IMPORT_ENDS_H

#include <stdint.h>

struct err;
struct import;
struct model_record;
struct tokenizer;

/* Add an id to eos unless it is there.  ERR_INPUT if eos is full. */
int ends_add(struct model_record *r, uint32_t id, struct err *err);

/* Add what closes a turn of the chat template of m, if it has one; where
 * nothing does in one that can be run, a line in its notes says so. */
int ends_of_template(struct import *m, const struct tokenizer *t,
                     struct err *err);

#endif
