/*
 * A model in a GGUF file (gguf.h), or in several: which tensor is which, and
 * in what order its rows lie.  Keys are gguf_config.h and gguf_texts.h.
 */
#ifndef APUS_MODEL_IMPORT_GGUF_MODEL_H
#define APUS_MODEL_IMPORT_GGUF_MODEL_H

struct err;
struct import;

/* Fill m, which is new.  It can be freed after a failure, too. */
int gguf_model_open(struct import *m, const char *path, struct err *err);

#endif
