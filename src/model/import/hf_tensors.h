/*
 * Which tensor of a Hugging Face checkpoint is which of a model.
 */
#ifndef APUS_MODEL_IMPORT_HF_TENSORS_H
#define APUS_MODEL_IMPORT_HF_TENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "proof/model_record.h"

struct err;
struct safetensor;
struct safetensors;

#define HF_TENSOR_NAME 80

/* Which matrices are one: q, k and v, and gate and up; and other names of
 * norms. */
/* HF_MORE_ROWS: the embedding has more rows than the vocabulary has ids. */
enum { HF_FUSED_QKV = 1, HF_FUSED_FFN = 2, HF_GEMMA = 4, HF_MORE_ROWS = 8 };

/* "model.layers.3.self_attn.q_proj.weight"; "" for the frequencies, which no
 * checkpoint has.  names: HF_... */
void hf_tensor_name(char out[HF_TENSOR_NAME], const struct model_record *rec,
                    uint32_t i, unsigned names);

/* The same of an expert's matrix; the name above is that of expert 0. */
void hf_expert_name(char out[HF_TENSOR_NAME], const struct model_record *rec,
                    uint32_t i, uint32_t expert);

/* Whether tensor i is the matrices of all experts, each of them a tensor of
 * its own in a checkpoint. */
bool hf_tensors_of_experts(const struct model_record *rec, uint32_t i);

/* Where tensor i lies: from row `row` of t, which is NULL if it has no source:
 * it is absent, or it is the tied head, or the frequencies.  A tied embedding
 * may be saved only under the head's name. */
struct hf_origin {
    const struct safetensor *t;
    uint64_t row;
};
struct hf_origin hf_tensors_get(const struct safetensors *s,
                                const struct model_record *rec, unsigned names,
                                uint32_t i);

/* Every tensor that such a model needs is there in its shape, and no other
 * (frequencies and the second copy of a tied head are let pass). */
int hf_tensors_check(const struct safetensors *s,
                     const struct model_record *rec, unsigned names,
                     struct err *err);

#endif
