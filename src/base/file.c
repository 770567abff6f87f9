/*
 * Whole files: read within a ceiling, written aside and renamed.
 */
#include <config.h>

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"

#define HOLD (64u << 10) /* bytes put before they are written */
#define ASIDE_TRIES 100
#define READ_STEP 4096

struct file_out {
    int fd;
    bool stream;      /* written through: dir and aside are NULL */
    bool standard;    /* it is standard output */
    bool sync_later;
    char *path;
    char *dir;
    char *aside;
    uint64_t written; /* bytes in the file, without those held */
    size_t n_held;
    unsigned char held[HOLD];
};

static int fail_file(struct err *err, const char *what, const char *path)
{
    return room_fail(err, err_code_of(errno), what, path);
}

/* O_NONBLOCK: opening a pipe must not wait for its writer. */
static int open_regular(const char *path, struct stat *st, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return fail_file(err, "open", path);
    if (fstat(fd, st)) {
        fail_file(err, "open", path);
        close(fd);
        return -1;
    }
    if (!S_ISREG(st->st_mode)) {
        close(fd);
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
    }
    return fd;
}

/* Read to the end; the size told by fstat is a hint, the ceiling is not. */
static int read_all(struct buf *b, int fd, size_t hint, const char *path,
                    struct err *err)
{
    /* One byte more, so that the end is found without growing again. */
    size_t more = hint < b->max - b->len ? hint + 1 : hint;
    ssize_t got;
    char over;

    for (;;) {
        if (buf_reserve(b, more, path, err))
            return -1;
        more = b->cap - 1 - b->len;
        got = more > 0 ? read(fd, b->data + b->len, more) : read(fd, &over, 1);
        if (got < 0 && errno != EINTR)
            return fail_file(err, "read", path);
        if (got == 0)
            return 0;
        if (got < 0)
            continue;
        if (more == 0)
            return err_set(err, ERR_INPUT, "\"%s\" is over %zu bytes", path,
                           b->max);
        b->len += (size_t)got;
        b->data[b->len] = '\0';
        more -= (size_t)got;
        if (more == 0) /* it grows, or it is one of those without a size */
            more = b->len < READ_STEP ? READ_STEP : b->len;
        if (more > b->max - b->len)
            more = b->max - b->len;
    }
}

int file_read(struct buf *b, const char *path, struct err *err)
{
    size_t before = b->len;
    struct stat st;
    int fd, rc;

    fd = open_regular(path, &st, err);
    if (fd < 0)
        return -1;
    if ((uintmax_t)st.st_size > b->max - b->len) {
        close(fd);
        return err_set(err, ERR_INPUT,
                       "\"%s\" has %ju bytes, at most %zu are read", path,
                       (uintmax_t)st.st_size, b->max - b->len);
    }
    rc = read_all(b, fd, (size_t)st.st_size, path, err);
    if (rc && b->cap) {
        b->len = before;
        b->data[before] = '\0';
    }
    close(fd);
    return rc;
}

ssize_t file_read_at(int fd, void *out, size_t n, uint64_t at)
{
    size_t len = 0;

    while (len < n) {
        ssize_t got = pread(fd, (char *)out + len, n - len, (off_t)(at + len));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

int file_size(const char *path, uint64_t *size, struct err *err)
{
    struct stat st;

    if (stat(path, &st))
        return fail_file(err, "open", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
    *size = (uint64_t)st.st_size;
    return 0;
}

bool file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_is_denied(const char *path)
{
    return access(path, R_OK) && (errno == EACCES || errno == EPERM);
}

int file_write(const char *path, const void *data, size_t n, struct err *err)
{
    struct file_out *f;

    if (file_out_open(&f, path, err))
        return -1;
    if (file_out_put(f, data, n, err)) {
        file_out_abort(f);
        return -1;
    }
    return file_out_commit(f, err);
}

int file_mkdirs(const char *path, struct err *err)
{
    char *part = xstrdup(path);
    int rc = 0;

    for (char *p = part; rc == 0 && *p; p++) {
        char *end = p + strcspn(p, "/");
        char next = *end;

        if (end == p)
            continue;
        *end = '\0';
        /* Another may make it at the same time; it only has to be there. */
        if (mkdir(part, 0777)) {
            int why = errno;

            if (!file_is_dir(part)) {
                errno = why;
                rc = fail_file(err, "make directory", part);
            }
        }
        *end = next;
        p = next ? end : end - 1;
    }
    free(part);
    return rc;
}

char *file_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    const char *slash = n > 0 && dir[n - 1] == '/' ? "" : "/";

    return xasprintf("%s%s%s", dir, slash, name);
}

int file_scratch(char out[FILE_SCRATCH], struct err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    unsigned char r[FILE_SCRATCH - 1];

    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        return err_errno(err, ERR_RETRY, "no random numbers");
    for (size_t i = 0; i < sizeof(r); i++)
        out[i] = letters[r[i] & 31];
    out[sizeof(r)] = '\0';
    return 0;
}

/* Open dir/.NAME.XXXXXXXX.  Not mkostemp: its mode 0600 could be widened only
 * by asking for the umask, which no thread can do without changing it. */
static int open_aside(struct file_out *f, const char *name)
{
    for (int i = 0; i < ASIDE_TRIES; i++) {
        char tail[FILE_SCRATCH];

        if (file_scratch(tail, NULL))
            return -1;
        free(f->aside);
        /* A name may be as long as the system allows; ours is longer. */
        f->aside = xasprintf("%s/.%.200s.%s", f->dir, name, tail);
        f->fd = open(f->aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0 || errno != EEXIST)
            return f->fd < 0 ? -1 : 0;
    }
    return -1;
}

static void out_free(struct file_out *f)
{
    free(f->path);
    free(f->dir);
    free(f->aside);
    free(f);
}

int file_out_open(struct file_out **out, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct file_out *f;

    if (!*name)
        return err_set(err, ERR_INPUT, "\"%s\" is not a name of a file", path);
    f = xcalloc(1, sizeof(*f));
    f->path = xstrdup(path);
    if (!slash)
        f->dir = xstrdup(".");
    else /* "/name" is in "/." */
        f->dir = slash == path ? xstrdup("/.")
                               : xstrndup(path, (size_t)(slash - path));
    if (open_aside(f, name)) {
        fail_file(err, "write", path);
        out_free(f);
        return -1;
    }
    *out = f;
    return 0;
}

void file_out_stream(struct file_out **out, int fd, const char *name,
                     bool standard)
{
    struct file_out *f = xcalloc(1, sizeof(*f));

    f->fd = fd;
    f->path = xstrdup(name);
    f->stream = true;
    f->standard = standard;
    *out = f;
}

static int write_on(struct file_out *f, const void *data, size_t n,
                    struct err *err)
{
    if (sys_write(f->fd, data, n) == 0)
        return 0;
    if (errno == EPIPE && f->standard)
        return err_set(err, ERR_CLOSED, "standard output has no reader");
    return fail_file(err, "write", f->path);
}

static int write_at(struct file_out *f, uint64_t at, const void *data, size_t n,
                    struct err *err)
{
    if (n > 0 && f->stream)
        return write_on(f, data, n, err);
    if (n > 0 && sys_pwrite(f->fd, data, n, (off_t)at))
        return fail_file(err, "write", f->path);
    return 0;
}

int file_out_flush(struct file_out *f, struct err *err)
{
    if (write_at(f, f->written, f->held, f->n_held, err))
        return -1;
    f->written += f->n_held;
    f->n_held = 0;
    return 0;
}

int file_out_put(struct file_out *f, const void *data, size_t n,
                 struct err *err)
{
    if (n > HOLD - f->n_held && file_out_flush(f, err))
        return -1;
    if (n > HOLD) {
        if (write_at(f, f->written, data, n, err))
            return -1;
        f->written += n;
        return 0;
    }
    if (n > 0)
        memcpy(f->held + f->n_held, data, n);
    f->n_held += n;
    return 0;
}

int file_out_put_file(struct file_out *f, const char *path, struct err *err)
{
    struct stat st;
    int fd = open_regular(path, &st, err), rc = 0;
    ssize_t n = 1;

    if (fd < 0)
        return -1;
    while (rc == 0 && n > 0) {
        rc = file_out_flush(f, err);
        if (rc)
            break;
        do
            n = read(fd, f->held, HOLD);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            rc = fail_file(err, "read", path);
        else
            f->n_held = (size_t)n;
    }
    close(fd);
    return rc;
}

int file_out_patch(struct file_out *f, uint64_t at, const void *data, size_t n,
                   struct err *err)
{
    uint64_t size = file_out_size(f);

    if (f->stream)
        return err_set(err, ERR_FATAL, "\"%s\" cannot be patched", f->path);
    if (at > size || n > size - at)
        return err_set(err, ERR_FATAL,
                       "patch of %zu bytes at %ju in \"%s\", which has %ju", n,
                       (uintmax_t)at, f->path, (uintmax_t)size);
    if (file_out_flush(f, err))
        return -1;
    return write_at(f, at, data, n, err);
}

const char *file_out_aside(const struct file_out *f)
{
    return f->aside;
}

const char *file_out_path(const struct file_out *f)
{
    return f->path;
}

uint64_t file_out_size(const struct file_out *f)
{
    return f->written + f->n_held;
}

/* What has come to lie there meanwhile: only a file may be replaced. */
static int check_target(const struct file_out *f, struct err *err)
{
    struct stat st;

    if (lstat(f->path, &st) == 0 && !S_ISREG(st.st_mode) &&
        !S_ISLNK(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file",
                       f->path);
    return 0;
}

int file_share_as(const char *path, const char *old, struct err *err)
{
    struct stat is, was;

    if (lstat(old, &was) || !S_ISREG(was.st_mode))
        return 0;
    if (stat(path, &is) == 0 &&
        ((was.st_mode & ~is.st_mode & 0777) == 0 ||
         chmod(path, (is.st_mode | was.st_mode) & 0777) == 0))
        return 0;
    return fail_file(err, "set the mode of", path);
}

static int end_stream(struct file_out *f, struct err *err)
{
    struct stat st;

    if (file_out_flush(f, err))
        return -1;
    /* what is redirected into a file should lie on the disk */
    if (fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode) && sys_fsync(f->fd) &&
        errno != EINVAL && errno != EROFS)
        return fail_file(err, "write", f->path);
    return 0;
}

int file_out_commit(struct file_out *f, struct err *err)
{
    int dir_fd = -1, rc = -1;

    if (f->stream) {
        rc = end_stream(f, err);
        goto out;
    }
    if (file_out_flush(f, err) || check_target(f, err) ||
        file_share_as(f->aside, f->path, err))
        goto out;
    dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || (!f->sync_later && sys_fsync(f->fd))) {
        fail_file(err, "write", f->path);
        goto out;
    }
    /* NFS tells of a full disk no later than here. */
    rc = close(f->fd);
    f->fd = -1;
    if (rc || sys_rename(f->aside, f->path)) {
        rc = fail_file(err, "write", f->path);
        goto out;
    }
    free(f->aside);
    f->aside = NULL;
    /* Some file systems sync no directories and need none: EINVAL. */
    if (!f->sync_later && sys_fsync(dir_fd) && errno != EINVAL)
        rc = fail_file(err, "sync the directory of", f->path);
out:
    if (dir_fd >= 0)
        close(dir_fd);
    file_out_abort(f);
    return rc;
}

void file_out_sync_later(struct file_out *f)
{
    f->sync_later = true;
}

void file_out_abort(struct file_out *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->aside)
        unlink(f->aside);
    out_free(f);
}
