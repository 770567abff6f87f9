/*
 * The bytes of model and tensor records.  What their values may be is for
 * those who read a model to judge.
 */
#include <config.h>

#include "proof/model_record.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "proof/digest.h"
#include "proof/merkle.h"

static const char magic[8] = "apusmdl1";

/* Fields one after the other. */
struct out {
    unsigned char *at;
};

struct in {
    const unsigned char *at;
};

static void put(struct out *o, const void *data, size_t n)
{
    memcpy(o->at, data, n);
    o->at += n;
}

static void put_u32(struct out *o, uint32_t v)
{
    set_u32(o->at, v);
    o->at += 4;
}

static void put_u64(struct out *o, uint64_t v)
{
    set_u64(o->at, v);
    o->at += 8;
}

static void take(struct in *i, void *data, size_t n)
{
    memcpy(data, i->at, n);
    i->at += n;
}

static uint32_t take_u32(struct in *i)
{
    i->at += 4;
    return get_u32(i->at - 4);
}

static uint64_t take_u64(struct in *i)
{
    i->at += 8;
    return get_u64(i->at - 8);
}

void model_record_pack(unsigned char out[MODEL_RECORD_SIZE],
                       const struct model_record *r)
{
    struct out o = { out };

    put(&o, magic, sizeof magic);
    put_u32(&o, r->numerics);
    put_u32(&o, r->architecture);
    put_u32(&o, r->n_layers);
    put_u32(&o, r->dim);
    put_u32(&o, r->n_heads);
    put_u32(&o, r->n_kv_heads);
    put_u32(&o, r->head_dim);
    put_u32(&o, r->ffn_dim);
    put_u32(&o, r->n_vocab);
    put_u32(&o, r->context);
    put_u32(&o, r->window);
    put_u32(&o, r->flags);
    put_u32(&o, f32_bits(r->eps));
    put_u32(&o, f32_bits(r->attn_scale));
    put_u32(&o, r->bos);
    put_u32(&o, r->n_eos);
    for (int i = 0; i < 8; i++)
        put_u32(&o, r->eos[i]);
    put_u64(&o, r->tokenizer_size);
    put(&o, r->tokenizer, 32);
    put_u64(&o, r->template_size);
    put(&o, r->template_blob, 32);
    put_u32(&o, r->n_tensors);
    put_u32(&o, 0);
    put(&o, r->tensors, 32);
}

int model_record_unpack(struct model_record *r,
                        const unsigned char in[MODEL_RECORD_SIZE])
{
    struct in i = { in + sizeof magic };
    struct model_record t;

    if (memcmp(in, magic, sizeof magic) != 0)
        return -1;
    t.numerics = take_u32(&i);
    t.architecture = take_u32(&i);
    t.n_layers = take_u32(&i);
    t.dim = take_u32(&i);
    t.n_heads = take_u32(&i);
    t.n_kv_heads = take_u32(&i);
    t.head_dim = take_u32(&i);
    t.ffn_dim = take_u32(&i);
    t.n_vocab = take_u32(&i);
    t.context = take_u32(&i);
    t.window = take_u32(&i);
    t.flags = take_u32(&i);
    t.eps = f32_from(take_u32(&i));
    t.attn_scale = f32_from(take_u32(&i));
    t.bos = take_u32(&i);
    t.n_eos = take_u32(&i);
    for (int k = 0; k < 8; k++)
        t.eos[k] = take_u32(&i);
    t.tokenizer_size = take_u64(&i);
    take(&i, t.tokenizer, 32);
    t.template_size = take_u64(&i);
    take(&i, t.template_blob, 32);
    t.n_tensors = take_u32(&i);
    if (take_u32(&i) != 0)
        return -1;
    take(&i, t.tensors, 32);
    *r = t;
    return 0;
}

void tensor_record_pack(unsigned char out[TENSOR_RECORD_SIZE],
                        const struct tensor_record *t)
{
    struct out o = { out };

    put_u32(&o, t->type);
    put_u32(&o, t->rows);
    put_u32(&o, t->cols);
    put_u32(&o, 0);
    put(&o, t->root, 32);
}

int tensor_record_unpack(struct tensor_record *t,
                         const unsigned char in[TENSOR_RECORD_SIZE])
{
    struct in i = { in };
    struct tensor_record r;

    r.type = take_u32(&i);
    r.rows = take_u32(&i);
    r.cols = take_u32(&i);
    if (take_u32(&i) != 0)
        return -1;
    take(&i, r.root, 32);
    *t = r;
    return 0;
}

void model_record_id(unsigned char id[32], const struct model_record *r)
{
    unsigned char record[MODEL_RECORD_SIZE];

    model_record_pack(record, r);
    digest(id, record, sizeof record);
}

void model_row_leaf(unsigned char out[36], float scale, const int8_t *row,
                    uint32_t cols)
{
    set_u32(out, f32_bits(scale));
    merkle_blob(out + 4, row, cols);
}
