/*
 * One descriptor from the hash of a part to its last row.
 */
#include <config.h>

#include "store/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"

#define CHUNK (64u << 10)

struct part_file {
    char *path;
    int fd;
    struct stat st;
};

/* A name that leads nowhere is the caller's mistake, and damage where a part
 * was sealed.  A permission that is missing is neither; the rest may pass. */
static int cannot_open(const char *path, struct err *err)
{
    bool busy = errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                errno == EIO || errno == ESTALE || errno == EINTR;

    bool denied = errno == EACCES || errno == EPERM;

    return err_errno(err, busy ? ERR_RETRY : denied ? ERR_FATAL : ERR_INPUT,
                     "cannot open \"%s\"", path);
}

int part_file_open(struct part_file **out, const char *path, struct err *err)
{
    struct part_file *f;
    struct stat st;
    /* without waiting for the other end of a FIFO */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return cannot_open(path, err);
    if (fstat(fd, &st)) {
        cannot_open(path, err);
        close(fd);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
    }
    f = xcalloc(1, sizeof(*f));
    f->path = xstrdup(path);
    f->fd = fd;
    f->st = st;
    *out = f;
    return 0;
}

void part_file_close(struct part_file *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f->path);
    free(f);
}

const char *part_file_path(const struct part_file *f)
{
    return f->path;
}

int part_file_descriptor(const struct part_file *f)
{
    return f->fd;
}

uint64_t part_file_size(const struct part_file *f)
{
    return (uint64_t)f->st.st_size;
}

/* Read up to n bytes: how many, fewer only at the end; -1. */
static ssize_t read_some(const struct part_file *f, void *data, size_t n,
                         uint64_t at, struct err *err)
{
    ssize_t got = file_read_at(f->fd, data, n, at);

    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
    return got;
}

int part_file_read(const struct part_file *f, void *data, size_t n,
                   uint64_t at, struct err *err)
{
    ssize_t got = read_some(f, data, n, at, err);

    if (got < 0)
        return -1;
    return (size_t)got == n ? 0
        : err_set(err, ERR_INPUT, "\"%s\" has become shorter", f->path);
}

static int changed(const struct part_file *f, struct err *err)
{
    return err_set(err, ERR_RETRY, "\"%s\" was changed while it was read: run"
                   " this again", f->path);
}

int part_file_hash(const struct part_file *f, struct id *sha256,
                   struct err *err)
{
    struct digest *d = digest_new();
    char *chunk = xmalloc(CHUNK);
    uint64_t at = 0;
    ssize_t n;

    do {
        n = read_some(f, chunk, CHUNK, at, err);
        if (n > 0) {
            digest_put(d, chunk, (size_t)n);
            at += (uint64_t)n;
        }
    } while (n == CHUNK);
    digest_end(d, sha256);
    free(chunk);
    if (n >= 0 && at != part_file_size(f))
        n = changed(f, err);
    return n < 0 ? -1 : 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int part_file_unchanged(const struct part_file *f, struct err *err)
{
    struct stat now;

    if (fstat(f->fd, &now))
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
    if (now.st_size == f->st.st_size &&
        same_time(now.st_mtim, f->st.st_mtim) &&
        same_time(now.st_ctim, f->st.st_ctim))
        return 0;
    return changed(f, err);
}
