/*
 * Models built in memory: any shape, weights from a fixed seed.  For tests,
 * benchmarks, and the test of a device at its start; answers of such a model
 * mean nothing.
 */
#ifndef APUS_MODEL_SHAPE_H
#define APUS_MODEL_SHAPE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct model;
struct model_record;
struct model_sink;

/* The i-th name, from 0: tiny and nano, and those of published models.  NULL
 * after the last. */
const char *shape_name(size_t i);

/* Fill a record's shape by name; short second names are smollm, tinyllama and
 * 1b (llama-3.2-1b).  -1 if there is no such name. */
int shape_find(struct model_record *rec, const char *name);

/* Weights for a record (flags as in the file: tied, biases, norms, A8); the
 * rest of the record is completed.  Free with model_close. */
int shape_build(struct model **out, const struct model_record *rec,
                struct err *err);

/* The same weights, but matrices go to a sink (NULL: stay in the model) some
 * rows at a time: nobody holds them in two forms.  The model's id is zero. */
int shape_build_into(struct model **out, const struct model_record *rec,
                     const struct model_sink *sink, struct err *err);

/* Bytes of all weights in the form of a model file, and of those that one step
 * reads: all but an untied embedding. */
uint64_t shape_bytes(const struct model *m);
uint64_t shape_read_bytes(const struct model *m);

#endif
