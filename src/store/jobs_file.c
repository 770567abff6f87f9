/*
 * Jobs of a part.  The file, little-endian:
 *
 *     "APUSJOBS", version u32 = 1, rows u32, model id 32, part_root 32
 *     for each row: job id 32, row u32; sorted by job, then row
 */
#include <config.h>

#include "store/jobs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/result_record.h"
#include "store/checkpoint.h"

#define MAGIC "APUSJOBS"
#define FORMAT_VERSION 1
#define HEAD 80
#define ENTRY 36
#define WINDOW 1024 /* entries that are read or written at once */

struct jobs_file {
    int fd;
    char *path;
    unsigned char head[HEAD];
    uint32_t given, rows;
    size_t at, n;                  /* of the window: next, and how many */
    unsigned char last[ENTRY];     /* the one that was given */
    unsigned char window[WINDOW * ENTRY];
};

/* ---- writing ------------------------------------------------------------- */

/* The order of entries as they lie in the file. */
static int by_job(const void *a, const void *b)
{
    const unsigned char *x = a, *y = b;
    int c = memcmp(x, y, 32);
    uint32_t m = get_u32(x + 32), n = get_u32(y + 32);

    return c ? c : m < n ? -1 : m > n;
}

static int read_jobs(unsigned char *entry, struct checkpoint *c,
                     struct err *err)
{
    uint64_t n = checkpoint_head(c)->n_rows;
    const unsigned char *packed;
    struct result_record r;

    for (uint64_t i = 0; i < n; i++) {
        if (checkpoint_result(c, i, &packed, err))
            return -1;
        if (result_record_unpack(&r, packed))
            return err_set(err, ERR_INPUT,
                           "row %" PRIu64 " has no result record", i + 1);
        memcpy(entry + i * ENTRY, r.job.b, 32);
        set_u32(entry + i * ENTRY + 32, (uint32_t)i);
    }
    return 0;
}

static int put_jobs(struct file_out *out, struct checkpoint *c,
                    unsigned char *entry, struct err *err)
{
    const struct checkpoint_head *h = checkpoint_head(c);
    unsigned char head[HEAD] = MAGIC;
    size_t n = (size_t)h->n_rows;

    set_u32(head + 8, FORMAT_VERSION);
    set_u32(head + 12, (uint32_t)n);
    memcpy(head + 16, h->model.b, 32);
    memcpy(head + 48, h->part_root.b, 32);
    if (n > 1)
        qsort(entry, n, ENTRY, by_job);
    return file_out_put(out, head, HEAD, err) ||
                   (n && file_out_put(out, entry, n * ENTRY, err))
               ? -1 : 0;
}

int jobs_file_write(const char *path, const char *part, struct err *err)
{
    struct checkpoint *c = NULL;
    struct file_out *out = NULL;
    void *entry = NULL;
    int rc = -1;

    if (checkpoint_open(&c, part, err))
        return -1;
    if (checkpoint_head(c)->n_rows > UINT32_MAX)
        err_set(err, ERR_INPUT, "\"%s\" has 2^32 rows or more", part);
    else if (mem_big(&entry, (size_t)checkpoint_head(c)->n_rows, ENTRY,
                     "the jobs of a part", err) == 0 &&
             read_jobs(entry, c, err) == 0 &&
             file_out_open(&out, path, err) == 0)
        rc = put_jobs(out, c, entry, err);
    if (rc)
        file_out_abort(out);
    else
        rc = file_out_commit(out, err);
    free(entry);
    checkpoint_close(c);
    return rc;
}

/* ---- reading ------------------------------------------------------------- */

/* *got bytes, fewer only at the end. */
static int read_some(struct jobs_file *f, void *data, size_t n, size_t *got,
                     struct err *err)
{
    char *at = data;

    *got = 0;
    while (*got < n) {
        ssize_t k = read(f->fd, at + *got, n - *got);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
        if (k == 0)
            break;
        *got += (size_t)k;
    }
    return 0;
}

static int read_head(struct jobs_file *f, struct err *err)
{
    struct stat st;
    size_t got;

    if (fstat(f->fd, &st))
        return err_errno(err, ERR_RETRY, "cannot look at \"%s\"", f->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file",
                       f->path);
    if (read_some(f, f->head, HEAD, &got, err))
        return -1;
    if (got < HEAD || memcmp(f->head, MAGIC, 8) != 0)
        return err_set(err, ERR_INPUT, "\"%s\" is not a file of jobs",
                       f->path);
    if (get_u32(f->head + 8) != FORMAT_VERSION)
        return err_set(err, ERR_INPUT, "\"%s\" has version %u, this version"
                       " of apus knows %d", f->path,
                       (unsigned)get_u32(f->head + 8), FORMAT_VERSION);
    f->rows = get_u32(f->head + 12);
    if ((uint64_t)st.st_size != HEAD + (uint64_t)ENTRY * f->rows)
        return err_set(err, ERR_INPUT, "\"%s\" is not as long as it says",
                       f->path);
    return 0;
}

int jobs_file_open(struct jobs_file **out, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct jobs_file *f;

    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_INPUT : ERR_RETRY,
                         "cannot open \"%s\"", path);
    f = xcalloc(1, sizeof(*f));
    f->path = xstrdup(path);
    f->fd = fd;
    if (read_head(f, err)) {
        jobs_file_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

void jobs_file_close(struct jobs_file *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f->path);
    free(f);
}

struct id jobs_file_model(const struct jobs_file *f)
{
    return id_at(f->head + 16);
}

struct id jobs_file_root(const struct jobs_file *f)
{
    return id_at(f->head + 48);
}

enum found jobs_file_next(struct jobs_file *f, struct id *job, uint32_t *row,
                          struct err *err)
{
    const unsigned char *e;
    size_t got;

    if (f->given == f->rows)
        return FOUND_NONE;
    if (f->at == f->n) {
        if (read_some(f, f->window, sizeof(f->window), &got, err))
            return FOUND_FAILED;
        f->at = 0;
        f->n = got / ENTRY;
        if (f->n == 0)
            return err_set(err, ERR_INPUT, "\"%s\" ends early", f->path);
    }
    e = f->window + f->at * ENTRY;
    if (get_u32(e + 32) >= f->rows ||
        (f->given && by_job(f->last, e) >= 0))
        return err_set(err, ERR_INPUT, "\"%s\" is damaged in entry %u",
                       f->path, (unsigned)f->given + 1);
    memcpy(f->last, e, ENTRY);
    *job = id_at(e);
    *row = get_u32(e + 32);
    f->at++;
    f->given++;
    return FOUND_ONE;
}
