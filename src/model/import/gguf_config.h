/*
 * The keys of a GGUF file as the fields of a model record.  Whatever would
 * change a number and has no paragraph in X1 is refused by name, and so is a
 * key of the architecture that is not known.
 */
#ifndef APUS_MODEL_IMPORT_GGUF_CONFIG_H
#define APUS_MODEL_IMPORT_GGUF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "model/import/fold.h"
#include "model/import/hf_rope.h"
#include "model/import/import.h"
#include "proof/model_record.h"

struct err;
struct gguf;

struct gguf_config {
    struct model_record rec; /* but flags, vocabulary, ids of tokens, texts
                                and tensors */
    struct hf_rope rope;
    struct import_heads heads; /* rows of q and k */
    bool fused;       /* gate and up in one matrix .. */
    bool fused_qkv;   /* .. and q, k, v in another */
    bool folds;       /* `fold` is to be applied */
    uint32_t no_rope; /* each layer of such a number, from 1 on, has no RoPE;
                         0: none */
    bool fourth;      /* layers with the window: all but each fourth one; their
                         RoPE is not scaled */
    struct fold fold;
};

int gguf_config(struct gguf_config *c, const struct gguf *g, struct err *err);

#endif
