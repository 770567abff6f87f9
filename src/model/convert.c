/*
 * From a Hugging Face directory to a model file, one row at a time.  The file
 * is written in order behind a header of zeros; scales, records and the model
 * record are put in when they are known.  Names are hf_tensors.c, the record
 * hf_config.c, numbers of the source safetensors.c, W8 the kernels.
 */
#include <config.h>

#include "model/convert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "kernels/kernels.h"
#include "model/import/hf_config.h"
#include "model/import/hf_tensors.h"
#include "model/import/safetensors.h"
#include "model/model_layout.h"
#include "model/smooth.h"
#include "proof/merkle.h"
#include "text/tokenizer.h"

#define MAX_CONFIG ((size_t)16 << 20) /* tokenizer_config.json */

struct conversion {
    const char *dir;
    const struct convert_options *o;
    struct hf_config c;
    struct model_layout lay;
    struct safetensors *st;
    struct file_out *f;
    struct tensor_record *t; /* n_tensors, as they become known */
    struct buf tokenizer, chat;
    float *x;       /* one row or vector of the source */
    float *scale;   /* of a matrix */
    int8_t *w;      /* one row */
    float *gain;    /* attention norm, for smoothing */
    unsigned char *power; /* kv heads x head_dim / 2, of the layer */
    bool smooth;    /* some power of the layer is not 0 */
};

static size_t longest(const struct model_record *r)
{
    size_t n = r->dim, q = (size_t)r->n_heads * r->head_dim;

    n = n < q ? q : n;
    return n < r->ffn_dim ? r->ffn_dim : n;
}

/* How many rows the tallest matrix has. */
static size_t tallest(const struct model_record *r)
{
    size_t n = longest(r);

    return n < r->n_vocab ? r->n_vocab : n;
}

/* Numbers [from, from + n) of a source tensor into c->x, checked. */
static int get(struct conversion *c, const struct safetensor *t,
               uint64_t from, size_t n, struct err *err)
{
    int32_t k;

    if (safetensors_read(c->st, t, from, n, c->x, err))
        return -1;
    k = x1_fault(c->x, n);
    if (k >= 0)
        return err_set(err, ERR_INPUT,
                       "tensor \"%s\": number %" PRIu64 " is not "
                       "below 2^40 in size",
                       t->name, from + (uint64_t)k);
    return 0;
}

static const struct safetensor *source(const struct conversion *c,
                                       uint32_t layer, uint32_t part)
{
    return hf_tensors_get(c->st, &c->c.rec,
                          TENSOR_LAYERS + LAYER_TENSORS * layer + part);
}

/* Sizes of the pairs of one kv head, m[0..head_dim / 2). */
static int head_sizes(struct conversion *c, uint32_t layer, uint32_t head,
                      double *m, struct err *err)
{
    const struct model_record *r = &c->c.rec;
    const struct safetensor *wk = source(c, layer, LAYER_WK);
    const struct safetensor *bk = source(c, layer, LAYER_BK);
    uint32_t half = r->head_dim / 2;

    for (uint32_t i = 0; i < r->head_dim; i++) {
        uint64_t row = (uint64_t)head * r->head_dim + i;
        float b = 0;
        double size;

        if (bk && get(c, bk, row, 1, err))
            return -1;
        if (bk)
            b = c->x[0];
        if (get(c, wk, row * r->dim, r->dim, err))
            return -1;
        size = smooth_size(c->x, c->gain, r->dim, b);
        if (i < half || size > m[i - half])
            m[i % half] = size;
    }
    return 0;
}

/* The powers of a layer whose heads have norms: one pair of gains. */
static int norm_powers(struct conversion *c, uint32_t layer, double *m,
                       struct err *err)
{
    const struct model_record *r = &c->c.rec;
    uint32_t half = r->head_dim / 2;

    if (get(c, source(c, layer, LAYER_K_NORM), 0, r->head_dim, err))
        return -1;
    for (uint32_t i = 0; i < r->head_dim; i++) {
        double size = c->x[i] < 0 ? -c->x[i] : c->x[i];

        if (i < half || size > m[i - half])
            m[i % half] = size;
    }
    c->smooth = smooth_powers(c->power, m, half);
    return 0;
}

static int layer_powers(struct conversion *c, uint32_t layer,
                        struct err *err)
{
    const struct model_record *r = &c->c.rec;
    uint32_t half = r->head_dim / 2;
    double m[X1_MAX_HEAD_DIM / 2];

    c->smooth = false;
    if (!c->o->smooth_auto)
        return 0;
    if (r->flags & MODEL_QK_NORM)
        return norm_powers(c, layer, m, err);
    if (get(c, source(c, layer, LAYER_ATTN_NORM), 0, r->dim, err))
        return -1;
    memcpy(c->gain, c->x, r->dim * sizeof(*c->gain));
    for (uint32_t g = 0; g < r->n_kv_heads; g++) {
        if (head_sizes(c, layer, g, m, err))
            return -1;
        c->smooth |= smooth_powers(c->power + (size_t)g * half, m, half);
    }
    return 0;
}

/* The power of two that channel `row` of part `part` is multiplied by. */
static int power_of(const struct conversion *c, uint32_t part, uint32_t row)
{
    const struct model_record *r = &c->c.rec;
    uint32_t half = r->head_dim / 2, head = row / r->head_dim;
    uint32_t pair = row % r->head_dim % half;
    bool norm = r->flags & MODEL_QK_NORM;

    if (!c->smooth)
        return 0;
    if (norm) {
        if (part == LAYER_Q_NORM)
            return c->power[pair];
        return part == LAYER_K_NORM ? -c->power[pair] : 0;
    }
    if (part == LAYER_WQ || part == LAYER_BQ) {
        head /= r->n_heads / r->n_kv_heads;
        return c->power[(size_t)head * half + pair];
    }
    if (part == LAYER_WK || part == LAYER_BK)
        return -c->power[(size_t)head * half + pair];
    return 0;
}

/* The same by index; 0 outside the layers. */
static int power_at(const struct conversion *c, uint32_t i, uint32_t row)
{
    if (i < TENSOR_LAYERS)
        return 0;
    return power_of(c, (i - TENSOR_LAYERS) % LAYER_TENSORS, row);
}

static int put_zeros(struct conversion *c, uint64_t to, struct err *err)
{
    static const unsigned char zeros[4096];
    uint64_t n = to - file_out_size(c->f);

    while (n) {
        size_t k = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

        if (file_out_put(c->f, zeros, k, err))
            return -1;
        n -= k;
    }
    return 0;
}

/* Floats are stored as they lie here: model.c asserts the byte order. */
static int put_vector(struct conversion *c, uint32_t i, struct err *err)
{
    const struct safetensor *t = hf_tensors_get(c->st, &c->c.rec, i);
    struct tensor_record *rec = &c->t[i];
    size_t n = rec->rows;

    if (i == TENSOR_INV_FREQ)
        memcpy(c->x, c->c.inv_freq, n * sizeof(*c->x));
    else if (get(c, t, 0, n, err))
        return -1;
    for (size_t k = 0; k < n; k++)
        smooth_scale(&c->x[k], 1, power_at(c, i, (uint32_t)k));
    if (x1_fault(c->x, n) >= 0)
        return err_set(err, ERR_INPUT, "tensor \"%s\" is 2^40 or more in "
                       "size after smoothing; use --smooth off", t->name);
    merkle_blob(&rec->root, c->x, 4 * n);
    return file_out_put(c->f, c->x, 4 * n, err);
}

static int put_matrix(struct conversion *c, uint32_t i, struct err *err)
{
    const struct safetensor *t = hf_tensors_get(c->st, &c->c.rec, i);
    struct tensor_record *rec = &c->t[i];
    uint64_t at = file_out_size(c->f);
    unsigned char leaf[36];
    struct merkle tree;

    if (put_zeros(c, at + model_tensor_scales(rec), err))
        return -1;
    merkle_init(&tree);
    for (uint32_t n = 0; n < rec->rows; n++) {
        if (get(c, t, (uint64_t)n * rec->cols, rec->cols, err))
            return -1;
        smooth_scale(c->x, rec->cols, power_at(c, i, n));
        if (x1_fault(c->x, rec->cols) >= 0)
            return err_set(err, ERR_INPUT, "tensor \"%s\" is 2^40 or more in "
                           "size after smoothing; use --smooth off",
                           t->name);
        x1_w8_row(c->w, &c->scale[n], c->x, rec->cols);
        model_row_leaf(leaf, c->scale[n], c->w, rec->cols);
        merkle_leaf(&tree, leaf, sizeof(leaf));
        if (file_out_put(c->f, c->w, rec->cols, err))
            return -1;
    }
    merkle_root(&tree, &rec->root);
    return file_out_patch(c->f, at, c->scale, (size_t)rec->rows * 4, err);
}

static int put_tensor(struct conversion *c, uint32_t i, struct err *err)
{
    const struct model_record *r = &c->c.rec;

    model_expect(r, i, &c->t[i]);
    if (i >= TENSOR_LAYERS && (i - TENSOR_LAYERS) % LAYER_TENSORS == 0 &&
        layer_powers(c, (i - TENSOR_LAYERS) / LAYER_TENSORS, err))
        return -1;
    if (i == TENSOR_HEAD && r->flags & MODEL_TIED) {
        c->t[i] = c->t[TENSOR_EMBED];
        return 0;
    }
    if (c->t[i].type == TENSOR_ABSENT)
        return 0;
    if (put_zeros(c, c->lay.offset[i], err))
        return -1;
    if (c->t[i].type == TENSOR_F32)
        return put_vector(c, i, err);
    return put_matrix(c, i, err);
}

/* A tied checkpoint may save the head too; then it is the same. */
static int check_tied(struct conversion *c, struct err *err)
{
    const struct model_record *r = &c->c.rec;
    const struct safetensor *e, *h;
    float *other;
    int rc = 0;

    if (!(r->flags & MODEL_TIED))
        return 0;
    e = hf_tensors_get(c->st, r, TENSOR_EMBED);
    h = safetensors_find(c->st, "lm_head.weight");
    if (!h || h == e)
        return 0;
    if (h->n != e->n)
        return err_set(err, ERR_INPUT, "tie_word_embeddings is true, but "
                       "\"%s\" and \"%s\" differ in shape", e->name, h->name);
    other = xmalloc(r->dim * sizeof(*other));
    for (uint32_t n = 0; n < r->n_vocab && !rc; n++) {
        uint64_t at = (uint64_t)n * r->dim;

        rc = get(c, e, at, r->dim, err);
        memcpy(other, c->x, r->dim * sizeof(*other));
        if (!rc)
            rc = get(c, h, at, r->dim, err);
        if (!rc && memcmp(other, c->x, r->dim * sizeof(*other)) != 0)
            rc = err_set(err, ERR_INPUT, "tie_word_embeddings is true, but "
                         "\"%s\" and \"%s\" differ", e->name, h->name);
    }
    free(other);
    return rc;
}

/* The template of tokenizer_config.json: a text, or the one of a list that is
 * called default; NULL if there is none. */
static const char *find_template(const struct json *config)
{
    const struct json *v = json_get(config, "chat_template"), *e;

    if (json_string(v))
        return json_string(v);
    for (e = json_first(v); e; e = json_next(e)) {
        const char *name = json_string(json_get(e, "name"));

        if (name && strcmp(name, "default") == 0)
            return json_string(json_get(e, "template"));
    }
    return NULL;
}

static int read_template(struct conversion *c, const struct json *config,
                         struct err *err)
{
    const char *text = find_template(config);
    char *path = file_join(c->dir, "chat_template.jinja");
    int rc = 0;

    if (text)
        buf_puts(&c->chat, text);
    else if (file_exists(path))
        rc = file_read(&c->chat, path, err);
    if (!rc)
        rc = buf_check(&c->chat, "the chat template", err);
    if (!rc && c->chat.len && !utf8_valid(c->chat.data, c->chat.len))
        rc = err_set(err, ERR_INPUT, "\"%s\" is not UTF-8", path);
    free(path);
    return rc;
}

/* The id of a special token that tokenizer_config.json names, or none. */
static uint32_t named_token(const struct tokenizer *t,
                            const struct json *config, const char *key)
{
    const struct json *v = json_get(config, key);
    const char *text = json_string(v);

    if (!text)
        text = json_string(json_get(v, "content"));
    return text ? tokenizer_find(t, text) : UINT32_MAX;
}

/* bos and eos from their names, where config.json gave no ids. */
static int name_tokens(struct conversion *c, const struct json *config,
                       struct err *err)
{
    struct model_record *r = &c->c.rec;
    struct tokenizer *t;

    if (!c->tokenizer.len || (r->bos != MODEL_NONE && c->c.has_eos))
        return 0;
    if (tokenizer_new(&t, (const unsigned char *)c->tokenizer.data,
                      c->tokenizer.len, r->n_vocab, err))
        return -1;
    if (r->bos == MODEL_NONE)
        r->bos = named_token(t, config, "bos_token");
    if (!c->c.has_eos) {
        r->eos[0] = named_token(t, config, "eos_token");
        r->n_eos = r->eos[0] != MODEL_NONE;
    }
    tokenizer_free(t);
    return 0;
}

/* Tokenizer, chat template, and what hangs on them in the record. */
static int read_texts(struct conversion *c, struct err *err)
{
    struct model_record *r = &c->c.rec;
    char *path = file_join(c->dir, "tokenizer_config.json");
    struct json *config = NULL;
    struct buf b;
    int rc = -1;

    buf_init(&b, MAX_CONFIG);
    if (file_exists(path)) {
        if (file_read(&b, path, err))
            goto out;
        buf_put(&b, "", 0);
        if (json_parse(&config, b.data, b.len, err)) {
            err_prefix(err, "\"%s\"", path);
            goto out;
        }
    }
    if (tokenizer_import(&c->tokenizer, c->dir, r->n_vocab, err) ||
        buf_check(&c->tokenizer, "the tokenizer", err) ||
        read_template(c, config, err) || name_tokens(c, config, err))
        goto out;
    r->tokenizer_size = c->tokenizer.len;
    merkle_blob(&r->tokenizer, c->tokenizer.data, c->tokenizer.len);
    r->template_size = c->chat.len;
    merkle_blob(&r->template_blob, c->chat.data, c->chat.len);
    rc = 0;
out:
    json_free(config);
    buf_clear(&b);
    free(path);
    return rc;
}

/* The records over the zeros at the front. */
static int put_records(struct conversion *c, struct id *id, struct err *err)
{
    struct model_record *r = &c->c.rec;
    size_t n = (size_t)r->n_tensors * TENSOR_RECORD_SIZE;
    unsigned char head[MODEL_RECORD_SIZE], *raw = xmalloc(n);
    struct merkle tree;
    int rc;

    merkle_init(&tree);
    for (uint32_t i = 0; i < r->n_tensors; i++) {
        unsigned char *p = raw + (size_t)i * TENSOR_RECORD_SIZE;

        tensor_record_pack(p, &c->t[i]);
        merkle_leaf(&tree, p, TENSOR_RECORD_SIZE);
    }
    merkle_root(&tree, &r->tensors);
    model_record_pack(head, r);
    model_record_id(id, r);
    rc = file_out_patch(c->f, 0, head, sizeof(head), err);
    if (!rc)
        rc = file_out_patch(c->f, sizeof(head), raw, n, err);
    free(raw);
    return rc;
}

static int put_file(struct conversion *c, struct id *id, struct err *err)
{
    const struct model_record *r = &c->c.rec;

    if (put_zeros(c, MODEL_RECORD_SIZE +
                  (uint64_t)r->n_tensors * TENSOR_RECORD_SIZE, err))
        return -1;
    for (uint32_t i = 0; i < r->n_tensors; i++) {
        if (put_tensor(c, i, err))
            return -1;
        if (c->o->progress)
            c->o->progress(c->o->user, i + 1, r->n_tensors);
    }
    if (put_zeros(c, c->lay.tokenizer, err) ||
        file_out_put(c->f, c->tokenizer.data, c->tokenizer.len, err) ||
        put_zeros(c, c->lay.chat_template, err) ||
        file_out_put(c->f, c->chat.data, c->chat.len, err))
        return -1;
    return put_records(c, id, err);
}

/* Everything but the writing. */
static int prepare(struct conversion *c, struct err *err)
{
    struct model_record *r = &c->c.rec;

    if (hf_config_read(&c->c, c->dir, err))
        return -1;
    if (c->o->a8)
        r->flags |= MODEL_A8;
    if (safetensors_open(&c->st, c->dir, err) ||
        hf_tensors_check(c->st, r, err) || read_texts(c, err) ||
        model_layout(&c->lay, r, err))
        return -1;
    c->x = xmalloc(longest(r) * sizeof(*c->x));
    c->w = xmalloc(longest(r));
    c->scale = xmalloc(tallest(r) * sizeof(*c->scale));
    c->gain = xmalloc(r->dim * sizeof(*c->gain));
    c->power = xcalloc(r->n_kv_heads, r->head_dim / 2);
    c->t = xcalloc(r->n_tensors, sizeof(*c->t));
    return check_tied(c, err);
}

static void clear(struct conversion *c)
{
    safetensors_close(c->st);
    model_layout_clear(&c->lay);
    buf_clear(&c->tokenizer);
    buf_clear(&c->chat);
    free(c->x);
    free(c->w);
    free(c->scale);
    free(c->gain);
    free(c->power);
    free(c->t);
}

int convert_hf(const char *dir, const char *out,
               const struct convert_options *o, struct id *id, struct err *err)
{
    static const struct convert_options none;
    struct id h;
    struct conversion c;
    int rc;

    memset(&c, 0, sizeof(c));
    c.dir = dir;
    c.o = o ? o : &none;
    buf_init(&c.tokenizer, (size_t)MODEL_MAX_TOKENIZER);
    buf_init(&c.chat, (size_t)MODEL_MAX_TEMPLATE);
    rc = prepare(&c, err);
    if (rc)
        err_prefix(err, "cannot convert \"%s\"", dir);
    if (!rc)
        rc = file_out_open(&c.f, out, err);
    if (!rc) {
        rc = put_file(&c, &h, err);
        if (rc) {
            err_prefix(err, "cannot convert \"%s\"", dir);
            file_out_abort(c.f);
        } else {
            rc = file_out_commit(c.f, err);
        }
    }
    clear(&c);
    if (!rc)
        *id = h;
    return rc;
}
