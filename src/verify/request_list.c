/*
 * Lines sorted by id; equal ids are distinguished by their order in the file.
 */
#include <config.h>

#include "verify/request_list.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "spool/request_file.h"
#include "store/request.h"
#include "verify/check.h"

static int by_line(const void *a, const void *b)
{
    const struct request_line *x = a, *y = b;

    return x->line < y->line ? -1 : x->line > y->line;
}

static int by_id(const void *a, const void *b)
{
    const struct request_line *x = a, *y = b;
    int order = id_compare(x->id, y->id);

    return order ? order : by_line(a, b);
}

struct request_line *request_list_find(const struct request_list *f,
                                       struct id id)
{
    const struct request_line first = { .id = id };
    struct request_line *l = f->line, *end = f->line + f->n;

    for (size_t n = f->n; n > 0;) {
        size_t half = n / 2;
        bool before = by_id(&l[half], &first) < 0;

        l += before ? half + 1 : 0;
        n = before ? n - half - 1 : half;
    }
    if (l == end || !id_equal(l->id, id))
        return NULL;
    while (l->answered && l + 1 < end && id_equal(l[1].id, id))
        l++;
    return l;
}

static int by_text(const void *a, const void *b)
{
    const struct request_line *const *x = a, *const *y = b;
    int order = id_compare((*x)->sha256, (*y)->sha256);

    return order ? order : by_line(*x, *y);
}

static int sort_equal(struct request_list *f, struct err *err)
{
    void *list;

    if (f->equal)
        return 0;
    if (mem_big(&list, f->n, sizeof(*f->equal), "a list of requests", err))
        return -1;
    f->equal = list;
    for (size_t i = 0; i < f->n; i++)
        f->equal[i] = &f->line[i];
    qsort(f->equal, f->n, sizeof(*f->equal), by_text);
    return 0;
}

enum found request_list_equal(struct request_line **out,
                              struct request_list *f,
                              const struct request_line *l, struct err *err)
{
    size_t first = 0, i;

    if (sort_equal(f, err))
        return FOUND_FAILED;
    for (size_t n = f->n; n > 0;) {
        size_t half = n / 2;
        bool before = id_compare(f->equal[first + half]->sha256,
                                 l->sha256) < 0;

        first += before ? half + 1 : 0;
        n = before ? n - half - 1 : half;
    }
    for (i = first + f->equal[first]->seen;
         i < f->n && id_equal(f->equal[i]->sha256, l->sha256); i++) {
        if (!f->equal[i]->answered) {
            *out = f->equal[i];
            return FOUND_ONE;
        }
        f->equal[first]->seen++;
    }
    return FOUND_NONE;
}

void request_list_close(struct request_list *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->equal);
    free(f->line);
    *f = (struct request_list){ .fd = -1 };
}

/* Parse the id of a line from AO: its custom_id.  A line without one has no
 * id. */
static void custom_id(struct id *id, const char *text, size_t n)
{
    struct request r;

    *id = (struct id){ { 0 } };
    request_parse(&r, text, n, NULL);
    if (r.custom_id)
        id_parse(id, r.custom_id);
    request_clear(&r);
}

static int read_lines(struct request_list *f, struct request_file *in,
                      enum request_list_ids ids, FILE *list, struct err *err)
{
    struct request_line *l = f->line;
    const char *text;
    struct id id;
    size_t n;

    for (size_t i = 0;; i++) {
        if (request_file_next(in, &text, &n, err))
            return -1;
        if (!text)
            return 0;
        if (list && fread(id.b, sizeof(id.b), 1, list) != 1)
            return err_set(err, ERR_RETRY, "the list of ids has no line %zu",
                           i + 1);
        if (request_file_is_blank(in))
            continue;
        *l = (struct request_line){ .at = request_file_offset(in),
                                    .line = (uint32_t)i, .n = (uint32_t)n };
        digest(&l->sha256, text, n);
        if (ids == REQUEST_LIST_IDS_AO)
            custom_id(&l->id, text, n);
        else if (list)
            l->id = id;
        else
            request_file_id(in, &l->id);
        l++;
    }
}

int request_list_open(struct request_list *f, const struct check_requests *r,
                      enum request_list_ids ids, struct err *err)
{
    const char *path = r->path;
    struct request_file *in = NULL;
    FILE *list = NULL;
    void *line;
    int rc = -1;

    *f = (struct request_list){ .fd = -1, .path = path };
    if (ids <= REQUEST_LIST_IDS_2
            ? request_file_open_v2(&in, path, *r->model, err)
            : request_file_open(&in, path, err))
        return -1;
    if (ids == REQUEST_LIST_IDS_LISTED && !(list = fopen(r->ids, "re"))) {
        err_errno(err, ERR_RETRY, "cannot open \"%s\"", r->ids);
        goto out;
    }
    if (request_file_count(in) > UINT32_MAX) {
        err_set(err, ERR_INPUT, "\"%s\" has 2^32 lines or more", path);
        goto out;
    }
    f->n = (size_t)request_file_requests(in);
    if (mem_big(&line, f->n, sizeof(*f->line), "a list of requests", err))
        goto out;
    f->line = line;
    if (read_lines(f, in, ids, list, err))
        goto out;
    if (f->n > 1)
        qsort(f->line, f->n, sizeof(*f->line), by_id);
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    rc = f->fd < 0 ? err_errno(err, ERR_RETRY, "cannot open \"%s\"", path)
                   : 0;
out:
    if (rc)
        request_list_close(f);
    if (list)
        fclose(list);
    request_file_close(in);
    return rc;
}

int request_list_text(char **out, const struct request_list *f,
                      const struct request_line *l, struct err *err)
{
    char *text = xmalloc((size_t)l->n + 1);
    struct id sha256;
    ssize_t got = file_read_at(f->fd, text, l->n, l->at);

    digest(&sha256, text, got < 0 ? 0 : (size_t)got);
    if (got == (ssize_t)l->n && id_equal(sha256, l->sha256)) {
        *out = text;
        return 0;
    }
    free(text);
    return err_set(err, ERR_RETRY, "\"%s\" was changed while it was read, run"
                   " it again", f->path);
}

void request_list_sort(struct request_list *f)
{
    if (f->n > 1)
        qsort(f->line, f->n, sizeof(*f->line), by_line);
}
