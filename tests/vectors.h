/*
 * Vectors of X1 as files (vectors/x1/README.md): what the two kinds share.
 */
#ifndef APUS_TESTS_VECTORS_H
#define APUS_TESTS_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

struct json;

/* {"dtype", "shape", "hex"}: little-endian bytes, row-major. */
struct array {
    size_t dim[4];
    size_t n_dims;
    size_t n;    /* elements */
    size_t size; /* bytes of one: 1 or 4 */
    void *data;  /* n elements, and 64 spare bytes */
};

/* 0, or -1 if v is no such array.  *a is to be freed with array_clear. */
int array_read(struct array *a, const struct json *v);
void array_clear(struct array *a);

/* Counts of the closing line. */
struct tally {
    unsigned passed, failed, skipped;
};
void tally_add(struct tally *t, int good, const char *file, const char *what,
               const char *note, size_t index);

/* Every case of a file of operators. */
void vectors_ops(struct tally *t, const char *file, const struct json *cases,
                 const struct x1_kernels *k);

/* Every run of a file of whole runs; `dir` holds models/NAME. */
void vectors_runs(struct tally *t, const char *dir, const char *file,
                  const struct json *root, const struct x1_kernels *k);

#endif
