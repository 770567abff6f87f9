/*
 * The formats that a model can be converted from.  Hugging Face
 * directories (hf.h) and GGUF files (gguf_model.h).
 */
#ifndef APUS_MODEL_IMPORT_FORMATS_H
#define APUS_MODEL_IMPORT_FORMATS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct import;

/* Whether a path is to be opened as one of them: a directory, or a file that is
 * GGUF by its first bytes or by its name. */
bool formats_known(const char *path);

/* Open the model at a path, whatever its format.  The values of its record are
 * checked, and so is that every tensor which it needs is there in its shape,
 * and no other.  ERR_INPUT names what is missing or has no paragraph in X1. */
int formats_open(struct import **out, const char *path, struct err *err);

/* Its texts alone, bos and eos: a directory needs no config.json and no
 * weights, a GGUF file no tensors.  At most n_vocab ids are taken. */
int formats_texts(struct import **out, const char *path, uint32_t n_vocab,
                  struct err *err);

#endif
