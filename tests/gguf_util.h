/*
 * Making GGUF files for tests: keys, tensors, and the whole in order.  Counts
 * and offsets can be made wrong.
 */
#ifndef APUS_TESTS_GGUF_UTIL_H
#define APUS_TESTS_GGUF_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct gguf_out {
    struct buf keys, infos, data;
    uint64_t n_keys, n_tensors;
    uint32_t version;   /* 3 */
    uint32_t alignment; /* 32; of the data */
    uint32_t parts;     /* of the next tensor's rows: a third dimension; 0 */
};

void gguf_out_init(struct gguf_out *o);
void gguf_out_clear(struct gguf_out *o);

void gguf_put_u32(struct gguf_out *o, const char *key, uint32_t v);
void gguf_put_u16(struct gguf_out *o, const char *key, unsigned v);
void gguf_put_f32(struct gguf_out *o, const char *key, float v);
void gguf_put_bool(struct gguf_out *o, const char *key, bool v);
void gguf_put_text(struct gguf_out *o, const char *key, const char *v);

/* The beginning of an array of n elements of a type (gguf.h), to which the
 * caller appends them in o->keys; texts by gguf_put_element. */
void gguf_put_array(struct gguf_out *o, const char *key, uint32_t of,
                    uint64_t n);
void gguf_put_element(struct gguf_out *o, const void *s, size_t n);

/* A tensor of rows x cols (rows 0: a vector) in a format by its number; its
 * bytes, at the next multiple of the alignment. */
void gguf_put_tensor(struct gguf_out *o, const char *name, uint32_t format,
                     uint64_t cols, uint64_t rows, const void *data,
                     size_t size);
/* Only its info. */
void gguf_put_info(struct gguf_out *o, const char *name, uint32_t format,
                   uint64_t cols, uint64_t rows, uint64_t at);

/* The file, appended; gguf_out_write: to a path. */
void gguf_out_bytes(struct buf *file, const struct gguf_out *o);
void gguf_out_write(const struct gguf_out *o, const char *path);

#endif
