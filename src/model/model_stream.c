/*
 * The parts of a model file in the order of the file.  A part is gathered in
 * units: a matrix is its scales and then row after row, every other part is
 * one unit.  Before a part there may be zeros.
 */
#include <config.h>

#include "model/model_stream.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/model_layout.h"
#include "proof/merkle.h"

enum stream_part {
    PART_RECORD,
    PART_TENSORS,
    PART_TENSOR,
    PART_TOKENIZER,
    PART_TEMPLATE,
    PART_NONE
};

struct model_stream {
    bool has_want;
    struct id want, id;
    struct model_record rec;
    struct model_layout lay; /* once the record is in */
    struct tensor_record *t; /* once they are in */
    enum stream_part part;
    uint32_t tensor;      /* which, of PART_TENSOR */
    uint64_t good;        /* where the part's zeros begin */
    uint64_t begin, end;  /* of the part behind them */
    uint64_t at;
    struct buf unit;      /* so far */
    size_t n_unit;        /* bytes of it in all */
    /* of a matrix */
    unsigned char *scales;
    bool has_scales;
    uint32_t row;
    struct merkle tree;
};

#define MAX_UNIT ((size_t)MODEL_MAX_TOKENIZER)

/* ---- which part is next ----- */

static void enter(struct model_stream *s, enum stream_part part, uint64_t begin,
                  uint64_t size)
{
    s->part = part;
    s->begin = begin;
    s->end = begin + size;
    s->n_unit = (size_t)size;
}

static bool is_matrix(const struct model_stream *s)
{
    return s->part == PART_TENSOR && s->t[s->tensor].type == TENSOR_W8;
}

/* At the beginning of a part, again or for the first time. */
static void begin_part(struct model_stream *s)
{
    buf_reset(&s->unit);
    s->has_scales = false;
    s->row = 0;
    merkle_init(&s->tree);
    if (is_matrix(s))
        s->n_unit = (size_t)model_tensor_scales(&s->t[s->tensor]);
}

/* The first tensor from s->tensor on that has bytes of its own. */
static bool enter_tensor(struct model_stream *s)
{
    for (; s->tensor < s->rec.n_tensors; s->tensor++) {
        const struct tensor_record *t = &s->t[s->tensor];

        if (t->type == TENSOR_ABSENT ||
            (s->tensor == TENSOR_HEAD && s->rec.flags & MODEL_TIED))
            continue;
        enter(s, PART_TENSOR, s->lay.offset[s->tensor],
              model_tensor_size(t));
        return true;
    }
    return false;
}

static void next_part(struct model_stream *s)
{
    s->good = s->at;
    switch (s->part) {
    case PART_RECORD:
        enter(s, PART_TENSORS, MODEL_RECORD_SIZE,
              (uint64_t)s->rec.n_tensors * TENSOR_RECORD_SIZE);
        break;
    case PART_TENSORS:
    case PART_TENSOR:
        s->tensor = s->part == PART_TENSORS ? 0 : s->tensor + 1;
        if (enter_tensor(s))
            break;
        /* fall through */
    case PART_TOKENIZER:
        if (s->part != PART_TOKENIZER && s->rec.tokenizer_size) {
            enter(s, PART_TOKENIZER, s->lay.tokenizer,
                  s->rec.tokenizer_size);
            break;
        }
        if (s->rec.template_size) {
            enter(s, PART_TEMPLATE, s->lay.chat_template,
                  s->rec.template_size);
            break;
        }
        /* fall through */
    default:
        s->part = PART_NONE;
    }
    begin_part(s);
}

/* ---- a unit is in ----- */

static int end_record(struct model_stream *s, struct err *err)
{
    const unsigned char *p = (unsigned char *)s->unit.data;
    struct model_record rec;

    if (memcmp(p, "apusmdl1", 8) != 0)
        return err_set(err, ERR_INPUT, "no model file: it does not begin "
                       "with apusmdl1");
    if (model_record_unpack(&rec, p))
        return err_set(err, ERR_INPUT, "the model record is malformed");
    model_record_id(&s->id, &rec);
    if (s->has_want && !id_equal(s->id, s->want))
        return err_set(err, ERR_INPUT, "another model than the one asked "
                       "for: its id differs");
    if (model_layout(&s->lay, &rec, err))
        return -1;
    s->rec = rec;
    s->t = xcalloc(rec.n_tensors, sizeof(*s->t));
    return 0;
}

static int end_text(const struct model_stream *s, const char *what,
                    struct id want, struct err *err)
{
    struct id root;

    merkle_blob(&root, s->unit.data, s->unit.len);
    if (!id_equal(root, want))
        return err_set(err, ERR_INPUT, "the bytes of the %s do not have "
                       "their root", what);
    if (s->part == PART_TEMPLATE && !utf8_valid(s->unit.data, s->unit.len))
        return err_set(err, ERR_INPUT, "the chat template is not UTF-8");
    return 0;
}

static int end_vector(const struct model_stream *s, struct err *err)
{
    const unsigned char *p = (unsigned char *)s->unit.data;
    struct id root;

    if (model_check_floats(&s->rec, s->tensor, p, s->unit.len / 4, err))
        return -1;
    merkle_blob(&root, p, s->unit.len);
    if (!id_equal(root, s->t[s->tensor].root))
        return model_wrong(&s->rec, s->tensor, "its bytes do not have its root",
                           err);
    return 0;
}

static int take_scales(struct model_stream *s, struct err *err)
{
    const struct tensor_record *t = &s->t[s->tensor];
    size_t n = (size_t)t->rows * 4;

    if (model_check_floats(&s->rec, s->tensor, (unsigned char *)s->unit.data,
                           t->rows, err))
        return -1;
    for (size_t i = n; i < s->unit.len; i++)
        if (s->unit.data[i])
            return model_wrong(&s->rec, s->tensor,
                               "what is between its scales and "
                               "its rows is not zero",
                               err);
    s->scales = xrealloc(s->scales, n);
    memcpy(s->scales, s->unit.data, n);
    s->has_scales = true;
    s->n_unit = t->cols;
    return 0;
}

enum stream_end {
    STREAM_FAILED = -1,
    STREAM_PART_OVER,
    STREAM_CONTINUES /* with another unit */
};

static enum stream_end take_row(struct model_stream *s, struct err *err)
{
    const struct tensor_record *t = &s->t[s->tensor];
    struct id root;
    unsigned char leaf[36];

    if (memchr(s->unit.data, 0x80, t->cols))
        return model_wrong(&s->rec, s->tensor, "it has a weight of -128", err);
    model_row_leaf(leaf, f32_from(get_u32(s->scales + 4 * (size_t)s->row)),
                   (const int8_t *)s->unit.data, t->cols);
    merkle_leaf(&s->tree, leaf, sizeof(leaf));
    if (++s->row < t->rows)
        return STREAM_CONTINUES;
    merkle_root(&s->tree, &root);
    if (!id_equal(root, t->root))
        return model_wrong(&s->rec, s->tensor, "its bytes do not have its root",
                           err);
    return STREAM_PART_OVER;
}

static enum stream_end end_unit(struct model_stream *s, struct err *err)
{
    switch (s->part) {
    case PART_RECORD:
        return end_record(s, err);
    case PART_TENSORS:
        return model_check_tensors(s->t, (unsigned char *)s->unit.data,
                                   &s->rec, err);
    case PART_TOKENIZER:
        return end_text(s, "tokenizer", s->rec.tokenizer, err);
    case PART_TEMPLATE:
        return end_text(s, "chat template", s->rec.template_blob, err);
    default:
        break;
    }
    if (!is_matrix(s))
        return end_vector(s, err);
    if (s->has_scales)
        return take_row(s, err);
    return take_scales(s, err) ? STREAM_FAILED : STREAM_CONTINUES;
}

/* ---- bytes ----- */

struct model_stream *model_stream_new(const struct id *want_id)
{
    struct model_stream *s = xcalloc(1, sizeof(*s));

    if (want_id) {
        s->has_want = true;
        s->want = *want_id;
    }
    buf_init(&s->unit, MAX_UNIT);
    enter(s, PART_RECORD, 0, MODEL_RECORD_SIZE);
    begin_part(s);
    return s;
}

void model_stream_free(struct model_stream *s)
{
    if (!s)
        return;
    model_layout_clear(&s->lay);
    free(s->t);
    free(s->scales);
    buf_clear(&s->unit);
    free(s);
}

/* Of the zeros before the part: how many of the n bytes they are. */
static int take_zeros(struct model_stream *s, const char *p, size_t n,
                      size_t *taken, struct err *err)
{
    uint64_t want = s->begin - s->at;
    size_t k = want < n ? (size_t)want : n;

    for (size_t i = 0; i < k; i++)
        if (p[i])
            return err_set(err, ERR_INPUT,
                           "byte %" PRIu64 " is padding and not "
                           "zero",
                           s->at + i);
    *taken = k;
    return 0;
}

static int take_unit(struct model_stream *s, const char *p, size_t n,
                     size_t *taken, struct err *err)
{
    size_t want = s->n_unit - s->unit.len;

    *taken = want < n ? want : n;
    if (buf_reserve(&s->unit, *taken, "a part of the model", err))
        return -1;
    buf_put(&s->unit, p, *taken);
    return 0;
}

int model_stream_put(struct model_stream *s, const void *data, size_t n,
                     struct err *err)
{
    const char *p = data;
    size_t k = 0;
    enum stream_end end;

    while (n) {
        if (s->part == PART_NONE)
            return err_set(err, ERR_INPUT, "there are bytes after the end "
                           "of the model");
        if (s->at < s->begin ? take_zeros(s, p, n, &k, err)
                             : take_unit(s, p, n, &k, err))
            return -1;
        p += k;
        n -= k;
        s->at += k;
        if (s->at < s->begin || s->unit.len < s->n_unit)
            continue;
        end = end_unit(s, err);
        if (end == STREAM_FAILED)
            return -1;
        buf_reset(&s->unit);
        if (end == STREAM_PART_OVER)
            next_part(s);
    }
    return 0;
}

uint64_t model_stream_at(const struct model_stream *s)
{
    return s->at;
}

uint64_t model_stream_good(const struct model_stream *s)
{
    return s->good;
}

uint64_t model_stream_size(const struct model_stream *s)
{
    return s->lay.size;
}

void model_stream_back(struct model_stream *s)
{
    s->at = s->good;
    begin_part(s);
}

int model_stream_end(const struct model_stream *s, struct id *id,
                     struct err *err)
{
    if (s->part != PART_NONE || s->at != s->lay.size)
        return err_set(err, ERR_INPUT, "the model ends too early");
    *id = s->id;
    return 0;
}
