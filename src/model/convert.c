/*
 * From a source to a model file, some rows at a time.  The file is written in
 * order after a header of zeros; scales, records and the model record are put
 * in when they are known.  Formats are read by import/, W8 is the kernels'.
 */
#include <config.h>

#include "model/convert.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/room.h"
#include "kernels/kernels.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "model/model_layout.h"
#include "model/ordered.h"
#include "model/rotated.h"
#include "model/smooth.h"
#include "proof/merkle.h"
#include "text/chat.h"

struct conversion {
    const struct convert_options *o;
    struct import *source;
    struct model_layout lay;
    struct file_out *f;
    struct tensor_record *t; /* n_tensors, as they become known */
    float *x;       /* one row or vector of the source */
    float *scale;   /* of a matrix */
    float *gain;    /* attention norm, for smoothing */
    bool rotate;    /* an A8R model: man 5 apus-model */
    struct rotated rotated;
    unsigned char *power; /* kv heads x head_dim / 2, of the layer */
    bool smooth;    /* some power of the layer is not 0 */
};

static size_t longest(const struct model_record *r)
{
    size_t n = r->dim, q = (size_t)r->n_heads * r->head_dim;
    struct tensor_record freq;

    model_expect(r, TENSOR_INV_FREQ, &freq);
    n = n < freq.rows ? freq.rows : n;
    n = n < q ? q : n;
    return n < r->ffn_dim ? r->ffn_dim : n;
}

/* How many rows the tallest matrix has. */
static size_t tallest(const struct model_record *r)
{
    size_t n = longest(r), experts = model_experts(r);

    n = n < experts * r->ffn_dim ? experts * r->ffn_dim : n;
    n = n < experts * r->dim ? experts * r->dim : n;
    return n < r->n_vocab ? r->n_vocab : n;
}

/* Numbers [from, from + n) of tensor i into c->x. */
static int get_numbers(struct conversion *c, uint32_t i, uint64_t from,
                       size_t n, struct err *err)
{
    return import_read(c->source, i, from, n, c->x, err);
}

static uint32_t tensor_of(const struct conversion *c, uint32_t layer,
                          uint32_t part)
{
    return model_tensor_at(&c->source->rec, layer, part);
}

/* Of tensor i, which is in a layer. */
static uint32_t part_of(const struct conversion *c, uint32_t i)
{
    return model_part_of(&c->source->rec, i);
}

/* Sizes of the pairs of one kv head, m[0..head_dim / 2). */
static int head_sizes(struct conversion *c, uint32_t layer, uint32_t head,
                      double *m, struct err *err)
{
    const struct model_record *r = &c->source->rec;
    uint32_t wk = tensor_of(c, layer, LAYER_WK),
             bk = tensor_of(c, layer, LAYER_BK);
    bool has_bias = import_name(c->source, bk);
    uint32_t half = r->head_dim / 2;

    for (uint32_t i = 0; i < r->head_dim; i++) {
        uint64_t row = (uint64_t)head * r->head_dim + i;
        float b = 0;
        double size;

        if (has_bias && get_numbers(c, bk, row, 1, err))
            return -1;
        if (has_bias)
            b = c->x[0];
        if (get_numbers(c, wk, row * r->dim, r->dim, err))
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
    const struct model_record *r = &c->source->rec;
    uint32_t half = r->head_dim / 2;

    if (get_numbers(c, tensor_of(c, layer, LAYER_K_NORM), 0, r->head_dim, err))
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
    const struct model_record *r = &c->source->rec;
    uint32_t half = r->head_dim / 2;
    double m[X1_MAX_HEAD_DIM / 2];

    c->smooth = false;
    if (!c->o->smooth_auto || r->flags & MODEL_WIDE_NORM)
        return 0;
    if (r->flags & MODEL_QK_NORM)
        return norm_powers(c, layer, m, err);
    if (get_numbers(c, tensor_of(c, layer, LAYER_ATTN_NORM), 0, r->dim, err))
        return -1;
    for (uint32_t i = 0; i < r->dim; i++)
        c->gain[i] = r->flags & MODEL_NORM_AFTER ? 1 : c->x[i];
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
    const struct model_record *r = &c->source->rec;
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
    return power_of(c, part_of(c, i), row);
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

/* Whether tensor i is rounded by another rule. */
static bool is_given(const struct conversion *c, uint32_t i)
{
    const struct convert_rounding *r = c->o->rounding;

    return r && r->has(r->self, i);
}

static int too_large(const struct conversion *c, uint32_t i, struct err *err)
{
    if (i == TENSOR_HEAD && c->rotated.tied)
        i = TENSOR_EMBED;
    return err_set(err, ERR_INPUT, "tensor \"%s\" is 2^40 or more in size"
                   " after %s", import_name(c->source, i),
                   is_given(c, i) ? "fitting; use --rounding nearest"
                   : c->rotate    ? "rotation; use --activations A14"
                                  : "smoothing; use --smooth off");
}

/* x = row n of matrix i as it is quantised.  Without rotation, which has room
 * for one thread alone, several threads may do so. */
static int get_row(struct conversion *c, uint32_t i, uint32_t n, uint32_t cols,
                   float *x, struct err *err)
{
    uint32_t from = i == TENSOR_HEAD && c->rotated.tied ? TENSOR_EMBED : i;

    if (c->rotate && rotated_writes(&c->rotated, i))
        return rotated_written(&c->rotated, n, x, err);
    if (import_read(c->source, from, (uint64_t)n * cols, cols, x, err))
        return -1;
    smooth_scale(x, cols, power_at(c, i, n));
    if (c->rotate)
        rotated_row(&c->rotated, x);
    return 0;
}

/* ---- tensors ------------------------------------------------------------- */

static int get_given(const struct conversion *c, uint32_t i, uint64_t at,
                     void *out, size_t n, struct err *err)
{
    const struct convert_rounding *r = c->o->rounding;

    return r->get(r->self, i, at, out, n, err);
}

/* Floats are stored as they lie here: model.c asserts the byte order. */
static int put_vector(struct conversion *c, uint32_t i, struct err *err)
{
    struct tensor_record *rec = &c->t[i];
    size_t n = rec->rows;

    if (i == TENSOR_INV_FREQ)
        memcpy(c->x, c->source->inv_freq, n * sizeof(*c->x));
    else if (is_given(c, i) ? get_given(c, i, 0, c->x, 4 * n, err)
                            : get_numbers(c, i, 0, n, err))
        return -1;
    for (size_t k = 0; c->rotate && rotated_is_ones(&c->rotated, i) &&
                       k < n; k++)
        c->x[k] = 1;
    for (size_t k = 0; k < n; k++)
        smooth_scale(&c->x[k], 1, power_at(c, i, (uint32_t)k));
    if (x1_fault(c->x, n) >= 0)
        return too_large(c, i, err);
    merkle_blob(&rec->root, c->x, 4 * n);
    return file_out_put(c->f, c->x, 4 * n, err);
}

/* Rows of tensor i, some of which a thread makes in its room: a row of the
 * source, then these rows as they are in the file, and their leaves. */
#define PIECE_ROWS 32u

struct matrix_rows {
    struct conversion *c;
    uint32_t i;
    struct merkle tree;
};

static size_t room_of_row(const struct tensor_record *rec)
{
    return ((size_t)rec->cols * sizeof(float) + 63) / 64 * 64;
}

static size_t room_of_rows(const struct tensor_record *rec)
{
    return room_of_row(rec) + PIECE_ROWS * sizeof(struct id) +
           PIECE_ROWS * (size_t)rec->cols;
}

static struct id *leaves_in(const struct tensor_record *rec, const void *room)
{
    return (struct id *)(void *)((char *)room + room_of_row(rec));
}

static int8_t *weights_in(const struct tensor_record *rec, const void *room)
{
    return (int8_t *)(leaves_in(rec, room) + PIECE_ROWS);
}

/* Row n of matrix i into w and its scale; x has room for a row. */
static int round_row(struct conversion *c, uint32_t i, uint32_t n, float *x,
                     int8_t *w, struct err *err)
{
    const struct tensor_record *rec = &c->t[i];

    if (is_given(c, i))
        return get_given(c, i, model_tensor_scales(rec) +
                         (uint64_t)n * rec->cols, w, rec->cols, err);
    if (get_row(c, i, n, rec->cols, x, err))
        return -1;
    if ((c->rotate || power_at(c, i, n)) && x1_fault(x, rec->cols) >= 0)
        return too_large(c, i, err);
    x1_w8_row(w, &c->scale[n], x, rec->cols);
    return 0;
}

/* The scales of a matrix that is given. */
static int get_scales(struct conversion *c, uint32_t i, struct err *err)
{
    size_t n = c->t[i].rows;

    if (!is_given(c, i))
        return 0;
    if (get_given(c, i, 0, c->scale, 4 * n, err))
        return -1;
    return x1_fault(c->scale, n) < 0 ? 0 : too_large(c, i, err);
}

static int make_rows(void *self, size_t from, size_t to, void *room,
                     struct err *err)
{
    struct matrix_rows *m = self;
    struct conversion *c = m->c;
    const struct tensor_record *rec = &c->t[m->i];
    int8_t *w = weights_in(rec, room);
    struct id *hash = leaves_in(rec, room);
    float *x = room;

    for (size_t n = from; n < to; n++, w += rec->cols, hash++) {
        unsigned char leaf[36];

        if (round_row(c, m->i, (uint32_t)n, x, w, err))
            return -1;
        model_row_leaf(leaf, c->scale[n], w, rec->cols);
        merkle_leaf_hash(hash, leaf, sizeof(leaf));
    }
    return 0;
}

static int put_rows(void *self, size_t from, size_t to, const void *room,
                    struct err *err)
{
    struct matrix_rows *m = self;
    const struct tensor_record *rec = &m->c->t[m->i];

    for (size_t n = 0; n < to - from; n++)
        merkle_hash(&m->tree, leaves_in(rec, room)[n]);
    return file_out_put(m->c->f, weights_in(rec, room),
                        (to - from) * rec->cols, err);
}

static int put_matrix(struct conversion *c, uint32_t i, struct err *err)
{
    struct tensor_record *rec = &c->t[i];
    uint64_t at = file_out_size(c->f);
    struct matrix_rows m = { .c = c, .i = i };
    struct ordered rows = { .self = &m, .n = rec->rows, .piece = PIECE_ROWS,
                            .room = room_of_rows(rec),
                            .make = make_rows, .put = put_rows };
    unsigned threads = c->o->threads ? c->o->threads : machine_cores();
    bool rotate = c->rotate && !is_given(c, i);

    if (put_zeros(c, at + model_tensor_scales(rec), err) ||
        (rotate && rotated_begin(&c->rotated, i, err)) ||
        get_scales(c, i, err))
        return -1;
    merkle_init(&m.tree);
    if (ordered_run(&rows, rotate ? 1 : threads, err))
        return -1;
    merkle_root(&m.tree, &rec->root);
    return file_out_patch(c->f, at, c->scale, (size_t)rec->rows * 4, err);
}

static int put_tensor(struct conversion *c, uint32_t i, struct err *err)
{
    const struct model_record *r = &c->source->rec;

    model_expect(r, i, &c->t[i]);
    if (i >= TENSOR_LAYERS && part_of(c, i) == 0 &&
        layer_powers(c, model_layer_of(r, i), err))
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

/* The records over the zeros at the front. */
static int put_records(struct conversion *c, struct id *id, struct err *err)
{
    struct model_record *r = &c->source->rec;
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
    const struct import *m = c->source;
    const struct model_record *r = &m->rec;

    if (put_zeros(c, MODEL_RECORD_SIZE +
                  (uint64_t)r->n_tensors * TENSOR_RECORD_SIZE, err))
        return -1;
    for (uint32_t i = 0; i < r->n_tensors; i++) {
        if (c->o->stop && c->o->stop())
            return err_set(err, ERR_RETRY, "interrupted after %u of %u"
                           " tensors%s", i, r->n_tensors, c->o->rounding
                           ? ": the same command goes on" : "");
        if (put_tensor(c, i, err))
            return -1;
        if (c->o->progress)
            c->o->progress(c->o->user, i + 1, r->n_tensors);
    }
    if (put_zeros(c, c->lay.tokenizer, err) ||
        file_out_put(c->f, m->tokenizer.data, m->tokenizer.len, err) ||
        put_zeros(c, c->lay.chat_template, err) ||
        file_out_put(c->f, m->chat_template.data, m->chat_template.len, err))
        return -1;
    return put_records(c, id, err);
}

static void pass_notes(const struct conversion *c)
{
    const struct buf *notes = &c->source->notes;
    char *line;
    size_t n;

    for (const char *p = notes->len ? notes->data : ""; *p && c->o->note;) {
        n = strcspn(p, "\n");
        line = xstrndup(p, n);
        c->o->note(c->o->user, line);
        free(line);
        p += p[n] ? n + 1 : n;
    }
}

/* What a chat could not use is refused here, not in each of its requests. */
static int check_template(struct conversion *c, struct err *err)
{
    struct import *m = c->source;
    struct err why = ERR_INIT;

    if (c->o->no_chat) {
        buf_reset(&m->chat_template);
        m->rec.template_size = 0;
        merkle_blob(&m->rec.template_blob, "", 0);
        return 0;
    }
    if (m->chat_template.len == 0 ||
        chat_check(m->chat_template.data, m->chat_template.len, &why) == 0)
        return 0;
    return err_set(err, ERR_INPUT, "%s; apus model add --no-chat-template"
                   " leaves the template out, and the model answers prompts"
                   " alone", why.text);
}

/* What the options ask for, else the source; of an A8R model the head is a
 * tensor of its own, since the gains of the last norm are in it alone. */
static int choose_activations(struct conversion *c, struct err *err)
{
    struct model_record *r = &c->source->rec;
    bool tied;
    char *line;
    size_t b;

    if (c->o->a14)
        r->flags &= ~(uint32_t)(MODEL_A8 | MODEL_A8R);
    if (c->o->a8 && r->flags & MODEL_A8)
        return err_set(err, ERR_INPUT, "its apus_activations are A8, without"
                       " rotation: leave --activations A8 out");
    if (c->o->a8)
        r->flags |= MODEL_A8R;
    if (r->flags & MODEL_A8R && r->flags & (MODEL_NORM_AFTER | MODEL_NORM_BOTH))
        return err_set(err, ERR_INPUT, "A8R is not for models with norms"
                       " between a sublayer and the residual, which cannot be"
                       " folded: use --activations A14");
    if (r->flags & MODEL_A8R && r->flags & MODEL_EXPERTS)
        return err_set(err, ERR_INPUT, "A8R is not for models with experts:"
                       " use --activations A14");
    c->rotate = r->flags & MODEL_A8R;
    if (!c->rotate)
        return 0;
    tied = r->flags & MODEL_TIED;
    r->flags &= ~(uint32_t)MODEL_TIED;
    b = rotate_block(r->dim);
    if (b < 32 && c->o->note) {
        line = xasprintf("rotation gains little: the width of %u has blocks of"
                         " %zu channels", r->dim, b);
        c->o->note(c->o->user, line);
        free(line);
    }
    return rotated_init(&c->rotated, c->source, tied, err);
}

/* Everything but the writing. */
static int prepare(struct conversion *c, const char *path, struct err *err)
{
    struct model_record *r;

    if (formats_open_with(&c->source, path, c->o->tokenizer, err))
        return -1;
    if (c->o->needs_tokenizer && c->source->tokenizer.len == 0)
        return err_set(err, ERR_INPUT, "it has no tokenizer (tokenizer.json, "
                       "tokenizer.model, tekken.json, vocab.json with "
                       "merges.txt, a file of tiktoken; of llama2.c "
                       "tokenizer.bin beside it, or --tokenizer): apus model "
                       "add --no-tokenizer takes it for prompts of token ids");
    pass_notes(c);
    if (check_template(c, err))
        return -1;
    r = &c->source->rec;
    if (choose_activations(c, err))
        return -1;
    if (model_layout(&c->lay, r, err))
        return -1;
    c->x = xmalloc(longest(r) * sizeof(*c->x));
    c->scale = xmalloc(tallest(r) * sizeof(*c->scale));
    c->gain = xmalloc(r->dim * sizeof(*c->gain));
    c->power = xcalloc(r->n_kv_heads, r->head_dim / 2);
    c->t = xcalloc(r->n_tensors, sizeof(*c->t));
    return 0;
}

static void clear(struct conversion *c)
{
    import_free(c->source);
    model_layout_clear(&c->lay);
    free(c->x);
    free(c->scale);
    free(c->gain);
    rotated_clear(&c->rotated);
    free(c->power);
    free(c->t);
}

static int begin_rounding(struct conversion *c, const char *path,
                          struct err *err)
{
    const struct convert_rounding *r = c->o->rounding;
    struct convert_source s = { c->source, path, c->o->tokenizer, &c->lay,
                                c->rotate ? &c->rotated : NULL };

    return r->begin(r->self, &s, err);
}

int convert_model(const char *path, const char *out,
                  const struct convert_options *o, struct id *id,
                  struct err *err)
{
    static const struct convert_options none;
    struct id h;
    struct conversion c;
    bool begun = false;
    int rc;

    memset(&c, 0, sizeof(c));
    c.o = o ? o : &none;
    rc = prepare(&c, path, err);
    if (rc && !c.o->within)
        err_prefix(err, "cannot convert \"%s\"", path);
    if (!rc)
        rc = room_check(out, c.lay.size, ROOM_ANYWHERE, err);
    if (!rc && c.o->rounding) {
        rc = begin_rounding(&c, path, err);
        begun = true;
        if (rc)
            err_prefix(err, "cannot convert \"%s\"", path);
    }
    if (!rc)
        rc = file_out_open(&c.f, out, err);
    if (!rc) {
        rc = put_file(&c, &h, err);
        if (rc) {
            if (!c.o->within)
                err_prefix(err, "cannot convert \"%s\"", path);
            file_out_abort(c.f);
        } else {
            rc = file_out_commit(c.f, err);
        }
    }
    if (begun)
        c.o->rounding->end(c.o->rounding->self);
    clear(&c);
    if (!rc)
        *id = h;
    return rc;
}
