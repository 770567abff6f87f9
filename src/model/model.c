/*
 * Reading a model file.  The record is bounded first, then the tensor records
 * are compared with what such a model must have, then memory is taken, and
 * then every byte is read in order and checked as it comes: values, zeros
 * between the parts, roots, and that nothing follows.  Matrices stay in memory
 * or go to a sink a piece at a time, all else stays.  The bytes are copied
 * and not mapped, so that a file which somebody truncates is an error and not
 * a signal.  Where things lie is model_layout.c.
 */
#include <config.h>

#include "model/model.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/model_layout.h"
#include "proof/merkle.h"

#define PIECE ((size_t)1 << 20) /* read and check about this much at once */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the weights are used as they lie in the file");

/* The file while it is read. */
struct model_reader {
    int fd;
    const char *path;
    const struct model_record *rec;
    uint64_t file_size;
    bool hash;           /* check the roots */
    const struct model_sink *sink; /* takes the matrices, or NULL */
    size_t at;           /* in the file: what was read */
    unsigned char *data; /* what stays .. */
    struct model_layout place; /* .. and where: without a sink, as in the
                                  file */
};

/* A matrix while it is read. */
struct reading {
    uint32_t tensor;
    const struct tensor_record *t;
    const float *scale;
    struct merkle tree; /* of the rows up to here */
};

static int read_exact(struct model_reader *r, void *out, size_t n,
                      struct err *err)
{
    unsigned char *p = out;

    while (n) {
        ssize_t got = read(r->fd, p, n < PIECE ? n : PIECE);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_RETRY, "cannot read \"%s\"", r->path);
        if (got == 0)
            return err_set(err, ERR_INPUT, "\"%s\" ends too early", r->path);
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

static int reader_open(struct model_reader *r, const char *path,
                       struct err *err)
{
    struct stat st;

    memset(r, 0, sizeof(*r));
    r->path = path;
    /* not blocked by a FIFO of that name */
    r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0)
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    if (fstat(r->fd, &st) < 0) {
        err_errno(err, ERR_RETRY, "cannot read \"%s\"", path);
        goto close_file;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
        goto close_file;
    }
    r->file_size = (uint64_t)st.st_size;
    return 0;

close_file:
    close(r->fd);
    return -1;
}

/* Somebody may have named one file of a directory. */
#define MODEL_FORMS ": give a model file, a GGUF file, or the directory that" \
                    " has config.json and *.safetensors"

/* The record and its id; everything in it is within the limits after. */
static int read_record(struct model_reader *r,
                       unsigned char raw[MODEL_RECORD_SIZE],
                       struct model_record *rec, struct id *id, struct err *err)
{
    if (r->file_size < MODEL_RECORD_SIZE)
        return err_set(err, ERR_INPUT, "\"%s\" is too short for a model file"
                       MODEL_FORMS, r->path);
    if (read_exact(r, raw, MODEL_RECORD_SIZE, err))
        return -1;
    if (memcmp(raw, "GGUF", 4) == 0)
        return err_set(err, ERR_INPUT, "\"%s\" is a GGUF file, which apus model"
                       " convert makes a model file of", r->path);
    if (memcmp(raw, "apusmdl1", 8) != 0)
        return err_set(err, ERR_INPUT, "\"%s\" is not a model file (it does"
                       " not begin with apusmdl1)" MODEL_FORMS, r->path);
    if (model_record_unpack(rec, raw))
        return err_set(err, ERR_INPUT, "\"%s\": the model record is "
                       "malformed", r->path);
    if (model_check(rec, err))
        return err_prefix(err, "\"%s\"", r->path);
    model_record_id(id, rec);
    return 0;
}

static int wrong(const struct model_reader *r, uint32_t i, const char *what,
                 struct err *err)
{
    model_wrong(r->rec, i, what, err);
    return err_prefix(err, "\"%s\"", r->path);
}

/* The next n bytes of the file. */
static int read_next(struct model_reader *r, void *out, size_t n,
                     struct err *err)
{
    if (read_exact(r, out, n, err))
        return -1;
    r->at += n;
    return 0;
}

/* The zeros before `offset`, less than 64 of them. */
static int read_zeros(struct model_reader *r, size_t offset, struct err *err)
{
    unsigned char pad[64];
    size_t from = r->at, n = offset - from;

    if (read_next(r, pad, n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (pad[i])
            return err_set(err, ERR_INPUT, "\"%s\": byte %zu is padding and "
                           "not zero", r->path, from + i);
    if (!r->sink)
        memset(r->data + from, 0, n);
    return 0;
}

static int check_floats(const struct model_reader *r, uint32_t i,
                        const unsigned char *p, size_t n, struct err *err)
{
    if (!model_check_floats(r->rec, i, p, n, err))
        return 0;
    return err_prefix(err, "\"%s\"", r->path);
}

static int read_vector(struct model_reader *r, uint32_t i,
                       const struct tensor_record *t, struct err *err)
{
    unsigned char *p = r->data + r->place.offset[i];
    size_t n = t->rows;
    struct id root;

    if (read_next(r, p, 4 * n, err) || check_floats(r, i, p, n, err))
        return -1;
    if (!r->hash)
        return 0;
    merkle_blob(&root, p, 4 * n);
    if (!id_equal(root, t->root))
        return wrong(r, i, "its bytes do not have its root", err);
    return 0;
}

/* Rows [from, to) of a matrix, which lie at w. */
static int check_rows(const struct model_reader *r, struct reading *m,
                      const int8_t *w, size_t from, size_t to, struct err *err)
{
    for (size_t n = from; n < to; n++, w += m->t->cols) {
        unsigned char leaf[36];

        if (memchr(w, 0x80, m->t->cols))
            return wrong(r, m->tensor, "it has a weight of -128", err);
        if (!r->hash)
            continue;
        model_row_leaf(leaf, m->scale[n], w, m->t->cols);
        merkle_leaf(&m->tree, leaf, sizeof(leaf));
    }
    return 0;
}

/* All rows, by pieces: each to its place after the first, or into `piece` and
 * from there to the sink. */
static int read_rows(struct model_reader *r, struct reading *m, int8_t *first,
                     int8_t *piece, size_t step, struct err *err)
{
    size_t rows = m->t->rows, cols = m->t->cols;
    struct x1_matrix out = { m->t->rows, m->t->cols, m->scale, piece };

    for (size_t n = 0; n < rows; n += step) {
        size_t end = rows - n < step ? rows : n + step;
        int8_t *w = piece ? piece : first + n * cols;

        if (read_next(r, w, (end - n) * cols, err) ||
            check_rows(r, m, w, n, end, err))
            return -1;
        if (piece)
            r->sink->rows(r->sink->self, m->tensor, &out, n, end);
    }
    return 0;
}

static int read_matrix(struct model_reader *r, uint32_t i,
                       const struct tensor_record *t, struct err *err)
{
    size_t scales = (size_t)model_tensor_scales(t), at = r->at;
    size_t step = PIECE / t->cols / X1_GROUP * X1_GROUP;
    unsigned char *scale = r->sink ? xmalloc(scales)
                                   : r->data + r->place.offset[i];
    int8_t *piece = NULL;
    struct reading m = { .tensor = i, .t = t };
    struct id root;
    int rc = -1;

    step = step ? step : X1_GROUP;
    if (r->sink)
        piece = xmalloc(step * t->cols);
    m.scale = (const float *)(const void *)scale;
    merkle_init(&m.tree);
    if (read_next(r, scale, (size_t)4 * t->rows, err) ||
        check_floats(r, i, scale, t->rows, err) ||
        read_zeros(r, at + scales, err) ||
        read_rows(r, &m, (int8_t *)scale + scales, piece, step, err))
        goto out;
    merkle_root(&m.tree, &root);
    rc = r->hash && !id_equal(root, t->root)
             ? wrong(r, i, "its bytes do not have its root", err) : 0;
out:
    if (r->sink)
        free(scale);
    free(piece);
    return rc;
}

static int check_text(const char *path, const char *what, const void *p,
                      size_t n, struct id want, struct err *err)
{
    struct id root;

    merkle_blob(&root, p, n);
    if (!id_equal(root, want))
        return err_set(err, ERR_INPUT, "\"%s\": the bytes of the %s do not "
                       "have their root", path, what);
    return 0;
}

static int check_template(const char *path, const void *p, size_t n,
                          struct id want, struct err *err)
{
    if (check_text(path, "chat template", p, n, want, err))
        return -1;
    if (!utf8_valid(p, n))
        return err_set(err, ERR_INPUT, "\"%s\": the chat template is not "
                       "UTF-8", path);
    return 0;
}

/* What follows the records, in the order of the file. */
static int read_parts(struct model_reader *r, const struct model_record *rec,
                      const struct model_layout *lay,
                      const struct tensor_record *t, struct err *err)
{
    unsigned char *tokenizer = r->data + r->place.tokenizer;
    unsigned char *chat_template = r->data + r->place.chat_template;
    unsigned char byte;

    for (uint32_t i = 0; i < rec->n_tensors; i++) {
        if (t[i].type == TENSOR_ABSENT ||
            (i == TENSOR_HEAD && rec->flags & MODEL_TIED))
            continue;
        if (read_zeros(r, (size_t)lay->offset[i], err) ||
            (t[i].type == TENSOR_F32 ? read_vector(r, i, &t[i], err)
                                     : read_matrix(r, i, &t[i], err)))
            return -1;
    }
    if (read_zeros(r, (size_t)lay->tokenizer, err) ||
        read_next(r, tokenizer, (size_t)rec->tokenizer_size, err) ||
        check_text(r->path, "tokenizer", tokenizer,
                   (size_t)rec->tokenizer_size, rec->tokenizer, err))
        return -1;
    if (read_zeros(r, (size_t)lay->chat_template, err) ||
        read_next(r, chat_template, (size_t)rec->template_size, err) ||
        check_template(r->path, chat_template, (size_t)rec->template_size,
                       rec->template_blob, err))
        return -1;
    if (read(r->fd, &byte, 1) != 0)
        return err_set(err, ERR_INPUT, "\"%s\" grew while it was read",
                       r->path);
    return 0;
}

static const float *floats(const struct model *m,
                           const struct model_layout *lay, uint32_t i)
{
    struct tensor_record t;

    model_expect(&m->rec, i, &t);
    if (t.type == TENSOR_ABSENT)
        return NULL;
    return (const float *)(const void *)((char *)m->data + lay->offset[i]);
}

static struct x1_matrix weights(const struct model *m,
                                const struct model_layout *lay, uint32_t i)
{
    const char *p = (const char *)m->data + lay->offset[i];
    struct tensor_record t;
    struct x1_matrix w = { 0, 0, NULL, NULL };

    model_expect(&m->rec, i, &t);
    w.rows = t.rows;
    w.cols = t.cols;
    if (m->streamed)
        return w;
    w.scale = (const float *)(const void *)p;
    w.w = (const int8_t *)(p + model_tensor_scales(&t));
    return w;
}

/* Where its keys begin, and what its angles are. */
static void set_positions(const struct model *m, uint32_t l,
                          struct model_layer *y)
{
    size_t half = m->rec.head_dim / 2;
    const float *of = m->inv_freq + half * model_tables(&m->rec) +
                      (size_t)MODEL_LAYER_NUMBERS * l;

    y->window = m->rec.window;
    y->attn_scale = m->rec.attn_scale;
    y->inv_freq = m->inv_freq;
    if (!(m->rec.flags & MODEL_LAYERS))
        return;
    y->window = (uint32_t)of[MODEL_LAYER_WINDOW];
    y->attn_scale = of[MODEL_LAYER_SCALE];
    y->inv_freq += (size_t)of[MODEL_LAYER_TABLE] * half;
}

/* Point into the data. */
static void index_model(struct model *m, const struct model_layout *lay)
{
    m->embed = weights(m, lay, TENSOR_EMBED);
    m->head = weights(m, lay, TENSOR_HEAD);
    m->inv_freq = floats(m, lay, TENSOR_INV_FREQ);
    m->final_norm = floats(m, lay, TENSOR_FINAL_NORM);
    if (m->rec.flags & MODEL_SOFT_CAPS) {
        const float *cap = m->inv_freq + model_caps_at(&m->rec);

        m->score_cap = cap[MODEL_CAP_SCORES];
        m->logit_cap = cap[MODEL_CAP_LOGITS];
    }
    m->layers = xcalloc(m->rec.n_layers, sizeof(*m->layers));
    for (uint32_t l = 0; l < m->rec.n_layers; l++) {
        uint32_t i = model_tensor_at(&m->rec, l, 0);
        bool after = m->rec.flags & MODEL_NORM_AFTER;
        bool both = m->rec.flags & MODEL_NORM_BOTH;
        struct model_layer *y = &m->layers[l];

        set_positions(m, l, y);
        y->attn_norm = after ? NULL : floats(m, lay, i + LAYER_ATTN_NORM);
        y->ffn_norm = after ? NULL : floats(m, lay, i + LAYER_FFN_NORM);
        if (after || both) {
            y->attn_after = floats(m, lay, i + (both ? LAYER_ATTN_AFTER
                                                     : LAYER_ATTN_NORM));
            y->ffn_after = floats(m, lay, i + (both ? LAYER_FFN_AFTER
                                                    : LAYER_FFN_NORM));
        }
        y->wq = weights(m, lay, i + LAYER_WQ);
        y->wk = weights(m, lay, i + LAYER_WK);
        y->wv = weights(m, lay, i + LAYER_WV);
        y->wo = weights(m, lay, i + LAYER_WO);
        y->bq = floats(m, lay, i + LAYER_BQ);
        y->bk = floats(m, lay, i + LAYER_BK);
        y->bv = floats(m, lay, i + LAYER_BV);
        y->q_norm = floats(m, lay, i + LAYER_Q_NORM);
        y->k_norm = floats(m, lay, i + LAYER_K_NORM);
        y->gate = weights(m, lay, i + LAYER_GATE);
        y->up = weights(m, lay, i + LAYER_UP);
        y->down = weights(m, lay, i + LAYER_DOWN);
        if (m->rec.flags & MODEL_EXPERTS)
            y->router = weights(m, lay, i + LAYER_ROUTER);
    }
    m->tokenizer = (unsigned char *)m->data + lay->tokenizer;
    m->chat_template = (char *)m->data + lay->chat_template;
}

/* Where what stays lies: all as in the file, or, where a sink takes the
 * matrices, the vectors and texts after each other. */
static void make_place(struct model_layout *place,
                       const struct model_record *rec,
                       const struct model_layout *lay, bool streamed)
{
    size_t n = rec->n_tensors;
    struct tensor_record t;

    *place = *lay;
    place->offset = memcpy(xcalloc(n, sizeof(*lay->offset)), lay->offset,
                           n * sizeof(*lay->offset));
    if (!streamed)
        return;
    place->size = 0;
    for (uint32_t i = 0; i < n; i++) {
        model_expect(rec, i, &t);
        place->offset[i] = place->size;
        if (t.type == TENSOR_F32)
            place->size += (model_tensor_size(&t) + 63) / 64 * 64;
    }
    place->tokenizer = place->size;
    place->chat_template = place->tokenizer + rec->tokenizer_size;
    place->size = place->chat_template + rec->template_size;
}

/* Memory for what stays, then the parts. */
static int read_into(struct model_reader *r, const unsigned char *head,
                     const unsigned char *raw, const struct tensor_record *t,
                     const struct model_record *rec,
                     const struct model_layout *lay, struct err *err)
{
    size_t n = (size_t)rec->n_tensors * TENSOR_RECORD_SIZE;
    void *data;

    if (mem_big(&data, (size_t)r->place.size, 1, "the model", err))
        return -1;
    r->data = data;
    r->at = MODEL_RECORD_SIZE + n;
    if (!r->sink) {
        memcpy(r->data, head, MODEL_RECORD_SIZE);
        memcpy(r->data + MODEL_RECORD_SIZE, raw, n);
    }
    if (read_parts(r, rec, lay, t, err) == 0)
        return 0;
    free(data);
    r->data = NULL;
    return -1;
}

/* The tensor records, which say what must follow, and that. */
static int read_body(struct model_reader *r, const unsigned char *head,
                     const struct model_record *rec,
                     const struct model_layout *lay, struct err *err)
{
    size_t n = (size_t)rec->n_tensors * TENSOR_RECORD_SIZE;
    struct tensor_record *t = xcalloc(rec->n_tensors, sizeof(*t));
    unsigned char *raw = xmalloc(n);
    int rc = -1;

    if (r->file_size != lay->size) {
        err_set(err, ERR_INPUT,
                "\"%s\" has %" PRIu64 " bytes, its record says "
                "%" PRIu64,
                r->path, r->file_size, lay->size);
        goto out;
    }
    if (read_exact(r, raw, n, err))
        goto out;
    if (model_check_tensors(t, raw, rec, err)) {
        err_prefix(err, "\"%s\"", r->path);
        goto out;
    }
    if (r->sink && r->sink->begin(r->sink->self, rec, err))
        goto out;
    rc = read_into(r, head, raw, t, rec, lay, err);
    if (r->sink && rc)
        r->sink->end(r->sink->self, NULL);
out:
    free(raw);
    free(t);
    return rc;
}

static int open_model(struct model **out, const char *path,
                      const struct id *want_id, bool hash,
                      const struct model_sink *sink, struct err *err)
{
    unsigned char head[MODEL_RECORD_SIZE];
    struct model_layout lay = { NULL, 0, 0, 0 };
    struct model *m = xcalloc(1, sizeof(*m));
    struct model_reader r;
    int rc = -1;

    if (reader_open(&r, path, err)) {
        free(m);
        return -1;
    }
    r.hash = hash;
    r.sink = sink;
    if (read_record(&r, head, &m->rec, &m->id, err))
        goto out;
    r.rec = &m->rec;
    if (want_id && !id_equal(*want_id, m->id)) {
        err_set(err, ERR_INPUT, "\"%s\" is another model than the one asked "
                "for: its id differs", path);
        goto out;
    }
    if (model_layout(&lay, &m->rec, err)) {
        err_prefix(err, "\"%s\"", path);
        goto out;
    }
    make_place(&r.place, &m->rec, &lay, sink != NULL);
    if (read_body(&r, head, &m->rec, &lay, err))
        goto out;
    m->data = r.data;
    m->size = (size_t)r.place.size;
    m->streamed = sink != NULL;
    index_model(m, &r.place);
    if (sink)
        sink->end(sink->self, &m->id);
    *out = m;
    rc = 0;
out:
    close(r.fd);
    model_layout_clear(&lay);
    model_layout_clear(&r.place);
    if (rc)
        free(m);
    return rc;
}

int model_open(struct model **out, const char *path, const struct id *want_id,
               struct err *err)
{
    return open_model(out, path, want_id, true, NULL, err);
}

int model_open_into(struct model **out, const char *path,
                    const struct id *want_id, bool hash,
                    const struct model_sink *sink, struct err *err)
{
    return open_model(out, path, want_id, hash, sink, err);
}

/* ---- a sink that keeps nothing ------------------------------------------- */

static int pass_begin(void *self, const struct model_record *rec,
                      struct err *err)
{
    (void)self;
    (void)rec;
    (void)err;
    return 0;
}

static void pass_rows(void *self, uint32_t tensor, const struct x1_matrix *m,
                      size_t from, size_t to)
{
    (void)self;
    (void)tensor;
    (void)m;
    (void)from;
    (void)to;
}

static void pass_end(void *self, const struct id *id)
{
    (void)self;
    (void)id;
}

const struct model_sink model_pass = { pass_begin, pass_rows, pass_end,
                                       NULL };

void model_close(struct model *m)
{
    if (!m)
        return;
    free(m->layers);
    free(m->data);
    free(m);
}

int model_peek(struct model_record *rec, struct id *id, const char *path,
               struct err *err)
{
    struct id h;
    unsigned char head[MODEL_RECORD_SIZE];
    struct model_record out;
    struct model_reader r;
    int rc;

    if (reader_open(&r, path, err))
        return -1;
    rc = read_record(&r, head, &out, &h, err);
    close(r.fd);
    if (rc)
        return -1;
    *rec = out;
    *id = h;
    return 0;
}

/* Append n bytes at offset `at` of the file. */
static int append_part(struct model_reader *r, struct buf *b, const char *what,
                       uint64_t at, uint64_t n, struct err *err)
{
    void *p = NULL;
    int rc = -1;

    if (!n)
        return 0;
    if (lseek(r->fd, (off_t)at, SEEK_SET) < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", r->path);
    if (mem_big(&p, (size_t)n, 1, what, err))
        return -1;
    if (!read_exact(r, p, (size_t)n, err)) {
        buf_put(b, p, (size_t)n);
        rc = buf_check(b, what, err);
    }
    free(p);
    return rc;
}

int model_peek_texts(struct buf *tokenizer, struct buf *chat_template,
                     const struct model_record *rec, const char *path,
                     struct err *err)
{
    size_t t0 = tokenizer->len, c0 = chat_template->len;
    struct model_layout lay;
    struct model_reader r;
    int rc = -1;

    if (model_layout(&lay, rec, err))
        return -1;
    if (reader_open(&r, path, err))
        goto clear_layout;
    if (append_part(&r, tokenizer, "the tokenizer", lay.tokenizer,
                    rec->tokenizer_size, err) ||
        append_part(&r, chat_template, "the chat template",
                    lay.chat_template, rec->template_size, err))
        goto close_file;
    if (!check_text(path, "tokenizer", tokenizer->data + t0,
                    tokenizer->len - t0, rec->tokenizer, err) &&
        !check_template(path, chat_template->data + c0,
                        chat_template->len - c0, rec->template_blob, err))
        rc = 0;
close_file:
    close(r.fd);
clear_layout:
    model_layout_clear(&lay);
    return rc;
}
