/*
 * A model of another format as a file of llama2.c (model/import/llama2c.h), for
 * tests that both give the same tensors.
 */
#ifndef APUS_TESTS_LLAMA2C_MADE_H
#define APUS_TESTS_LLAMA2C_MADE_H

#include <stdint.h>

#include "base/buf.h"

struct import;

/* The header alone: width, ffn width, layers, heads, kv heads, vocabulary
 * (negative: an own head follows), context. */
void llama2c_put_header(struct buf *out, const int32_t v[7]);

/* Append the file of m, which is of the Llama family and without biases. */
void llama2c_made(struct buf *out, const struct import *m);

/* A token of tokenizer.bin. */
void llama2c_put_token(struct buf *out, float score, int32_t length,
                       const char *text);

#endif
