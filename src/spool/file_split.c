/*
 * Files cut into batches.
 */
#include <config.h>

#include "spool/file_split.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/sys.h"
#include "proof/statement.h"
#include "spool/earlier.h"
#include "spool/request_file.h"
#include "spool/source.h"
#include "spool/spool_internal.h"

#define FORMAT "apus-split-1"
#define TEXT_MAX ((size_t)2 << 20)
#define PATH_BYTES 4096

void file_split_clear(struct file_split *p)
{
    free(p->source);
    free(p->part);
    p->source = NULL;
    p->part = NULL;
    p->n = 0;
}

/* ---- the file ------------------------------------------------------------ */

static char *split_dir(const struct spool *s)
{
    return file_join(spool_dir(s), "split");
}

static int split_write(const struct spool *s, const struct file_split *p,
                       struct err *err)
{
    char *dir = split_dir(s), *path;
    struct buf b;
    int rc;

    path = xasprintf("%s/%s.json", dir, id_text(p->id).s);
    buf_init(&b, TEXT_MAX);
    buf_putc(&b, '{');
    json_put_text(&b, "format", FORMAT);
    json_put_id(&b, "model", p->model);
    json_put_id(&b, "sha256", p->file);
    json_put_text(&b, "source", p->source);
    json_put_key(&b, "batches");
    buf_putc(&b, '[');
    for (size_t i = 0; i < p->n; i++)
        buf_printf(&b, "%s\"%s\"", i ? "," : "", id_text(p->part[i]).s);
    buf_puts(&b, "]}\n");
    rc = buf_check(&b, path, err) || file_mkdirs(dir, err) ||
         file_write(path, b.data, b.len, err) ? -1 : 0;
    buf_clear(&b);
    free(path);
    free(dir);
    return rc;
}

static int get_split(struct file_split *p, const struct json *root,
                     struct err *err)
{
    const char *format = json_string(json_get(root, "format"));
    const char *source = json_string(json_get(root, "source"));
    const struct json *list = json_get(root, "batches");
    size_t n = json_count(list);

    if (!format || strcmp(format, FORMAT) != 0)
        return err_set(err, ERR_INPUT, "\"format\": " FORMAT " expected");
    if (json_id(json_get(root, "model"), &p->model) ||
        json_id(json_get(root, "sha256"), &p->file))
        return err_set(err, ERR_INPUT, "\"model\", \"sha256\": ids expected");
    if (!source || strlen(source) > PATH_BYTES)
        return err_set(err, ERR_INPUT, "\"source\": a path expected");
    if (!list || json_type(list) != JSON_ARRAY || n < 1 ||
        n > FILE_SPLIT_MAX)
        return err_set(err, ERR_INPUT, "\"batches\": 1 to %d ids expected",
                       FILE_SPLIT_MAX);
    p->part = xcalloc(n, sizeof(*p->part));
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (json_id(v, &p->part[p->n++]))
            return err_set(err, ERR_INPUT, "\"batches\": ids expected");
    p->source = xstrdup(source);
    batch_file_id(&p->id, p->model, p->file);
    return 0;
}

int file_split_parse(struct file_split *out, const char *text, size_t n,
                     struct err *err)
{
    struct file_split p = { .source = NULL };
    struct json *root;
    int rc;

    if (json_parse(&root, text, n, err))
        return -1;
    rc = get_split(&p, root, err);
    json_free(root);
    if (rc)
        file_split_clear(&p);
    else
        *out = p;
    return rc;
}

/* ---- reading ------------------------------------------------------------- */

/* The name must be that of what the file says. */
static int read_one(struct file_split *p, const char *dir, const char *name)
{
    char id[ID_TEXT + 8], *path = file_join(dir, name);
    struct buf b;
    int rc;

    buf_init(&b, TEXT_MAX);
    rc = file_read(&b, path, NULL) ||
         file_split_parse(p, b.data, b.len, NULL) ? -1 : 0;
    buf_clear(&b);
    free(path);
    if (rc)
        return -1;
    base64url(id, p->id.b, 32);
    strcat(id, ".json");
    if (strcmp(id, name) == 0)
        return 0;
    file_split_clear(p);
    return -1;
}

int file_split_walk(const struct spool *s, file_split_fn *each, void *self,
                    struct err *err)
{
    char *dir = split_dir(s);
    DIR *d = opendir(dir); /* of most spools there is none */
    struct dirent *e;
    int rc = 0;

    while (d && rc == 0 && (e = readdir(d)) != NULL) {
        struct file_split p = { .source = NULL };

        if (strlen(e->d_name) != ID_TEXT - 1 + 5 ||
            read_one(&p, dir, e->d_name))
            continue;
        rc = each(self, &p, err);
        file_split_clear(&p);
    }
    if (d)
        closedir(d);
    free(dir);
    return rc;
}

/* ---- forgetting ---------------------------------------------------------- */

static bool has_parts(const struct spool *s, const struct file_split *p)
{
    enum spool_state state;

    for (size_t i = 0; i < p->n; i++)
        if (spool_locate(s, p->part[i], &state, NULL) != FOUND_NONE)
            return true;
    return false;
}

/* Out of its place first: whoever splits the file again writes its list after
 * its parts, so that one without parts is the old one, and one that has them
 * by now goes back, unless there is a newer one. */
static int forget(void *self, const struct file_split *p, struct err *err)
{
    const struct spool *s = self;
    char scratch[FILE_SCRATCH], *path, *aside;
    int rc = 0;

    if (has_parts(s, p))
        return 0;
    if (file_scratch(scratch, err))
        return -1;
    path = xasprintf("%s/split/%s.json", spool_dir(s), id_text(p->id).s);
    aside = xasprintf("%s/%s/" SPOOL_GONE "%s", spool_dir(s),
                      spool_state_name(SPOOL_TMP), scratch);
    if (sys_rename(path, aside) == 0) {
        if (has_parts(s, p))
            sys_link(aside, path);
        unlink(aside);
    } else if (errno != ENOENT) {
        rc = spool_fail(err, "remove", path);
    }
    free(aside);
    free(path);
    return rc;
}

int file_split_tidy(const struct spool *s, struct err *err)
{
    return file_split_walk(s, forget, (void *)s, err);
}

/* ---- cutting ------------------------------------------------------------- */

/* Where a part begins in the file. */
struct file_cut {
    uint64_t at, line; /* bytes and lines before it .. */
    struct earlier earlier; /* .. and its lines that stand there, too */
};

/* Whether the line just read begins with a BOM: at the beginning of a file that
 * is left out, elsewhere it is a part of the line. */
static bool begins_with_bom(const struct request_file *f, const char *text,
                            size_t n)
{
    return n >= sizeof(REQUEST_FILE_BOM) - 1 &&
           request_file_offset(f) == request_file_start(f) &&
           memcmp(text, REQUEST_FILE_BOM, sizeof(REQUEST_FILE_BOM) - 1) == 0;
}

/* Where the parts begin, each with a request, and where the last ends: *n + 1
 * of them.  A line that would be another at the beginning of a file goes with
 * the one before it, so there may be fewer parts than *n. */
static int find_cuts(struct file_cut *cuts, size_t *n, const char *file,
                     const struct file_split *p, struct err *err)
{
    struct request_file *lines;
    uint64_t count, request = 0, line = 0;
    const char *text = "";
    size_t len, part = 0;
    uint32_t repeats;
    struct id line_hash;
    int rc = 0;

    if (request_file_open_v2(&lines, file, p->model, err))
        return -1;
    count = request_file_requests(lines);
    if (!id_equal(request_file_hash(lines), p->file))
        rc = err_set(err, ERR_RETRY, "\"%s\" was changed while it was read",
                     file);
    for (; rc == 0 && text; line++) {
        rc = request_file_next(lines, &text, &len, err);
        if (rc || !text || request_file_is_blank(lines))
            continue;
        if (part + 1 < *n && request >= count * (part + 1) / *n &&
            !begins_with_bom(lines, text, len)) {
            earlier_end(&cuts[part++].earlier);
            cuts[part].at = request_file_start(lines);
            cuts[part].line = line;
        }
        request++;
        request_file_repeat(lines, &line_hash, &repeats);
        rc = earlier_note(&cuts[part].earlier, line_hash, repeats, err);
    }
    earlier_end(&cuts[part].earlier);
    request_file_close(lines);
    *n = part + 1;
    return rc ? rc : file_size(file, &cuts[*n].at, err);
}

/* Whether the list on the disk is this one: that it may be lost still is no
 * reason to leave it without its parts. */
static bool is_listed(const struct spool *s, const struct file_split *p)
{
    struct file_split there = { .source = NULL };
    char name[ID_TEXT + 8], *dir = split_dir(s);
    bool same;

    snprintf(name, sizeof(name), "%s.json", id_text(p->id).s);
    same = read_one(&there, dir, name) == 0 && there.n == p->n &&
           memcmp(there.part, p->part, p->n * sizeof(*p->part)) == 0;
    file_split_clear(&there);
    free(dir);
    return same;
}

/* Of a split that failed, unless somebody has begun with them. */
static void remove_parts(const struct spool *s, const struct batch *made,
                         size_t n)
{
    struct doomed *d = doomed_new(s);

    for (size_t i = 0; i < n; i++)
        doomed_add(d, &made[i], NULL);
    doomed_remove(d, NULL);
    doomed_free(d);
}

/* Copies of the parts, on the disk. */
static int copy_parts(struct adding **copies, const struct file_split *p,
                      const struct spool *s, const char *file, int from,
                      const struct file_cut *cuts, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *source = xasprintf("%s (part %zu of %zu)", p->source, i + 1, n);
        const struct file_cut *c = &cuts[i];
        struct batch_part part = { .source = source, .lines_before = c->line,
                                   .earlier = &c->earlier };

        rc = source_open_range(&part.from, from, file, c->at, c[1].at - c->at,
                               err) ||
             adding_new(&copies[i], s, file, &part, p->model, err) ? -1 : 0;
        if (rc)
            err_prefix(err, "\"%s\"", source);
        free(source);
    }
    if (rc == 0 && adding_sync(copies, n, err))
        rc = err_prefix(err, "\"%s\"", p->source);
    return rc;
}

/* The copies become batches, with the list of them, or none does. */
static int publish_parts(struct file_split *p, const struct spool *s,
                         struct adding **copies, size_t n, struct err *err)
{
    struct batch *made = xcalloc(n, sizeof(*made));
    size_t n_made = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct batch b = { .path = NULL };
        bool existed = true;

        rc = adding_publish(copies[i], &b, &existed, err);
        if (rc == 0)
            p->part[p->n++] = b.id;
        if (existed)
            batch_clear(&b);
        else
            made[n_made++] = b;
    }
    if (rc == 0)
        rc = spool_sync_added(s, err);
    if (rc == 0)
        rc = split_write(s, p, err);
    if (rc)
        err_prefix(err, "\"%s\"", p->source);
    if (rc && (p->n < n || !is_listed(s, p)))
        remove_parts(s, made, n_made);
    for (size_t i = 0; i < n_made; i++)
        batch_clear(&made[i]);
    free(made);
    return rc;
}

static int add_parts(struct file_split *p, const struct spool *s,
                     const char *file, int from, const struct file_cut *cuts,
                     size_t n, struct err *err)
{
    struct adding **copies = xcalloc(n, sizeof(*copies));
    char *tmp = file_join(spool_dir(s), spool_state_name(SPOOL_TMP));
    int rc;

    spool_remove_leftovers(tmp);
    rc = copy_parts(copies, p, s, file, from, cuts, n, err);
    if (rc == 0)
        rc = publish_parts(p, s, copies, n, err);
    for (size_t i = 0; i < n; i++)
        adding_free(copies[i]);
    free(copies);
    free(tmp);
    return rc;
}

static int cut_file(struct file_split *p, const struct spool *s,
                    const char *file, size_t n, struct err *err)
{
    struct file_cut *cuts = xcalloc(n + 1, sizeof(*cuts));
    int fd = -1, rc = find_cuts(cuts, &n, file, p, err);

    if (rc == 0 && (fd = open(file, O_RDONLY | O_CLOEXEC)) < 0)
        rc = err_errno(err, ERR_INPUT, "cannot open \"%s\"", file);
    if (rc == 0)
        rc = add_parts(p, s, file, fd, cuts, n, err);
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < n; i++)
        earlier_clear(&cuts[i].earlier);
    free(cuts);
    return rc;
}

int file_split_make(struct file_split *out, const struct spool *s,
                    const char *file, struct id model, size_t n,
                    struct err *err)
{
    struct batch_info info = { .source = NULL };
    struct batch b = { .path = NULL };
    struct file_split p = { .source = NULL };
    bool existed;
    int rc;

    if (spool_plan_file(s, file, model, &b, &info, &existed, err))
        return -1;
    p.id = info.id;
    p.model = model;
    p.file = info.file;
    p.source = xstrdup(info.source);
    if (n > info.n_requests)
        n = info.n_requests ? (size_t)info.n_requests : 1;
    p.part = xcalloc(n, sizeof(*p.part));
    rc = cut_file(&p, s, file, n, err);
    batch_info_clear(&info);
    batch_clear(&b);
    if (rc)
        file_split_clear(&p);
    else
        *out = p;
    return rc;
}

/* ---- putting together ---------------------------------------------------- */

static int put_range(FILE *from, uint64_t n, struct file_out *to,
                     struct err *err)
{
    char chunk[65536];

    while (n > 0) {
        size_t want = n < sizeof(chunk) ? (size_t)n : sizeof(chunk);
        size_t got = fread(chunk, 1, want, from);

        if (got == 0)
            return err_set(err, ERR_RETRY, "the file became shorter while it"
                           " was read");
        if (file_out_put(to, chunk, got, err))
            return -1;
        n -= got;
    }
    return 0;
}

static int join_ids(const char *batch_path, struct file_out *ids,
                    struct err *err)
{
    struct batch_info info;
    struct request_file *lines = NULL;
    const char *text = "";
    size_t n;
    int rc;

    if (batch_info_read(&info, batch_path, err))
        return -1;
    rc = batch_request_file(&lines, &info, batch_path, err);
    while (rc == 0 && (rc = request_file_next(lines, &text, &n, err)) == 0 &&
           text) {
        struct id id;

        request_file_id(lines, &id);
        rc = file_out_put(ids, id.b, sizeof(id.b), err);
    }
    request_file_close(lines);
    batch_info_clear(&info);
    return rc;
}

static int join_part(struct id part, const struct spool *s,
                     struct file_out *out, struct file_out *ids,
                     struct err *err)
{
    char *path;
    struct batch b;
    uint64_t n;
    FILE *f;
    int rc;

    if (spool_find(s, id_text(part).s, &b, err))
        return -1;
    path = file_join(b.path, "requests.jsonl");
    f = fopen(path, "re");
    rc = !f ? err_errno(err, ERR_INPUT, "cannot open \"%s\"", path)
            : file_size(path, &n, err) || put_range(f, n, out, err) ||
              join_ids(b.path, ids, err) ? -1 : 0;
    if (f)
        fclose(f);
    free(path);
    batch_clear(&b);
    return rc;
}

int file_split_join(const struct file_split *p, const struct spool *s,
                    struct file_out *out, struct file_out *ids,
                    struct err *err)
{
    for (size_t i = 0; i < p->n; i++)
        if (join_part(p->part[i], s, out, ids, err))
            return -1;
    return 0;
}
