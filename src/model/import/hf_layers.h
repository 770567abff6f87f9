/*
 * Which layers of a model have a window, and which have no RoPE, by a config:
 * layer_types, max_window_layers, no_rope_layers; and how a model says it.
 */
#ifndef APUS_MODEL_IMPORT_HF_LAYERS_H
#define APUS_MODEL_IMPORT_HF_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model_layout.h"

struct err;
struct json;
struct model_record;

/* What a family has. */
struct hf_layers_how {
    bool window;  /* sliding_window has a meaning */
    bool some;    /* only if use_sliding_window is true, from layer
                     max_window_layers on */
    bool no_rope; /* no_rope_layers: 1 where there is RoPE */
    uint32_t every; /* without layer_types all layers but each one of such a
                       number have the window; 0: all have it */
    uint32_t usual; /* the window where sliding_window is absent; 0: none, or
                       it has to be there if there is `every` */
};

struct hf_layers {
    uint32_t window;                /* of those that have it; 0: none */
    bool local[MODEL_MAX_LAYERS];   /* it has the window */
    bool second[MODEL_MAX_LAYERS];  /* its frequencies are the second table */
    float table[X1_MAX_HEAD_DIM / 2]; /* that: zeros are no RoPE */
    float attn_scale;               /* of those layers; 0: that of the others */
};

/* Read what a config says; layers and context of the record are known. */
int hf_layers_parse(struct hf_layers *y, const struct json *root,
                    const struct model_record *r,
                    const struct hf_layers_how *how, struct err *err);

/* A layer of a model: 0 keys is all. */
struct hf_layer {
    uint32_t window;
    float attn_scale;
    bool second; /* its frequencies are the second table */
};

/* Put the layers of y into a record and its tensor of frequencies, of which the
 * first table is there: as one window and one scale where all layers are alike,
 * else by layer. */
void hf_layers_put(struct model_record *r, float freq[MODEL_MAX_FREQUENCIES],
                   const struct hf_layers *y);

/* Put soft caps (MODEL_SOFT_CAPS) after all that; without the flag nothing. */
void hf_caps_put(const struct model_record *r,
                 float freq[MODEL_MAX_FREQUENCIES], float scores, float logits);

/* Put layer l of a model whose layers differ (MODEL_LAYERS). */
void hf_layer_put(const struct model_record *r,
                  float freq[MODEL_MAX_FREQUENCIES], uint32_t l,
                  const struct hf_layer *layer);

#endif
