/*
 * Ids of a batch's lines on the disk.  What they should be is line_ids.h.
 */
#include <config.h>

#include "spool/ids_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "spool/request_file.h"
#include "spool/spool.h"

#define NAME "ids"
#define WINDOW 512 /* ids that are read at once */

struct ids_file {
    int fd;
    char *path;
    uint64_t n_lines;
    uint64_t first; /* of the window */
    size_t n;       /* ids in it */
    unsigned char window[WINDOW * 32];
};

/* ---- writing ------------------------------------------------------------- */

static int put_ids(struct file_out *out, struct request_file *f,
                   struct err *err)
{
    struct id id;
    const char *text;
    size_t n;

    for (;;) {
        if (request_file_next(f, &text, &n, err))
            return -1;
        if (!text)
            return 0;
        request_file_id(f, &id);
        if (file_out_put(out, id.b, sizeof(id), err))
            return -1;
    }
}

int ids_file_write(const char *batch_path, const struct batch_info *i,
                   bool sync_later, uint64_t *n_lines, uint64_t *n_requests,
                   struct err *err)
{
    char *path = file_join(batch_path, NAME);
    struct file_out *out = NULL;
    struct request_file *f = NULL;
    int rc = batch_request_file(&f, i, batch_path, err);

    if (rc == 0)
        rc = file_out_open(&out, path, err);
    if (rc == 0 && sync_later)
        file_out_sync_later(out);
    if (rc == 0)
        rc = put_ids(out, f, err);
    if (rc == 0) {
        *n_lines = request_file_count(f);
        *n_requests = request_file_requests(f);
        rc = file_out_commit(out, err);
        out = NULL;
    }
    file_out_abort(out);
    request_file_close(f);
    free(path);
    return rc;
}

/* ---- reading ------------------------------------------------------------- */

int ids_file_open(struct ids_file **out, const char *batch_path,
                  uint64_t n_lines, struct err *err)
{
    struct ids_file *f = xcalloc(1, sizeof(*f));
    struct stat st;

    f->path = file_join(batch_path, NAME);
    f->n_lines = n_lines;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0 || fstat(f->fd, &st)) {
        err_errno(err, f->fd < 0 && errno == ENOENT ? ERR_INPUT : ERR_RETRY,
                  "cannot open \"%s\"", f->path);
        goto fail;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size / 32 != n_lines ||
        st.st_size % 32 != 0) {
        err_set(err, ERR_INPUT, "\"%s\" is not of %" PRIu64 " lines", f->path,
                n_lines);
        goto fail;
    }
    *out = f;
    return 0;
fail:
    ids_file_close(f);
    return -1;
}

void ids_file_close(struct ids_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
}

/* The ids from this line on. */
static int fill(struct ids_file *f, uint64_t line, struct err *err)
{
    ssize_t n = file_read_at(f->fd, f->window, sizeof(f->window), line * 32);

    f->n = 0;
    if (n < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
    f->first = line;
    f->n = (size_t)n / 32;
    return 0;
}

int ids_file_get(struct ids_file *f, uint64_t line, struct id *id,
                 struct err *err)
{
    if (line < f->n_lines &&
        (line < f->first || line - f->first >= f->n) && fill(f, line, err))
        return -1;
    if (line >= f->n_lines || line - f->first >= f->n)
        return err_set(err, ERR_INPUT, "\"%s\" has no line %" PRIu64, f->path,
                       line + 1);
    *id = id_at(f->window + (line - f->first) * 32);
    return 0;
}
