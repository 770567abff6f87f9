/*
 * The number formats of GGUF, block by block: 1, 32 or 256 numbers share some
 * scales.  A number is scale times integer, or that plus or minus an offset,
 * in f32: each product and each sum is rounded once, so that every machine
 * has the same numbers, which are those of ggml's own reference.
 */
#ifndef APUS_MODEL_IMPORT_GGUF_BLOCKS_H
#define APUS_MODEL_IMPORT_GGUF_BLOCKS_H

#include <stdint.h>

#define GGUF_BLOCK 256 /* numbers of the largest block */

struct gguf_format {
    const char *name;  /* "Q4_K" */
    unsigned numbers;  /* of a block */
    unsigned bytes;    /* of a block */
    /* out[0..numbers) = the block at p; NULL: the format cannot be read */
    void (*decode)(float *out, const unsigned char *p);
};

/* The format with that number in a file, or NULL if it is not known. */
const struct gguf_format *gguf_format(uint32_t type);

#endif
