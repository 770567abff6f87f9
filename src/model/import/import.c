/*
 * What all formats share: their texts, and the check of each number.
 */
#include <config.h>

#include "model/import/import.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/import/hf_rope.h"
#include "model/model_layout.h"

struct import *import_new(void)
{
    struct import *m = xcalloc(1, sizeof(*m));

    buf_init(&m->tokenizer, (size_t)MODEL_MAX_TOKENIZER);
    buf_init(&m->chat_template, (size_t)MODEL_MAX_TEMPLATE);
    buf_init(&m->notes, (size_t)1 << 16);
    return m;
}

void import_free(struct import *m)
{
    if (!m)
        return;
    if (m->format)
        m->format->close(m);
    buf_clear(&m->tokenizer);
    buf_clear(&m->chat_template);
    buf_clear(&m->notes);
    free(m);
}

const char *import_name(const struct import *m, uint32_t tensor)
{
    return m->format->name(m, tensor);
}

/* LAYER_TENSORS_BOTH outside the layers. */
static uint32_t part_of(const struct model_record *rec, uint32_t tensor)
{
    return tensor < TENSOR_LAYERS ? LAYER_TENSORS_BOTH
                                  : model_part_of(rec, tensor);
}

bool import_has_heads(const struct model_record *rec, uint32_t tensor)
{
    uint32_t part = part_of(rec, tensor);

    return part == LAYER_WQ || part == LAYER_WK || part == LAYER_BQ ||
           part == LAYER_BK || part == LAYER_Q_NORM || part == LAYER_K_NORM;
}

uint64_t import_head_row(uint64_t row, uint32_t head_dim,
                         const struct import_heads *h)
{
    uint64_t head = row / head_dim * head_dim, half = head_dim / 2;
    uint64_t second = row % head_dim / half, i = row % half;
    uint64_t pairs = h->turned / 2;

    if (i >= pairs)
        return head + h->turned + second * (half - pairs) + i - pairs;
    return head + (h->interleaved ? 2 * i + second : i + second * pairs);
}

void import_frequencies(float *inv_freq, const struct hf_rope *rope,
                        uint32_t head_dim, const struct import_heads *h)
{
    hf_rope_frequencies(inv_freq, rope, h->turned);
    for (uint32_t i = h->turned / 2; i < head_dim / 2; i++)
        inv_freq[i] = 0;
}

void import_fused(const struct model_record *rec, uint32_t tensor,
                  uint64_t *row, uint64_t *rows)
{
    uint64_t q = (uint64_t)rec->n_heads * rec->head_dim;
    uint64_t kv = (uint64_t)rec->n_kv_heads * rec->head_dim;
    uint32_t part = part_of(rec, tensor);

    if (part == LAYER_GATE || part == LAYER_UP) {
        *row = part == LAYER_UP ? rec->ffn_dim : 0;
        *rows = 2 * (uint64_t)rec->ffn_dim;
    } else if ((part >= LAYER_WQ && part <= LAYER_WV) ||
               (part >= LAYER_BQ && part <= LAYER_BV)) {
        *row = part == LAYER_WQ || part == LAYER_BQ   ? 0
               : part == LAYER_WK || part == LAYER_BK ? q
                                                      : q + kv;
        *rows = q + 2 * kv;
    }
}

/* Whether all of x[0..n) are below the limit, 32 at a time: the sums have their
 * highest bit where one is not. */
static bool all_below(const float *x, size_t n)
{
    size_t i = 0;

    for (; n - i >= 32; i += 32) {
        uint32_t over = 0;

        for (size_t k = 0; k < 32; k++)
            over |= (f32_bits(x[i + k]) & 0x7fffffffu) +
                    (0x80000000u - X1_LIMIT_BITS);
        if (over >> 31)
            return false;
    }
    return x1_fault(x + i, n - i) < 0;
}

int import_check(const char *name, const float *x, size_t n, uint64_t from,
                 struct err *err)
{
    int32_t k;

    if (all_below(x, n))
        return 0;
    k = x1_fault(x, n);
    return err_set(err, ERR_INPUT, "tensor \"%s\": number %" PRIu64 " is not"
                   " below 2^40 in size", name, from + (uint64_t)k);
}

/* What the numbers of a tensor are multiplied by; 0: nothing. */
static float factor_of(const struct import *m, uint32_t tensor)
{
    const struct model_record *rec = &m->rec;
    uint32_t part = part_of(rec, tensor);

    if (tensor == TENSOR_FINAL_NORM)
        return m->final;
    if (tensor == TENSOR_EMBED)
        return m->embedding;
    if (part == LAYER_WO || part == LAYER_DOWN)
        return m->residual;
    return 0;
}

/* Whether a tensor is the gains of a norm. */
static bool is_gain(const struct import *m, uint32_t tensor)
{
    uint32_t part = part_of(&m->rec, tensor);

    return tensor == TENSOR_FINAL_NORM || part == LAYER_ATTN_NORM ||
           part == LAYER_FFN_NORM || part == LAYER_Q_NORM ||
           part == LAYER_K_NORM || part == LAYER_ATTN_AFTER ||
           part == LAYER_FFN_AFTER;
}

int import_read(const struct import *m, uint32_t tensor, uint64_t from,
                size_t n, float *out, struct err *err)
{
    float factor = factor_of(m, tensor);

    if (m->format->read(m, tensor, from, n, out, err))
        return -1;
    for (size_t i = 0; m->one_plus && is_gain(m, tensor) && i < n; i++)
        out[i] += 1;
    for (size_t i = 0; factor > 0 && i < n; i++)
        out[i] *= factor;
    return import_check(import_name(m, tensor), out, n, from, err);
}
