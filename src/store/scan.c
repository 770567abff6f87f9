/*
 * The scan of a batch's requests: each is parsed once and forgotten.
 */
#include <config.h>

#include "store/scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "spool/ids_file.h"
#include "spool/request_file.h"
#include "spool/spool.h"
#include "store/request.h"

static void inspect_line(struct scan_line *l, const char *text, size_t n)
{
    struct request r;

    l->n = (uint32_t)n;
    l->n_choices = 1;
    l->malformed = request_parse(&r, text, n, NULL) != 0;
    if (!l->malformed) {
        l->n_choices = (uint8_t)r.n_choices;
        l->max_tokens = r.max_tokens ? r.max_tokens : UINT32_MAX;
    }
    request_clear(&r);
}

static int check_source(const struct request_file *f,
                        const struct batch_info *info, const char *path,
                        struct err *err)
{
    if (!id_equal(request_file_hash(f), info->file))
        return err_set(err, ERR_INPUT, "\"%s\" is not the file that this"
                       " batch was made of: it was changed", path);
    if (request_file_requests(f) != info->n_requests ||
        request_file_count(f) != info->n_lines)
        return err_set(err, ERR_INPUT,
                       "\"%s\" has %" PRIu64 " requests in %" PRIu64
                       " lines, batch.json says %" PRIu64 " in %" PRIu64,
                       path, request_file_requests(f), request_file_count(f),
                       info->n_requests, info->n_lines);
    return 0;
}

/* The file `ids` along the lines: whether it has what it should have. */
struct ids_check {
    struct ids_file *file; /* NULL: the batch has none, or is damaged */
    bool bad;
};

static void open_ids(struct ids_check *c, const char *batch_path,
                     const struct batch_info *info)
{
    c->bad = info->ids >= 2 && ids_file_open(&c->file, batch_path,
                                             info->n_lines, NULL) != 0;
}

static void check_ids(struct ids_check *c, const struct request_file *f,
                      uint32_t line)
{
    struct id id, want;

    if (!c->file || c->bad)
        return;
    request_file_id(f, &want);
    c->bad = ids_file_get(c->file, line, &id, NULL) || !id_equal(id, want);
}

static int close_ids(struct ids_check *c, const char *batch_path,
                     const struct batch_info *info, struct err *err)
{
    uint64_t n_lines, n_requests;

    ids_file_close(c->file);
    c->file = NULL;
    return c->bad ? ids_file_write(batch_path, info, false, &n_lines,
                                   &n_requests, err) : 0;
}

static int read_lines(struct scan *s, struct request_file *f,
                      struct ids_check *ids, struct err *err)
{
    const char *text;
    size_t n;

    for (uint32_t i = 0; i <= s->n; i++) {
        if (request_file_next(f, &text, &n, err))
            return -1;
        if (!text)
            break;
        if (i == s->n)
            continue;
        check_ids(ids, f, i);
        if (request_file_is_blank(f))
            continue;
        inspect_line(&s->line[i], text, n);
        s->line[i].at = request_file_offset(f);
    }
    return 0;
}

int scan_read(struct scan *s, const char *batch_path,
              const struct batch_info *info, struct err *err)
{
    char *path = file_join(batch_path, "requests.jsonl");
    struct scan got = { .n = (uint32_t)info->n_lines,
                          .n_requests = (uint32_t)info->n_requests };
    struct ids_check ids = { .file = NULL };
    struct request_file *f = NULL;
    void *line = NULL;
    int rc = -1;

    if (batch_request_file(&f, info, batch_path, err) ||
        check_source(f, info, path, err) ||
        mem_big(&line, got.n, sizeof(*got.line), "the scan of a batch", err))
        goto out;
    got.line = line;
    memset(got.line, 0, got.n * sizeof(*got.line));
    open_ids(&ids, batch_path, info);
    if (read_lines(&got, f, &ids, err) ||
        close_ids(&ids, batch_path, info, err))
        goto out;
    *s = got;
    got.line = NULL;
    rc = 0;
out:
    ids_file_close(ids.file);
    free(got.line);
    request_file_close(f);
    free(path);
    return rc;
}

void scan_clear(struct scan *s)
{
    free(s->line);
    s->line = NULL;
    s->n = s->n_requests = 0;
}

uint8_t scan_choices(const struct scan_line *l)
{
    return (uint8_t)((1u << l->n_choices) - 1);
}
