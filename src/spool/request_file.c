/*
 * Lines of a file whose hash is known before the first is given, since the ids
 * of version 1 come from it.  What a line says is not looked at.
 */
#include <config.h>

#include "spool/request_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "proof/line_ids.h"
#include "spool/earlier.h"

#define CHUNK (64u << 10)
#define BOM_SIZE (sizeof(REQUEST_FILE_BOM) - 1)

struct request_file {
    int fd;
    char *path;
    struct id hash;
    uint64_t n_lines, n_requests;
    uint64_t given;        /* lines so far */
    uint64_t start;        /* of the line given last */
    uint64_t offset;       /* of it, without what is left out before it */
    uint64_t next;         /* of the one after it */
    struct line_ids *ids;  /* of version 2; NULL: blanks are kept */
    struct id id;          /* of the line given last, with ids .. */
    struct id sha256;      /* .. which is made of this .. */
    uint32_t n_before;     /* .. and of how many equal ones came before */
    uint64_t whole;        /* with ids: its bytes without blanks at the ends */
    uint64_t seen;         /* .. and those since the first that is none */
    size_t skip;           /* of the BOM, what has not been read */
    struct digest *digest; /* of what has been read since the start */
    struct buf line;
    size_t at, n;          /* what is left of the chunk */
    char chunk[CHUNK];
};

/* The next chunk; *got is 0 at the end. */
static int read_chunk(struct request_file *f, size_t *got, struct err *err)
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

static void end_digest(struct request_file *f, struct id *out)
{
    digest_end(f->digest, out);
    f->digest = NULL;
}

/* Count the lines that end in a chunk, and those that have anything in them;
 * *any tells of the one that has not ended. */
static void count_lines(struct request_file *f, const char *p, const char *end,
                        bool *any)
{
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;

        while (!*any && p < stop)
            *any = !f->ids || !line_is_blank(*p++);
        if (!newline)
            break;
        f->n_lines++;
        f->n_requests += *any || !f->ids;
        *any = false;
        p = newline + 1;
    }
}

/* A file that begins with a BOM: it is not a part of the first line. */
static void look_for_bom(struct request_file *f)
{
    char begin[BOM_SIZE];

    if (f->ids && pread(f->fd, begin, BOM_SIZE, 0) == BOM_SIZE &&
        memcmp(begin, REQUEST_FILE_BOM, BOM_SIZE) == 0)
        f->skip = BOM_SIZE;
}

static int scan(struct request_file *f, struct err *err)
{
    size_t n = 0, skip;
    bool any = false;
    char last = '\n';

    look_for_bom(f);
    skip = f->skip;

    f->digest = digest_new();
    for (;;) {
        if (read_chunk(f, &n, err))
            return -1;
        if (n == 0)
            break;
        if (skip > n)
            skip = n;
        count_lines(f, f->chunk + skip, f->chunk + n, &any);
        last = f->chunk[n - 1];
        skip = 0;
    }
    f->n_lines += last != '\n';
    f->n_requests += last != '\n' && (any || !f->ids);
    end_digest(f, &f->hash);
    if (lseek(f->fd, 0, SEEK_SET) != 0)
        return err_errno(err, ERR_FATAL, "cannot rewind \"%s\"", f->path);
    f->digest = digest_new();
    return 0;
}

/* O_NONBLOCK: opening a pipe must not wait for its writer. */
static int open_regular(struct request_file *f, struct err *err)
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

static int open_requests(struct request_file **out, const char *path,
                         const struct id *model, struct err *err)
{
    struct request_file *f = xcalloc(1, sizeof(*f));

    f->path = xstrdup(path);
    f->ids = model ? line_ids_new(*model) : NULL;
    buf_init(&f->line, REQUEST_FILE_MAX_LINE + 1);
    if (open_regular(f, err) || scan(f, err)) {
        request_file_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

int request_file_open(struct request_file **out, const char *path,
                      struct err *err)
{
    return open_requests(out, path, NULL, err);
}

int request_file_open_v2(struct request_file **out, const char *path,
                         struct id model, struct err *err)
{
    return open_requests(out, path, &model, err);
}

int request_file_begin_after(struct request_file *f, const struct earlier *e,
                             struct err *err)
{
    for (size_t i = 0; i < e->n; i++)
        if (line_ids_begin(f->ids, e->line[i].sha256, e->line[i].n, err))
            return -1;
    return 0;
}

void request_file_close(struct request_file *f)
{
    struct id unused;

    if (!f)
        return;
    if (f->digest)
        end_digest(f, &unused);
    if (f->fd >= 0)
        close(f->fd);
    buf_clear(&f->line);
    line_ids_free(f->ids);
    free(f->path);
    free(f);
}

uint64_t request_file_count(const struct request_file *f)
{
    return f->n_lines;
}

uint64_t request_file_requests(const struct request_file *f)
{
    return f->n_requests;
}

struct id request_file_hash(const struct request_file *f)
{
    return f->hash;
}

uint64_t request_file_offset(const struct request_file *f)
{
    return f->offset;
}

uint64_t request_file_start(const struct request_file *f)
{
    return f->start;
}

bool request_file_is_blank(const struct request_file *f)
{
    return f->ids && f->whole == 0;
}

void request_file_id(const struct request_file *f, struct id *id)
{
    if (f->ids)
        *id = f->id;
    else
        line_id_by_file(id, f->hash, f->given - 1);
}

void request_file_repeat(const struct request_file *f, struct id *sha256,
                         uint32_t *n)
{
    *sha256 = f->sha256;
    *n = f->n_before;
}

static int check_hash(struct request_file *f, struct err *err)
{
    struct id hash;

    if (!f->digest)
        return 0;
    end_digest(f, &hash);
    if (!id_equal(hash, f->hash))
        return err_set(err, ERR_RETRY,
                       "\"%s\" was changed while it was read, run it again",
                       f->path);
    return 0;
}

/* As much as the ceiling allows; the rest of a longer line is dropped. */
static void keep_rest(struct request_file *f, const char *p, size_t n)
{
    size_t capacity = f->line.max - f->line.len;

    buf_put(&f->line, p, n < capacity ? n : capacity);
}

/* The same without the blanks before it; those after it are counted as seen
 * and not as part of the whole. */
static void keep_whole(struct request_file *f, const char *p, size_t n)
{
    while (f->seen == 0 && n > 0 && line_is_blank(*p)) {
        p++;
        n--;
        f->offset++;
    }
    keep_rest(f, p, n);
    for (size_t i = n; i > 0; i--) {
        if (line_is_blank(p[i - 1]))
            continue;
        f->whole = f->seen + i;
        break;
    }
    f->seen += n;
}

static void append_bytes(struct request_file *f, size_t n)
{
    size_t skip = f->skip < n ? f->skip : n;

    if (f->ids) {
        f->offset += skip;
        keep_whole(f, f->chunk + f->at + skip, n - skip);
        f->skip -= skip;
    } else {
        keep_rest(f, f->chunk + f->at, n);
    }
    f->at += n;
    f->next += n;
}

/* SHA-256 of a line of which only the beginning was kept. */
static int hash_long(struct request_file *f, struct id *sha256, struct err *err)
{
    struct digest *d = digest_new();
    char *chunk = xmalloc(CHUNK);
    uint64_t done = 0;
    ssize_t n = 1;

    while (done < f->whole && n != 0) {
        uint64_t left = f->whole - done;

        n = pread(f->fd, chunk, left < CHUNK ? (size_t)left : CHUNK,
                  (off_t)(f->offset + done));
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0) {
            digest_put(d, chunk, (size_t)n);
            done += (uint64_t)n;
        }
    }
    digest_end(d, sha256);
    free(chunk);
    if (done < f->whole)
        return err_set(err, ERR_RETRY, "cannot read \"%s\" again, it was"
                       " changed", f->path);
    return 0;
}

/* The line has ended: cut what was kept after it, and make its id. */
static int end_line(struct request_file *f, struct err *err)
{
    if (!f->ids)
        return 0;
    f->id = (struct id){ { 0 } };
    if (f->whole == 0) {
        buf_reset(&f->line);
        return 0;
    }
    if (f->whole <= f->line.len) {
        f->line.len = (size_t)f->whole;
        digest(&f->sha256, f->line.data, f->line.len);
    } else if (hash_long(f, &f->sha256, err)) {
        return -1;
    }
    return line_ids_next(f->ids, &f->id, f->sha256, &f->n_before, err);
}

int request_file_next(struct request_file *f, const char **line, size_t *n,
                         struct err *err)
{
    bool ended = false, any = false;

    buf_reset(&f->line);
    f->start = f->offset = f->next;
    f->whole = f->seen = 0;
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
        append_bytes(f, ended ? (size_t)(newline - f->chunk) - f->at
                              : f->n - f->at);
        f->at += ended;
        f->next += ended;
    }
    if (!any) {
        *line = NULL;
        return check_hash(f, err);
    }
    f->given++;
    if (end_line(f, err))
        return -1;
    *line = f->line.len ? f->line.data : "";
    *n = f->line.len;
    return 0;
}
