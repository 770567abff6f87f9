/*
 * Files and directories of the spool: opened without following links, only
 * if they are ours, with messages that say what to do.  What is in them is
 * for others.
 */
#include <config.h>

#include "spool/spool_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"

#define MAX_DEPTH 8    /* of a batch: 2 levels today */
#define REMOVE_PASSES 8

/* ---- errors ------------------------------------------------------------- */

static enum err_code code_of(int why)
{
    if (why == ENOTEMPTY)
        return ERR_INPUT;
    if (why == EROFS) /* until it is mounted for writing */
        return ERR_RETRY;
    return err_code_of(why);
}

int spool_remedy(struct err *err, int why)
{
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    if (why == ENOSPC || why == EDQUOT)
        return err_set(err, ERR_RETRY,
                       "%s (apus clean removes old batches, apus du tells"
                       " what they take)", err->text);
    if (why == EROFS)
        return err_set(err, ERR_RETRY,
                       "%s: mount it for writing, or name another directory"
                       " with the setting spool", err->text);
    if (why == EACCES || why == EPERM)
        return err_set(err, err->code,
                       "%s: let this user write there (chmod -R u+rwX), or"
                       " name another directory with the setting spool",
                       err->text);
    return -1;
}

int spool_fail(struct err *err, const char *what, const char *path)
{
    int why = errno;

    room_fail(err, code_of(why), what, path);
    return spool_remedy(err, why);
}

/* The permission that is missing to read a file is that of the file. */
static int cannot_open(struct err *err, const char *path)
{
    int why = errno;
    struct err own = ERR_INIT;

    if (why != EACCES && why != EPERM)
        return spool_fail(err, "open", path);
    err = err_or(err, &own);
    room_fail(err, code_of(why), "open", path);
    return err_set(err, err->code, "%s: let this user read it (chmod u+r)",
                   err->text);
}

/* ---- reading and writing ------------------------------------------------ */

int spool_open_dir(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_RETRY,
                       "no \"%s\": it was moved or removed", path);
    if (fd < 0)
        return spool_fail(err, "open directory", path);
    if (fstat(fd, &st)) {
        spool_fail(err, "open directory", path);
        close(fd);
        return -1;
    }
    if (st.st_uid != geteuid()) {
        close(fd);
        return err_set(err, ERR_INPUT, "\"%s\" belongs to user %ju, not to"
                       " this one: run apus as its owner", path,
                       (uintmax_t)st.st_uid);
    }
    return fd;
}

int spool_each_name(const char *path, spool_name_fn see, void *self,
                    struct err *err)
{
    int fd = spool_open_dir(path, err), rc = 0;
    struct dirent *e;
    DIR *d;

    if (fd < 0)
        return -1;
    d = fdopendir(fd);
    if (!d) {
        spool_fail(err, "read", path);
        close(fd);
        return -1;
    }
    while (rc == 0 && (errno = 0, (e = readdir(d)) != NULL))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = see(self, fd, e->d_name, err);
    if (rc == 0 && errno)
        rc = spool_fail(err, "read", path);
    closedir(d);
    return rc;
}

/* A file of ours and its time. */
static int check_file(int fd, const char *path, size_t capacity,
                      struct timespec *mtime, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st))
        return spool_fail(err, "open", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_INPUT, "\"%s\" belongs to another user",
                       path);
    if ((uintmax_t)st.st_size > capacity)
        return err_set(err, ERR_INPUT,
                       "\"%s\" has %ju bytes, at most %zu are read", path,
                       (uintmax_t)st.st_size, capacity);
    if (mtime)
        *mtime = st.st_mtim;
    return 0;
}

/* To its end; it is never longer than it was, since no process appends. */
static int read_fd(struct buf *b, int fd, const char *path, struct err *err)
{
    char chunk[4096];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return spool_fail(err, "read", path);
        if (n == 0)
            return buf_check(b, path, err);
        buf_put(b, chunk, (size_t)n);
        if (b->full)
            return buf_check(b, path, err);
    }
}

enum found spool_read_in(struct buf *b, const char *batch_path,
                         const char *name, struct timespec *mtime,
                         struct err *err)
{
    int dir = spool_open_dir(batch_path, err), fd;
    enum found found = FOUND_FAILED;
    char *path;

    if (dir < 0)
        return FOUND_FAILED;
    /* O_NONBLOCK: opening a pipe must not wait for its writer */
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
                O_CLOEXEC);
    path = file_join(batch_path, name);
    if (fd < 0)
        found = errno == ENOENT ? FOUND_NONE : cannot_open(err, path);
    else if (check_file(fd, path, b->max - b->len, mtime, err) == 0 &&
             read_fd(b, fd, path, err) == 0)
        found = FOUND_ONE;
    if (fd >= 0)
        close(fd);
    close(dir);
    free(path);
    return found;
}

int spool_write_in(const char *batch_path, const char *name, const void *data,
                   size_t n, struct err *err)
{
    int dir = spool_open_dir(batch_path, err), rc;
    char *path;

    if (dir < 0)
        return -1;
    close(dir);
    path = file_join(batch_path, name);
    errno = 0;
    rc = file_write(path, data, n, err);
    if (rc)
        spool_remedy(err, errno);
    free(path);
    return rc;
}

int spool_put_in(const char *dir, const char *name, const void *data, size_t n,
                 struct err *err)
{
    char *path = file_join(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  0666);
    int rc = fd < 0 || sys_write(fd, data, n)
                 ? spool_fail(err, "write", path) : 0;

    /* NFS reports a full disk here at the latest */
    if (fd >= 0 && close(fd) && rc == 0)
        rc = spool_fail(err, "write", path);
    free(path);
    return rc;
}

int spool_now(const char *dir, struct timespec *now, struct err *err)
{
    struct stat st;

    /* a directory, and no new file: this works on a full disk as well */
    if (utimensat(AT_FDCWD, dir, NULL, AT_SYMLINK_NOFOLLOW) ||
        lstat(dir, &st))
        return spool_fail(err, "touch", dir);
    *now = st.st_mtim;
    return 0;
}

int spool_file_age(const char *path, uint64_t *age_s, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1)
                      : xstrdup(".");
    struct timespec now = { .tv_sec = 0 };
    struct stat st;
    int rc = spool_now(dir, &now, err);

    free(dir);
    if (rc == 0 && lstat(path, &st))
        rc = spool_fail(err, "look at", path);
    if (rc == 0)
        *age_s = now.tv_sec > st.st_mtim.tv_sec
                     ? (uint64_t)(now.tv_sec - st.st_mtim.tv_sec) : 0;
    return rc;
}

int spool_sync_dir(const char *path, struct err *err)
{
    /* some file systems sync no directories and need none: EINVAL */
    if (sys_sync_dir(path) && errno != EINVAL)
        return spool_fail(err, "sync", path);
    return 0;
}

static int sync_entry(void *self, int dir, const char *name, struct err *err)
{
    char *path = file_join(self, name);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int rc = 0;

    if (fd < 0 || fstat(fd, &st))
        rc = spool_fail(err, "sync", path);
    else if (S_ISDIR(st.st_mode))
        rc = spool_sync_tree(path, err);
    else if (sys_fsync(fd))
        rc = spool_fail(err, "write", path);
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

int spool_sync_tree(const char *path, struct err *err)
{
    return spool_each_name(path, sync_entry, (void *)(uintptr_t)path, err) ||
           spool_sync_dir(path, err) ? -1 : 0;
}

/* ---- removing ----------------------------------------------------------- */

static int remove_at(int at, const char *name, int depth);

/* What is in the directory, once through it; 0 or -1 with errno. */
static int empty_dir(DIR *d, int depth)
{
    struct dirent *e;

    rewinddir(d);
    while (errno = 0, (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (remove_at(dirfd(d), e->d_name, depth + 1))
            return -1;
    }
    return errno ? -1 : 0;
}

static int remove_dir(int at, const char *name, int depth)
{
    int fd, rc = -1, why;
    DIR *d;

    if (depth > MAX_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    d = fdopendir(fd);
    if (!d) {
        close(fd);
        return -1;
    }
    /* removing while reading may make readdir leave some out */
    for (int i = 0; rc && i < REMOVE_PASSES; i++) {
        if (empty_dir(d, depth))
            break;
        rc = unlinkat(at, name, AT_REMOVEDIR);
        if (rc && errno == ENOENT)
            rc = 0;
        if (rc && errno != ENOTEMPTY && errno != EEXIST)
            break;
    }
    why = errno;
    closedir(d);
    errno = why;
    return rc;
}

static int remove_at(int at, const char *name, int depth)
{
    sys_crash_point();
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    /* a directory: Linux says EISDIR, POSIX EPERM */
    if (errno != EISDIR && errno != EPERM)
        return -1;
    return remove_dir(at, name, depth);
}

int spool_remove_tree(const char *path, struct err *err)
{
    return remove_at(AT_FDCWD, path, 0) ? spool_fail(err, "remove", path) : 0;
}
