/*
 * Put before the C library (LD_PRELOAD): the LOST-th call that renames, links,
 * makes or removes a name and succeeds is answered as by an NFS client whose
 * answer was lost and that asked again: no such file, or there is one.  The
 * file LOST_MARK is made when that has happened.
 */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long n_calls;

static int answer(int rc, int again)
{
    const char *lost = getenv("LOST"), *mark = getenv("LOST_MARK");

    if (rc || !lost || atomic_fetch_add(&n_calls, 1) + 1 != atol(lost))
        return rc;
    if (mark)
        close(open(mark, O_WRONLY | O_CREAT, 0600));
    errno = again;
    return -1;
}

#define REAL(name) __typeof__(name) *real = dlsym(RTLD_NEXT, #name)

int rename(const char *from, const char *to)
{
    REAL(rename);

    return answer(real(from, to), ENOENT);
}

int link(const char *from, const char *to)
{
    REAL(link);

    return answer(real(from, to), EEXIST);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);

    return answer(real(path, mode), EEXIST);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    REAL(mkdirat);

    return answer(real(at, path, mode), EEXIST);
}

int unlink(const char *path)
{
    REAL(unlink);

    return answer(real(path), ENOENT);
}

int unlinkat(int at, const char *path, int flags)
{
    REAL(unlinkat);

    return answer(real(at, path, flags), ENOENT);
}

int rmdir(const char *path)
{
    REAL(rmdir);

    return answer(real(path), ENOENT);
}
