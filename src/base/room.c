/*
 * Room on a file system: asking for it, reserving it, saying that it lacks.
 */
#include <config.h>

#include "base/room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/err.h"
#include "base/mem.h"

static uint64_t free_bytes(const struct statvfs *v)
{
    return v->f_frsize && v->f_bavail > UINT64_MAX / v->f_frsize
               ? UINT64_MAX : (uint64_t)v->f_bavail * v->f_frsize;
}

/* The directory of a path, which the caller frees. */
static char *path_dir(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
}

/* Where the file system of `path`, a file that may be missing, is mounted: the
 * last directory above it that is on the same device; "" if nothing says
 * so. */
static void mount_point(char out[PATH_MAX], const char *path)
{
    char above[PATH_MAX], *slash;
    struct stat st, up;

    char *dir = path_dir(path);
    bool there = realpath(path, out) || realpath(dir, out);

    free(dir);
    if (!there || stat(out, &st)) {
        out[0] = '\0';
        return;
    }
    while (out[1]) {
        memcpy(above, out, strlen(out) + 1);
        slash = strrchr(above, '/');
        slash[slash == above] = '\0';
        if (stat(above, &up) || up.st_dev != st.st_dev)
            return;
        memcpy(out, above, strlen(above) + 1);
    }
}

int room_remedy(struct err *err, int why, const char *helps)
{
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    return why == ENOSPC || why == EDQUOT
               ? err_set(err, err->code, "%s: %s", err->text, helps) : -1;
}

#define SPACE_TEXT (PATH_MAX + 100)

/* "N bytes are free on its file system (..): ", or "" if the system does not
 * say or `path` is not a file: a device has its own ways to be full. */
static void space_text(char out[SPACE_TEXT], const char *path)
{
    char where[PATH_MAX];
    struct statvfs v;
    struct stat st;

    out[0] = '\0';
    mount_point(where, path);
    if (!where[0] || statvfs(where, &v) ||
        (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return;
    if (v.f_files && !v.f_favail)
        snprintf(out, SPACE_TEXT, "no more files can be made on its file"
                 " system (\"%s\"): ", where);
    else
        snprintf(out, SPACE_TEXT, "%ju bytes are free on its file system"
                 " (\"%s\"): ", (uintmax_t)free_bytes(&v), where);
}

int room_fail(struct err *err, enum err_code code, const char *what,
              const char *path)
{
    struct err own = ERR_INIT;
    char space[SPACE_TEXT];
    int why = errno;

    err = err_or(err, &own);
    err_errno(err, code, "cannot %s \"%s\"", what, path);
    if (why == ENOSPC || why == EDQUOT) {
        space_text(space, path);
        err_set(err, code, "%s: %s" ROOM_ANYWHERE, err->text, space);
    } else if (why == EFBIG) {
        err_set(err, code, "%s: allow larger files (ulimit -f)", err->text);
    }
    errno = why;
    return -1;
}

static int no_room(const char *path, uint64_t n, uint64_t space,
                   const char *helps, struct err *err)
{
    char where[PATH_MAX];

    mount_point(where, path);
    return err_set(err, ERR_RETRY, "no room for \"%s\": it takes %ju bytes,"
                   " %ju are free on its file system (\"%s\"): %s", path,
                   (uintmax_t)n, (uintmax_t)space, where, helps);
}

int room_check(const char *path, uint64_t n, const char *helps,
               struct err *err)
{
    char *dir = path_dir(path);
    struct statvfs v;
    bool known = statvfs(path, &v) == 0 || statvfs(dir, &v) == 0;

    free(dir);
    if (!known || !v.f_frsize || free_bytes(&v) >= n)
        return 0;
    return no_room(path, n, free_bytes(&v), helps, err);
}

static int refused(int fd, const char *path, uint64_t n, const char *helps,
                   struct err *err)
{
    struct err own = ERR_INIT;
    int why = errno;
    struct statvfs v;

    err = err_or(err, &own);
    if (why == ENOSPC && fstatvfs(fd, &v) == 0)
        return no_room(path, n, free_bytes(&v), helps, err);
    errno = why;
    err_errno(err, why == EFBIG ? ERR_RETRY : err_code_of(why),
              "cannot reserve %ju bytes for \"%s\"", (uintmax_t)n, path);
    if (why == EFBIG)
        return err_set(err, err->code, "%s: allow larger files (ulimit -f), or"
                       " set part-size", err->text);
    return room_remedy(err, why, helps);
}

int room_reserve(int fd, const char *path, uint64_t n, const char *helps,
                 struct err *err)
{
    struct statvfs v;
    int rc;

    do
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)n);
    while (rc && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return refused(fd, path, n, helps, err);
    if (fstatvfs(fd, &v) == 0 && v.f_frsize && free_bytes(&v) < n)
        return no_room(path, n, free_bytes(&v), helps, err);
    return 0;
}
