/*
 * What a batch is made of: batch.json, and its lines with their ids.
 */
#include <config.h>

#include "spool/spool_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proof/statement.h"
#include "spool/earlier.h"
#include "spool/request_file.h"
#include "spool/source.h"

#define FORMAT "apus-batch-1"
#define KIND_REQUESTS "requests"
#define KIND_FILE "batch"
#define PATH_BYTES 4096

/* ---- batch.json --------------------------------------------------------- */

void batch_info_clear(struct batch_info *i)
{
    free(i->source);
    free(i->output);
    i->source = i->output = NULL;
}

/* A path that has to be found again is kept exactly or not at all. */
static int put_path(struct buf *out, const char *key, const char *path,
                    struct err *err)
{
    if (!path)
        return 0;
    if (strlen(path) > PATH_BYTES)
        return err_set(err, ERR_INPUT, "%s: a path of over %d bytes", key,
                       PATH_BYTES);
    if (!utf8_valid(path, strlen(path)))
        return err_set(err, ERR_INPUT,
                       "%s: the path \"%s\" is not UTF-8, name another", key,
                       path);
    json_put_text(out, key, path);
    return 0;
}

int batch_info_put(struct buf *out, const struct batch_info *i,
                   struct err *err)
{
    if (i->n_requests > UINT32_MAX || i->n_lines > UINT32_MAX ||
        i->lines_before > UINT32_MAX)
        return err_set(err, ERR_INPUT,
                       "%" PRIu64 " requests in %" PRIu64 " lines after %"
                       PRIu64 ", a batch has less than 2^32", i->n_requests,
                       i->n_lines, i->lines_before);
    buf_putc(out, '{');
    json_put_text(out, "format", FORMAT);
    json_put_id(out, "id", i->id);
    json_put_id(out, "model", i->model);
    json_put_id(out, "sha256", i->file);
    json_put_bool(out, "from_ao", i->from_ao);
    if (i->from_ao) {
        json_put_id(out, "process", i->process);
        json_put_text(out, "kind",
                      i->is_file_of_ao ? KIND_FILE : KIND_REQUESTS);
    }
    if (i->from_ao && i->is_file_of_ao)
        json_put_id(out, "request", i->request);
    json_put_number(out, "requests", i->n_requests);
    if (i->ids >= 2) {
        json_put_number(out, "ids", i->ids);
        json_put_number(out, "lines", i->n_lines);
    }
    if (i->ids == 3)
        json_put_id(out, "earlier", i->earlier);
    if (i->lines_before)
        json_put_number(out, "lines_before", i->lines_before);
    if (put_path(out, "source", i->source, err) ||
        put_path(out, "output", i->output, err))
        return -1;
    buf_puts(out, "}\n");
    return buf_check(out, "batch.json", err);
}

int batch_info_write(const char *batch_path, const struct batch_info *i,
                     struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, BATCH_FILE_MAX);
    rc = batch_info_put(&text, i, err);
    if (rc == 0)
        rc = spool_write_in(batch_path, "batch.json", text.data, text.len,
                            err);
    buf_clear(&text);
    return rc;
}

static int get_id(struct id *id, const struct json *root, const char *key,
                  struct err *err)
{
    if (json_id(json_get(root, key), id))
        return err_set(err, ERR_INPUT, "\"%s\": an id expected", key);
    return 0;
}

/* *path borrows; NULL if it is absent. */
static int get_path(const char **path, const struct json *root,
                    const char *key, struct err *err)
{
    const struct json *v = json_get(root, key);

    *path = json_string(v);
    if (v && !*path)
        return err_set(err, ERR_INPUT, "\"%s\": a string expected", key);
    if (v && strlen(*path) > PATH_BYTES)
        return err_set(err, ERR_INPUT, "\"%s\": a path of over %d bytes", key,
                       PATH_BYTES);
    return 0;
}

static int check_format(const struct json *root, struct err *err)
{
    const char *format = json_string(json_get(root, "format"));

    if (!format)
        return err_set(err, ERR_INPUT, "no \"format\"");
    if (strcmp(format, FORMAT) != 0)
        return err_set(err, ERR_INPUT, "format \"%s\", this version of apus"
                       " knows %s", format, FORMAT);
    return 0;
}

/* What is said of a batch from AO alone. */
static int get_ao(struct batch_info *i, const struct json *root,
                  struct err *err)
{
    const struct json *v = json_get(root, "kind");
    const char *kind = v ? json_string(v) : KIND_REQUESTS;

    if (!i->from_ao)
        return 0;
    if (!kind || (strcmp(kind, KIND_REQUESTS) != 0 &&
                  strcmp(kind, KIND_FILE) != 0))
        return err_set(err, ERR_INPUT, "\"kind\": " KIND_REQUESTS " or "
                       KIND_FILE " expected");
    i->is_file_of_ao = strcmp(kind, KIND_FILE) == 0;
    if (i->is_file_of_ao && get_id(&i->request, root, "request", err))
        return -1;
    return get_id(&i->process, root, "process", err);
}

/* How many requests there are, and how their lines have ids. */
static int get_lines(struct batch_info *i, const struct json *root,
                     struct err *err)
{
    const struct json *before = json_get(root, "lines_before");
    const struct json *v = json_get(root, "ids");
    uint64_t ids = 1;

    if (json_u64(json_get(root, "requests"), &i->n_requests) ||
        i->n_requests > UINT32_MAX)
        return err_set(err, ERR_INPUT,
                       "\"requests\": a number below 2^32 expected");
    if (v && (json_u64(v, &ids) || ids < 1 || ids > 3))
        return err_set(err, ERR_INPUT, "\"ids\": this version of apus knows"
                       " 1 to 3");
    if (before && (json_u64(before, &i->lines_before) ||
                   i->lines_before > UINT32_MAX))
        return err_set(err, ERR_INPUT, "\"lines_before\": a number below 2^32"
                       " expected");
    i->ids = (unsigned)ids;
    i->n_lines = i->n_requests;
    if (ids == 1)
        return 0;
    if (i->from_ao)
        return err_set(err, ERR_INPUT, "\"ids\": 1 expected of a batch from"
                       " AO");
    if (json_u64(json_get(root, "lines"), &i->n_lines) ||
        i->n_lines < i->n_requests || i->n_lines > UINT32_MAX)
        return err_set(err, ERR_INPUT, "\"lines\": a number below 2^32, and"
                       " not below \"requests\", expected");
    return ids == 3 ? get_id(&i->earlier, root, "earlier", err) : 0;
}

static int get_info(struct batch_info *i, const struct json *root,
                    struct err *err)
{
    const struct json *from_ao = json_get(root, "from_ao");
    const char *source, *output;
    struct id id;

    if (check_format(root, err) || get_id(&i->id, root, "id", err) ||
        get_id(&i->model, root, "model", err) ||
        get_id(&i->file, root, "sha256", err))
        return -1;
    if (!from_ao || json_type(from_ao) != JSON_BOOL)
        return err_set(err, ERR_INPUT, "\"from_ao\": true or false expected");
    i->from_ao = json_true(from_ao);
    if (get_ao(i, root, err) || get_lines(i, root, err))
        return -1;
    batch_info_id(&id, i);
    if (!i->from_ao && !id_equal(id, i->id))
        return err_set(err, ERR_INPUT,
                       "the id is not that of its model and file");
    if (get_path(&source, root, "source", err) ||
        get_path(&output, root, "output", err))
        return -1;
    /* so earlier versions called it */
    if (source && strcmp(source, "-") == 0)
        source = SOURCE_STDIN;
    i->source = source ? xstrdup(source) : NULL;
    i->output = output ? xstrdup(output) : NULL;
    return 0;
}

int batch_info_parse(struct batch_info *i, const char *text, size_t n,
                     struct err *err)
{
    struct batch_info got = { .n_requests = 0 };
    struct json *root;
    int rc;

    if (json_parse(&root, text, n, err))
        return -1;
    rc = get_info(&got, root, err);
    json_free(root);
    if (rc == 0)
        *i = got;
    return rc;
}

int batch_info_read(struct batch_info *i, const char *batch_path,
                    struct err *err)
{
    const char *slash = strrchr(batch_path, '/');
    struct batch_info got = { .n_requests = 0 };
    struct id id;
    struct buf text;
    enum found found;
    int rc;

    buf_init(&text, BATCH_FILE_MAX);
    found = spool_read_in(&text, batch_path, "batch.json", NULL, err);
    rc = found == FOUND_ONE ? 0 : -1;
    if (found == FOUND_NONE)
        err_set(err, ERR_INPUT, "no \"%s/batch.json\"", batch_path);
    else if (found == FOUND_ONE &&
             (rc = batch_info_parse(&got, text.len ? text.data : "", text.len,
                                    err)) != 0)
        err_prefix(err, "\"%s/batch.json\"", batch_path);
    buf_clear(&text);
    if (rc)
        return -1;
    if (batch_name_id(&id, slash ? slash + 1 : batch_path) == 0 &&
        !id_equal(id, got.id)) {
        batch_info_clear(&got);
        return err_set(err, ERR_INPUT, "\"%s/batch.json\" is of another"
                       " batch", batch_path);
    }
    *i = got;
    return 0;
}

void batch_info_id(struct id *id, const struct batch_info *i)
{
    if (i->ids == 3)
        batch_part_id(id, i->model, i->file, i->earlier);
    else
        batch_file_id(id, i->model, i->file);
}

int batch_request_file(struct request_file **out, const struct batch_info *i,
                       const char *batch_path, struct err *err)
{
    char *path = file_join(batch_path, "requests.jsonl");
    struct earlier e = { .line = NULL };
    struct request_file *f = NULL;
    int rc = i->ids >= 2 ? request_file_open_v2(&f, path, i->model, err)
                         : request_file_open(&f, path, err);

    if (rc == 0 && i->ids == 3)
        rc = earlier_read(&e, batch_path, i->earlier, i->n_lines, err) ||
             request_file_begin_after(f, &e, err) ? -1 : 0;
    earlier_clear(&e);
    free(path);
    if (rc)
        request_file_close(f);
    else
        *out = f;
    return rc;
}

int batch_request_id(struct id *id, const struct batch_info *i, struct id line,
                     const char *custom_id, struct err *err)
{
    if (!i->from_ao || i->is_file_of_ao) {
        memmove(id, line.b, 32); /* it may be the same */
        return 0;
    }
    if (!custom_id || id_parse(id, custom_id))
        return err_set(err, ERR_INPUT, "\"custom_id\" is not the id of a"
                       " request");
    return 0;
}
