/*
 * The inside of gguf.h, for gguf.c and gguf_header.c.
 */
#ifndef APUS_MODEL_IMPORT_GGUF_INTERNAL_H
#define APUS_MODEL_IMPORT_GGUF_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/import/gguf.h"

struct gguf_file {
    char *path;    /* NULL: it lies in memory, whole in `head` */
    int fd;        /* -1 likewise */
    uint64_t size;
    struct buf head; /* what was read of its beginning */
    struct gguf_value *value; /* in the order of the file */
    size_t n_values;
    uint64_t data; /* where the tensors begin */
};

struct gguf {
    struct gguf_file *file;
    size_t n_files;
    struct gguf_tensor *t; /* of all files */
    size_t n;
};

/* Read the header of file f of g: its values, and its tensors after those
 * that g has. */
int gguf_header(struct gguf *g, size_t f, struct err *err);

/* What a number of this type takes; 0 for texts and arrays. */
size_t gguf_width(enum gguf_type type);

#endif
