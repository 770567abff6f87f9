/*
 * The smallest model record.
 */
#include <config.h>

#include "tests/mini_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "model/model_layout.h"
#include "proof/merkle.h"

void mini_root(const struct mini *m, uint32_t i, struct tensor_record *t)
{
    const unsigned char *p = m->data + m->lay.offset[i];
    const unsigned char *w = p + model_tensor_scales(t);
    struct merkle tree;
    unsigned char leaf[36];

    if (t->type == TENSOR_F32)
        merkle_blob(&t->root, p, 4 * (size_t)t->rows);
    if (t->type != TENSOR_W8)
        return;
    merkle_init(&tree);
    for (uint32_t n = 0; n < t->rows; n++) {
        model_row_leaf(leaf, f32_from(get_u32(p + 4 * n)),
                       (const int8_t *)w + (size_t)n * t->cols, t->cols);
        merkle_leaf(&tree, leaf, sizeof(leaf));
    }
    merkle_root(&tree, &t->root);
}

void mini_seal(struct mini *m)
{
    struct merkle tree;

    merkle_init(&tree);
    for (uint32_t i = 0; i < m->rec.n_tensors; i++) {
        unsigned char *p = m->data + MODEL_RECORD_SIZE +
                           (size_t)i * TENSOR_RECORD_SIZE;
        struct tensor_record t;

        model_expect(&m->rec, i, &t);
        mini_root(m, i, &t);
        tensor_record_pack(p, &t);
        merkle_leaf(&tree, p, TENSOR_RECORD_SIZE);
    }
    merkle_root(&tree, &m->rec.tensors);
    merkle_blob(&m->rec.tokenizer, m->data + m->lay.tokenizer,
                (size_t)m->rec.tokenizer_size);
    merkle_blob(&m->rec.template_blob, m->data + m->lay.chat_template,
                (size_t)m->rec.template_size);
    model_record_pack(m->data, &m->rec);
}

void mini_init(struct mini *m, uint32_t flags)
{
    struct model_record *r = &m->rec;

    memset(m, 0, sizeof(*m));
    r->numerics = 1;
    r->architecture = 1;
    r->n_layers = 1;
    r->dim = 4;
    r->n_heads = 2;
    r->n_kv_heads = 1;
    r->head_dim = 4;
    r->ffn_dim = 3;
    r->n_vocab = 5;
    r->context = 16;
    r->flags = flags;
    r->eps = 1e-5f;
    r->attn_scale = 0.5f;
    r->bos = 1;
    r->n_eos = 1;
    memset(r->eos, 0xff, sizeof(r->eos));
    r->eos[0] = 2;
    r->tokenizer_size = 70;
    r->template_size = 9;
    if (flags & MODEL_LAYERS)
        r->attn_scale = 1;
    r->n_tensors = TENSOR_LAYERS + LAYER_TENSORS;
    if (model_layout(&m->lay, r, NULL))
        abort();
    m->data = xcalloc(1, (size_t)m->lay.size);
    for (uint32_t i = 0; i < r->n_tensors; i++) {
        unsigned char *p = m->data + m->lay.offset[i];
        struct tensor_record t;

        model_expect(r, i, &t);
        for (uint32_t n = 0; t.type && n < t.rows; n++)
            set_u32(p + 4 * n, f32_bits(1.0f / (float)(n + 1 + i)));
        for (uint32_t n = 0; t.type == TENSOR_W8 && n < t.rows * t.cols; n++)
            p[model_tensor_scales(&t) + n] = (unsigned char)(n * 3 + i);
    }
    memset(m->data + m->lay.tokenizer, 't', 70);
    memset(m->data + m->lay.chat_template, 'c', 9);
    mini_seal(m);
}

void mini_clear(struct mini *m)
{
    model_layout_clear(&m->lay);
    free(m->data);
    memset(m, 0, sizeof(*m));
}
