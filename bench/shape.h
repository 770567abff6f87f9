/*
 * Models built in memory: any shape, weights from a fixed seed.  For
 * benchmarks and tests; answers of such a model mean nothing.
 */
#ifndef APUS_BENCH_SHAPE_H
#define APUS_BENCH_SHAPE_H

#include <stdint.h>

struct err;
struct model;
struct model_record;

/* Fill a record's shape by name: nano, 1b (Llama 3.2 1B), tiny.  -1 if there
 * is no such name. */
int shape_find(struct model_record *rec, const char *name);

/* Weights for a record (flags as in the file: tied, biases, norms, A8); the
 * rest of the record is completed.  Free with model_close. */
int shape_build(struct model **out, const struct model_record *rec,
                struct err *err);

/* Bytes of weights that one step reads: all but an untied embedding. */
uint64_t shape_read_bytes(const struct model *m);

#endif
