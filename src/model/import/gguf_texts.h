/*
 * Tokenizer, chat template and the ids of tokens in a GGUF file.
 */
#ifndef APUS_MODEL_IMPORT_GGUF_TEXTS_H
#define APUS_MODEL_IMPORT_GGUF_TEXTS_H

struct err;
struct gguf;
struct import;

/* Fill the texts of m (none where the file has none) and bos and eos of its
 * record, whose vocabulary is known. */
int gguf_texts_read(struct import *m, const struct gguf *g, struct err *err);

#endif
