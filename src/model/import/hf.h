/*
 * A model in a Hugging Face directory: config.json (hf_config.h), safetensors
 * (hf_tensors.h says which is which), tokenizer.json or tokenizer.model,
 * tokenizer_config.json, chat_template.jinja.
 */
#ifndef APUS_MODEL_IMPORT_HF_H
#define APUS_MODEL_IMPORT_HF_H

struct err;
struct import;

/* Fill m, which is new.  It can be freed after a failure, too. */
int hf_open(struct import *m, const char *dir, struct err *err);

/* Read its tokenizer and chat template alone, and bos and eos; the record of m
 * has the most ids that there can be, and no bos. */
int hf_texts(struct import *m, const char *dir, struct err *err);

#endif
