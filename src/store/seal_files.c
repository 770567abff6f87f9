/*
 * The files of a checkpoint around its parts: refused.jsonl, the reasons of
 * requests without an answer, and checkpoint.json, which is written last and
 * says that everything is there.  Neither has a time, a host or a path.
 */
#include <config.h>

#include "store/seal_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "spool/request_file.h"
#include "spool/spool_file.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/refusals.h"
#include "store/scan.h"
#include "store/worklog.h"

#define FORMAT "apus-checkpoint-2"
#define FORMAT_1 "apus-checkpoint-1" /* parts of version 1 alone */
#define INFO_MAX ((size_t)64 << 20)
#define MAX_PARTS 1000000
#define CHUNK (64u << 10)

char *seal_part_path(const char *batch_path, size_t part, const char *suffix)
{
    return xasprintf("%s/part-%04zu.%s", batch_path, part, suffix);
}

/* ---- refused.jsonl ------------------------------------------------------ */

static void put_reason(struct buf *out, uint32_t line,
                       const struct reason *why)
{
    buf_putc(out, '{');
    json_put_number(out, "format", 2);
    json_put_number(out, "line", (uint64_t)line + 1);
    /* cut somewhere, or never text */
    json_put_scrubbed(out, "code", why->code, strlen(why->code));
    json_put_scrubbed(out, "message", why->message, strlen(why->message));
    buf_puts(out, "}\n");
}

static int put_refused(struct seal *s, const struct seal_refused *r,
                       struct file_out *out, struct err *err)
{
    struct worklog_reader *log;
    struct reason why;
    struct frame f;
    struct buf text;
    int rc;

    if (worklog_open(&log, s->logs.log[r->log].path, &s->info->id, err))
        return -1;
    rc = worklog_read_at(log, r->at, &f, err);
    if (rc == 0) {
        reason_unpack(&why, f.payload, f.n);
        buf_init(&text, CHUNK);
        put_reason(&text, r->line, &why);
        rc = file_out_put(out, text.data, text.len, err);
        buf_clear(&text);
    }
    worklog_reader_close(log);
    return rc;
}

static int write_refused(struct seal *s, struct err *err)
{
    char *path = file_join(s->batch_path, "refused.jsonl");
    struct file_out *out;
    int rc = file_out_open(&out, path, err);

    free(path);
    if (rc)
        return -1;
    for (size_t i = 0; i < s->n_refused; i++) {
        if (put_refused(s, &s->refused[i], out, err)) {
            file_out_abort(out);
            return -1;
        }
    }
    return file_out_commit(out, err);
}

struct refused {
    struct request_file *lines;
    char *path;
};

int refused_open(struct refused **out, const char *batch_path,
                 struct err *err)
{
    struct refused *f = xcalloc(1, sizeof(*f));

    f->path = file_join(batch_path, "refused.jsonl");
    if (request_file_open(&f->lines, f->path, err)) {
        if (file_is_denied(f->path))
            err_turn(err, ERR_FATAL);
        refused_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

void refused_close(struct refused *f)
{
    if (!f)
        return;
    request_file_close(f->lines);
    free(f->path);
    free(f);
}

/* The number of the first line: 1, or 0 in lines without a format. */
static int get_first(uint64_t *first, const struct json *root,
                     struct err *err)
{
    const struct json *v = json_get(root, "format");
    uint64_t format = 1;

    if (v && (json_u64(v, &format) || format != 2))
        return err_set(err, ERR_INPUT, "\"format\": this version of apus"
                       " knows 2");
    *first = format == 2;
    return 0;
}

enum found refused_next(struct refused *f, uint32_t *line, struct reason *why,
                        struct err *err)
{
    const char *text, *code, *message;
    struct json *root;
    uint64_t number = 0, first = 0;
    size_t n;
    enum found rc = FOUND_ONE;

    if (request_file_next(f->lines, &text, &n, err))
        return FOUND_FAILED;
    if (!text)
        return FOUND_NONE;
    if (json_parse(&root, text, n, err))
        return err_prefix(err, "\"%s\"", f->path);
    code = json_string(json_get(root, "code"));
    message = json_string(json_get(root, "message"));
    if (get_first(&first, root, err)) {
        rc = err_prefix(err, "\"%s\"", f->path);
    } else if (!code || !message ||
               json_u64(json_get(root, "line"), &number) || number < first ||
               number - first > UINT32_MAX) {
        rc = err_set(err, ERR_INPUT, "\"%s\": line, code and message"
                     " expected", f->path);
    } else {
        *line = (uint32_t)(number - first);
        reason_set(why, code, message);
    }
    json_free(root);
    return rc;
}

/* ---- checkpoint.json ---------------------------------------------------- */

int seal_file_check(const struct seal_file *want, const struct part_file *f,
                    struct err *err)
{
    const char *path = part_file_path(f);
    struct id sha256;

    if (part_file_size(f) != want->size)
        return err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " bytes and was"
                       " sealed with %" PRIu64, path, part_file_size(f),
                       want->size);
    if (part_file_hash(f, &sha256, err))
        return -1;
    if (!id_equal(sha256, want->sha256))
        return err_set(err, ERR_INPUT, "\"%s\" is not the file that was"
                       " sealed: its SHA-256 differs", path);
    return 0;
}

int seal_name_remedy(struct id batch, struct err *err)
{
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    if (err->code == ERR_INPUT && !strstr(err->text, "apus seal --again"))
        err_set(err, err->code, "%.400s; \"apus seal --again %.8s\" repairs"
                " it", err->text, id_text(batch).s);
    return err_damage(err);
}

int seal_check_parts(const char *batch_path, struct id batch,
                     struct err *err)
{
    struct seal_info info;
    int rc = 0;

    if (seal_info_read(&info, batch_path, err))
        return seal_name_remedy(batch, err);
    for (size_t i = 0; rc == 0 && i < info.n_parts; i++) {
        char *path = seal_part_path(batch_path, i, "h5");
        struct part_file *f = NULL;

        rc = part_file_open(&f, path, err) ||
             seal_file_check(&info.part[i], f, err);
        part_file_close(f);
        free(path);
    }
    seal_info_clear(&info);
    return rc ? seal_name_remedy(batch, err) : 0;
}

/* What checkpoint.json says of a part. */
static int put_file(struct buf *out, const struct seal *s, size_t part,
                    const struct part_file *f, struct err *err)
{
    const struct checkpoint_head *h;
    struct id sha256;
    struct checkpoint *c;
    int rc = 0;

    if (part_file_hash(f, &sha256, err) || checkpoint_open_file(&c, f, err))
        return -1;
    h = checkpoint_head(c);
    buf_puts(out, part ? ",\n{" : "\n{");
    json_put_number(out, "first", h->first);
    json_put_number(out, "count", h->count);
    json_put_digits(out, "size", part_file_size(f));
    json_put_id(out, "sha256", sha256);
    json_put_id(out, "root", h->part_root);
    if (h->without_leaves)
        json_put_text(out, "trace", "roots");
    buf_putc(out, '}');
    if (!id_equal(h->batch, s->info->id) || h->first != s->part[part].first ||
        h->count != s->part[part].count || h->n_rows != s->part[part].n_rows ||
        (h->n_rows > 0 && h->with_last != s->o.with_last) ||
        (h->version > 1 && h->without_leaves != s->o.roots_only) ||
        (h->custom_id_size > 0 && !s->o.custom_ids))
        rc = err_set(err, ERR_INPUT, "\"%s\" is a part of another batch, or"
                     " was cut or filled in another way: remove it and seal"
                     " again", part_file_path(f));
    checkpoint_close(c);
    return rc ? rc : part_file_unchanged(f, err);
}

static int put_part(struct buf *out, const struct seal *s, size_t part,
                    struct err *err)
{
    char *path = seal_part_path(s->batch_path, part, "h5");
    struct part_file *f = NULL;
    int rc = part_file_open(&f, path, err) ||
             put_file(out, s, part, f, err) ? -1 : 0;

    part_file_close(f);
    free(path);
    return rc;
}

/* What may stand in JSON, in a tag and on a terminal as it is. */
static bool is_source(const char *text)
{
    size_t n = 0;

    while (text[n] > ' ' && text[n] <= '~' && text[n] != '"' &&
           text[n] != '\\')
        n++;
    return n > 0 && n < SEAL_SOURCE && text[n] == '\0';
}

int seal_finish(struct seal *s, struct err *err)
{
    char *path = file_join(s->batch_path, "checkpoint.json");
    struct buf text;
    int rc = -1;

    buf_init(&text, INFO_MAX);
    buf_putc(&text, '{');
    json_put_text(&text, "format", FORMAT);
    json_put_id(&text, "batch", s->info->id);
    json_put_id(&text, "model", s->info->model);
    if (is_source(s->o.model_source))
        json_put_text(&text, "model_source", s->o.model_source);
    json_put_number(&text, "requests", s->scan->n_requests);
    json_put_number(&text, "rows", s->n_rows);
    json_put_number(&text, "refused", s->n_refused);
    json_put_key(&text, "parts");
    buf_putc(&text, '[');
    if (write_refused(s, err) || refusals_write(s, err))
        goto out;
    for (size_t i = 0; i < s->n_parts; i++)
        if (put_part(&text, s, i, err))
            goto out;
    buf_puts(&text, "\n]}\n");
    if (buf_check(&text, "checkpoint.json", err))
        goto out;
    rc = file_write(path, text.data, text.len, err);
out:
    buf_clear(&text);
    free(path);
    return rc;
}

static int seal_some(struct seal *s, size_t k, size_t of, bool finish,
                     struct err *err)
{
    for (size_t i = k; i < seal_parts(s); i += of)
        if (seal_part(s, i, err))
            return -1;
    return finish ? seal_finish(s, err) : 0;
}

int seal_batch(const char *batch_path, const struct batch_info *info,
               const struct seal_options *o, size_t k, size_t of,
               bool finish, struct err *err)
{
    struct scan scan = { .n = 0 };
    struct seal *s = NULL;
    int rc = -1;

    if (scan_read(&scan, batch_path, info, err) == 0 &&
        seal_open(&s, batch_path, info, &scan, o, err) == 0)
        rc = seal_some(s, k, of, finish, err);
    seal_close(s);
    scan_clear(&scan);
    return rc;
}

bool seal_is_done(const char *batch_path)
{
    char *path = file_join(batch_path, "checkpoint.json");
    bool there = file_exists(path);

    free(path);
    return there;
}

static int get_part(struct seal_file *p, const struct json *v,
                    struct err *err)
{
    if (json_digits(json_get(v, "size"), &p->size) ||
        json_id(json_get(v, "sha256"), &p->sha256) ||
        json_id(json_get(v, "root"), &p->root) ||
        json_u64(json_get(v, "first"), &p->first) ||
        json_u64(json_get(v, "count"), &p->count))
        return err_set(err, ERR_INPUT, "a part: first, count, size, sha256"
                       " and root expected");
    return 0;
}

static int get_info(struct seal_info *i, const struct json *root,
                    struct err *err)
{
    const char *format = json_string(json_get(root, "format"));
    const char *source = json_string(json_get(root, "model_source"));
    const struct json *parts = json_get(root, "parts"), *v;
    size_t n = json_count(parts);

    if (!format || (strcmp(format, FORMAT) != 0 &&
                    strcmp(format, FORMAT_1) != 0))
        return err_set(err, ERR_INPUT, "\"format\": " FORMAT " expected");
    if (source && is_source(source))
        snprintf(i->model_source, sizeof(i->model_source), "%s", source);
    i->format = strcmp(format, FORMAT_1) == 0 ? 1 : 2;
    if (json_id(json_get(root, "batch"), &i->batch) ||
        json_id(json_get(root, "model"), &i->model))
        return err_set(err, ERR_INPUT, "\"batch\", \"model\": ids expected");
    if (json_u64(json_get(root, "requests"), &i->n_requests) ||
        json_u64(json_get(root, "rows"), &i->n_rows) ||
        json_u64(json_get(root, "refused"), &i->n_refused))
        return err_set(err, ERR_INPUT, "\"requests\", \"rows\","
                       " \"refused\": numbers expected");
    if (n < 1 || n > MAX_PARTS)
        return err_set(err, ERR_INPUT, "\"parts\": 1 to %d expected",
                       MAX_PARTS);
    i->part = xcalloc(n, sizeof(*i->part));
    for (v = json_first(parts); v; v = json_next(v))
        if (get_part(&i->part[i->n_parts++], v, err))
            return -1;
    return 0;
}

enum found seal_info_look(struct seal_info *i, const char *batch_path,
                          struct err *err)
{
    struct seal_info got = { .n_parts = 0 };
    struct json *root = NULL;
    struct buf text;
    enum found found;

    buf_init(&text, INFO_MAX);
    found = spool_read_in(&text, batch_path, "checkpoint.json", NULL, err);
    if (found == FOUND_NONE)
        err_set(err, ERR_INPUT, "\"%s\" has no checkpoint.json", batch_path);
    if (found == FOUND_ONE &&
        (json_parse(&root, text.len ? text.data : "", text.len, err) ||
         get_info(&got, root, err))) {
        err_prefix(err, "\"%s/checkpoint.json\"", batch_path);
        found = FOUND_FAILED;
    }
    json_free(root);
    buf_clear(&text);
    if (found == FOUND_ONE)
        *i = got;
    else
        seal_info_clear(&got);
    return found;
}

bool seal_is_due(const char *batch_path)
{
    static const enum spool_state after[] = { SPOOL_DONE, SPOOL_SENDING,
                                              SPOOL_SENT };
    const char *end = strrchr(batch_path, '/'), *name;
    size_t n;

    if (!end)
        return false;
    for (name = end; name > batch_path && name[-1] != '/'; name--)
        ;
    n = (size_t)(end - name);
    for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++) {
        const char *state = spool_state_name(after[i]);

        if (strlen(state) == n && memcmp(state, name, n) == 0)
            return true;
    }
    return false;
}

/* What is known of the batch by its path alone. */
static int info_damaged(const char *batch_path, struct err *err)
{
    char *path = file_join(batch_path, "checkpoint.json");
    const char *name = strrchr(batch_path, '/');
    bool denied = file_is_denied(path);
    struct id batch;

    free(path);
    if (denied) {
        err_turn(err, ERR_FATAL);
        return -1;
    }
    if (name && name[1] == 'b' && id_parse(&batch, name + 2) == 0)
        return seal_name_remedy(batch, err);
    return err_damage(err);
}

int seal_info_read(struct seal_info *i, const char *batch_path,
                   struct err *err)
{
    enum found found = seal_info_look(i, batch_path, err);

    if (found == FOUND_ONE)
        return 0;
    if (found == FOUND_NONE && !seal_is_due(batch_path))
        return err_set(err, ERR_INPUT, "\"%s\" has no checkpoint.json: it is"
                       " not sealed (apus status shows its progress)",
                       batch_path);
    return info_damaged(batch_path, err);
}

void seal_info_clear(struct seal_info *i)
{
    free(i->part);
    memset(i, 0, sizeof(*i));
}

/* ---- what is no longer needed ------------------------------------------- */

static bool is_half_sealed(const char *name)
{
    size_t n = strlen(name);

    return strncmp(name, "part-", 5) == 0 && n > 4 &&
           strcmp(name + n - 4, ".tmp") == 0;
}

static int remove_half_sealed(void *self, int dir, const char *name,
                              struct err *err)
{
    const char *const *batch_path = self;

    return is_half_sealed(name) && unlinkat(dir, name, 0) && errno != ENOENT
               ? spool_fail(err, "remove from", *batch_path) : 0;
}

int seal_tidy(const char *batch_path, struct err *err)
{
    struct start_logs logs;
    int rc = 0;

    if (!seal_is_done(batch_path))
        return err_set(err, ERR_FATAL, "\"%s\" is not sealed: its logs stay",
                       batch_path);
    if (start_logs_find(&logs, batch_path, err))
        return -1;
    for (uint32_t i = 0; rc == 0 && i < logs.n_starts; i++) {
        char *dir = start_path(batch_path, logs.start[i]);

        rc = spool_remove_tree(dir, err);
        free(dir);
    }
    start_logs_clear(&logs);
    return rc ? -1 : spool_each_name(batch_path, remove_half_sealed,
                                     (void *)&batch_path, err);
}
