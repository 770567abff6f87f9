/*
 * Files, pipes and standard input, read from their beginning to their end.
 */
#include <config.h>

#include "spool/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/room.h"
#include "spool/first_look.h"

struct source {
    int fd;
    char *name;         /* for messages, in quotes if it is a path */
    struct stat st;
    size_t n_first, at; /* of these, what was given */
    bool ended;         /* there is nothing after them */
    bool range;         /* only what lies here: */
    uint64_t from, to;
    unsigned char first[FIRST_LOOK];
};

bool source_is_stdin(const char *name)
{
    static const char *const names[] = { "-", "/dev/stdin", "/dev/fd/0",
                                         "/proc/self/fd/0" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

bool source_is_file(const char *name)
{
    struct stat st;

    return !source_is_stdin(name) && stat(name, &st) == 0 &&
           S_ISREG(st.st_mode);
}

static int read_range(struct source *s, void *data, size_t size, size_t *n,
                      struct err *err)
{
    uint64_t left = s->to - s->from;
    ssize_t got;

    if (size > left)
        size = (size_t)left;
    got = size ? file_read_at(s->fd, data, size, s->from) : 0;
    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read %s", s->name);
    if ((size_t)got < size)
        return err_set(err, ERR_RETRY, "%s became shorter while it was read",
                       s->name);
    s->from += (size_t)got;
    *n = (size_t)got;
    return 0;
}

static int read_some(struct source *s, void *data, size_t size, size_t *n,
                     struct err *err)
{
    ssize_t got;

    if (s->range)
        return read_range(s, data, size, n, err);
    do
        got = read(s->fd, data, size);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read %s", s->name);
    *n = (size_t)got;
    return 0;
}

static int open_it(struct source *s, const char *name, struct err *err)
{
    /* a pipe waits for its writer here */
    s->fd = source_is_stdin(name)
                ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (s->fd < 0 || fstat(s->fd, &s->st))
        return err_errno(err, ERR_INPUT, "cannot open %s", s->name);
    if (S_ISDIR(s->st.st_mode))
        return err_set(err, ERR_INPUT, "%s is a directory", s->name);
    return 0;
}

static int read_head(struct source *s, bool part, struct err *err)
{
    size_t n = 1;

    while (n > 0 && s->n_first < sizeof(s->first)) {
        if (read_some(s, s->first + s->n_first, sizeof(s->first) - s->n_first,
                      &n, err))
            return -1;
        s->n_first += n;
    }
    s->ended = n == 0;
    return part ? 0 : first_look(s->name, s->first, s->n_first, s->ended,
                                 err);
}

static int open_source(struct source **out, const char *name, bool part,
                       struct err *err)
{
    struct source *s = xcalloc(1, sizeof(*s));

    s->name = source_is_stdin(name) ? xstrdup(SOURCE_STDIN)
                                    : xasprintf("\"%s\"", name);
    if (open_it(s, name, err) || read_head(s, part, err)) {
        source_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

int source_open(struct source **out, const char *name, struct err *err)
{
    return open_source(out, name, false, err);
}

int source_open_part(struct source **out, const char *name, struct err *err)
{
    return open_source(out, name, true, err);
}

int source_open_range(struct source **out, int fd, const char *name,
                      uint64_t at, uint64_t n, struct err *err)
{
    struct source *s = xcalloc(1, sizeof(*s));

    s->name = xasprintf("\"%s\"", name);
    s->range = true;
    s->from = at;
    s->to = at + n;
    s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (s->fd < 0 || fstat(s->fd, &s->st)) {
        err_errno(err, ERR_INPUT, "cannot open %s", s->name);
        source_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void source_close(struct source *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->name);
    free(s);
}

int source_look(const char *name, struct err *err)
{
    struct source *s;

    if (source_is_stdin(name) ||
        (access(name, F_OK) == 0 && !source_is_file(name)))
        return 0;
    if (source_open(&s, name, err))
        return -1;
    source_close(s);
    return 0;
}

static int check_unchanged(const struct source *s, struct err *err)
{
    struct stat st;

    if (!S_ISREG(s->st.st_mode) ||
        (fstat(s->fd, &st) == 0 && st.st_size == s->st.st_size &&
         st.st_mtim.tv_sec == s->st.st_mtim.tv_sec &&
         st.st_mtim.tv_nsec == s->st.st_mtim.tv_nsec))
        return 0;
    return err_set(err, ERR_RETRY, "%s was changed while it was copied, run"
                   " it again", s->name);
}

int source_read(struct source *s, void *data, size_t size, size_t *n,
                struct err *err)
{
    if (s->at < s->n_first) {
        *n = s->n_first - s->at < size ? s->n_first - s->at : size;
        memcpy(data, s->first + s->at, *n);
        s->at += *n;
        return 0;
    }
    *n = 0;
    /* a terminal would have to end twice */
    if (!s->ended && read_some(s, data, size, n, err))
        return -1;
    return *n == 0 ? check_unchanged(s, err) : 0;
}

bool source_wait(const struct source *s, int timeout_ms)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };

    if (s->at < s->n_first || s->ended)
        return true;
    return poll(&p, 1, timeout_ms) != 0; /* what failed is read's to say */
}

/* ---- to be read more than once ------------------------------------------- */

static int copy_into(struct file_out *to, const char *name, struct err *err)
{
    unsigned char *chunk = xmalloc(FIRST_LOOK);
    struct source *from;
    size_t n = 1;
    int rc = source_open(&from, name, err);

    if (rc) {
        free(chunk);
        return -1;
    }
    while (rc == 0 && n > 0) {
        rc = source_read(from, chunk, FIRST_LOOK, &n, err);
        if (rc == 0)
            rc = file_out_put(to, chunk, n, err);
    }
    source_close(from);
    free(chunk);
    return rc;
}

static int copy(char **path, const char *name, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char *made = xasprintf("%s/apus-requests-XXXXXX",
                           tmp && *tmp ? tmp : "/tmp");
    struct file_out *to;
    int fd = mkstemp(made), rc;

    if (fd < 0) {
        rc = room_fail(err, ERR_RETRY, "make", made);
        free(made);
        return rc;
    }
    file_out_stream(&to, fd, made, false);
    rc = copy_into(to, name, err);
    if (rc)
        file_out_abort(to);
    else
        rc = file_out_commit(to, err);
    if (rc) {
        unlink(made);
        free(made);
        return -1;
    }
    *path = made;
    return 0;
}

int source_path(char **path, bool *copied, const char *name, struct err *err)
{
    *copied = !source_is_file(name);
    if (*copied)
        return copy(path, name, err);
    if (source_look(name, err))
        return -1;
    *path = xstrdup(name);
    return 0;
}
