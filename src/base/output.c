/*
 * Outputs that a user names: where a name leads, and how that is written.
 */
#include <config.h>

#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/mem.h"

#define MAX_LINKS 40 /* as Linux follows */
#define FIRST_FREE 3 /* below are the standard descriptors */

/* Where a name leads. */
struct output_target {
    char *path;    /* past its links */
    int fd;        /* a descriptor of this process, or -1 */
    bool exists;
    struct stat st;
};

/* ---- names --------------------------------------------------------------- */

/* The N of /dev/fd/N and its like, or -1. */
static int descriptor_of(const char *path)
{
    static const char *const dirs[] = { "/dev/fd/", "/proc/self/fd/",
                                        "/proc/thread-self/fd/" };
    char *end;
    long n;

    if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        size_t n_dir = strlen(dirs[i]);

        if (strncmp(path, dirs[i], n_dir) != 0 || path[n_dir] < '0' ||
            path[n_dir] > '9')
            continue;
        n = strtol(path + n_dir, &end, 10);
        if (*end == '\0' && n <= INT_MAX)
            return (int)n;
    }
    return -1;
}

/* What a link says, from where it stands. */
static char *read_link(const char *path)
{
    const char *slash = strrchr(path, '/');
    char to[PATH_MAX];
    ssize_t n = readlink(path, to, sizeof(to));

    if (n <= 0 || n == (ssize_t)sizeof(to))
        return NULL;
    if (to[0] == '/' || !slash)
        return xstrndup(to, (size_t)n);
    return xasprintf("%.*s/%.*s", (int)(slash - path), path, (int)n, to);
}

/* Follow the links of the last component; the system follows the others. */
static int follow(struct output_target *t, const char *path, struct err *err)
{
    memset(t, 0, sizeof(*t));
    t->path = xstrdup(path);
    for (int i = 0; i < MAX_LINKS; i++) {
        char *next;

        t->fd = descriptor_of(t->path);
        if (t->fd >= 0)
            return 0;
        if (lstat(t->path, &t->st) || !S_ISLNK(t->st.st_mode))
            break;
        next = read_link(t->path);
        if (!next)
            break;
        free(t->path);
        t->path = next;
    }
    t->exists = stat(t->path, &t->st) == 0;
    if (!t->exists && errno != ENOENT) {
        err_errno(err, ERR_INPUT, "cannot write \"%s\"", path);
        free(t->path);
        return -1;
    }
    if (t->exists && S_ISDIR(t->st.st_mode)) {
        free(t->path);
        return err_set(err, ERR_INPUT, "\"%s\" is a directory", path);
    }
    return 0;
}

static bool is_file(const struct output_target *t)
{
    return t->fd < 0 && (!t->exists || S_ISREG(t->st.st_mode));
}

/* ---- what is no regular file --------------------------------------------- */

static int connect_to(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd, why;

    if (strlen(path) >= sizeof(a.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
        why = errno;
        close(fd);
        errno = why;
        fd = -1;
    }
    return fd;
}

/* Whether a descriptor can be written to. */
static int check_descriptor(int fd, const char *path, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return err_errno(err, ERR_INPUT, "cannot write \"%s\"", path);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return err_set(err, ERR_INPUT, "\"%s\" is not open for writing",
                       path);
    return 0;
}

static int open_stream(struct file_out **out, const struct output_target *t,
                       const char *path, struct err *err)
{
    bool standard = t->fd == STDOUT_FILENO;
    int fd;

    if (t->fd >= 0 && check_descriptor(t->fd, path, err))
        return -1;
    if (standard)
        fflush(stdout);
    if (t->fd >= 0)
        fd = fcntl(t->fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    else if (S_ISSOCK(t->st.st_mode))
        fd = connect_to(t->path);
    else
        fd = open(t->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(err, ERR_INPUT, "cannot write \"%s\"", path);
    file_out_stream(out, fd, standard ? "standard output" : path, standard);
    return 0;
}

/* ---- for others ---------------------------------------------------------- */

int output_open(struct file_out **out, const char *path, struct err *err)
{
    struct output_target t;
    int rc;

    if (follow(&t, path, err))
        return -1;
    rc = is_file(&t) ? file_out_open(out, t.path, err)
                     : open_stream(out, &t, path, err);
    free(t.path);
    return rc;
}

int output_check(const char *path, struct err *err)
{
    struct file_out *probe;
    struct output_target t;
    int rc = 0;

    if (follow(&t, path, err))
        return -1;
    if (t.fd >= 0) {
        rc = check_descriptor(t.fd, path, err);
    } else if (!is_file(&t)) {
        if (access(t.path, W_OK))
            rc = err_errno(err, ERR_INPUT, "cannot write \"%s\"", path);
    } else {
        rc = file_out_open(&probe, t.path, err);
        if (rc == 0)
            file_out_abort(probe);
    }
    free(t.path);
    return rc;
}

enum found output_file(char **file, const char *path, struct err *err)
{
    struct output_target t;

    if (follow(&t, path, err))
        return FOUND_FAILED;
    if (is_file(&t)) {
        *file = t.path;
        return FOUND_ONE;
    }
    free(t.path);
    return FOUND_NONE;
}

/* The directory as it is, and the name in it; the caller frees it. */
static char *place_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1)
                      : xstrdup(".");
    char *real = realpath(dir, NULL);
    char *place = real ? file_join(real, slash ? slash + 1 : path)
                       : xstrdup(path);

    free(real);
    free(dir);
    return place;
}

bool output_same(const char *a, const char *b)
{
    char *place_a = place_of(a), *place_b = place_of(b);
    bool same = strcmp(place_a, place_b) == 0;

    free(place_a);
    free(place_b);
    return same;
}

static int descriptor_by(const char *path)
{
    struct output_target t;

    if (follow(&t, path, NULL))
        return -1;
    free(t.path);
    return t.fd;
}

bool output_is_stdout(const char *path)
{
    return descriptor_by(path) == STDOUT_FILENO;
}

bool output_is_descriptor(const char *path)
{
    return descriptor_by(path) >= 0;
}
