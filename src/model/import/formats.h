/*
 * The formats that a model can be converted from.  Hugging Face
 * directories (hf.h), GGUF files (gguf_model.h) and files of llama2.c
 * (llama2c.h).
 */
#ifndef APUS_MODEL_IMPORT_FORMATS_H
#define APUS_MODEL_IMPORT_FORMATS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct import;

/* Whether a path is to be opened as one of them: a directory, a file that is
 * GGUF by its first bytes or by its name, or a file NAME.bin. */
bool formats_known(const char *path);

/* Whether it is of a format whose tokenizer is a file of its own. */
bool formats_apart(const char *path);

/* The path of file i, counted from 0, of the set that this path by its name is
 * one of (gguf.h); NULL: by its name it is one of none, or the set has not so
 * many.  The caller frees it. */
char *formats_set_file(const char *path, uint64_t i);

/* Open the model at a path, whatever its format.  The values of its record are
 * checked, and so is that every tensor which it needs is there in its shape,
 * and no other.  ERR_INPUT names what is missing or has no paragraph in X1. */
int formats_open(struct import **out, const char *path, struct err *err);

/* The same with this tokenizer, of a path for which formats_apart is true; NULL
 * is the one that lies beside it, if there is one. */
int formats_open_with(struct import **out, const char *path,
                      const char *tokenizer, struct err *err);

/* Its texts alone, bos and eos: a directory needs no config.json and no
 * weights, a GGUF file no tensors, and of llama2.c a file is its model or its
 * tokenizer.  At most n_vocab ids are taken. */
int formats_texts(struct import **out, const char *path, uint32_t n_vocab,
                  struct err *err);

#endif
