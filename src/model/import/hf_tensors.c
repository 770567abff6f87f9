/*
 * Names and shapes only; numbers are hf.c.
 */
#include <config.h>

#include "model/import/hf_tensors.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/import/import.h"
#include "model/import/safetensors.h"
#include "model/model_layout.h"

/* In which fused matrix a part may be. */
static unsigned fused_of(uint32_t part)
{
    if (part == LAYER_WQ || part == LAYER_WK || part == LAYER_WV)
        return HF_FUSED_QKV;
    return part == LAYER_GATE || part == LAYER_UP ? HF_FUSED_FFN : 0;
}

/* Whether tensor i is in one. */
static bool is_fused(const struct model_record *rec, uint32_t i,
                     unsigned names)
{
    return i >= TENSOR_LAYERS && names & fused_of(model_part_of(rec, i));
}

/* Names that some families have, after those of the parts. */
enum {
    NAME_QKV = LAYER_TENSORS_BOTH, NAME_GATE_UP, NAME_ATTN_AFTER,
    NAME_FFN_AFTER, NAME_FFN_BEFORE
};

/* Which name a part has. */
static uint32_t part_name(const struct model_record *rec, uint32_t part,
                          unsigned names)
{
    unsigned in = names & fused_of(part);
    bool after = rec->flags & MODEL_NORM_AFTER, gemma = names & HF_GEMMA;

    if (in)
        return in == HF_FUSED_QKV ? NAME_QKV : NAME_GATE_UP;
    if (part == (after ? LAYER_ATTN_NORM : LAYER_ATTN_AFTER) &&
        (after || gemma))
        return NAME_ATTN_AFTER;
    if (part == (after ? LAYER_FFN_NORM : LAYER_FFN_AFTER) &&
        (after || gemma))
        return NAME_FFN_AFTER;
    return part == LAYER_FFN_NORM && gemma ? NAME_FFN_BEFORE : part;
}

bool hf_tensors_of_experts(const struct model_record *rec, uint32_t i)
{
    uint32_t k = model_part_of(rec, i);

    return i >= TENSOR_LAYERS && rec->flags & MODEL_EXPERTS &&
           k >= LAYER_GATE && k <= LAYER_DOWN;
}

void hf_expert_name(char out[HF_TENSOR_NAME], const struct model_record *rec,
                    uint32_t i, uint32_t expert)
{
    static const char *const part[] = { "gate", "up", "down" };

    snprintf(out, HF_TENSOR_NAME, "model.layers.%u.mlp.experts.%u.%s_proj"
             ".weight", model_layer_of(rec, i), expert,
             part[model_part_of(rec, i) - LAYER_GATE]);
}

void hf_tensor_name(char out[HF_TENSOR_NAME], const struct model_record *rec,
                    uint32_t i, unsigned names)
{
    static const char *const top[] = {
        "model.embed_tokens.weight", "", "model.norm.weight",
        "lm_head.weight"
    };
    static const char *const part[] = {
        "input_layernorm.weight", "self_attn.q_proj.weight",
        "self_attn.k_proj.weight", "self_attn.v_proj.weight",
        "self_attn.o_proj.weight", "self_attn.q_proj.bias",
        "self_attn.k_proj.bias", "self_attn.v_proj.bias",
        "self_attn.q_norm.weight", "self_attn.k_norm.weight",
        "post_attention_layernorm.weight", "mlp.gate_proj.weight",
        "mlp.up_proj.weight", "mlp.down_proj.weight",
        "post_self_attn_layernorm.weight", "post_mlp_layernorm.weight",
        "self_attn.qkv_proj.weight", "mlp.gate_up_proj.weight",
        "post_attention_layernorm.weight",
        "post_feedforward_layernorm.weight", "pre_feedforward_layernorm.weight"
    };
    uint32_t k = model_part_of(rec, i);

    if (i >= TENSOR_LAYERS && hf_tensors_of_experts(rec, i)) {
        hf_expert_name(out, rec, i, 0);
        return;
    }
    if (i >= TENSOR_LAYERS && rec->flags & MODEL_EXPERTS && k == LAYER_ROUTER) {
        snprintf(out, HF_TENSOR_NAME, "model.layers.%u.mlp.gate.weight",
                 model_layer_of(rec, i));
        return;
    }
    if (i < TENSOR_LAYERS)
        snprintf(out, HF_TENSOR_NAME, "%s", top[i]);
    else
        snprintf(out, HF_TENSOR_NAME, "model.layers.%u.%s",
                 model_layer_of(rec, i),
                 part[part_name(rec, k, names)]);
}

/* Whether tensor i is read from the checkpoint. */
static bool is_read(const struct model_record *rec, uint32_t i)
{
    struct tensor_record t;

    model_expect(rec, i, &t);
    return t.type != TENSOR_ABSENT && i != TENSOR_INV_FREQ &&
           !(i == TENSOR_HEAD && rec->flags & MODEL_TIED);
}

struct hf_origin hf_tensors_get(const struct safetensors *s,
                                const struct model_record *rec, unsigned names,
                                uint32_t i)
{
    struct hf_origin o = { NULL, 0 };
    char name[HF_TENSOR_NAME];
    uint64_t rows = 0;

    if (!is_read(rec, i))
        return o;
    hf_tensor_name(name, rec, i, names);
    o.t = safetensors_find(s, name);
    if (!o.t && i == TENSOR_EMBED && rec->flags & MODEL_TIED) {
        hf_tensor_name(name, rec, TENSOR_HEAD, names);
        o.t = safetensors_find(s, name);
    }
    if (is_fused(rec, i, names))
        import_fused(rec, i, &o.row, &rows);
    return o;
}

static int check_shape(const struct safetensor *t,
                       const struct model_record *rec, unsigned names,
                       uint32_t i, struct err *err)
{
    struct tensor_record e;
    uint64_t rows, row = 0;

    model_expect(rec, i, &e);
    rows = e.rows;
    if (is_fused(rec, i, names))
        import_fused(rec, i, &row, &rows);
    if (hf_tensors_of_experts(rec, i))
        rows /= model_experts(rec);
    if (e.type == TENSOR_F32 && t->n_dims == 1 && t->shape[0] == rows)
        return 0;
    if (e.type == TENSOR_W8 && t->n_dims == 2 && t->shape[1] == e.cols &&
        (t->shape[0] == rows ||
         (names & HF_MORE_ROWS && i == TENSOR_EMBED && t->shape[0] > rows)))
        return 0;
    return err_set(err, ERR_INPUT, "tensor \"%s\" has not the shape that "
                   "config.json says, %" PRIu64 " x %u", t->name, rows,
                   e.cols);
}

/* A tensor that is not used but may be there. */
static bool harmless(const char *name, const struct model_record *rec)
{
    static const char end[] = "rotary_emb.inv_freq";
    size_t n = strlen(name);

    if (n >= sizeof(end) - 1 && strcmp(name + n - (sizeof(end) - 1), end) == 0)
        return true;
    return rec->flags & MODEL_TIED && strcmp(name, "lm_head.weight") == 0;
}

/* The matrices of experts from 1 on; that of 0 has been looked at. */
static int check_experts(const struct safetensors *s,
                         const struct model_record *rec, uint32_t i,
                         bool *used, struct err *err)
{
    char name[HF_TENSOR_NAME];

    for (uint32_t e = 1; e < model_experts(rec); e++) {
        const struct safetensor *t;

        hf_expert_name(name, rec, i, e);
        t = safetensors_find(s, name);
        if (!t)
            return err_set(err, ERR_INPUT, "tensor \"%s\" is missing", name);
        if (check_shape(t, rec, 0, i, err))
            return -1;
        used[t - safetensors_at(s, 0)] = true;
    }
    return 0;
}

int hf_tensors_check(const struct safetensors *s,
                     const struct model_record *rec, unsigned names,
                     struct err *err)
{
    size_t n = safetensors_count(s);
    bool *used = xcalloc(n + 1, sizeof(*used));
    int rc = -1;

    for (uint32_t i = 0; i < rec->n_tensors; i++) {
        const struct safetensor *t = hf_tensors_get(s, rec, names, i).t;
        char name[HF_TENSOR_NAME];

        if (!is_read(rec, i))
            continue;
        hf_tensor_name(name, rec, i, names);
        if (!t) {
            err_set(err, ERR_INPUT, "tensor \"%s\" is missing", name);
            goto out;
        }
        if (check_shape(t, rec, names, i, err))
            goto out;
        used[t - safetensors_at(s, 0)] = true;
        if (hf_tensors_of_experts(rec, i) &&
            check_experts(s, rec, i, used, err))
            goto out;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = safetensors_at(s, i)->name;

        if (!used[i] && !harmless(name, rec)) {
            err_set(err, ERR_INPUT, "tensor \"%s\" has no place in such a "
                    "model", name);
            goto out;
        }
    }
    rc = 0;
out:
    free(used);
    return rc;
}
