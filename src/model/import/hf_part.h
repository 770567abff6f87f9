/*
 * The language model within a model that does more than that: its part of
 * config.json.  Its tensors are safetensors_keep_text's.
 */
#ifndef APUS_MODEL_IMPORT_HF_PART_H
#define APUS_MODEL_IMPORT_HF_PART_H

#include <stdbool.h>

struct err;
struct json;

/* *root = what is said of the language model, and *part = true, if its
 * model_type is one that has such a part; else both stay as they are. */
int hf_part_find(bool *part, const struct json **root, struct err *err);

#endif
