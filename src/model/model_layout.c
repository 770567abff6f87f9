/*
 * The layout of a model file, before anything of it is believed, and the
 * checks that model.c and model_stream.c have in common.
 */
#include <config.h>

#include "model/model_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/merkle.h"

#define ALIGN 64
#define BITS_ONE 0x3f800000u
#define BITS_MINUS_ZERO 0x80000000u
#define BITS_EPS_MIN 0x2b800000u   /* 2^-40 */
#define BITS_SCALE_END 0x49800000u /* 2^20 */

static int bad(struct err *err, const char *field, uint64_t value,
               const char *limit)
{
    return err_set(err, ERR_INPUT,
                   "model record: %s is %" PRIu64 ", must be %s", field, value,
                   limit);
}

static int check_sizes(const struct model_record *r, struct err *err)
{
    uint64_t width = (uint64_t)r->n_heads * r->head_dim;

    if (r->numerics != X1_VERSION)
        return bad(err, "numerics version", r->numerics, "1");
    if (r->architecture != 1)
        return bad(err, "architecture", r->architecture, "1");
    if (r->n_layers < 1 || r->n_layers > MODEL_MAX_LAYERS)
        return bad(err, "number of layers", r->n_layers, "1 to 1024");
    if (r->dim < 1 || r->dim > X1_MAX_K)
        return bad(err, "width", r->dim, "1 to 131072");
    if (r->n_kv_heads < 1)
        return bad(err, "number of kv heads", r->n_kv_heads, "at least 1");
    if (r->n_heads < 1 || r->n_heads % r->n_kv_heads)
        return bad(err, "number of heads", r->n_heads,
                   "a multiple of the number of kv heads");
    if (r->head_dim < 2 || r->head_dim % 2 ||
        r->head_dim > X1_MAX_HEAD_DIM)
        return bad(err, "head width", r->head_dim, "even, 2 to 1024");
    if (width > X1_MAX_K)
        return bad(err, "width of all heads", width, "at most 131072");
    if (r->ffn_dim < 1 || r->ffn_dim > X1_MAX_K)
        return bad(err, "width of the ffn", r->ffn_dim, "1 to 131072");
    if (r->n_vocab < 1 || r->n_vocab > X1_MAX_VOCAB)
        return bad(err, "vocabulary", r->n_vocab, "1 to 262144");
    if (r->context < 1 || r->context > X1_MAX_CONTEXT)
        return bad(err, "context", r->context, "1 to 131072");
    if (r->window > X1_MAX_CONTEXT)
        return bad(err, "window", r->window, "at most 131072");
    if (r->flags & MODEL_LAYERS && r->window)
        return bad(err, "window", r->window, "0 where layers differ");
    return 0;
}

/* Flags that X1 has, and which of them exclude each other. */
static int check_flags(const struct model_record *r, struct err *err)
{
    uint32_t known = MODEL_TIED | MODEL_QKV_BIAS | MODEL_QK_NORM | MODEL_A8 |
                     MODEL_A8R | MODEL_LAYERS | MODEL_NORM_AFTER |
                     MODEL_WIDE_NORM | MODEL_NORM_BOTH | MODEL_GELU |
                     MODEL_SOFT_CAPS | MODEL_EXPERTS | MODEL_SHARE_ALL;
    uint32_t after = MODEL_NORM_AFTER | MODEL_NORM_BOTH;

    if (r->flags & MODEL_EXPERTS)
        known |= 0xffffffffu << MODEL_EXPERTS_AT;
    if (r->flags & ~known)
        return bad(err, "flags", r->flags, "made of 1, 2, 4 .. 4096");
    if (r->flags & MODEL_A8 && r->flags & MODEL_A8R)
        return bad(err, "flags", r->flags, "with 8 or 16, not both");
    if (r->flags & after && r->flags & MODEL_A8R)
        return bad(err, "flags", r->flags, "without 16 where it has 64 or 256");
    if (r->flags & MODEL_NORM_AFTER && r->flags & MODEL_NORM_BOTH)
        return bad(err, "flags", r->flags, "with 64 or 256, not both");
    if (r->flags & MODEL_WIDE_NORM && !(r->flags & MODEL_QK_NORM))
        return bad(err, "flags", r->flags, "with 4 where it has 128");
    if (r->flags & MODEL_SHARE_ALL && !(r->flags & MODEL_EXPERTS))
        return bad(err, "flags", r->flags, "with 2048 where it has 4096");
    if (r->flags & MODEL_EXPERTS && r->flags & (after | MODEL_A8R | MODEL_GELU))
        return bad(err, "flags", r->flags,
                   "without 16, 64, 256 and 512 where it has 2048");
    return 0;
}

/* Experts: a row of any of them begins a group of the kernels. */
static int check_experts(const struct model_record *r, struct err *err)
{
    uint32_t n = model_experts(r), used = model_experts_used(r);

    if (!(r->flags & MODEL_EXPERTS))
        return 0;
    if (n < 2)
        return bad(err, "number of experts", n, "2 to 1023");
    if (used < 1 || used > n)
        return bad(err, "number of experts of a token", used,
                   "1 to 63, and no more than there are");
    if (r->dim % X1_GROUP)
        return bad(err, "width", r->dim, "a multiple of 16 with experts");
    if (r->ffn_dim % X1_GROUP)
        return bad(err, "width of the ffn", r->ffn_dim,
                   "a multiple of 16 with experts");
    return 0;
}

static int check_rest(const struct model_record *r, struct err *err)
{
    uint32_t i;

    if (check_flags(r, err) || check_experts(r, err))
        return -1;
    /* by bits: a sign or a NaN is far above the upper limit */
    if (f32_bits(r->eps) < BITS_EPS_MIN ||
        f32_bits(r->eps) >= X1_LIMIT_BITS)
        return err_set(err, ERR_INPUT,
                       "model record: eps must be 2^-40 or more");
    if (f32_bits(r->attn_scale) == 0 ||
        f32_bits(r->attn_scale) >= BITS_SCALE_END)
        return err_set(err, ERR_INPUT, "model record: the attention scale "
                       "must be above 0 and below 2^20");
    if (r->flags & MODEL_LAYERS && f32_bits(r->attn_scale) != BITS_ONE)
        return err_set(err, ERR_INPUT, "model record: the attention scale "
                       "must be 1 where layers differ");
    if (r->bos != MODEL_NONE && r->bos >= r->n_vocab)
        return bad(err, "bos", r->bos, "a token id");
    if (r->n_eos > 8)
        return bad(err, "number of eos ids", r->n_eos, "at most 8");
    for (i = 0; i < 8; i++) {
        if (i < r->n_eos && r->eos[i] >= r->n_vocab)
            return bad(err, "eos", r->eos[i], "a token id");
        if (i >= r->n_eos && r->eos[i] != MODEL_NONE)
            return bad(err, "unused eos", r->eos[i], "4294967295");
    }
    if (r->tokenizer_size > MODEL_MAX_TOKENIZER)
        return bad(err, "tokenizer size", r->tokenizer_size,
                   "at most 64 MiB");
    if (r->template_size > MODEL_MAX_TEMPLATE)
        return bad(err, "chat template size", r->template_size,
                   "at most 1 MiB");
    if (r->n_tensors != model_tensor_at(r, r->n_layers, 0))
        return bad(err, "number of tensors", r->n_tensors,
                   r->flags & MODEL_EXPERTS     ? "4 + 17 times the layers"
                   : r->flags & MODEL_NORM_BOTH ? "4 + 16 times the layers"
                                                : "4 + 14 times the layers");
    return 0;
}

static void vector(struct tensor_record *t, uint32_t n)
{
    t->type = TENSOR_F32;
    t->rows = n;
    t->cols = 1;
}

static void matrix(struct tensor_record *t, uint32_t rows, uint32_t cols)
{
    t->type = TENSOR_W8;
    t->rows = rows;
    t->cols = cols;
}

uint32_t model_tables(const struct model_record *rec)
{
    return rec->flags & MODEL_LAYERS ? 2 : 1;
}

uint32_t model_caps_at(const struct model_record *rec)
{
    uint32_t n = rec->head_dim / 2 * model_tables(rec);

    if (rec->flags & MODEL_LAYERS)
        n += MODEL_LAYER_NUMBERS * rec->n_layers;
    return n;
}

/* Numbers of the tensor of inverse frequencies. */
static uint32_t frequencies(const struct model_record *rec)
{
    return model_caps_at(rec) + (rec->flags & MODEL_SOFT_CAPS ? MODEL_CAPS : 0);
}

void model_expect(const struct model_record *rec, uint32_t i,
                  struct tensor_record *t)
{
    uint32_t q = rec->n_heads * rec->head_dim;
    uint32_t kv = rec->n_kv_heads * rec->head_dim;
    uint32_t bias = rec->flags & MODEL_QKV_BIAS;
    uint32_t norm = rec->flags & MODEL_QK_NORM;
    bool wide = rec->flags & MODEL_WIDE_NORM;
    uint32_t experts = rec->flags & MODEL_EXPERTS ? model_experts(rec) : 1;
    uint32_t part = model_part_of(rec, i);

    memset(t, 0, sizeof(*t));
    if (i == TENSOR_EMBED || i == TENSOR_HEAD)
        matrix(t, rec->n_vocab, rec->dim);
    else if (i == TENSOR_INV_FREQ)
        vector(t, frequencies(rec));
    else if (i == TENSOR_FINAL_NORM)
        vector(t, rec->dim);
    if (i < TENSOR_LAYERS)
        return;
    switch (part) {
    case LAYER_ATTN_NORM:
    case LAYER_FFN_NORM:
        vector(t, rec->dim);
        break;
    case LAYER_ATTN_AFTER:
    case LAYER_FFN_AFTER:
        if (rec->flags & MODEL_NORM_BOTH)
            vector(t, rec->dim);
        break;
    case LAYER_ROUTER:
        matrix(t, model_experts(rec), rec->dim);
        break;
    case LAYER_WQ:
        matrix(t, q, rec->dim);
        break;
    case LAYER_WK:
    case LAYER_WV:
        matrix(t, kv, rec->dim);
        break;
    case LAYER_WO:
        matrix(t, rec->dim, q);
        break;
    case LAYER_BQ:
        if (bias)
            vector(t, q);
        break;
    case LAYER_BK:
    case LAYER_BV:
        if (bias)
            vector(t, kv);
        break;
    case LAYER_Q_NORM:
    case LAYER_K_NORM:
        if (norm)
            vector(t, !wide ? rec->head_dim : part == LAYER_Q_NORM ? q : kv);
        break;
    case LAYER_GATE:
    case LAYER_UP:
        matrix(t, experts * rec->ffn_dim, rec->dim);
        break;
    case LAYER_DOWN:
        matrix(t, experts * rec->dim, rec->ffn_dim);
        break;
    }
}

/* *at += n, or -1. */
static int advance(uint64_t *at, uint64_t n)
{
    if (n > UINT64_MAX - *at)
        return -1;
    *at += n;
    return 0;
}

/* *at up to the next multiple of ALIGN. */
static int align(uint64_t *at)
{
    return advance(at, (ALIGN - *at % ALIGN) % ALIGN);
}

/* Put a part of n bytes at *at; one of no bytes takes no padding either. */
static int place(uint64_t *at, uint64_t n, uint64_t *offset)
{
    if (n && align(at))
        return -1;
    *offset = *at;
    return advance(at, n);
}

/* Rows are below 2^28 and columns below 2^18, so the products are below
 * 2^46. */
uint64_t model_tensor_scales(const struct tensor_record *t)
{
    uint64_t n = (uint64_t)t->rows * 4;

    return n + (ALIGN - n % ALIGN) % ALIGN;
}

uint64_t model_tensor_size(const struct tensor_record *t)
{
    if (t->type == TENSOR_F32)
        return (uint64_t)t->rows * 4;
    if (t->type == TENSOR_W8)
        return model_tensor_scales(t) + (uint64_t)t->rows * t->cols;
    return 0;
}

int model_check(const struct model_record *rec, struct err *err)
{
    if (check_sizes(rec, err) || check_rest(rec, err))
        return -1;
    return 0;
}

int model_layout(struct model_layout *lay, const struct model_record *rec,
                 struct err *err)
{
    struct model_layout out;
    uint64_t at = MODEL_RECORD_SIZE;
    int over;

    if (model_check(rec, err))
        return -1;
    over = advance(&at, (uint64_t)rec->n_tensors * TENSOR_RECORD_SIZE);
    out.offset = xcalloc(rec->n_tensors, sizeof(*out.offset));
    for (uint32_t i = 0; i < rec->n_tensors; i++) {
        struct tensor_record t;

        model_expect(rec, i, &t);
        /* A tied head has the embedding's record, and its bytes: they lie in
         * the file once. */
        if (i == TENSOR_HEAD && rec->flags & MODEL_TIED)
            out.offset[i] = out.offset[TENSOR_EMBED];
        else
            over |= place(&at, model_tensor_size(&t), &out.offset[i]);
    }
    over |= place(&at, rec->tokenizer_size, &out.tokenizer);
    over |= place(&at, rec->template_size, &out.chat_template);
    out.size = at;
    if (over || at > INT64_MAX || at > SIZE_MAX) {
        free(out.offset);
        return err_set(err, ERR_INPUT,
                       "model record: the model is too large");
    }
    *lay = out;
    return 0;
}

void model_layout_clear(struct model_layout *lay)
{
    free(lay->offset);
    memset(lay, 0, sizeof(*lay));
}

uint64_t model_parameters(const struct model_record *rec)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < rec->n_tensors; i++) {
        struct tensor_record t;

        model_expect(rec, i, &t);
        if (i == TENSOR_INV_FREQ ||
            (i == TENSOR_HEAD && rec->flags & MODEL_TIED))
            continue;
        n += (uint64_t)t.rows * t.cols;
    }
    return n;
}

void model_tensor_name(char out[MODEL_TENSOR_NAME],
                       const struct model_record *rec, uint32_t i)
{
    static const char *const top[] = {
        "embedding", "inverse frequencies", "final norm", "head"
    };
    static const char *const part[] = { "attention norm",
                                        "wq",
                                        "wk",
                                        "wv",
                                        "wo",
                                        "bq",
                                        "bk",
                                        "bv",
                                        "q norm",
                                        "k norm",
                                        "ffn norm",
                                        "gate",
                                        "up",
                                        "down",
                                        "norm after attention",
                                        "norm after ffn",
                                        "router" };

    if (i < TENSOR_LAYERS)
        snprintf(out, MODEL_TENSOR_NAME, "%s", top[i]);
    else
        snprintf(out, MODEL_TENSOR_NAME, "layer %u %s", model_layer_of(rec, i),
                 part[model_part_of(rec, i)]);
}

int model_wrong(const struct model_record *rec, uint32_t i, const char *what,
                struct err *err)
{
    char name[MODEL_TENSOR_NAME];

    model_tensor_name(name, rec, i);
    return err_set(err, ERR_INPUT, "%s: %s", name, what);
}

int model_check_tensors(struct tensor_record *t, const unsigned char *raw,
                        const struct model_record *rec, struct err *err)
{
    struct merkle tree;
    struct id root;

    merkle_init(&tree);
    for (uint32_t i = 0; i < rec->n_tensors; i++) {
        const unsigned char *p = raw + (size_t)i * TENSOR_RECORD_SIZE;
        struct tensor_record e;

        merkle_leaf(&tree, p, TENSOR_RECORD_SIZE);
        model_expect(rec, i, &e);
        if (tensor_record_unpack(&t[i], p))
            return model_wrong(rec, i, "its tensor record is malformed", err);
        if (t[i].type != e.type || t[i].rows != e.rows ||
            t[i].cols != e.cols)
            return model_wrong(rec, i,
                               "its type or shape is not the one that the "
                               "model record asks for",
                               err);
        if (e.type == TENSOR_ABSENT && !id_equal(t[i].root, e.root))
            return model_wrong(rec, i, "it is absent and has a root", err);
    }
    if (rec->flags & MODEL_TIED &&
        !id_equal(t[TENSOR_HEAD].root, t[TENSOR_EMBED].root))
        return model_wrong(rec, TENSOR_HEAD, "it does not repeat the embedding",
                           err);
    merkle_root(&tree, &root);
    if (!id_equal(root, rec->tensors))
        return err_set(err, ERR_INPUT, "the tensor records do not have the "
                       "root of the model record");
    return 0;
}

/* Index of the first of n floats that is 2^40 or more in size, or NaN, or, if
 * `unit`, outside [0, 1]; n if there is none. */
static size_t first_bad(const unsigned char *p, size_t n, bool unit)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t b = get_u32(p + 4 * i);

        if ((b & 0x7fffffff) >= X1_LIMIT_BITS)
            return i;
        if (unit && b > BITS_ONE && b != BITS_MINUS_ZERO)
            return i;
    }
    return n;
}

/* Whether the four numbers of a layer are within the limits of the fields of a
 * record; a window is a whole number. */
static bool is_layer(const unsigned char *p)
{
    uint32_t window = get_u32(p + 4 * MODEL_LAYER_WINDOW);
    uint32_t scale = get_u32(p + 4 * MODEL_LAYER_SCALE);
    uint32_t table = get_u32(p + 4 * MODEL_LAYER_TABLE);
    float w = f32_from(window);

    /* by bits first: a sign or a NaN is far above the limit */
    return window <= f32_bits((float)X1_MAX_CONTEXT) &&
           f32_bits((float)(uint32_t)w) == window && scale > 0 &&
           scale < BITS_SCALE_END && (table == 0 || table == BITS_ONE) &&
           get_u32(p + 12) == 0;
}

/* The same of the numbers of layers. */
static size_t first_bad_layer(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i += MODEL_LAYER_NUMBERS)
        if (!is_layer(p + 4 * i))
            return i;
    return n;
}

/* The same of soft caps: 0 or 1 and more, below 2^20, and one of them is not
 * 0. */
static size_t first_bad_cap(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t b = get_u32(p + 4 * i);

        if (b && (b < BITS_ONE || b >= BITS_SCALE_END))
            return i;
    }
    return n && !get_u32(p) && !get_u32(p + 4) ? 0 : n;
}

int model_check_floats(const struct model_record *rec, uint32_t i,
                       const unsigned char *p, size_t n, struct err *err)
{
    size_t tables = n, layers = n, k;
    char what[64];

    if (i == TENSOR_INV_FREQ) {
        tables = (size_t)rec->head_dim / 2 * model_tables(rec);
        layers = model_caps_at(rec);
    }
    k = first_bad(p, tables, i == TENSOR_INV_FREQ);
    if (k == tables)
        k += first_bad_layer(p + 4 * tables, layers - tables);
    if (k == layers)
        k += first_bad_cap(p + 4 * layers, n - layers);
    if (k == n)
        return 0;
    snprintf(what, sizeof(what), "value %zu of its floats is out of range", k);
    return model_wrong(rec, i, what, err);
}
