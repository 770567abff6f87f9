/*
 * Files that are being written beside parts.
 */
#include <config.h>

#include "store/checkpoint_aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#define TAIL ".tmp"
#define OLD_S 60

int aside_name(char **out, const char *path, struct err *err)
{
    char scratch[FILE_SCRATCH];

    if (file_scratch(scratch, err))
        return -1;
    *out = xasprintf("%s.%s" TAIL, path, scratch);
    return 0;
}

enum lock {
    LOCK_UNKNOWN, /* the file system has no locks */
    LOCK_OURS,
    LOCK_OTHERS
};

static enum lock try_lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return LOCK_OURS;
    return errno == EWOULDBLOCK ? LOCK_OTHERS : LOCK_UNKNOWN;
}

int aside_lock(const char *aside)
{
    int fd = open(aside, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && try_lock(fd) != LOCK_OURS) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* NAME.tmp, as it once was, or NAME.XXXXXXXX.tmp. */
static bool is_aside(const char *file, const char *name)
{
    size_t n = strlen(name), len = strlen(file), tail = strlen(TAIL);

    return len >= n + tail && strncmp(file, name, n) == 0 &&
           strcmp(file + len - tail, TAIL) == 0 &&
           (len == n + tail ||
            (len == n + FILE_SCRATCH + tail && file[n] == '.'));
}

/* Whether no process writes to it; `now` is when ours was made. */
static bool is_left(int at, const char *file, const struct stat *now)
{
    int fd = openat(at, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    enum lock lock;

    if (fd < 0)
        return false;
    lock = fstat(fd, &st) || !S_ISREG(st.st_mode) ? LOCK_OTHERS : try_lock(fd);
    close(fd);
    return lock == LOCK_OURS ||
           (lock == LOCK_UNKNOWN &&
            now->st_mtim.tv_sec - st.st_mtim.tv_sec > OLD_S);
}

void aside_sweep(const char *path, const char *mine)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *dir = slash ? xstrndup(path, (size_t)(name - path)) : xstrdup(".");
    struct dirent *e;
    struct stat now;
    DIR *d = lstat(mine, &now) ? NULL : opendir(dir);

    mine += name - path;
    while (d && (e = readdir(d)) != NULL)
        if (is_aside(e->d_name, name) && strcmp(e->d_name, mine) != 0 &&
            is_left(dirfd(d), e->d_name, &now))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    free(dir);
}
