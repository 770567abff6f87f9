/*
 * A model of another format as a GGUF file, the way others write it: for tests
 * that both give the same model.
 */
#ifndef APUS_TESTS_GGUF_MADE_H
#define APUS_TESTS_GGUF_MADE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/gguf_util.h"

struct import;

struct gguf_made {
    const char *architecture;
    bool interleaved;  /* rows of q and k: pairs side by side */
    uint32_t turned;   /* channels of a head that are turned, the first ones of
                          a file; 0: all */
    uint32_t format;   /* of matrices: 0 F32, 1 F16, 30 BF16 */
    double theta;      /* 0: the file does not say */
    const char *pre;   /* of a byte-level tokenizer; NULL: no tokenizer */
    bool repeats_head; /* a tied head is written, too */
    uint32_t window;   /* of some layers; 0: that of the record, if any */
    double yarn;       /* factor of such a scaling of 64 positions; 0: none */
    double linear;     /* factor of that scaling; 0: none */
    double cap[2];     /* of scores and logits; 0: the file does not say */
    double scalar;     /* attention scale is 1 / its root, Gemma's; 0: the file
                          does not say */
    uint32_t every;    /* each one of so many layers has no window; likewise */
    bool fused_ffn;    /* gate and up are one matrix */
    bool fused;        /* q, k and v are one matrix, gate and up another */
};

/* Keys, texts and tensors of m into o, which is new. */
void gguf_made(struct gguf_out *o, const struct import *m,
               const struct gguf_made *how);

/* Only its keys, only its tensors. */
void gguf_made_keys(struct gguf_out *o, const struct import *m,
                    const struct gguf_made *how);
void gguf_made_tensors(struct gguf_out *o, const struct import *m,
                       const struct gguf_made *how);

#endif
