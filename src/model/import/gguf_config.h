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
    uint32_t every;   /* layers with the window: all but each one of such a
                         number, whose RoPE alone is scaled; 0: all layers */
    double local_theta; /* of layers with the window; 0: that of the others */
    float score_cap, logit_cap; /* soft caps, 0: none */
    float embedding;  /* what it is multiplied by, 0: nothing; a tied head is
                         not */
    struct fold fold;
};

int gguf_config(struct gguf_config *c, const struct gguf *g, struct err *err);

#endif
