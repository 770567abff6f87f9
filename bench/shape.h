/*
 * Models built in memory: any shape, weights from a fixed seed.  For
 * benchmarks and tests; answers of such a model mean nothing.
 */
#ifndef APUS_BENCH_SHAPE_H
#define APUS_BENCH_SHAPE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct model;
struct model_record;

/* The i-th name, from 0: tiny and nano, and those of published models ("1b"
 * is a second name of llama-3.2-1b).  NULL after the last. */
const char *shape_name(size_t i);

/* Fill a record's shape by name.  -1 if there is no such name. */
int shape_find(struct model_record *rec, const char *name);

/* Weights for a record (flags as in the file: tied, biases, norms, A8); the
 * rest of the record is completed.  Free with model_close. */
int shape_build(struct model **out, const struct model_record *rec,
                struct err *err);

/* Bytes of weights that one step reads: all but an untied embedding. */
uint64_t shape_read_bytes(const struct model *m);

#endif
