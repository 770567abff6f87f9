/*
 * tokenizer.bin of llama2.c, little-endian: u32 the bytes of the longest token,
 * then of each token f32 score, i32 length, its bytes.  Spaces are written as
 * such, the unknown token is 0, bos is 1 and the end is 2.
 */
#ifndef APUS_MODEL_IMPORT_LLAMA2C_TEXTS_H
#define APUS_MODEL_IMPORT_LLAMA2C_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* Append tokenizer bytes (man 5 apus-model) of such a file for a vocabulary:
 * exactly so many tokens if `all`, else at most. */
int llama2c_tokenizer(struct buf *out, const void *bytes, size_t n,
                      uint32_t n_vocab, bool all, struct err *err);

/* The same from a file. */
int llama2c_tokenizer_file(struct buf *out, const char *path, uint32_t n_vocab,
                           bool all, struct err *err);

#endif
