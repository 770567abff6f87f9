/*
 * The calls that change a disk, what a lost answer of a file server makes of
 * them, and the places where a test can end or fail them.  Names and modes of
 * files are left to others.
 */
#include <config.h>

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#endif

#include "base/mem.h"

#define MAX_OPEN 65536 /* where descriptors can only be closed one by one */

enum turn { TURN_GO, TURN_KILL, TURN_FULL };

#ifdef APUS_CRASH_TESTS
#include <signal.h>
#include <stdatomic.h>

static atomic_ulong n_calls;

static bool is_set_to(const char *name, unsigned long n)
{
    const char *text = getenv(name);

    return text && strtoul(text, NULL, 10) == n;
}

/* Count one call: what is to become of it. */
static enum turn turn(void)
{
    unsigned long n = atomic_fetch_add(&n_calls, 1) + 1;

    if (is_set_to("APUS_CRASH", n))
        return TURN_KILL;
    return is_set_to("APUS_ENOSPC", n) ? TURN_FULL : TURN_GO;
}

/* Never returns where the turn is to die. */
static int cut_short(enum turn t)
{
    if (t == TURN_KILL)
        raise(SIGKILL);
    errno = ENOSPC;
    return -1;
}
#else
static bool is_set_to(const char *name, unsigned long n)
{
    (void)name;
    (void)n;
    return false;
}

static enum turn turn(void)
{
    return TURN_GO;
}

static int cut_short(enum turn t)
{
    (void)t;
    return -1;
}
#endif

/* At an offset, or where the descriptor stands if `at` is NULL. */
static int write_whole(int fd, const unsigned char *p, size_t n, off_t *at)
{
    while (n > 0) {
        ssize_t got = at ? pwrite(fd, p, n, *at) : write(fd, p, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return -1;
        p += got;
        n -= (size_t)got;
        if (at)
            *at += (off_t)got;
    }
    return 0;
}

static int count_write(int fd, const void *data, size_t n, off_t *at)
{
    enum turn t = turn();

    if (t == TURN_GO)
        return write_whole(fd, data, n, at);
    if (write_whole(fd, data, n / 2, at))
        return -1;
    return cut_short(t);
}

int sys_write(int fd, const void *data, size_t n)
{
    return count_write(fd, data, n, NULL);
}

/* The first n bytes of both pieces. */
static int write_pieces(int fd, const void *head, size_t n_head,
                        const void *data, size_t n)
{
    size_t first = n_head < n ? n_head : n;
    struct iovec piece[2] = {
        { (void *)(uintptr_t)head, first },
        { (void *)(uintptr_t)data, n - first },
    };
    ssize_t got;

    do
        got = writev(fd, piece, 2);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    if ((size_t)got < first)
        return write_whole(fd, (const unsigned char *)head + got,
                           first - (size_t)got, NULL) ||
               write_whole(fd, data, n - first, NULL) ? -1 : 0;
    return write_whole(fd, (const unsigned char *)data + ((size_t)got - first),
                       n - (size_t)got, NULL);
}

int sys_write2(int fd, const void *head, size_t n_head, const void *data,
               size_t n)
{
    enum turn t = turn();

    if (t == TURN_GO)
        return write_pieces(fd, head, n_head, data, n_head + n);
    if (write_pieces(fd, head, n_head, data, (n_head + n) / 2))
        return -1;
    return cut_short(t);
}

int sys_pwrite(int fd, const void *data, size_t n, off_t at)
{
    return count_write(fd, data, n, &at);
}

int sys_fsync(int fd)
{
    enum turn t = turn();

    return t == TURN_GO ? fsync(fd) : cut_short(t);
}

int sys_fdatasync(int fd)
{
    enum turn t = turn();

    return t == TURN_GO ? fdatasync(fd) : cut_short(t);
}

/* Have the client of a file server look again at what a directory holds: that
 * a name was not there may be remembered, and opening asks. */
static void look_again(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1)
                      : xstrdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    free(dir);
}

/* Whether this name is that very file or directory. */
static bool is_there(const char *path, const struct stat *what)
{
    struct stat st;

    look_again(path);
    return lstat(path, &st) == 0 && st.st_dev == what->st_dev &&
           st.st_ino == what->st_ino;
}

int sys_rename(const char *from, const char *to)
{
    enum turn t = turn();
    struct stat st;
    bool known;
    int why;

    if (t != TURN_GO)
        return cut_short(t);
    known = lstat(from, &st) == 0;
    if (rename(from, to) == 0)
        return 0;
    why = errno;
    if (why == ENOENT && known && is_there(to, &st))
        return 0;
    errno = why;
    return -1;
}

int sys_link(const char *from, const char *to)
{
    enum turn t = turn();
    struct stat st;
    int why;

    if (t != TURN_GO)
        return cut_short(t);
    if (is_set_to("APUS_NO_LINKS", 1)) {
        errno = EPERM;
        return -1;
    }
    if (link(from, to) == 0)
        return 0;
    why = errno;
    if (why == EEXIST && lstat(from, &st) == 0 && is_there(to, &st))
        return 0;
    errno = why;
    return -1;
}

bool sys_lacks_links(int why)
{
    return why == EPERM || why == EOPNOTSUPP || why == ENOSYS;
}

int sys_unlink(const char *path)
{
    return unlink(path) && errno != ENOENT ? -1 : 0;
}

int sys_mkdir_own(const char *path)
{
    struct stat st;

    if (mkdir(path, 0777) == 0)
        return 0;
    if (errno != EEXIST)
        return -1;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
        st.st_uid == geteuid())
        return 0;
    errno = EEXIST;
    return -1;
}

int sys_ftruncate(int fd, off_t size)
{
    enum turn t = turn();

    return t == TURN_GO ? ftruncate(fd, size) : cut_short(t);
}

int sys_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc, why;

    if (fd < 0)
        return -1;
    rc = sys_fsync(fd);
    /* Some file systems sync no directories and need none. */
    if (rc && errno == EINVAL)
        rc = 0;
    why = errno;
    close(fd);
    errno = why;
    return rc;
}

#ifdef __linux__
/* Whether syncfs(2) tells of errors: since Linux 5.8. */
static bool tells_errors(void)
{
    struct utsname u;
    int major = 0, minor = 0;

    return uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 8));
}

/* Of file systems of other machines, and those of FUSE, syncfs(2) may leave
 * out what their servers hold. */
static bool syncs_files(int dir)
{
    static const uint32_t known[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,
                                      BTRFS_SUPER_MAGIC, TMPFS_MAGIC };
    struct statfs fs;

    if (fstatfs(dir, &fs))
        return false;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if ((uint32_t)fs.f_type == known[i])
            return true;
    return false;
}

/* syncfs(2) where it can be relied on, else ENOTSUP. */
static int sync_fs(int dir)
{
    if (tells_errors() && syncs_files(dir))
        return syncfs(dir);
    errno = ENOTSUP;
    return -1;
}
#else
static int sync_fs(int dir)
{
    (void)dir;
    errno = ENOTSUP;
    return -1;
}
#endif

int sys_sync_fs(int dir)
{
    enum turn t = turn();

    return t == TURN_GO ? sync_fs(dir) : cut_short(t);
}

int sys_sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir;
    int rc, why;

    if (!slash)
        return sys_sync_dir(".");
    dir = xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    rc = sys_sync_dir(dir);
    why = errno;
    free(dir);
    errno = why;
    return rc;
}

void sys_crash_point(void)
{
    enum turn t = turn();

    if (t == TURN_KILL)
        cut_short(t);
}

void sys_crash_if(const char *variable, unsigned long n)
{
    if (is_set_to(variable, n))
        cut_short(TURN_KILL);
}

void sys_close_from(int first)
{
    struct rlimit r;
    rlim_t n = MAX_OPEN;

#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
#endif
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < n)
        n = r.rlim_cur;
    for (rlim_t fd = (rlim_t)first; fd < n; fd++)
        close((int)fd);
}
