/*
 * A source (a Hugging Face directory, a GGUF file) by its own float values, in
 * f64: what a model that was converted from it is compared with.  Plain and
 * slow, with libm; independent of the kernels.  Layers are read one at a time,
 * so that memory is that of one layer, the head and a number for each channel
 * and id of the windows.
 *
 * Refused by name: experts.
 */
#ifndef APUS_FIDELITY_FLOAT_SOURCE_H
#define APUS_FIDELITY_FLOAT_SOURCE_H

#include <stddef.h>

#include "proof/model_record.h"

struct err;
struct float_source;
struct import;
struct pool;
struct windows;

/* Open a source; source->tokenizer has its tokenizer, source->rec its shape.
 * The pool is borrowed, as the windows of float_source_read are. */
int float_source_open(struct float_source **out, const char *path,
                      struct pool *pool, struct err *err);
void float_source_free(struct float_source *f); /* NULL is accepted */

/* The source as it was imported, borrowed. */
const struct import *float_source_import(const struct float_source *f);

/* Compute all layers for these windows, whose ids are below n_vocab.
 * progress, which may be NULL, is called after each of n_layers. */
int float_source_read(struct float_source *f, const struct windows *w,
                      void (*progress)(void *user, size_t done, size_t of),
                      void *user, struct err *err);

/* logits[p * n_vocab ..] of each position p of window i, rounded to f32. */
void float_source_logits(const struct float_source *f, size_t i,
                         float *logits);

#endif
