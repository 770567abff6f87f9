/*
 * Models of other formats written as llama2.c has them.
 */
#include <config.h>

#include "tests/llama2c_made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/import/import.h"
#include "model/model_layout.h"

void llama2c_put_header(struct buf *out, const int32_t v[7])
{
    for (size_t i = 0; i < 7; i++)
        buf_put_u32(out, (uint32_t)v[i]);
}

void llama2c_put_token(struct buf *out, float score, int32_t length,
                       const char *text)
{
    buf_put_f32(out, score);
    buf_put_u32(out, (uint32_t)length);
    buf_puts(out, text);
}

/* Row r of a file, where the two channels of a pair are neighbours, is this row
 * of the model, where they are half a head apart. */
static uint64_t row_of(const struct model_record *rec, uint32_t tensor,
                       uint64_t r)
{
    uint64_t in = r % rec->head_dim, head = r - in;

    if (!import_has_heads(rec, tensor))
        return r;
    return head + in / 2 + (in % 2 ? rec->head_dim / 2 : 0);
}

static void put_tensor(struct buf *out, const struct import *m, uint32_t tensor)
{
    struct err err = ERR_INIT;
    struct tensor_record t;
    float *x;

    model_expect(&m->rec, tensor, &t);
    x = xmalloc(t.cols * sizeof(*x));
    for (uint64_t r = 0; r < t.rows; r++) {
        if (import_read(m, tensor, row_of(&m->rec, tensor, r) * t.cols, t.cols,
                        x, &err))
            printf("# %s\n", err.text);
        for (uint32_t i = 0; i < t.cols; i++)
            buf_put_f32(out, x[i]);
    }
    free(x);
}

void llama2c_made(struct buf *out, const struct import *m)
{
    static const uint32_t part[] = {
        LAYER_ATTN_NORM, LAYER_WQ, LAYER_WK, LAYER_WV, LAYER_WO,
        LAYER_FFN_NORM, LAYER_GATE, LAYER_DOWN, LAYER_UP
    };
    const struct model_record *r = &m->rec;
    bool tied = r->flags & MODEL_TIED;
    const int32_t v[7] = {
        (int32_t)r->dim, (int32_t)r->ffn_dim, (int32_t)r->n_layers,
        (int32_t)r->n_heads, (int32_t)r->n_kv_heads,
        tied ? (int32_t)r->n_vocab : -(int32_t)r->n_vocab, (int32_t)r->context
    };

    llama2c_put_header(out, v);
    put_tensor(out, m, TENSOR_EMBED);
    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
        for (uint32_t l = 0; l < r->n_layers; l++)
            put_tensor(out, m, model_tensor_at(r, l, part[i]));
    put_tensor(out, m, TENSOR_FINAL_NORM);
    for (uint64_t i = 0; i < (uint64_t)r->context * r->head_dim; i++)
        buf_put_f32(out, 3e38f); /* nobody looks at them */
    if (!tied)
        put_tensor(out, m, TENSOR_HEAD);
}
