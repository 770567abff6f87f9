/*
 * Lines of a file whose hash is known before the first is given, since their
 * ids come from it.  What a line says is not looked at.
 */
#include <config.h>

#include "store/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "store/request.h"

#define CHUNK (64u << 10)

struct lines {
    int fd;
    char *path;
    unsigned char hash[DIGEST_SIZE];
    uint64_t n_lines;
    uint64_t given;        /* lines so far */
    uint64_t offset;       /* of the line given last */
    uint64_t next;         /* of the one after it */
    struct digest *digest; /* of what has been read since the start */
    struct buf line;
    size_t at, n;          /* what is left of the chunk */
    char chunk[CHUNK];
};

/* The next chunk; *got is 0 at the end. */
static int read_chunk(struct lines *f, size_t *got, struct err *err)
{
    ssize_t n;

    do
        n = read(f->fd, f->chunk, CHUNK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", f->path);
    digest_put(f->digest, f->chunk, (size_t)n);
    *got = (size_t)n;
    return 0;
}

static void end_digest(struct lines *f, unsigned char out[32])
{
    digest_end(f->digest, out);
    f->digest = NULL;
}

static int survey(struct lines *f, struct err *err)
{
    char last = '\n';
    size_t n = 0;

    f->digest = digest_new();
    for (;;) {
        if (read_chunk(f, &n, err))
            return -1;
        if (n == 0)
            break;
        for (size_t i = 0; i < n; i++)
            f->n_lines += f->chunk[i] == '\n';
        last = f->chunk[n - 1];
    }
    f->n_lines += last != '\n';
    end_digest(f, f->hash);
    if (lseek(f->fd, 0, SEEK_SET) != 0)
        return err_errno(err, ERR_FATAL, "cannot rewind \"%s\"", f->path);
    f->digest = digest_new();
    return 0;
}

/* O_NONBLOCK: opening a pipe must not wait for its writer. */
static int open_regular(struct lines *f, struct err *err)
{
    struct stat st;

    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0 || fstat(f->fd, &st))
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", f->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file",
                       f->path);
    return 0;
}

int lines_open(struct lines **out, const char *path, struct err *err)
{
    struct lines *f = xcalloc(1, sizeof(*f));

    f->path = xstrdup(path);
    buf_init(&f->line, REQUEST_MAX_LINE + 1);
    if (open_regular(f, err) || survey(f, err)) {
        lines_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

void lines_close(struct lines *f)
{
    unsigned char unused[DIGEST_SIZE];

    if (!f)
        return;
    if (f->digest)
        end_digest(f, unused);
    if (f->fd >= 0)
        close(f->fd);
    buf_clear(&f->line);
    free(f->path);
    free(f);
}

uint64_t lines_count(const struct lines *f)
{
    return f->n_lines;
}

const unsigned char *lines_hash(const struct lines *f)
{
    return f->hash;
}

uint64_t lines_offset(const struct lines *f)
{
    return f->offset;
}

void lines_id(const struct lines *f, unsigned char id[32])
{
    request_line_id(id, f->hash, f->given - 1);
}

static int check_hash(struct lines *f, struct err *err)
{
    unsigned char hash[DIGEST_SIZE];

    if (!f->digest)
        return 0;
    end_digest(f, hash);
    if (memcmp(hash, f->hash, sizeof(hash)) != 0)
        return err_set(err, ERR_RETRY,
                       "\"%s\" was changed while it was read, run it again",
                       f->path);
    return 0;
}

/* As much as the ceiling allows; the rest of a longer line is dropped. */
static void append(struct lines *f, size_t n)
{
    size_t room = f->line.max - f->line.len;

    buf_put(&f->line, f->chunk + f->at, n < room ? n : room);
    f->at += n;
    f->next += n;
}

int lines_next(struct lines *f, const char **line, size_t *n,
                  struct err *err)
{
    bool ended = false, any = false;

    buf_reset(&f->line);
    f->offset = f->next;
    while (!ended) {
        const char *newline;

        if (f->at == f->n) {
            f->at = f->n = 0;
            if (read_chunk(f, &f->n, err))
                return -1;
            if (f->n == 0)
                break;
        }
        any = true;
        newline = memchr(f->chunk + f->at, '\n', f->n - f->at);
        ended = newline != NULL;
        append(f, ended ? (size_t)(newline - f->chunk) - f->at
                        : f->n - f->at);
        f->at += ended;
        f->next += ended;
    }
    if (!any) {
        *line = NULL;
        return check_hash(f, err);
    }
    f->given++;
    *line = f->line.len ? f->line.data : "";
    *n = f->line.len;
    return 0;
}
