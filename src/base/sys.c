/*
 * The calls that change a disk, and the places where a test can end or fail
 * them.  Names and modes of files are left to others.
 */
#include <config.h>

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum turn { TURN_GO, TURN_KILL, TURN_FULL };

#ifdef APUS_CRASH_TESTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

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

int sys_rename(const char *from, const char *to)
{
    enum turn t = turn();

    return t == TURN_GO ? rename(from, to) : cut_short(t);
}

int sys_link(const char *from, const char *to)
{
    enum turn t = turn();

    if (is_set_to("APUS_NO_LINKS", 1)) {
        errno = EPERM;
        return -1;
    }
    return t == TURN_GO ? link(from, to) : cut_short(t);
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
