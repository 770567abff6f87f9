/*
 * The model record and the tensor records (proof.md section 2), which name a
 * model for ever: model id = H(model record).
 *
 * Here the records have their values; the bytes of a tensor are hashed where
 * they are read (model/model.c, model/model_stream.c).  Whether the values fit
 * together is model/model_layout.h's to say.
 */
#ifndef APUS_PROOF_MODEL_RECORD_H
#define APUS_PROOF_MODEL_RECORD_H

#include <stdint.h>

#include "base/id.h"

#define MODEL_RECORD_SIZE 224
#define TENSOR_RECORD_SIZE 48
#define MODEL_EOS 8
#define MODEL_NONE 0xffffffffu /* no bos, an unused eos */

/* Flags.  A tensor that a flag leaves out has a record all the same, of type
 * TENSOR_ABSENT, so that an index means one tensor in every model.
 *
 * 8 and 16 exclude each other: A8 inputs of all linears, or of all but down and
 * the head, over weights that were rotated for it (doc/numerics.md).  What is
 * neither has A14 inputs. */
enum {
    MODEL_TIED = 1,      /* the head repeats the embedding */
    MODEL_QKV_BIAS = 2,  /* bq, bk, bv are there */
    MODEL_QK_NORM = 4,   /* q norm, k norm are there */
    MODEL_A8 = 8,        /* inputs of linears are A8 */
    MODEL_A8R = 16,      /* .. but of down and the head; weights are rotated */
    MODEL_LAYERS = 32,   /* layers differ: window, scale and table by layer */
    MODEL_NORM_AFTER = 64, /* the two norms of a layer are of what it adds */
    MODEL_WIDE_NORM = 128, /* q norm, k norm are over all heads: Hq*HD and
                              Hkv*HD numbers instead of HD */
    MODEL_NORM_BOTH = 256, /* norms before and after: two more tensors a
                              layer */
    MODEL_GELU = 512,      /* GELU instead of SiLU */
    MODEL_SOFT_CAPS = 1024, /* of scores, of logits, or both */
    MODEL_EXPERTS = 2048,  /* gate, up and down are those of experts */
    MODEL_SHARE_ALL = 4096 /* .. whose shares are of all of them, not of those
                              that a token has */
};

/* With 2048 the flags have two numbers, too: in bits 16 to 25 how many experts
 * there are, in bits 26 to 31 how many of them a token has. */
#define MODEL_EXPERTS_AT 16
#define MODEL_USED_AT 26
#define MODEL_EXPERTS_MAX 1023
#define MODEL_USED_MAX 63

/* With 32 the tensor of inverse frequencies has two tables of head_dim / 2, and
 * then four numbers a layer: window, attention scale, table 0 or 1, and 0.  The
 * window of the record is 0 then and its scale 1; neither is read. */
#define MODEL_LAYER_NUMBERS 4
enum { MODEL_LAYER_WINDOW, MODEL_LAYER_SCALE, MODEL_LAYER_TABLE };

/* With 1024 that tensor ends with two more numbers: the soft cap of scores and
 * that of logits, 0 for none. */
#define MODEL_CAPS 2
enum { MODEL_CAP_SCORES, MODEL_CAP_LOGITS };

/* Indices of tensors: the first four, then 14 a layer. */
enum {
    TENSOR_EMBED = 0, TENSOR_INV_FREQ, TENSOR_FINAL_NORM, TENSOR_HEAD,
    TENSOR_LAYERS /* 4 + 14 l + one of the below; 16 l with MODEL_NORM_BOTH */
};
enum {
    LAYER_ATTN_NORM = 0, LAYER_WQ, LAYER_WK, LAYER_WV, LAYER_WO, LAYER_BQ,
    LAYER_BK, LAYER_BV, LAYER_Q_NORM, LAYER_K_NORM, LAYER_FFN_NORM,
    LAYER_GATE, LAYER_UP, LAYER_DOWN, LAYER_TENSORS,
    LAYER_ATTN_AFTER = LAYER_TENSORS, LAYER_FFN_AFTER, LAYER_TENSORS_BOTH,
    LAYER_ROUTER = LAYER_TENSORS_BOTH, LAYER_TENSORS_EXPERTS
};

/* Types of a tensor record: nothing, f32 in a row, or int8 rows of which each
 * has one f32 scale (W8 in doc/numerics.md). */
enum { TENSOR_ABSENT = 0, TENSOR_F32 = 1, TENSOR_W8 = 2 };

/* Shapes: wq is Hq*HD x d, wk and wv are Hkv*HD x d, wo is d x Hq*HD, gate and
 * up are ffn x d, down is d x ffn, embedding and head are V x d.  Gates, ups
 * and downs of experts are one below the other, in the order of their numbers:
 * rows e * ffn and on of gate and up, e * d and on of down, are expert e's.
 * The router is experts x d; its outputs are what they are chosen by.  Hq is a
 * multiple of Hkv: so many heads of queries share one of keys and values. */
struct model_record {
    uint32_t numerics;     /* 1 */
    uint32_t architecture; /* 1 */
    uint32_t n_layers;     /* L */
    uint32_t dim;          /* d */
    uint32_t n_heads;      /* Hq */
    uint32_t n_kv_heads;   /* Hkv */
    uint32_t head_dim;     /* HD */
    uint32_t ffn_dim;
    uint32_t n_vocab;      /* V */
    uint32_t context;      /* positions */
    uint32_t window;       /* 0 none */
    uint32_t flags;        /* MODEL_... */
    float eps;             /* of every RMSNorm */
    float attn_scale;      /* 1/sqrt(HD) in most models */
    uint32_t bos;          /* MODEL_NONE if none */
    uint32_t n_eos;        /* 0 to MODEL_EOS */
    uint32_t eos[MODEL_EOS]; /* unused ones MODEL_NONE */
    uint64_t tokenizer_size;
    struct id tokenizer; /* blob */
    uint64_t template_size;
    struct id template_blob;
    uint32_t n_tensors;    /* 4 + 14 L */
    struct id tensors;     /* mth over the tensor records */
};

/* A vector's root is the blob of its numbers.  A matrix's is the mth over its
 * rows (model_row_leaf): one row can be proven without the others. */
struct tensor_record {
    uint32_t type; /* TENSOR_... */
    uint32_t rows; /* a vector of n: rows n, cols 1 */
    uint32_t cols;
    struct id root;
};

/* How many experts each layer of a model has, 0 for none: a model has them in
 * all of its layers, or in none. */
static inline uint32_t model_experts(const struct model_record *r)
{
    return r->flags & MODEL_EXPERTS
               ? r->flags >> MODEL_EXPERTS_AT & MODEL_EXPERTS_MAX : 0;
}

/* .. and how many of them a token has, 0 for none; they differ from token to
 * token and from layer to layer. */
static inline uint32_t model_experts_used(const struct model_record *r)
{
    return r->flags & MODEL_EXPERTS ? r->flags >> MODEL_USED_AT : 0;
}

/* How many tensors a layer has: those of a model that has norms before and
 * after are two more, at its end, and one with experts has these two and a
 * router after them. */
static inline uint32_t model_layer_tensors(const struct model_record *r)
{
    if (r->flags & MODEL_EXPERTS)
        return LAYER_TENSORS_EXPERTS;
    return r->flags & MODEL_NORM_BOTH ? LAYER_TENSORS_BOTH : LAYER_TENSORS;
}

/* The index of this part of layer l; with l = L and part 0 the number of all
 * tensors. */
static inline uint32_t model_tensor_at(const struct model_record *r,
                                       uint32_t l, uint32_t part)
{
    return TENSOR_LAYERS + model_layer_tensors(r) * l + part;
}

/* The layer and the part of tensor i, which is TENSOR_LAYERS or above; what
 * they give of a lower index means nothing. */
static inline uint32_t model_layer_of(const struct model_record *r, uint32_t i)
{
    return (i - TENSOR_LAYERS) / model_layer_tensors(r);
}
static inline uint32_t model_part_of(const struct model_record *r, uint32_t i)
{
    return (i - TENSOR_LAYERS) % model_layer_tensors(r);
}

/* To and from the bytes of doc/proof.md, whose zero fields are written as 0. */
void model_record_pack(unsigned char out[MODEL_RECORD_SIZE],
                       const struct model_record *r);
/* -1 if the magic or a zero field is wrong; values are not judged here. */
int model_record_unpack(struct model_record *r,
                        const unsigned char in[MODEL_RECORD_SIZE]);

/* The same for a tensor; -1 if its zero field is wrong. */
void tensor_record_pack(unsigned char out[TENSOR_RECORD_SIZE],
                        const struct tensor_record *t);
int tensor_record_unpack(struct tensor_record *t,
                         const unsigned char in[TENSOR_RECORD_SIZE]);

/* The id: H of the packed record. */
void model_record_id(struct id *id, const struct model_record *r);

/* Leaf of one row of a W8 matrix: s_w (f32) || blob(int8 row), 36 bytes. */
void model_row_leaf(unsigned char out[36], float scale, const int8_t *row,
                    uint32_t cols);

#endif
