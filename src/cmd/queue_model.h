/*
 * apus queue from two sides: a model of the store as the tags that register
 * it, and lines of the queue's directories as text.
 */
#ifndef APUS_CMD_QUEUE_MODEL_H
#define APUS_CMD_QUEUE_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "arweave/item.h"
#include "base/id.h"
#include "proof/model_record.h"

struct err;
struct settings;

struct queue_model {
    char id[ID_TEXT], bytes[24], context[24];
    char record[(MODEL_RECORD_SIZE * 4 + 2) / 3 + 1];
    struct item_text_tag tag[7];
    size_t n_tags;
};

/* Longest name of a model that a queue takes: 43 characters are an id. */
#define QUEUE_MODEL_NAME_MAX 42

/* -1 with ERR_INPUT if a queue would refuse the name. */
int queue_model_name(const char *name, struct err *err);

/* The tags of Register-Model, which borrow name and source. */
int queue_model_find(struct queue_model *m, const struct settings *s,
                     const char *what, const char *name, const char *source,
                     struct err *err);

/* Whether a tag of Info's answer is something to be told. */
bool queue_is_count(const char *name);

/* Print JSON lines as NAME and their values, with tabs between. */
int queue_print_lines(const char *name, const char *lines, struct err *err);

#endif
