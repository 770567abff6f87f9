/*
 * GGUF files that were opened: values by key, tensors by name, numbers.  The
 * header is gguf_header.c.
 */
#include <config.h>

#include "model/import/gguf.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/import/gguf_blocks.h"
#include "model/import/gguf_internal.h"

#define MAX_HEAD ((size_t)160 << 20)
#define MAX_FILES 512
#define PIECE 65536 /* bytes read at once */

/* ---- opening ------------------------------------------------------------- */

static struct gguf_file *add_file(struct gguf *g)
{
    struct gguf_file *f;

    VEC_MORE(g->file, g->n_files);
    f = &g->file[g->n_files++];
    memset(f, 0, sizeof(*f));
    f->fd = -1;
    buf_init(&f->head, MAX_HEAD);
    return f;
}

static void clear_values(struct gguf_file *f)
{
    for (size_t i = 0; i < f->n_values; i++)
        free(f->value[i].key);
    free(f->value);
    f->value = NULL;
    f->n_values = 0;
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_files; i++) {
        struct gguf_file *f = &g->file[i];

        clear_values(f);
        buf_clear(&f->head);
        free(f->path);
        if (f->fd >= 0)
            close(f->fd);
    }
    for (size_t i = 0; i < g->n; i++)
        free(g->t[i].name);
    free(g->t);
    free(g->file);
    free(g);
}

static int open_file(struct gguf *g, const char *path, struct err *err)
{
    struct gguf_file *f = add_file(g);
    struct stat st;

    f->path = xstrdup(path);
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0)
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    if (fstat(f->fd, &st) < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
    f->size = (uint64_t)st.st_size;
    if (gguf_header(g, g->n_files - 1, err))
        return err_prefix(err, "\"%s\"", path);
    return 0;
}

static int value_order(const void *a, const void *b)
{
    const struct gguf_value *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static int tensor_order(const void *a, const void *b)
{
    const struct gguf_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* The values of a file in the order of their keys, each there once. */
static int sort_values(struct gguf_file *f, struct err *err)
{
    if (f->n_values)
        qsort(f->value, f->n_values, sizeof(*f->value), value_order);
    for (size_t i = 1; i < f->n_values; i++)
        if (strcmp(f->value[i - 1].key, f->value[i].key) == 0)
            return err_set(err, ERR_INPUT, "the key \"%s\" is there twice",
                           f->value[i].key);
    return 0;
}

static int sort_tensors(struct gguf *g, struct err *err)
{
    if (g->n)
        qsort(g->t, g->n, sizeof(*g->t), tensor_order);
    for (size_t i = 1; i < g->n; i++)
        if (strcmp(g->t[i - 1].name, g->t[i].name) == 0)
            return err_set(err, ERR_INPUT, "tensor \"%s\" is there twice",
                           g->t[i].name);
    return 0;
}

/* A number of the first file's, 0 if it has no such key. */
static uint64_t number_of(const struct gguf *g, const char *key)
{
    uint64_t n;

    return gguf_u64(g, gguf_get(g, key), &n) == 0 ? n : 0;
}

/* The path of file i of n of the set that `path` is one of; NULL if its name
 * is not that of one. */
static char *part_path(const char *path, uint64_t i, uint64_t n)
{
    static const char form[] = "-00001-of-00001.gguf";
    size_t len = strlen(path), tail = sizeof(form) - 1;
    const char *end = path + len - tail;

    if (len <= tail || strspn(end + 1, "0123456789") != 5 ||
        strncmp(end + 6, "-of-", 4) != 0 || strcmp(end + 15, ".gguf") != 0)
        return NULL;
    return xasprintf("%.*s-%05" PRIu64 "-of-%05" PRIu64 ".gguf",
                     (int)(len - tail), path, i + 1, n);
}

char *gguf_set_file(const char *path, uint64_t i)
{
    size_t len = strlen(path), tail = strlen("00001.gguf");
    char *name = part_path(path, 0, 1);
    uint64_t n = name ? strtoull(path + len - tail, NULL, 10) : 0;

    free(name);
    return i < n && n <= MAX_FILES ? part_path(path, i, n) : NULL;
}

static int open_first(struct gguf *g, const char *path, struct err *err)
{
    if (open_file(g, path, err))
        return -1;
    if (sort_values(&g->file[0], err))
        return err_prefix(err, "\"%s\"", path);
    return 0;
}

/* The files of a set after the first. */
static int open_rest(struct gguf *g, uint64_t n, struct err *err)
{
    for (uint64_t i = 1; i < n; i++) {
        char *path = part_path(g->file[0].path, i, n);
        int rc = path ? open_file(g, path, err) : -1;

        if (!path)
            err_set(err, ERR_INPUT, "\"%s\" is one of %" PRIu64 " files, and"
                    " its name does not end in -00001-of-%05" PRIu64
                    ".gguf: the others cannot be found", g->file[0].path, n,
                    n);
        free(path);
        if (rc)
            return -1;
        clear_values(&g->file[i]);
        buf_clear(&g->file[i].head);
    }
    return 0;
}

static struct gguf *gguf_new(void)
{
    return xcalloc(1, sizeof(struct gguf));
}

int gguf_open(struct gguf **out, const char *path, struct err *err)
{
    struct gguf *g = gguf_new();
    char *first = NULL;
    uint64_t n;

    if (open_first(g, path, err))
        goto fail;
    n = number_of(g, "split.count");
    if (n > MAX_FILES) {
        err_set(err, ERR_INPUT, "\"%s\" is one of %" PRIu64 " files, at most"
                " %d are possible", path, n, MAX_FILES);
        goto fail;
    }
    if (n > 1 && number_of(g, "split.no") != 0) {
        first = part_path(path, 0, n);
        if (!first) {
            err_set(err, ERR_INPUT, "\"%s\" is not the first of %" PRIu64
                    " files; give that one", path, n);
            goto fail;
        }
        gguf_close(g);
        g = gguf_new();
        if (open_first(g, first, err))
            goto fail;
    }
    if (open_rest(g, n, err) || sort_tensors(g, err))
        goto fail;
    n = number_of(g, "split.tensors.count");
    if (n && n != g->n) {
        err_set(err, ERR_INPUT, "\"%s\" and the other files have %zu tensors,"
                " %" PRIu64 " are announced", path, g->n, n);
        goto fail;
    }
    free(first);
    *out = g;
    return 0;
fail:
    free(first);
    gguf_close(g);
    return -1;
}

bool gguf_is(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char magic[4];
    struct stat st;
    bool is = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
              file_read_at(fd, magic, 4, 0) == 4 &&
              memcmp(magic, "GGUF", 4) == 0;

    if (fd >= 0)
        close(fd);
    return is;
}

int gguf_check(struct gguf **out, const void *data, size_t n, uint64_t size,
               struct err *err)
{
    struct gguf *g = gguf_new();
    struct gguf_file *f = add_file(g);

    buf_put(&f->head, data, n);
    f->size = size < n ? n : size;
    if (buf_check(&f->head, "the header", err) || gguf_header(g, 0, err) ||
        sort_values(f, err) || sort_tensors(g, err)) {
        gguf_close(g);
        return -1;
    }
    *out = g;
    return 0;
}

/* ---- values -------------------------------------------------------------- */

size_t gguf_count(const struct gguf *g)
{
    return g->file[0].n_values;
}

const struct gguf_value *gguf_at(const struct gguf *g, size_t i)
{
    assert(i < g->file[0].n_values);
    return &g->file[0].value[i];
}

const struct gguf_value *gguf_get(const struct gguf *g, const char *key)
{
    const struct gguf_file *f = &g->file[0];
    struct gguf_value k = { .key = (char *)key };

    if (!f->n_values)
        return NULL;
    return bsearch(&k, f->value, f->n_values, sizeof(k), value_order);
}

static const unsigned char *bytes_of(const struct gguf *g,
                                     const struct gguf_value *v)
{
    return (const unsigned char *)g->file[0].head.data + v->at;
}

/* A whole number, sign-extended; -1 if the type is another. */
static int whole(const unsigned char *p, enum gguf_type type, int64_t *out)
{
    uint64_t u = 0;

    for (size_t i = gguf_width(type); i-- > 0;)
        u = u << 8 | p[i];
    switch (type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
        *out = (int64_t)u;
        return 0;
    case GGUF_U64:
    case GGUF_I64: /* above 2^63 a number that fits nowhere either */
        *out = (int64_t)u;
        return 0;
    case GGUF_I8:
        *out = (int8_t)u;
        return 0;
    case GGUF_I16:
        *out = (int16_t)u;
        return 0;
    case GGUF_I32:
        *out = (int32_t)u;
        return 0;
    default:
        return -1;
    }
}

/* Any number but a truth. */
static int read_number(const unsigned char *p, enum gguf_type type, double *out)
{
    uint64_t bits;
    int64_t n;

    if (type == GGUF_F32) {
        *out = (double)f32_from(get_u32(p));
        return 0;
    }
    if (type == GGUF_F64) {
        bits = get_u64(p);
        memcpy(out, &bits, sizeof(bits));
        return 0;
    }
    if (whole(p, type, &n))
        return -1;
    *out = (double)n;
    return 0;
}

int gguf_u64(const struct gguf *g, const struct gguf_value *v, uint64_t *out)
{
    int64_t n;

    if (!v || v->type == GGUF_ARRAY || whole(bytes_of(g, v), v->type, &n) ||
        n < 0)
        return -1;
    *out = (uint64_t)n;
    return 0;
}

int gguf_f64(const struct gguf *g, const struct gguf_value *v, double *out)
{
    if (!v || v->type == GGUF_ARRAY)
        return -1;
    return read_number(bytes_of(g, v), v->type, out);
}

int gguf_bool(const struct gguf *g, const struct gguf_value *v, bool *out)
{
    if (!v || v->type != GGUF_BOOL)
        return -1;
    *out = bytes_of(g, v)[0] != 0;
    return 0;
}

int gguf_string(const struct gguf *g, const struct gguf_value *v,
                const char **s, size_t *n)
{
    if (!v || v->type != GGUF_STRING)
        return -1;
    *s = (const char *)bytes_of(g, v) + 8;
    *n = v->size - 8;
    return 0;
}

bool gguf_says(const struct gguf *g, const struct gguf_value *v,
               const char *text)
{
    const char *s;
    size_t n;

    return gguf_string(g, v, &s, &n) == 0 && n == strlen(text) &&
           memcmp(s, text, n) == 0;
}

int gguf_texts(const struct gguf *g, const struct gguf_value *v,
               struct gguf_items *it)
{
    if (!v || v->type != GGUF_ARRAY || v->of != GGUF_STRING)
        return -1;
    *it = (struct gguf_items){ bytes_of(g, v), v->n, v->of };
    return 0;
}

int gguf_numbers(const struct gguf *g, const struct gguf_value *v,
                 struct gguf_items *it)
{
    if (!v || v->type != GGUF_ARRAY || v->of == GGUF_STRING ||
        v->of == GGUF_BOOL)
        return -1;
    *it = (struct gguf_items){ bytes_of(g, v), v->n, v->of };
    return 0;
}

bool gguf_next_text(struct gguf_items *it, const char **s, size_t *n)
{
    if (!it->left)
        return false;
    *n = (size_t)get_u64(it->p);
    *s = (const char *)it->p + 8;
    it->p += 8 + *n;
    it->left--;
    return true;
}

bool gguf_next_number(struct gguf_items *it, double *x)
{
    if (!it->left || read_number(it->p, it->of, x))
        return false;
    it->p += gguf_width(it->of);
    it->left--;
    return true;
}

/* ---- tensors ------------------------------------------------------------- */

size_t gguf_tensors(const struct gguf *g)
{
    return g->n;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i)
{
    assert(i < g->n);
    return &g->t[i];
}

const struct gguf_tensor *gguf_find(const struct gguf *g, const char *name)
{
    struct gguf_tensor k = { .name = (char *)name };

    if (!g->n)
        return NULL;
    return bsearch(&k, g->t, g->n, sizeof(k), tensor_order);
}

static int read_at(const struct gguf_file *f, uint64_t at, void *out,
                   size_t n, struct err *err)
{
    ssize_t got = file_read_at(f->fd, out, n, at);

    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
    if ((size_t)got < n)
        return err_set(err, ERR_INPUT, "\"%s\" ends too early", f->path);
    return 0;
}

/* The numbers [from, from + n) of the blocks at p, from < one block. */
static void decode(const struct gguf_format *f, const unsigned char *p,
                   size_t from, size_t n, float *out)
{
    float block[GGUF_BLOCK];

    for (; n; p += f->bytes) {
        size_t k = f->numbers - from;

        k = k < n ? k : n;
        if (k == f->numbers) {
            f->decode(out, p);
        } else {
            f->decode(block, p);
            memcpy(out, block + from, k * sizeof(*out));
        }
        out += k;
        n -= k;
        from = 0;
    }
}

int gguf_read(const struct gguf *g, const struct gguf_tensor *t,
              uint64_t from, size_t n, float *out, struct err *err)
{
    const struct gguf_file *file = &g->file[t->file];
    const struct gguf_format *f = t->format;
    unsigned char raw[PIECE];

    assert(from <= t->n && n <= t->n - from);
    if (!f->decode)
        return err_set(err, ERR_INPUT, "tensor \"%s\" has the format %s,"
                       " which cannot be read", t->name, f->name);
    while (n) {
        uint64_t first = from / f->numbers;
        size_t skipped = (size_t)(from % f->numbers), blocks, k;

        blocks = (skipped + n + f->numbers - 1) / f->numbers;
        blocks = blocks < PIECE / f->bytes ? blocks : PIECE / f->bytes;
        k = blocks * f->numbers - skipped;
        k = k < n ? k : n;
        if (read_at(file, t->at + first * f->bytes, raw, blocks * f->bytes,
                    err))
            return -1;
        decode(f, raw, skipped, k, out);
        out += k;
        from += k;
        n -= k;
    }
    return 0;
}
