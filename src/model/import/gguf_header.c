/*
 * The header of a GGUF file: magic, version, counts, keys with values, tensor
 * infos (docs/gguf.md of ggml).  It does not say how long it is, so it is read
 * as it is parsed.  Nothing is allocated for a count before what it counts was
 * read.
 */
#include <config.h>

#include "model/import/gguf_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8_read.h"
#include "base/vec.h"
#include "model/import/gguf_blocks.h"

#define STEP ((size_t)1 << 20)       /* of reading */
#define MAX_HEAD ((size_t)128 << 20)
#define MAX_COUNT 65536              /* keys, tensors */
#define MAX_NAME 255
#define ALIGNMENT 32                 /* unless a key says otherwise */
#define MAX_ALIGNMENT 65536

/* Where the parser is in the header of a file. */
struct gguf_reader {
    struct gguf_file *f;
    size_t at;
};

/* Have n more bytes in memory. */
static int need(struct gguf_reader *r, uint64_t n, struct err *err)
{
    struct gguf_file *f = r->f;
    size_t more;
    ssize_t got;

    if (n <= f->head.len - r->at)
        return 0;
    if (n > f->size || r->at > f->size - n)
        return err_set(err, ERR_INPUT, "the file ends within its header: it"
                       " is not whole, or damaged");
    if (f->fd < 0 || n > MAX_HEAD || r->at > MAX_HEAD - n)
        return err_set(err, ERR_INPUT, "its header is over %zu bytes",
                       MAX_HEAD);
    more = r->at + (size_t)n - f->head.len;
    more = more < STEP ? STEP : more;
    more = more < f->head.len ? f->head.len : more;
    if (more > MAX_HEAD - f->head.len)
        more = MAX_HEAD - f->head.len;
    if (more > f->size - f->head.len)
        more = (size_t)(f->size - f->head.len);
    if (buf_reserve(&f->head, more, "the header", err))
        return -1;
    got = file_read_at(f->fd, f->head.data + f->head.len, more, f->head.len);
    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read it");
    f->head.len += (size_t)got;
    if (n > f->head.len - r->at)
        return err_set(err, ERR_INPUT, "it became shorter while it was read");
    return 0;
}

static const void *here(const struct gguf_reader *r)
{
    return r->f->head.data + r->at;
}

static int take_u32(struct gguf_reader *r, uint32_t *out, struct err *err)
{
    if (need(r, 4, err))
        return -1;
    *out = get_u32(here(r));
    r->at += 4;
    return 0;
}

static int take_u64(struct gguf_reader *r, uint64_t *out, struct err *err)
{
    if (need(r, 8, err))
        return -1;
    *out = get_u64(here(r));
    r->at += 8;
    return 0;
}

static int skip(struct gguf_reader *r, uint64_t n, struct err *err)
{
    if (need(r, n, err))
        return -1;
    r->at += (size_t)n;
    return 0;
}

/* A key or the name of a tensor; the caller frees it. */
static int take_name(struct gguf_reader *r, char **out, const char *of,
                     struct err *err)
{
    uint64_t n;

    if (take_u64(r, &n, err))
        return -1;
    if (n < 1 || n > MAX_NAME)
        return err_set(err, ERR_INPUT, "%s has a name of %" PRIu64 " bytes,"
                       " 1 to %d are possible", of, n, MAX_NAME);
    if (need(r, n, err))
        return -1;
    if (!utf8_valid(here(r), (size_t)n) || memchr(here(r), 0, (size_t)n))
        return err_set(err, ERR_INPUT, "%s has a name that is not UTF-8", of);
    *out = xstrndup(here(r), (size_t)n);
    r->at += (size_t)n;
    return 0;
}

/* ---- values -------------------------------------------------------------- */

size_t gguf_width(enum gguf_type type)
{
    static const unsigned char width[GGUF_TYPES] = {
        [GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8
    };

    return width[type];
}

static int take_type(struct gguf_reader *r, enum gguf_type *out,
                     const char *key, struct err *err)
{
    uint32_t type;

    if (take_u32(r, &type, err))
        return -1;
    if (type >= GGUF_TYPES)
        return err_set(err, ERR_INPUT, "\"%s\" has the unknown type %u", key,
                       type);
    *out = (enum gguf_type)type;
    return 0;
}

/* Go over v->n elements of a type. */
static int skip_elements(struct gguf_reader *r, const struct gguf_value *v,
                         struct err *err)
{
    size_t width = gguf_width(v->of);

    if (v->of == GGUF_ARRAY)
        return err_set(err, ERR_INPUT, "\"%s\" is an array of arrays",
                       v->key);
    if (width && v->n > UINT64_MAX / width)
        return err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " elements",
                       v->key, v->n);
    if (width)
        return skip(r, v->n * width, err);
    for (uint64_t i = 0; i < v->n; i++) {
        uint64_t n;

        if (take_u64(r, &n, err) || skip(r, n, err))
            return -1;
    }
    return 0;
}

static int take_value(struct gguf_reader *r, struct gguf_value *v,
                      struct err *err)
{
    memset(v, 0, sizeof(*v));
    if (take_name(r, &v->key, "a key", err))
        return -1;
    if (take_type(r, &v->type, v->key, err))
        goto fail;
    v->of = v->type;
    v->n = 1;
    if (v->type == GGUF_ARRAY && (take_type(r, &v->of, v->key, err) ||
                                  take_u64(r, &v->n, err)))
        goto fail;
    v->at = r->at;
    if (skip_elements(r, v, err)) {
        err_prefix(err, "key \"%s\"", v->key);
        goto fail;
    }
    v->size = r->at - v->at;
    return 0;
fail:
    free(v->key);
    return -1;
}

/* ---- tensors ------------------------------------------------------------- */

static int take_shape(struct gguf_reader *r, struct gguf_tensor *t,
                      struct err *err)
{
    uint32_t dims;

    if (take_u32(r, &dims, err))
        return -1;
    if (dims < 1 || dims > GGUF_DIMS)
        return err_set(err, ERR_INPUT, "tensor \"%s\" has %u dimensions, 1 to"
                       " %d are possible", t->name, dims, GGUF_DIMS);
    t->n_dims = dims;
    t->n = 1;
    for (uint32_t i = 0; i < GGUF_DIMS; i++) {
        t->dim[i] = 1;
        if (i < dims && take_u64(r, &t->dim[i], err))
            return -1;
        if (t->dim[i] < 1 || t->n > (uint64_t)INT64_MAX / t->dim[i])
            return err_set(err, ERR_INPUT, "tensor \"%s\": its shape is"
                           " empty or too large", t->name);
        t->n *= t->dim[i];
    }
    return 0;
}

static int take_format(struct gguf_reader *r, struct gguf_tensor *t,
                       struct err *err)
{
    const struct gguf_format *f;
    uint32_t type;

    if (take_u32(r, &type, err))
        return -1;
    f = gguf_format(type);
    if (!f)
        return err_set(err, ERR_INPUT, "tensor \"%s\" is of the unknown"
                       " format %u", t->name, type);
    if (t->dim[0] % f->numbers)
        return err_set(err, ERR_INPUT, "tensor \"%s\" has rows of %" PRIu64
                       " numbers; %s needs a multiple of %u", t->name,
                       t->dim[0], f->name, f->numbers);
    if (t->n / f->numbers > (uint64_t)INT64_MAX / f->bytes)
        return err_set(err, ERR_INPUT, "tensor \"%s\": its shape is too"
                       " large", t->name);
    t->format = f;
    t->size = t->n / f->numbers * f->bytes;
    return 0;
}

/* Its offset is from the end of the header, which is not known yet. */
static int take_tensor(struct gguf_reader *r, struct gguf_tensor *t,
                       struct err *err)
{
    memset(t, 0, sizeof(*t));
    if (take_name(r, &t->name, "a tensor", err))
        return -1;
    if (take_shape(r, t, err) || take_format(r, t, err) ||
        take_u64(r, &t->at, err)) {
        free(t->name);
        return -1;
    }
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct gguf_tensor *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Tensors from[0..n) lie in the file, aligned, one after the other. */
static int place_tensors(const struct gguf_file *f, struct gguf_tensor *t,
                         size_t n, uint64_t alignment, struct err *err)
{
    uint64_t capacity = f->size - f->data;

    for (size_t i = 0; i < n; i++) {
        if (t[i].at % alignment)
            return err_set(err, ERR_INPUT, "tensor \"%s\" begins at %" PRIu64
                           ", not a multiple of %" PRIu64, t[i].name,
                           t[i].at, alignment);
        if (t[i].size > capacity || t[i].at > capacity - t[i].size)
            return err_set(err, ERR_INPUT, "tensor \"%s\" of %" PRIu64
                           " bytes begins at %" PRIu64 " and the file ends"
                           " at %" PRIu64 ": it is not whole", t[i].name,
                           t[i].size, t[i].at > capacity ? f->size
                                                     : f->data + t[i].at,
                           f->size);
        t[i].at += f->data;
    }
    qsort(t, n, sizeof(*t), by_place);
    for (size_t i = 1; i < n; i++)
        if (t[i].at < t[i - 1].at + t[i - 1].size)
            return err_set(err, ERR_INPUT, "tensors \"%s\" and \"%s\""
                           " overlap", t[i - 1].name, t[i].name);
    return 0;
}

/* ---- the header ---------------------------------------------------------- */

/* What a file is that is not GGUF, where its first bytes tell. */
static int not_gguf(const char *p, size_t n, struct err *err)
{
    static const char lfs[] = "version https://git-lfs";
    size_t zeros = 0;

    while (zeros < n && p[zeros] == '\0')
        zeros++;
    if (n == 0)
        return err_set(err, ERR_INPUT, "it is empty: download it again");
    if (zeros == n)
        return err_set(err, ERR_INPUT, "it begins with zeros: the download did"
                       " not finish");
    if (n >= sizeof(lfs) - 1 && memcmp(p, lfs, sizeof(lfs) - 1) == 0)
        return err_set(err, ERR_INPUT, "it is a pointer of Git LFS, not the"
                       " file: git lfs pull fetches that");
    if (*p == '<')
        return err_set(err, ERR_INPUT, "it is a web page, not GGUF: download"
                       " the file itself");
    return err_set(err, ERR_INPUT, "it is not GGUF");
}

static int take_begin(struct gguf_reader *r, uint64_t *n_tensors,
                      uint64_t *n_keys, struct err *err)
{
    const struct gguf_file *f = r->f;
    uint32_t version;

    if (need(r, f->size < 64 ? f->size : 64, err))
        return -1;
    if (f->head.len < 24 || memcmp(f->head.data, "GGUF", 4) != 0)
        return not_gguf(f->head.data, f->head.len, err);
    version = get_u32(f->head.data + 4);
    r->at = 8;
    if (version != 0 && (version & 0xffff) == 0)
        return err_set(err, ERR_INPUT, "it is for big-endian machines");
    if (version != 2 && version != 3)
        return err_set(err, ERR_INPUT, "it is of version %u; 2 and 3 are"
                       " known", version);
    if (take_u64(r, n_tensors, err) || take_u64(r, n_keys, err))
        return -1;
    if (*n_tensors > MAX_COUNT || *n_keys > MAX_COUNT)
        return err_set(err, ERR_INPUT, "it has %" PRIu64 " tensors and %"
                       PRIu64 " keys, at most %d are possible", *n_tensors,
                       *n_keys, MAX_COUNT);
    return 0;
}

static int alignment_of(const struct gguf_file *f, uint64_t *out,
                        struct err *err)
{
    *out = ALIGNMENT;
    for (size_t i = 0; i < f->n_values; i++) {
        const struct gguf_value *v = &f->value[i];

        if (strcmp(v->key, "general.alignment") != 0)
            continue;
        if (v->type != GGUF_U32)
            return err_set(err, ERR_INPUT, "general.alignment is not a u32");
        *out = get_u32(f->head.data + v->at);
    }
    if (*out < 1 || *out > MAX_ALIGNMENT || (*out & (*out - 1)))
        return err_set(err, ERR_INPUT, "general.alignment is %" PRIu64 ", a"
                       " power of two is possible", *out);
    return 0;
}

int gguf_header(struct gguf *g, size_t file, struct err *err)
{
    struct gguf_file *f = &g->file[file];
    struct gguf_reader r = { f, 0 };
    uint64_t n_tensors = 0, n_keys = 0, alignment = 0;
    size_t from = g->n;

    if (take_begin(&r, &n_tensors, &n_keys, err))
        return -1;
    for (uint64_t i = 0; i < n_keys; i++) {
        VEC_MORE(f->value, f->n_values);
        if (take_value(&r, &f->value[f->n_values], err))
            return -1;
        f->n_values++;
    }
    for (uint64_t i = 0; i < n_tensors; i++) {
        VEC_MORE(g->t, g->n);
        if (take_tensor(&r, &g->t[g->n], err))
            return -1;
        g->t[g->n++].file = file;
    }
    if (alignment_of(f, &alignment, err))
        return -1;
    f->data = (r.at + alignment - 1) / alignment * alignment;
    if (g->n == from)
        return 0;
    if (f->data > f->size)
        return err_set(err, ERR_INPUT, "the file ends with its header: it is"
                       " not whole");
    return place_tensors(f, g->t + from, g->n - from, alignment, err);
}
