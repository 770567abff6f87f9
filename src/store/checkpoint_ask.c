/*
 * Where the datasets of a part lie, as another process says which may die of
 * it: libhdf5 parses the file there and has nothing but its descriptor.  What
 * it prints is checked like an index that a stranger wrote.
 */
#include <config.h>

#include "store/checkpoint_hdf5.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "jobs/child.h"
#include "store/part_file.h"

#define HELPER "apus-part-index"
#define ERRORS_MAX 4096
#define DIED " died while parsing it"

/* ---- what it prints ------------------------------------------------------*/

static int no_index(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "\"%s\": the index of the part %s", path,
                   what);
}

static bool get_u32_of(uint32_t *out, const struct json *v, const char *name)
{
    uint64_t n;

    if (json_u64(json_get(v, name), &n) || n > UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

static int parse_head(struct checkpoint_head *h, const char *path,
                      const struct json *v, struct err *err)
{
    const char *format = json_string(json_get(v, "format"));

    if (!format || strcmp(format, LAYOUT_INDEX) != 0)
        return no_index(path, "is not " LAYOUT_INDEX, err);
    if (json_id(json_get(v, "model_id"), &h->model) ||
        json_id(json_get(v, "batch_id"), &h->batch) ||
        json_id(json_get(v, "part_root"), &h->part_root) ||
        !get_u32_of(&h->version, v, "version") || h->version < LAYOUT_OLDEST ||
        h->version > LAYOUT_VERSION ||
        !get_u32_of(&h->n_vocab, v, "vocab_size") ||
        !get_u32_of(&h->n_layers, v, "n_layers") ||
        !get_u32_of(&h->dim, v, "hidden_size") ||
        json_u64(json_get(v, "first"), &h->first) ||
        json_u64(json_get(v, "count"), &h->count))
        return no_index(path, "lacks an attribute", err);
    return 0;
}

/* A dataset of this version. */
static int find_set(const char *path, uint32_t version)
{
    for (int i = 0; path && *path == '/' && i < N_SETS; i++)
        if (strcmp(layout_table[i].path, path + 1) == 0 &&
            layout_table[i].since <= version)
            return i;
    return -1;
}

/* Whether a type is that of the table, as NumPy writes it. */
static bool get_type(struct layout_found *f, enum layout_type want,
                     const char *dtype)
{
    char name[24];

    if (!dtype)
        return false;
    if (want == TYPE_TEXT &&
        (strncmp(dtype, "|S", 2) != 0 || json_u64_text(dtype + 2, &f->size)))
        return false;
    layout_dtype(name, want, f->size);
    return strcmp(dtype, name) == 0;
}

static bool get_shape(struct layout_found *f, const struct json *shape)
{
    f->rank = 0;
    for (const struct json *v = json_first(shape); v; v = json_next(v))
        if (f->rank == LAYOUT_MAX_RANK || json_u64(v, &f->dims[f->rank++]))
            return false;
    return json_type(shape) == JSON_ARRAY;
}

static int parse_set(struct layout_place place[N_SETS],
                     uint64_t count[N_COUNTS], uint32_t version,
                     const struct part_file *f, const struct json *v,
                     struct err *err)
{
    const char *path = part_file_path(f);
    const struct json *shape = json_get(v, "shape");
    int set = find_set(json_string(json_get(v, "path")), version);
    struct layout_found found = { .rank = 0 };

    if (set < 0 || place[set].there)
        return no_index(path, "names a dataset twice, or one that is not in"
                        " the layout", err);
    if (!get_type(&found, layout_table[set].type,
                  json_string(json_get(v, "dtype"))))
        return layout_bad(path, set, "is of another type", err);
    if (!shape || !get_shape(&found, shape) ||
        json_u64(json_get(v, "offset"), &found.offset) ||
        json_u64(json_get(v, "nbytes"), &found.nbytes))
        return no_index(path, "lacks a shape, offset or nbytes", err);
    return layout_put(&place[set], count, set, path, &found,
                      part_file_size(f), err);
}

static int parse_line(struct checkpoint_head *h, uint64_t count[N_COUNTS],
                      struct layout_place place[N_SETS],
                      const struct part_file *f, const char *line, size_t n,
                      bool is_first, struct err *err)
{
    struct json *v;
    int rc;

    if (json_parse(&v, line, n, err))
        return err_prefix(err, "\"%s\": the index of the part",
                          part_file_path(f));
    rc = is_first ? parse_head(h, part_file_path(f), v, err)
                  : parse_set(place, count, h->version, f, v, err);
    json_free(v);
    if (rc == 0 && is_first)
        layout_unknown(count, h);
    return rc;
}

int layout_parse(const char *text, size_t n, const struct part_file *f,
                 struct checkpoint_head *h, uint64_t count[N_COUNTS],
                 struct layout_place place[N_SETS], struct err *err)
{
    bool is_first = true;

    while (n > 0) {
        const char *end = memchr(text, '\n', n);

        if (!end)
            return no_index(part_file_path(f), "is cut off", err);
        if (parse_line(h, count, place, f, text, (size_t)(end - text),
                       is_first, err))
            return -1;
        is_first = false;
        n -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    if (is_first)
        return no_index(part_file_path(f), "is empty", err);
    return layout_complete(place, count, h->version, part_file_path(f), err);
}

/* ---- the other process ---------------------------------------------------*/

bool checkpoint_is_death(const struct err *err)
{
    return err->code != ERR_NONE && strstr(err->text, DIED) != NULL;
}

bool layout_is_damage(const struct err *err)
{
    return err && !checkpoint_is_death(err) &&
           !strstr(err->text, LAYOUT_OTHER_VERSION);
}

/* A signal ended it.  Those that a file cannot bring about come from outside:
 * a person, or a machine without memory. */
static int died(const char *path, int number, struct err *err)
{
    bool outside = number == SIGKILL || number == SIGTERM ||
                   number == SIGHUP || number == SIGINT;
    const char *why = strsignal(number);

    if (number == SIGXCPU || number == SIGALRM)
        why = "it took too long";
    else if (number == SIGSYS)
        why = "it asked the system for more than parsing needs";
    return err_set(err, outside ? ERR_RETRY : ERR_INPUT, "\"%s\": " HELPER
                   DIED " (%s)%s", path, why ? why : "no such signal",
                   outside ? "" : ": the file is damaged or malicious");
}

/* It said why before it ended. */
static int refused(const char *path, int status, const struct buf *errs,
                   struct err *err)
{
    const char *text = errs->len ? errs->data : "no message";
    int n = (int)strcspn(text, "\n");

    if (status == LAYOUT_EXIT_INPUT)
        return err_set(err, ERR_INPUT, "%.*s", n, text);
    return err_set(err, ERR_FATAL, "\"%s\": " HELPER " failed: %.*s", path, n,
                   text);
}

int layout_ask(const struct part_file *f, struct checkpoint_head *h,
               uint64_t count[N_COUNTS], struct layout_place place[N_SETS],
               struct err *err)
{
    const char *path = part_file_path(f);
    char *helper = child_helper(HELPER);
    const char *const argv[] = { helper, "--", path, NULL };
    struct buf out, errs;
    struct err why = ERR_INIT;
    int status = 0, rc;

    buf_init(&out, LAYOUT_INDEX_MAX);
    buf_init(&errs, ERRORS_MAX);
    rc = child_filter(&status, &out, &errs, part_file_descriptor(f), argv,
                      (LAYOUT_WALL_S + 1) * 1000, &why);
    if (rc && why.code == ERR_INPUT)
        rc = err_set(err, ERR_FATAL, "%s: install it, or name its directory in"
                     " APUS_LIBEXEC (it parses \"%s\")", why.text, path);
    else if (rc)
        rc = err_set(err, why.code, "\"%s\": %s", path, why.text);
    else if (status > 128)
        rc = died(path, status - 128, err);
    else if (status)
        rc = refused(path, status, &errs, err);
    else if (buf_check(&out, "the index of the part", err))
        rc = err_prefix(err, "\"%s\"", path);
    else
        rc = layout_parse(out.len ? out.data : "", out.len, f, h, count,
                          place, err);
    buf_clear(&errs);
    buf_clear(&out);
    free(helper);
    return rc;
}
