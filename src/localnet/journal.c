/*
 * The journal's file.  What the payloads mean is elsewhere.
 */
#include <config.h>

#include "localnet/journal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/sys.h"
#include "proof/digest.h"

#define MAGIC "APUSNET1"
#define MAGIC_N 8
#define HEAD 16

struct journal {
    int fd;
    char *path;
    uint64_t size;
};

/* ---- reading ------------------------------------------------------------- */

static int read_at(const struct journal *j, uint64_t at, void *out, size_t n,
                   struct err *err)
{
    ssize_t got = file_read_at(j->fd, out, n, at);

    if (got < 0)
        return err_errno(err, ERR_FATAL, "cannot read \"%s\"", j->path);
    if ((size_t)got < n)
        return err_set(err, ERR_FATAL, "\"%s\" ends at %" PRIu64 ", before"
                       " what was asked for", j->path, at + (uint64_t)got);
    return 0;
}

static void sum_of(unsigned char sum[8], const unsigned char head[8],
                   const void *a, size_t n_a, const void *b, size_t n_b)
{
    struct digest *d = digest_new();
    struct id full;

    digest_put(d, head, 8);
    digest_put(d, a, n_a);
    digest_put(d, b, n_b);
    digest_end(d, &full);
    memcpy(sum, full.b, 8);
}

/* The record at `at`: its whole length, 0 if it was cut off, -1. */
static int64_t read_record(struct journal *j, uint64_t at,
                           unsigned char *buffer, journal_fn *each, void *self,
                           struct err *err)
{
    unsigned char head[HEAD], sum[8];
    struct journal_record r;
    size_t n;

    if (j->size - at < HEAD)
        return 0;
    if (read_at(j, at, head, HEAD, err))
        return -1;
    n = get_u32(head + 4);
    if (n > JOURNAL_MAX)
        return err_set(err, ERR_FATAL, "\"%s\" is damaged at %" PRIu64 ": a"
                       " record of %zu bytes", j->path, at, n);
    if (j->size - at - HEAD < n)
        return 0;
    if (read_at(j, at + HEAD, buffer, n, err))
        return -1;
    sum_of(sum, head, buffer, n, NULL, 0);
    if (memcmp(sum, head + 8, 8) != 0) {
        /* a write that was cut off by the machine, not by us */
        if (at + HEAD + n == j->size)
            return 0;
        return err_set(err, ERR_FATAL, "\"%s\" is damaged at %" PRIu64 ": the"
                       " sum is wrong", j->path, at);
    }
    r = (struct journal_record){ (enum journal_type)get_u32(head), buffer, n,
                                 at + HEAD };
    if (each(self, &r, err))
        return err_prefix(err, "\"%s\" at %" PRIu64, j->path, at);
    return (int64_t)(HEAD + n);
}

static int replay(struct journal *j, journal_fn *each, void *self,
                  struct err *err)
{
    unsigned char *buffer = xmalloc(JOURNAL_MAX);
    uint64_t at = MAGIC_N;
    int64_t n = 1;

    while (at < j->size && n > 0) {
        n = read_record(j, at, buffer, each, self, err);
        if (n > 0)
            at += (uint64_t)n;
    }
    free(buffer);
    if (n < 0)
        return -1;
    if (at < j->size && sys_ftruncate(j->fd, (off_t)at))
        return err_errno(err, ERR_FATAL, "cannot cut \"%s\"", j->path);
    j->size = at;
    return 0;
}

/* ---- opening, writing ---------------------------------------------------- */

static int start_journal(struct journal *j, struct err *err)
{
    char magic[MAGIC_N];
    struct stat st;

    if (fstat(j->fd, &st) || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a file", j->path);
    j->size = (uint64_t)st.st_size;
    if (j->size < MAGIC_N) {
        if (sys_ftruncate(j->fd, 0) || sys_pwrite(j->fd, MAGIC, MAGIC_N, 0) ||
            sys_fsync(j->fd))
            return err_errno(err, ERR_FATAL, "cannot write \"%s\"", j->path);
        j->size = MAGIC_N;
        return 0;
    }
    if (read_at(j, 0, magic, MAGIC_N, err))
        return -1;
    if (memcmp(magic, MAGIC, MAGIC_N) != 0)
        return err_set(err, ERR_INPUT, "\"%s\" is not a journal of apus"
                       " localnet, or one of another version", j->path);
    return 0;
}

int journal_open(struct journal **out, const char *path, journal_fn *each,
                 void *self, struct err *err)
{
    struct journal *j = xcalloc(1, sizeof(*j));

    j->path = xstrdup(path);
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0) {
        err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
        goto fail;
    }
    if (flock(j->fd, LOCK_EX | LOCK_NB)) {
        err_set(err, ERR_INPUT, "\"%s\" is in use by another localnet", path);
        goto fail;
    }
    if (start_journal(j, err) || replay(j, each, self, err))
        goto fail;
    *out = j;
    return 0;
fail:
    journal_close(j);
    return -1;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    free(j);
}

int journal_put(struct journal *j, enum journal_type type, const void *a,
                size_t n_a, const void *b, size_t n_b, bool sync,
                uint64_t *at, struct err *err)
{
    unsigned char head[HEAD];
    uint64_t p = j->size;

    if (n_a > JOURNAL_MAX || n_b > JOURNAL_MAX - n_a)
        return err_set(err, ERR_INPUT, "a record of %zu bytes is too long for"
                       " the journal", n_a + n_b);
    set_u32(head, (uint32_t)type);
    set_u32(head + 4, (uint32_t)(n_a + n_b));
    sum_of(head + 8, head, a, n_a, b, n_b);
    if (sys_pwrite(j->fd, head, HEAD, (off_t)p) ||
        sys_pwrite(j->fd, a, n_a, (off_t)(p + HEAD)) ||
        sys_pwrite(j->fd, b, n_b, (off_t)(p + HEAD + n_a)) ||
        (sync && sys_fdatasync(j->fd))) {
        err_errno(err, ERR_FATAL, "cannot write \"%s\"", j->path);
        /* without it the next record would stand behind a torn one */
        if (ftruncate(j->fd, (off_t)p))
            err_prefix(err, "cannot cut it either");
        return -1;
    }
    if (at)
        *at = p + HEAD + n_a;
    j->size = p + HEAD + n_a + n_b;
    return 0;
}
