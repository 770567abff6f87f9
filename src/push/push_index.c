/*
 * Lines of items.jsonl.
 */
#include <config.h>

#include "push/push_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "push/push_plan.h"

#define LINE_MAX_BYTES 512 /* of ours; they have at most 350 */

struct push_index {
    FILE *f;
    char *path;
    uint64_t size;
};

int push_index_open(struct push_index **out, const char *batch_path,
                    struct err *err)
{
    struct push_index *x = xcalloc(1, sizeof(*x));
    int fd;

    x->path = file_join(batch_path, "items.jsonl");
    fd = push_open(x->path, err);
    if (fd < 0 || file_size(x->path, &x->size, err))
        goto fail;
    x->f = fdopen(fd, "r");
    if (!x->f) {
        err_errno(err, ERR_RETRY, "cannot read \"%s\"", x->path);
        goto fail;
    }
    *out = x;
    return 0;
fail:
    push_index_close(x);
    return -1;
}

void push_index_close(struct push_index *x)
{
    if (!x)
        return;
    if (x->f)
        fclose(x->f);
    free(x->path);
    free(x);
}

void push_index_put(struct buf *out, const struct push_index_line *l)
{
    buf_putc(out, '{');
    json_put_id(out, "request", l->request);
    json_put_number(out, "choice", l->choice);
    json_put_id(out, "item", l->item);
    json_put_id(out, "bundle", l->bundle);
    json_put_digits(out, "offset", l->offset);
    json_put_digits(out, "size", l->size);
    buf_puts(out, "}\n");
}

int push_index_parse(struct push_index_line *l, const char *text, size_t n,
                     struct err *err)
{
    struct json *root;
    uint64_t choice;
    int rc = 0;

    if (json_parse(&root, text, n, err))
        return -1;
    if (json_id(json_get(root, "request"), &l->request) ||
        json_u64(json_get(root, "choice"), &choice) || choice > UINT32_MAX ||
        json_id(json_get(root, "item"), &l->item) ||
        json_id(json_get(root, "bundle"), &l->bundle) ||
        json_digits(json_get(root, "offset"), &l->offset) ||
        json_digits(json_get(root, "size"), &l->size) ||
        l->offset > UINT64_MAX - l->size)
        rc = err_set(err, ERR_INPUT, "no line of an index of items");
    else
        l->choice = (uint32_t)choice;
    json_free(root);
    return rc;
}

enum found push_index_next(struct push_index *x, struct push_index_line *l,
                           struct err *err)
{
    char line[LINE_MAX_BYTES];
    size_t n;

    if (!fgets(line, sizeof(line), x->f)) {
        if (!ferror(x->f))
            return FOUND_NONE;
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", x->path);
    }
    n = strlen(line);
    if (n == 0 || line[n - 1] != '\n')
        return err_set(err, ERR_INPUT, "\"%s\" is damaged: a line without"
                       " its end", x->path);
    if (push_index_parse(l, line, n - 1, err))
        return err_prefix(err, "\"%s\"", x->path);
    return FOUND_ONE;
}

int push_index_seek(struct push_index *x, uint64_t at, struct err *err)
{
    int c;

    at = x->size ? at % x->size : 0;
    /* back to the end of the line before */
    while (at > 0) {
        if (fseeko(x->f, (off_t)at - 1, SEEK_SET) != 0 ||
            (c = getc(x->f)) == EOF)
            return err_errno(err, ERR_RETRY, "cannot read \"%s\"", x->path);
        if (c == '\n')
            break;
        at--;
    }
    if (fseeko(x->f, (off_t)at, SEEK_SET) != 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", x->path);
    return 0;
}
