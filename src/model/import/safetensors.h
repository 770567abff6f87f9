/*
 * The tensors of a Hugging Face directory: model.safetensors, or the shards
 * that model.safetensors.index.json names.  Headers are checked in full when
 * it is opened; the numbers are read in pieces and given as f32, exactly.
 * What a tensor means is hf_tensors.c.
 */
#ifndef APUS_MODEL_IMPORT_SAFETENSORS_H
#define APUS_MODEL_IMPORT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct safetensors;

#define SAFETENSORS_DIMS 8

struct safetensor {
    char *name;
    const char *dtype;  /* "BF16" */
    unsigned bits;      /* of one number */
    unsigned n_dims;
    uint64_t shape[SAFETENSORS_DIMS];
    uint64_t n;         /* numbers in all: the product of the shape */
    uint64_t at, size;  /* its bytes, from the end of the header */
    size_t file;        /* which shard */
};

int safetensors_open(struct safetensors **out, const char *dir,
                     struct err *err);
void safetensors_close(struct safetensors *s);

/* Of a model that sees, too, leave the tensors of its language model alone, by
 * the names that they have in one that does not.  ERR_INPUT if two get one. */
int safetensors_keep_text(struct safetensors *s, struct err *err);

/* The tensors, sorted by name. */
size_t safetensors_count(const struct safetensors *s);
const struct safetensor *safetensors_at(const struct safetensors *s,
                                        size_t i);

/* The one of that name, or NULL. */
const struct safetensor *safetensors_find(const struct safetensors *s,
                                          const char *name);

/* out[0..n) = the numbers [from, from + n) of a tensor, row-major, which it
 * must have (assert).  F32, F16 and BF16; another dtype is refused by name. */
int safetensors_read(const struct safetensors *s, const struct safetensor *t,
                     uint64_t from, size_t n, float *out, struct err *err);

/* Only the check of one header, text[0..n) of a file that has `data` bytes
 * after it: how many tensors there are. */
int safetensors_check(size_t *count, const char *text, size_t n,
                      uint64_t data, struct err *err);

#endif
