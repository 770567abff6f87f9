/*
 * Reading safetensors: 8 bytes with the length of a JSON header, the header,
 * the numbers.  Tensors must cover the bytes after the header without holes
 * or overlaps, as the format demands.
 */
#include <config.h>

#include "model/import/safetensors.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/import/foreign.h"

#define MAX_HEADER ((uint64_t)100000000) /* as in the format's own reader */
#define MAX_SHARDS 512
#define PIECE 16384 /* numbers converted at once */

struct shard {
    char *name;
    char *path;
    int fd;
    uint64_t data; /* where the bytes after the header begin */
};

struct safetensors {
    struct shard *shard;
    size_t n_shards;
    struct safetensor *t;
    size_t n, cap;
};

/* Every dtype of the format; only some can be read. */
static const struct dtype {
    const char *name;
    unsigned bits;
} dtypes[] = {
    { "F32", 32 }, { "F16", 16 }, { "BF16", 16 }, { "F64", 64 },
    { "I64", 64 }, { "I32", 32 }, { "I16", 16 }, { "I8", 8 },
    { "U64", 64 }, { "U32", 32 }, { "U16", 16 }, { "U8", 8 },
    { "BOOL", 8 }, { "C64", 64 }, { "F8_E4M3", 8 }, { "F8_E5M2", 8 },
    { "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 },
    { "F6_E2M3", 6 }, { "F6_E3M2", 6 }, { "F4", 4 },
};

static int parse_dtype(struct safetensor *t, const struct json *v,
                       struct err *err)
{
    const char *name = json_string(json_get(v, "dtype"));

    if (!name)
        return err_set(err, ERR_INPUT, "tensor \"%s\" has no dtype",
                       t->name);
    for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
        if (strcmp(name, dtypes[i].name) != 0)
            continue;
        t->dtype = dtypes[i].name;
        t->bits = dtypes[i].bits;
        return 0;
    }
    return err_set(err, ERR_INPUT, "tensor \"%s\" has the unknown dtype "
                   "\"%s\"", t->name, name);
}

/* Shape, number of numbers, size in bytes. */
static int parse_shape(struct safetensor *t, const struct json *v,
                       struct err *err)
{
    const struct json *shape = json_get(v, "shape"), *d;

    if (!shape || json_type(shape) != JSON_ARRAY)
        return err_set(err, ERR_INPUT, "tensor \"%s\" has no shape",
                       t->name);
    t->n = 1;
    for (d = json_first(shape); d; d = json_next(d)) {
        uint64_t k;

        if (t->n_dims == SAFETENSORS_DIMS)
            return err_set(err, ERR_INPUT, "tensor \"%s\" has more than %d "
                           "dimensions", t->name, SAFETENSORS_DIMS);
        if (json_u64(d, &k))
            return err_set(err, ERR_INPUT, "tensor \"%s\": a dimension is "
                           "no size", t->name);
        if (k && t->n > INT64_MAX / k)
            return err_set(err, ERR_INPUT, "tensor \"%s\": its shape is too "
                           "large", t->name);
        t->n *= k;
        t->shape[t->n_dims++] = k;
    }
    if (t->n > INT64_MAX / t->bits)
        return err_set(err, ERR_INPUT, "tensor \"%s\": its shape is too "
                       "large", t->name);
    if (t->n * t->bits % 8)
        return err_set(err, ERR_INPUT, "tensor \"%s\" does not end on a "
                       "byte", t->name);
    t->size = t->n * t->bits / 8;
    return 0;
}

static int parse_offsets(struct safetensor *t, const struct json *v,
                         uint64_t data, struct err *err)
{
    const struct json *o = json_get(v, "data_offsets");
    const struct json *first = json_first(o), *second = json_next(first);
    uint64_t from, to;

    if (!o || json_type(o) != JSON_ARRAY || json_count(o) != 2 ||
        json_u64(first, &from) || json_u64(second, &to))
        return err_set(err, ERR_INPUT, "tensor \"%s\" has no data_offsets",
                       t->name);
    if (from <= to && to > data)
        return err_set(err, ERR_INPUT, "it ends within tensor \"%s\", at "
                       "%" PRIu64 " of %" PRIu64 " bytes of data or more: the "
                       "download did not finish", t->name, data, to);
    if (from > to)
        return err_set(err, ERR_INPUT,
                       "tensor \"%s\": its data_offsets "
                       "%" PRIu64 " to %" PRIu64 " are not within the %" PRIu64
                       " bytes of data",
                       t->name, from, to, data);
    if (to - from != t->size)
        return err_set(err, ERR_INPUT,
                       "tensor \"%s\" has %" PRIu64 " bytes, its "
                       "shape needs %" PRIu64,
                       t->name, to - from, t->size);
    t->at = from;
    return 0;
}

static void add_tensor(struct safetensors *s, const struct safetensor *t)
{
    VEC_RESERVE(s->t, s->cap, s->n + 1);
    s->t[s->n++] = *t;
}

static int parse_tensor(struct safetensors *s, const struct json *v,
                        uint64_t data, struct err *err)
{
    struct safetensor t;

    memset(&t, 0, sizeof(t));
    t.name = xstrdup(json_key(v));
    t.file = s->n_shards - 1;
    if (json_type(v) != JSON_OBJECT) {
        err_set(err, ERR_INPUT, "tensor \"%s\" is not an object", t.name);
        goto fail;
    }
    if (parse_dtype(&t, v, err) || parse_shape(&t, v, err) ||
        parse_offsets(&t, v, data, err))
        goto fail;
    add_tensor(s, &t);
    return 0;
fail:
    free(t.name);
    return -1;
}

static int by_place(const void *a, const void *b)
{
    const struct safetensor *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    const struct safetensor *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c ? c : (x->file > y->file) - (x->file < y->file);
}

/* The tensors of a header, appended; they must cover [0, data). */
static int parse_header(struct safetensors *s, const char *text, size_t n,
                        uint64_t data, struct err *err)
{
    size_t from = s->n;
    struct json *root;
    uint64_t end = 0;
    int rc = -1;

    if (n == 0 || text[0] != '{')
        return err_set(err, ERR_INPUT, "the header does not begin with {");
    if (json_parse(&root, text, n, err))
        return err_prefix(err, "header");
    for (const struct json *v = json_first(root); v; v = json_next(v))
        if (strcmp(json_key(v), "__metadata__") != 0 &&
            parse_tensor(s, v, data, err))
            goto out;
    if (s->n > from)
        qsort(s->t + from, s->n - from, sizeof(*s->t), by_place);
    for (size_t i = from; i < s->n; i++) {
        if (s->t[i].at != end) {
            err_set(err, ERR_INPUT,
                    "tensor \"%s\" begins at %" PRIu64 ", not where "
                    "the one before ends, %" PRIu64,
                    s->t[i].name, s->t[i].at, end);
            goto out;
        }
        end += s->t[i].size;
    }
    if (end != data)
        err_set(err, ERR_INPUT,
                "the tensors end at %" PRIu64 " of %" PRIu64 " bytes", end,
                data);
    else
        rc = 0;
out:
    json_free(root);
    return rc;
}

static int read_at(const struct shard *f, uint64_t at, void *out, size_t n,
                   struct err *err)
{
    ssize_t got = file_read_at(f->fd, out, n, at);

    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
    if ((size_t)got < n)
        return err_set(err, ERR_INPUT, "\"%s\" ends too early", f->path);
    return 0;
}

/* What begins with these 8 bytes, which are no length of a header. */
static int other_file(const unsigned char *head, uint64_t n, struct err *err)
{
    bool text = true;

    for (size_t i = 0; i < 8; i++)
        text &= (head[i] >= ' ' && head[i] < 0x7f) ||
                (head[i] >= '\t' && head[i] <= '\r');
    if (memcmp(head, "GGUF", 4) == 0)
        return err_set(err, ERR_INPUT, "it is a GGUF file, not safetensors:"
                       " apus model add FILE.gguf takes it");
    if (memcmp(head, "PK\3\4", 4) == 0)
        return err_set(err, ERR_INPUT, "it is a ZIP archive, as weights of"
                       " PyTorch are, not safetensors");
    if (text)
        return err_set(err, ERR_INPUT, "it is a text, not safetensors:"
                       " download it again");
    return err_set(err, ERR_INPUT, "it is not safetensors, or damaged: its"
                   " header would have %" PRIu64 " bytes", n);
}

/* The length, then the header, of the file of `size` bytes. */
static int read_header(struct safetensors *s, struct shard *f, uint64_t size,
                       struct err *err)
{
    unsigned char len[8];
    uint64_t n;
    void *text = NULL;
    int rc;

    if (size < 8)
        return err_set(err, ERR_INPUT, "it is too short");
    if (read_at(f, 0, len, sizeof(len), err))
        return -1;
    n = get_u64(len);
    if (n > MAX_HEADER)
        return other_file(len, n, err);
    if (n > size - 8)
        return err_set(err, ERR_INPUT, "it ends within its header: the "
                       "download did not finish");
    f->data = 8 + n;
    if (mem_big(&text, (size_t)n, 1, "the header", err))
        return -1;
    rc = read_at(f, 8, text, (size_t)n, err);
    if (!rc)
        rc = parse_header(s, text, (size_t)n, size - f->data, err);
    free(text);
    return rc;
}

static int open_shard(struct safetensors *s, const char *dir,
                      const char *name, struct err *err)
{
    struct shard *f;
    struct stat st;

    VEC_MORE(s->shard, s->n_shards);
    f = &s->shard[s->n_shards++];
    f->name = xstrdup(name);
    f->path = file_join(dir, name);
    f->data = 0;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0)
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", f->path);
    if (fstat(f->fd, &st) < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file",
                       f->path);
    if (foreign_check_file(f->path, err))
        return -1;
    if (read_header(s, f, (uint64_t)st.st_size, err))
        return err_prefix(err, "\"%s\"", f->path);
    return 0;
}

static size_t find_shard(const struct safetensors *s, const char *name)
{
    size_t i = 0;

    while (i < s->n_shards && strcmp(s->shard[i].name, name) != 0)
        i++;
    return i;
}

/* Every tensor that is there is in the map, in that shard, and back. */
static int compare_map(const struct safetensors *s, const struct json *map,
                       struct err *err)
{
    for (const struct json *v = json_first(map); v; v = json_next(v)) {
        const struct safetensor *t = safetensors_find(s, json_key(v));

        if (!t || strcmp(s->shard[t->file].name, json_string(v)) != 0)
            return err_set(err, ERR_INPUT, "tensor \"%s\" is not in \"%s\" "
                           "where the index has it", json_key(v),
                           json_string(v));
    }
    if (json_count(map) != s->n)
        return err_set(err, ERR_INPUT, "the shards have %zu tensors, the "
                       "index has %zu", s->n, json_count(map));
    return 0;
}

static int sort_names(struct safetensors *s, struct err *err)
{
    if (s->n)
        qsort(s->t, s->n, sizeof(*s->t), by_name);
    for (size_t i = 1; i < s->n; i++)
        if (strcmp(s->t[i - 1].name, s->t[i].name) == 0)
            return err_set(err, ERR_INPUT, "tensor \"%s\" is in two shards",
                           s->t[i].name);
    return 0;
}

/* The shards of an index. */
static int open_map(struct safetensors *s, const char *dir,
                    const struct json *map, struct err *err)
{
    if (!map || json_type(map) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "it has no weight_map");
    for (const struct json *v = json_first(map); v; v = json_next(v)) {
        const char *name = json_string(v);

        if (!name || !*name || *name == '.' || strchr(name, '/'))
            return err_set(err, ERR_INPUT, "tensor \"%s\" is not in a plain "
                           "file name", json_key(v));
        if (find_shard(s, name) < s->n_shards)
            continue;
        if (s->n_shards == MAX_SHARDS)
            return err_set(err, ERR_INPUT, "it names more than %d files",
                           MAX_SHARDS);
        if (open_shard(s, dir, name, err))
            return -1;
    }
    if (sort_names(s, err))
        return -1;
    return compare_map(s, map, err);
}

static int open_index(struct safetensors *s, const char *dir,
                      const char *path, struct err *err)
{
    struct json *root = NULL;
    struct buf b;
    int rc = -1;

    buf_init(&b, MAX_HEADER);
    if (file_read(&b, path, err))
        goto out;
    if (json_parse(&root, b.data, b.len, err) ||
        open_map(s, dir, json_get(root, "weight_map"), err))
        err_prefix(err, "\"%s\"", path);
    else
        rc = 0;
out:
    json_free(root);
    buf_clear(&b);
    return rc;
}

static bool ends(const char *name, const char *with)
{
    size_t n = strlen(name), len = strlen(with);

    return n > len && strcmp(name + n - len, with) == 0;
}

/* What a file of some name is in place of weights; NULL if it tells nothing. */
static const char *what_it_is(const char *name)
{
    static const char *const unfinished[] = {
        ".incomplete", ".part", ".crdownload", ".aria2", ".download"
    };

    if (ends(name, ".gguf"))
        return "is a GGUF file: apus model add takes it by its own name";
    if (strncmp(name, "model-0", 7) == 0 && ends(name, ".safetensors"))
        return "is one of several, and model.safetensors.index.json is"
               " missing: the download did not finish";
    if (strcmp(name, "model.safetensors") == 0)
        return "is a link that leads nowhere: the download did not finish";
    for (size_t i = 0; i < sizeof(unfinished) / sizeof(*unfinished); i++)
        if (ends(name, unfinished[i]))
            return "is there: the download did not finish";
    return NULL;
}

/* The first name, in their order, that tells something: the caller frees
 * it. */
static char *find_instead(const char *dir)
{
    DIR *d = opendir(dir);
    char *first = NULL;
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (what_it_is(e->d_name) && (!first || strcmp(e->d_name, first) < 0)) {
            free(first);
            first = xstrdup(e->d_name);
        }
    if (d)
        closedir(d);
    return first;
}

/* There are none that are read: say so, and what to do with those there are. */
static int no_weights(const char *dir, struct err *err)
{
    static const char *const other[][2] = {
        { "adapter_model.safetensors", "is an adapter: merge it into its base"
          " model" },
        { "pytorch_model.bin", "is not read: save the model as safetensors" },
        { "pytorch_model.bin.index.json", "names files that are not read: save"
          " the model as safetensors" },
        { "consolidated.safetensors", "has other names of tensors: take the"
          " files of transformers" },
    };
    char *name;

    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        char *path = file_join(dir, other[i][0]);
        bool there = file_exists(path);

        free(path);
        if (there)
            return err_set(err, ERR_INPUT, "\"%s\" has neither"
                           " model.safetensors nor model.safetensors.index.json"
                           "; %s %s", dir, other[i][0], other[i][1]);
    }
    name = find_instead(dir);
    err_set(err, ERR_INPUT, "\"%s\" has neither model.safetensors nor"
            " model.safetensors.index.json%s%s%s%s", dir, name ? "; " : "",
            name ? name : "", name ? " " : "", name ? what_it_is(name) : "");
    free(name);
    return -1;
}

int safetensors_open(struct safetensors **out, const char *dir,
                     struct err *err)
{
    char *single = file_join(dir, "model.safetensors");
    char *index = file_join(dir, "model.safetensors.index.json");
    struct safetensors *s = xcalloc(1, sizeof(*s));
    int rc;

    if (file_exists(single)) {
        rc = open_shard(s, dir, "model.safetensors", err);
        if (!rc)
            rc = sort_names(s, err);
    } else if (file_exists(index)) {
        rc = open_index(s, dir, index, err);
    } else {
        rc = no_weights(dir, err);
    }
    free(single);
    free(index);
    if (rc) {
        safetensors_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

int safetensors_keep_text(struct safetensors *s, struct err *err)
{
    static const char *const other[] = {
        "vision_tower.", "multi_modal_projector.", "model.vision_tower.",
        "model.multi_modal_projector."
    };
    static const char older[] = "language_model.", newer[] = "model.";
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct safetensor t = s->t[i];
        bool is_text = true;
        char *at = t.name;

        for (size_t k = 0; k < sizeof(other) / sizeof(*other); k++)
            is_text &= !begins(t.name, other[k]);
        if (!is_text) {
            free(t.name);
            continue;
        }
        if (begins(at, newer) && begins(at + strlen(newer), older))
            at += strlen(newer); /* model.language_model.X is model.X */
        if (begins(at, older))
            memmove(at, at + strlen(older), strlen(at + strlen(older)) + 1);
        s->t[kept++] = t;
    }
    s->n = kept;
    return sort_names(s, err);
}

void safetensors_close(struct safetensors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->t[i].name);
    for (size_t i = 0; i < s->n_shards; i++) {
        if (s->shard[i].fd >= 0)
            close(s->shard[i].fd);
        free(s->shard[i].name);
        free(s->shard[i].path);
    }
    free(s->t);
    free(s->shard);
    free(s);
}

size_t safetensors_count(const struct safetensors *s)
{
    return s->n;
}

const struct safetensor *safetensors_at(const struct safetensors *s,
                                        size_t i)
{
    assert(i < s->n);
    return &s->t[i];
}

const struct safetensor *safetensors_find(const struct safetensors *s,
                                          const char *name)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(s->t[mid].name, name);

        if (c == 0)
            return &s->t[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static void convert(float *out, const unsigned char *raw, size_t n,
                    const struct safetensor *t)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = raw + i * (t->bits / 8);
        uint32_t u;

        if (t->bits == 32) {
            out[i] = f32_from(get_u32(p));
            continue;
        }
        u = (uint32_t)p[0] | (uint32_t)p[1] << 8;
        out[i] = t->dtype[0] == 'B' ? f32_from(u << 16) : f32_from_f16(u);
    }
}

int safetensors_read(const struct safetensors *s, const struct safetensor *t,
                     uint64_t from, size_t n, float *out, struct err *err)
{
    const struct shard *f = &s->shard[t->file];
    unsigned char raw[PIECE * 4];
    size_t width = t->bits / 8;

    assert(from <= t->n && n <= t->n - from);
    if (strcmp(t->dtype, "F32") != 0 && strcmp(t->dtype, "F16") != 0 &&
        strcmp(t->dtype, "BF16") != 0)
        return err_set(err, ERR_INPUT, "tensor \"%s\" has the dtype %s; F32, "
                       "F16 and BF16 can be read", t->name, t->dtype);
    while (n) {
        size_t k = n < PIECE ? n : PIECE;

        if (read_at(f, f->data + t->at + from * width, raw, k * width, err))
            return -1;
        convert(out, raw, k, t);
        out += k;
        from += k;
        n -= k;
    }
    return 0;
}

int safetensors_check(size_t *count, const char *text, size_t n,
                      uint64_t data, struct err *err)
{
    struct safetensors *s = xcalloc(1, sizeof(*s));
    int rc;

    s->shard = xcalloc(1, sizeof(*s->shard));
    s->shard->fd = -1;
    s->n_shards = 1;
    rc = parse_header(s, text, n, data, err);
    if (!rc)
        rc = sort_names(s, err);
    if (!rc)
        *count = s->n;
    safetensors_close(s);
    return rc;
}
