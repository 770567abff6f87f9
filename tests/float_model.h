/*
 * stories260K in f64, the plain way: what a float engine computes from the
 * same checkpoint, so that a test knows its margins.  Independent of kernels
 * and of the forward pass.
 */
#ifndef APUS_TESTS_FLOAT_MODEL_H
#define APUS_TESTS_FLOAT_MODEL_H

#include <stddef.h>
#include <stdint.h>

struct float_model;

/* NULL if the directory is not that checkpoint. */
struct float_model *float_model_new(const char *dir);
void float_model_free(struct float_model *m);

/* Give it the factors of Granite: the embedding and what layers add are
 * multiplied, scores of attention are q k times `attention`, logits are
 * divided.  Without this: 1, 1, 1 / sqrt(8), 1. */
void float_model_factors(struct float_model *m, double embedding,
                         double residual, double attention, double logits);

/* logits[i * 512 ..] of every position, tokens[0..n), n <= 512. */
void float_model_run(struct float_model *m, const uint32_t *token, size_t n,
                     double *logits);

#endif
