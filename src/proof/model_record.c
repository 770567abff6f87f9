/*
 * The bytes of model and tensor records.  What their values may be is for
 * those who read a model to judge.
 */
#include <config.h>

#include "proof/model_record.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/id.h"
#include "proof/digest.h"
#include "proof/fields.h"
#include "proof/merkle.h"

static const char magic[8] = "apusmdl1";

void model_record_pack(unsigned char out[MODEL_RECORD_SIZE],
                       const struct model_record *r)
{
    unsigned char *o = out;

    field_put(&o, magic, sizeof(magic));
    field_put_u32(&o, r->numerics);
    field_put_u32(&o, r->architecture);
    field_put_u32(&o, r->n_layers);
    field_put_u32(&o, r->dim);
    field_put_u32(&o, r->n_heads);
    field_put_u32(&o, r->n_kv_heads);
    field_put_u32(&o, r->head_dim);
    field_put_u32(&o, r->ffn_dim);
    field_put_u32(&o, r->n_vocab);
    field_put_u32(&o, r->context);
    field_put_u32(&o, r->window);
    field_put_u32(&o, r->flags);
    field_put_u32(&o, f32_bits(r->eps));
    field_put_u32(&o, f32_bits(r->attn_scale));
    field_put_u32(&o, r->bos);
    field_put_u32(&o, r->n_eos);
    for (int i = 0; i < 8; i++)
        field_put_u32(&o, r->eos[i]);
    field_put_u64(&o, r->tokenizer_size);
    field_put(&o, r->tokenizer.b, 32);
    field_put_u64(&o, r->template_size);
    field_put(&o, r->template_blob.b, 32);
    field_put_u32(&o, r->n_tensors);
    field_put_u32(&o, 0);
    field_put(&o, r->tensors.b, 32);
}

int model_record_unpack(struct model_record *r,
                        const unsigned char in[MODEL_RECORD_SIZE])
{
    const unsigned char *i = in + sizeof(magic);
    struct model_record t;

    if (memcmp(in, magic, sizeof(magic)) != 0)
        return -1;
    t.numerics = field_take_u32(&i);
    t.architecture = field_take_u32(&i);
    t.n_layers = field_take_u32(&i);
    t.dim = field_take_u32(&i);
    t.n_heads = field_take_u32(&i);
    t.n_kv_heads = field_take_u32(&i);
    t.head_dim = field_take_u32(&i);
    t.ffn_dim = field_take_u32(&i);
    t.n_vocab = field_take_u32(&i);
    t.context = field_take_u32(&i);
    t.window = field_take_u32(&i);
    t.flags = field_take_u32(&i);
    t.eps = f32_from(field_take_u32(&i));
    t.attn_scale = f32_from(field_take_u32(&i));
    t.bos = field_take_u32(&i);
    t.n_eos = field_take_u32(&i);
    for (int k = 0; k < 8; k++)
        t.eos[k] = field_take_u32(&i);
    t.tokenizer_size = field_take_u64(&i);
    field_take(&i, t.tokenizer.b, 32);
    t.template_size = field_take_u64(&i);
    field_take(&i, t.template_blob.b, 32);
    t.n_tensors = field_take_u32(&i);
    if (field_take_u32(&i) != 0)
        return -1;
    field_take(&i, t.tensors.b, 32);
    *r = t;
    return 0;
}

void tensor_record_pack(unsigned char out[TENSOR_RECORD_SIZE],
                        const struct tensor_record *t)
{
    unsigned char *o = out;

    field_put_u32(&o, t->type);
    field_put_u32(&o, t->rows);
    field_put_u32(&o, t->cols);
    field_put_u32(&o, 0);
    field_put(&o, t->root.b, 32);
}

int tensor_record_unpack(struct tensor_record *t,
                         const unsigned char in[TENSOR_RECORD_SIZE])
{
    const unsigned char *i = in;
    struct tensor_record r;

    r.type = field_take_u32(&i);
    r.rows = field_take_u32(&i);
    r.cols = field_take_u32(&i);
    if (field_take_u32(&i) != 0)
        return -1;
    field_take(&i, r.root.b, 32);
    *t = r;
    return 0;
}

void model_record_id(struct id *id, const struct model_record *r)
{
    unsigned char record[MODEL_RECORD_SIZE];

    model_record_pack(record, r);
    digest(id, record, sizeof(record));
}

void model_row_leaf(unsigned char out[36], float scale, const int8_t *row,
                    uint32_t cols)
{
    set_u32(out, f32_bits(scale));
    merkle_blob(id_in(out + 4), row, cols);
}
