/*
 * Models in files of llama2.c, those without a version that its run.c reads,
 * little-endian:
 *
 *   i32  width, ffn width, layers, heads, kv heads, vocabulary, context; a
 *        negative vocabulary says that the head is a tensor of its own
 *   f32  the embedding; of all layers each of attention norm, wq, wk, wv, wo,
 *        ffn norm, w1 (gate), w2 (down), w3 (up); the final norm; two tables of
 *        context x head width / 2 for RoPE, which are not read; the head, if
 *        there is one
 *
 * The two channels of a pair of RoPE are neighbours.  What the file does not
 * say is the same for all of them: eps 1e-5, theta 10000, bos 1, ends 2 and 1.
 * The tokenizer is another file (llama2c_texts.h).
 */
#ifndef APUS_MODEL_IMPORT_LLAMA2C_H
#define APUS_MODEL_IMPORT_LLAMA2C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct import;
struct model_record;

#define LLAMA2C_HEADER 28 /* bytes */

/* Whether a path is to be opened as one: a file NAME.bin, unless it begins as a
 * model file does. */
bool llama2c_is(const char *path);

/* Fill m, which is new.  The tokenizer is the file of that name, or where it is
 * NULL tokenizer.bin beside the model, if that is there.  m can be freed after
 * a failure, too. */
int llama2c_open(struct import *m, const char *path, const char *tokenizer,
                 struct err *err);

/* The texts alone, for at most m->rec.n_vocab ids: those of a model, or the
 * file itself is a tokenizer. */
int llama2c_texts(struct import *m, const char *path, struct err *err);

/* Only the check of the first n bytes of a file of `size`, LLAMA2C_HEADER of
 * them if it has so many: its record, but bos, ends and texts. */
int llama2c_header(struct model_record *rec, const void *bytes, size_t n,
                   uint64_t size, struct err *err);

#endif
