/*
 * What the requests of a part are called: read from requests.jsonl once more,
 * line by line where the scan found them.
 */
#include <config.h>

#include "store/seal_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "store/request.h"
#include "store/scan.h"

void seal_names_clear(struct seal_names *n)
{
    free(n->row);
    buf_clear(&n->text);
    memset(n, 0, sizeof(*n));
}

static int read_line(struct buf *line, int fd, const struct scan_line *l,
                     const char *path, struct err *err)
{
    ssize_t got;

    buf_reset(line);
    if (buf_reserve(line, l->n, "a line of requests.jsonl", err))
        return -1;
    got = file_read_at(fd, line->data, l->n, l->at);
    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", path);
    if ((size_t)got < l->n)
        return err_set(err, ERR_INPUT, "\"%s\" has become shorter", path);
    line->len = (size_t)got;
    return 0;
}

/* A line that has an answer can be read; what this version cannot read is
 * called nothing. */
static void add_name(struct seal_names *n, const struct buf *line)
{
    struct request r;
    size_t len = 0;

    request_parse(&r, line->len ? line->data : "", line->len, NULL);
    if (r.custom_id)
        len = strlen(r.custom_id);
    if (len > CHECKPOINT_CUSTOM_ID)
        len = 0;
    if (len)
        buf_put(&n->text, r.custom_id, len);
    if (len > n->longest)
        n->longest = len;
    request_clear(&r);
}

static int read_names(struct seal_names *n, const struct seal *s,
                      const struct seal_part *p, int fd, const char *path,
                      struct err *err)
{
    struct buf line;
    int rc = 0;

    buf_init(&line, REQUEST_MAX_LINE + 1);
    for (size_t i = 0; rc == 0 && i < p->n_rows; i++) {
        const struct seal_row *row = &s->row[p->row + i];

        /* choices of one line follow each other */
        if (i > 0 && row->line == s->row[p->row + i - 1].line) {
            n->row[i] = n->row[i - 1];
            continue;
        }
        rc = read_line(&line, fd, &s->scan->line[row->line], path, err);
        n->row[i].at = n->text.len;
        if (rc == 0)
            add_name(n, &line);
        n->row[i].n = n->text.len - n->row[i].at;
    }
    buf_clear(&line);
    return rc ? rc : buf_check(&n->text, "what requests are called", err);
}

int seal_names_read(struct seal_names *n, const struct seal *s,
                    const struct seal_part *p, struct err *err)
{
    char *path = file_join(s->batch_path, "requests.jsonl");
    int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    memset(n, 0, sizeof(*n));
    buf_init(&n->text, (p->n_rows + 1) * (CHECKPOINT_CUSTOM_ID + 1));
    n->row = xcalloc(p->n_rows + 1, sizeof(*n->row));
    if (fd < 0) {
        rc = err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    } else {
        rc = read_names(n, s, p, fd, path, err);
        close(fd);
    }
    free(path);
    if (rc)
        seal_names_clear(n);
    return rc;
}

void seal_names_get(const struct seal_names *n, size_t i,
                    struct checkpoint_row *row)
{
    if (n->longest == 0)
        return;
    row->custom_id = n->text.data + n->row[i].at;
    row->custom_id_size = n->row[i].n;
}
