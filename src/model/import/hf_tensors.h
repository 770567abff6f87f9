/*
 * Which tensor of a Hugging Face checkpoint is which of a model.
 */
#ifndef APUS_MODEL_IMPORT_HF_TENSORS_H
#define APUS_MODEL_IMPORT_HF_TENSORS_H

#include <stdint.h>

#include "proof/model_record.h"

struct err;
struct safetensor;
struct safetensors;

#define HF_TENSOR_NAME 80

/* "model.layers.3.self_attn.q_proj.weight"; "" for the frequencies, which no
 * checkpoint has. */
void hf_tensor_name(char out[HF_TENSOR_NAME], uint32_t i);

/* The source of tensor i, NULL if it has none: it is absent, or it is the
 * tied head, or the frequencies.  A tied embedding may be saved only under
 * the head's name. */
const struct safetensor *hf_tensors_get(const struct safetensors *s,
                                        const struct model_record *rec,
                                        uint32_t i);

/* Every tensor that such a model needs is there in its shape, and no other
 * (frequencies and the second copy of a tied head are let pass). */
int hf_tensors_check(const struct safetensors *s,
                     const struct model_record *rec, struct err *err);

#endif
