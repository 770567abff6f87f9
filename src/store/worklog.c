/*
 * Writing and reading the log of a rank.  What a payload means is not known
 * here, nor who may learn of a frame: that is after worklog_sync.
 */
#include <config.h>

#include "store/worklog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "proof/digest.h"

#define HEADER 64
#define HEADER_ZERO 48 /* from here on zeros */
#define FRAME 56       /* before the payload */
#define FRAME_SUM 24   /* what of it is hashed; the rest is the hash */
#define MAGIC 0x46555041u /* APUF */
#define KEEP ((size_t)1 << 20) /* a buffer above this is not kept */
#define CHUNK 65536
#define SYNC_FRAMES 64
#define SYNC_MS 1000

static const char header_magic[8] = "APUSLOG1";
static const char revocable_magic[8] = "APUSLOG2";

struct worklog {
    int fd;
    char *path;
    uint64_t size;     /* to the end of the last whole frame */
    bool failed;       /* takes no more frames but PARKED */
    bool torn;         /* what failed could not be cut off */
    bool lost;         /* fdatasync failed: what is on the disk is unknown */
    unsigned unsynced; /* frames */
    unsigned max_frames, max_ms;
    struct timespec synced;
};

struct worklog_reader {
    int fd;
    char *path;
    uint64_t size; /* when it was opened; what comes later is not read */
    uint64_t at;   /* of the next frame */
    uint64_t withdrawn_from, withdrawn; /* frames from one up to the other;
                                           withdrawn 0: none */
    bool ended, damaged;
    size_t skip_above;
    unsigned char *payload;
    size_t cap;
    unsigned char chunk[CHUNK];
};

/* Full disks pass and another start gets another directory; a path that is
 * wrong stays wrong. */
static int cannot(struct err *err, const char *what, const char *path)
{
    bool path_wrong = errno == ENOENT || errno == ENOTDIR || errno == EACCES ||
                      errno == EPERM || errno == ELOOP || errno == EEXIST ||
                      errno == ENAMETOOLONG || errno == EISDIR;
    int why = errno;

    err_errno(err, path_wrong ? ERR_INPUT : ERR_RETRY,
              "cannot %s \"%s\"", what, path);
    return room_remedy(err, why, ROOM_OF_SPOOL);
}

/* Room for n bytes in *data; the contents are lost.  -1 without memory. */
static int room(unsigned char **data, size_t *cap, size_t n)
{
    if (*data && n <= *cap)
        return 0;
    free(*data);
    *data = malloc(n ? n : 1);
    *cap = *data ? n : 0;
    return *data ? 0 : -1;
}

/* ---- writing -------------------------------------------------------------*/

static void worklog_free(struct worklog *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w);
}

static int create(struct worklog **out, const char magic[8], const char *path,
                  struct id batch, uint32_t rank, uint32_t start,
                  struct err *err)
{
    unsigned char head[HEADER] = { 0 };
    struct worklog *w;
    int fd;

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return cannot(err, "make", path);
    memcpy(head, magic, 8);
    memcpy(head + 8, batch.b, 32);
    set_u32(head + 40, rank);
    set_u32(head + 44, start);
    w = xcalloc(1, sizeof(*w));
    w->fd = fd;
    w->path = xstrdup(path);
    w->size = HEADER;
    w->max_frames = SYNC_FRAMES;
    w->max_ms = SYNC_MS;
    if (sys_write(fd, head, HEADER) || sys_fsync(fd) || sys_sync_parent(path)) {
        cannot(err, "write", path);
        unlink(path);
        worklog_free(w);
        return -1;
    }
    clock_gettime(CLOCK_MONOTONIC, &w->synced);
    *out = w;
    return 0;
}

int worklog_create(struct worklog **out, const char *path, struct id batch,
                   uint32_t rank, uint32_t start, struct err *err)
{
    return create(out, header_magic, path, batch, rank, start, err);
}

int worklog_create_revocable(struct worklog **out, const char *path,
                             struct id batch, uint32_t rank, uint32_t start,
                             struct err *err)
{
    return create(out, revocable_magic, path, batch, rank, start, err);
}

/* A torn end is no harm to readers; it is cut off so that the file ends as
 * its last frame does. */
static int give_up(struct worklog *w, struct err *err)
{
    int why = errno;

    w->failed = true;
    if (sys_ftruncate(w->fd, (off_t)w->size) ||
        lseek(w->fd, (off_t)w->size, SEEK_SET) < 0)
        w->torn = true;
    errno = why;
    return cannot(err, "write", w->path);
}

int worklog_put(struct worklog *w, enum frame_type type, uint64_t index,
                const void *payload, size_t n, struct err *err)
{
    unsigned char head[FRAME];
    struct digest *d;
    int rc;

    /* a small frame may fit where a large one did not */
    if (w->failed && (type != FRAME_PARKED || w->torn || w->lost))
        return err_set(err, ERR_RETRY,
                       "\"%s\" takes no more frames after it failed", w->path);
    if (n > FRAME_MAX || n > PTRDIFF_MAX - FRAME)
        return err_set(err, ERR_INPUT,
                       "a frame of %zu bytes for \"%s\": at most %ju", n,
                       w->path, (uintmax_t)FRAME_MAX);
    set_u32(head, MAGIC);
    set_u32(head + 4, type);
    set_u64(head + 8, index);
    set_u64(head + 16, n);
    d = digest_new();
    digest_put(d, head, FRAME_SUM);
    digest_put(d, payload, n);
    digest_end(d, id_in(head + FRAME_SUM));
    rc = sys_write2(w->fd, head, FRAME, payload, n) ? give_up(w, err) : 0;
    if (rc == 0) {
        w->size += FRAME + n;
        w->unsynced++;
    }
    return rc;
}

int worklog_sync(struct worklog *w, struct err *err)
{
    if (w->lost)
        return err_set(err, ERR_RETRY,
                       "cannot sync \"%s\": it failed before", w->path);
    if (w->unsynced > 0 && sys_fdatasync(w->fd)) {
        /* A second one may succeed and mean nothing: the kernel tells of a
         * page that it could not write once. */
        w->lost = w->failed = true;
        return cannot(err, "sync", w->path);
    }
    w->unsynced = 0;
    clock_gettime(CLOCK_MONOTONIC, &w->synced);
    return 0;
}

int worklog_withdraw(struct worklog *w, struct err *err)
{
    unsigned char range[16];

    set_u64(range, HEADER);
    set_u64(range + 8, w->size);
    if (worklog_put(w, FRAME_WITHDRAWN, 0, range, sizeof(range), NULL) == 0 &&
        worklog_sync(w, NULL) == 0)
        return 0;
    w->failed = true;
    if (sys_ftruncate(w->fd, HEADER) || sys_fdatasync(w->fd) ||
        lseek(w->fd, HEADER, SEEK_SET) < 0)
        return err_errno(err, ERR_RETRY, "cannot withdraw what is in \"%s\":"
                         " remove it", w->path);
    w->size = HEADER;
    return 0;
}

static char *mark_path(const char *path)
{
    return xasprintf("%s.withdrawn", path);
}

/* Make an empty file that outlives a loss of power. */
static int make_mark(const char *mark)
{
    int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW,
                  0666);
    int rc;

    if (fd < 0)
        return -1;
    rc = sys_fsync(fd) || sys_sync_parent(mark) ? -1 : 0;
    close(fd);
    return rc;
}

int worklog_revoke(const char *path, struct err *err)
{
    char *mark = mark_path(path);
    int rc = make_mark(mark), fd;

    free(mark);
    if (rc == 0)
        return 0;
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    rc = fd < 0 || sys_ftruncate(fd, HEADER) || sys_fdatasync(fd) ? -1 : 0;
    if (rc)
        err_errno(err, ERR_RETRY, "cannot withdraw what is in \"%s\": remove"
                  " it", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

bool worklog_due(const struct worklog *w)
{
    struct timespec now;
    int64_t ms;

    if (w->unsynced == 0)
        return false;
    if (w->unsynced >= w->max_frames)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ms = ((int64_t)now.tv_sec - w->synced.tv_sec) * 1000 +
         (now.tv_nsec - w->synced.tv_nsec) / 1000000;
    return ms >= (int64_t)w->max_ms;
}

void worklog_limits(struct worklog *w, unsigned frames, unsigned ms)
{
    w->max_frames = frames;
    w->max_ms = ms;
}

int worklog_close(struct worklog *w, struct err *err)
{
    int rc;

    if (!w)
        return 0;
    rc = worklog_sync(w, err);
    /* NFS reports a full disk here at the latest. */
    if (close(w->fd) && rc == 0)
        rc = cannot(err, "close", w->path);
    w->fd = -1;
    worklog_free(w);
    return rc;
}

/* ---- reading -------------------------------------------------------------*/

/* n bytes at `at`: FOUND_NONE if the file ends before. */
static enum found read_at(struct worklog_reader *r, uint64_t at, void *data,
                          size_t n, struct err *err)
{
    ssize_t got = file_read_at(r->fd, data, n, at);

    if (got < 0)
        return cannot(err, "read", r->path);
    return (size_t)got == n ? FOUND_ONE : FOUND_NONE;
}

/* Whether a frame's header is one and its payload is within the file. */
static bool fits(const struct worklog_reader *r, uint64_t at,
                 const unsigned char head[FRAME])
{
    uint64_t n = get_u64(head + 16);

    return get_u32(head) == MAGIC && n <= FRAME_MAX &&
           n <= r->size - at - FRAME;
}

/* Hash a frame piece by piece, without holding it: FOUND_NONE if its hash is
 * another. */
static enum found sum_is_right(struct worklog_reader *r, uint64_t at,
                               const unsigned char head[FRAME], struct err *err)
{
    struct digest *d = digest_new();
    uint64_t n = get_u64(head + 16);
    struct id sum;
    enum found rc = FOUND_ONE;

    digest_put(d, head, FRAME_SUM);
    for (uint64_t i = 0; rc == FOUND_ONE && i < n; i += CHUNK) {
        size_t some = n - i < CHUNK ? (size_t)(n - i) : CHUNK;

        rc = read_at(r, at + FRAME + i, r->chunk, some, err);
        if (rc == FOUND_ONE)
            digest_put(d, r->chunk, some);
    }
    digest_end(d, &sum);
    if (rc == FOUND_ONE && !id_equal(sum, id_at(head + FRAME_SUM)))
        return FOUND_NONE;
    return rc;
}

/* Read and check a payload of n bytes: FOUND_NONE if its hash is another. */
static enum found load_frame(struct worklog_reader *r, uint64_t at,
                             const unsigned char head[FRAME], size_t n,
                             struct err *err)
{
    struct id sum;
    struct digest *d;
    enum found rc;

    if (room(&r->payload, &r->cap, n))
        return err_set(err, ERR_RETRY,
                       "no memory for a frame of \"%s\": %zu bytes", r->path,
                       n);
    rc = read_at(r, at + FRAME, r->payload, n, err);
    if (rc != FOUND_ONE)
        return rc;
    d = digest_new();
    digest_put(d, head, FRAME_SUM);
    digest_put(d, r->payload, n);
    digest_end(d, &sum);
    return id_equal(sum, id_at(head + FRAME_SUM)) ? FOUND_ONE : FOUND_NONE;
}

/* The frame at `at`: FOUND_NONE if no whole one is there.  A long one is hashed
 * first, so that a wrong length costs no memory. */
static enum found frame_at(struct worklog_reader *r, uint64_t at,
                           size_t skip_above, struct frame *f, struct err *err)
{
    unsigned char head[FRAME];
    bool skip;
    uint64_t n;
    enum found rc;

    if (at > r->size || r->size - at < FRAME)
        return FOUND_NONE;
    rc = read_at(r, at, head, FRAME, err);
    if (rc != FOUND_ONE || !fits(r, at, head))
        return rc == FOUND_ONE ? FOUND_NONE : rc;
    n = get_u64(head + 16);
    if ((size_t)n != n)
        return err_set(err, ERR_FATAL, "\"%s\" has a frame of %ju bytes",
                       r->path, (uintmax_t)n);
    skip = n > skip_above;
    if (skip || n > KEEP)
        rc = sum_is_right(r, at, head, err);
    if (rc == FOUND_ONE && !skip)
        rc = load_frame(r, at, head, (size_t)n, err);
    if (rc != FOUND_ONE)
        return rc;
    f->type = (enum frame_type)get_u32(head + 4);
    f->index = get_u64(head + 8);
    f->payload = skip ? NULL : r->payload;
    f->n = (size_t)n;
    f->at = at;
    return FOUND_ONE;
}

static bool known_type(uint32_t type)
{
    return (type >= FRAME_OPEN && type <= FRAME_WITHDRAWN) ||
           (type >= FRAME_LAST && type <= FRAME_LOGITS);
}

/* Whether the bytes at `at` are a good frame.  Hashing is paid for out of
 * *budget; a frame that is too dear counts as none. */
static enum found good_at(struct worklog_reader *r, uint64_t at,
                          uint64_t *budget, struct err *err)
{
    unsigned char head[FRAME];
    uint64_t n;
    enum found rc;

    if (r->size - at < FRAME)
        return FOUND_NONE;
    rc = read_at(r, at, head, FRAME, err);
    if (rc != FOUND_ONE)
        return rc;
    n = get_u64(head + 16);
    if (!fits(r, at, head) || !known_type(get_u32(head + 4)) ||
        FRAME + n > *budget)
        return FOUND_NONE;
    *budget -= FRAME + n;
    return sum_is_right(r, at, head, err);
}

/* What the bad frame's own length says is the next one. */
static enum found good_next(struct worklog_reader *r, uint64_t *budget,
                            struct err *err)
{
    unsigned char head[FRAME];
    enum found rc;

    if (r->size - r->at < FRAME)
        return FOUND_NONE;
    rc = read_at(r, r->at, head, FRAME, err);
    if (rc != FOUND_ONE || !fits(r, r->at, head))
        return rc == FOUND_ONE ? FOUND_NONE : rc;
    return good_at(r, r->at + FRAME + get_u64(head + 16), budget, err);
}

/*
 * Find a good frame that begins anywhere after the bad one.  Text that people
 * wrote may be full of what looks like the head of a long frame, so the bytes
 * hashed are bounded by a small multiple of those searched.  Only such text
 * after a broken head can hide a good frame, and none is lost by it: what
 * follows a bad frame is not read in any case.
 */
static enum found search(struct worklog_reader *r, struct err *err)
{
    static const unsigned char magic[4] = "APUF";
    uint64_t at = r->at + 1;
    uint64_t budget = 4 * (r->size - r->at) + KEEP;
    unsigned char window[4096];
    enum found rc = good_next(r, &budget, err);

    if (rc != FOUND_NONE)
        return rc;
    while (at < r->size && r->size - at >= FRAME) {
        size_t n = sizeof(window);

        if (n > r->size - at)
            n = (size_t)(r->size - at);
        rc = read_at(r, at, window, n, err);
        if (rc != FOUND_ONE)
            return rc;
        for (size_t i = 0; i + sizeof(magic) <= n; i++) {
            if (memcmp(window + i, magic, sizeof(magic)) != 0)
                continue;
            rc = good_at(r, at + i, &budget, err);
            if (rc != FOUND_NONE)
                return rc;
        }
        at += n - (sizeof(magic) - 1);
    }
    return FOUND_NONE;
}

/* Whether the frame at `at` withdraws others: those from *first up to *end. */
static enum found withdraws(struct worklog_reader *r, uint64_t at,
                            const unsigned char head[FRAME], uint64_t *first,
                            uint64_t *end, struct err *err)
{
    struct frame f;
    enum found rc;

    if (get_u32(head + 4) != FRAME_WITHDRAWN || get_u64(head + 16) != 16)
        return FOUND_NONE;
    rc = frame_at(r, at, SIZE_MAX, &f, err);
    if (rc == FOUND_ONE) {
        *first = get_u64(f.payload);
        *end = get_u64((const unsigned char *)f.payload + 8);
    }
    return rc == FOUND_ONE && *end > at ? FOUND_NONE : rc;
}

/* The frame at `at`, if it withdraws others, into r->withdrawn: of several what
 * lies between them is not believed, nor is anything before the end of a range
 * that is none. */
static int note_withdrawn(struct worklog_reader *r, uint64_t at,
                          const unsigned char head[FRAME], struct err *err)
{
    uint64_t first = 0, end = 0;
    enum found rc = withdraws(r, at, head, &first, &end, err);

    if (rc == FOUND_ONE && first > end)
        first = 0;
    if (rc == FOUND_ONE && (!r->withdrawn || first < r->withdrawn_from))
        r->withdrawn_from = first;
    if (rc == FOUND_ONE && end > r->withdrawn)
        r->withdrawn = end;
    return rc == FOUND_FAILED ? -1 : 0;
}

/* Where heads lead no further, be it the torn end or damage: look for one at
 * each byte. */
static int search_withdrawn(struct worklog_reader *r, uint64_t at,
                            struct err *err)
{
    while (r->size - at >= FRAME) {
        size_t n = r->size - at < CHUNK ? (size_t)(r->size - at) : CHUNK;
        enum found rc = read_at(r, at, r->chunk, n, err);

        for (size_t i = 0; rc == FOUND_ONE && i + FRAME <= n; i++) {
            unsigned char head[FRAME];

            memcpy(head, r->chunk + i, FRAME);
            if (fits(r, at + i, head) && note_withdrawn(r, at + i, head, err))
                rc = FOUND_FAILED;
        }
        if (rc != FOUND_ONE)
            return rc == FOUND_FAILED ? -1 : 0;
        at += n - (FRAME - 1);
    }
    return 0;
}

/* Look for frames that withdraw others before any is believed: from head to
 * head, payloads are passed over. */
static int find_withdrawn(struct worklog_reader *r, struct err *err)
{
    unsigned char head[FRAME];
    uint64_t at = HEADER;
    enum found rc;

    while (r->size - at >= FRAME) {
        rc = read_at(r, at, head, FRAME, err);
        if (rc == FOUND_ONE && !fits(r, at, head))
            return search_withdrawn(r, at, err);
        if (rc != FOUND_ONE)
            return rc == FOUND_FAILED ? -1 : 0;
        if (note_withdrawn(r, at, head, err))
            return -1;
        at += FRAME + get_u64(head + 16);
    }
    return 0;
}

/* Whether another process has withdrawn all of it (worklog_revoke). */
static int find_mark(struct worklog_reader *r, struct err *err)
{
    char *mark = mark_path(r->path);
    struct stat st;
    int rc = 0;

    if (lstat(mark, &st) == 0) {
        r->withdrawn_from = 0;
        r->withdrawn = r->size;
    } else if (errno != ENOENT) {
        rc = cannot(err, "look at", mark);
    }
    free(mark);
    return rc;
}

/* FOUND_NONE if it ends before its first frame. */
static enum found read_header(struct worklog_reader *r, const struct id *batch,
                              struct err *err)
{
    static const unsigned char zeros[HEADER];
    unsigned char head[HEADER];
    enum found rc;

    if (r->size < HEADER)
        return FOUND_NONE;
    rc = read_at(r, 0, head, HEADER, err);
    if (rc != FOUND_ONE)
        return rc;
    /* Power was lost before the header was: its size is there, no byte is. */
    if (r->size == HEADER && memcmp(head, zeros, HEADER) == 0)
        return FOUND_NONE;
    if ((memcmp(head, header_magic, sizeof(header_magic)) != 0 &&
         memcmp(head, revocable_magic, sizeof(revocable_magic)) != 0) ||
        memcmp(head + HEADER_ZERO, zeros, HEADER - HEADER_ZERO) != 0)
        return err_set(err, ERR_INPUT,
                       "\"%s\" is not a log: its header is wrong", r->path);
    if (batch && !id_equal(id_at(head + 8), *batch))
        return err_set(err, ERR_INPUT, "\"%s\" is a log of another batch",
                       r->path);
    if (memcmp(head, revocable_magic, sizeof(revocable_magic)) == 0 &&
        (find_withdrawn(r, err) || find_mark(r, err)))
        return FOUND_FAILED;
    return FOUND_ONE;
}

int worklog_open(struct worklog_reader **out, const char *path,
                 const struct id *batch, struct err *err)
{
    struct worklog_reader *r;
    struct stat st;
    enum found found;
    int fd;

    /* O_NONBLOCK: opening a pipe must not wait for its writer. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return cannot(err, "open", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
    }
    r = xcalloc(1, sizeof(*r));
    r->fd = fd;
    r->path = xstrdup(path);
    r->size = (uint64_t)st.st_size;
    r->at = HEADER;
    r->skip_above = SIZE_MAX;
    found = read_header(r, batch, err);
    if (found == FOUND_FAILED) {
        worklog_reader_close(r);
        return -1;
    }
    r->ended = found == FOUND_NONE;
    *out = r;
    return 0;
}

static enum found next(struct worklog_reader *r, struct frame *f,
                       struct err *err)
{
    enum found rc;

    if (r->ended)
        return FOUND_NONE;
    if (r->at == r->size) {
        r->ended = true;
        return FOUND_NONE;
    }
    rc = frame_at(r, r->at, r->skip_above, f, err);
    if (rc == FOUND_ONE) {
        r->at += FRAME + f->n;
        return FOUND_ONE;
    }
    if (rc == FOUND_NONE)
        rc = search(r, err);
    if (rc == FOUND_FAILED)
        return FOUND_FAILED;
    r->damaged = rc == FOUND_ONE;
    r->ended = true;
    return FOUND_NONE;
}

enum found worklog_next(struct worklog_reader *r, struct frame *f,
                        struct err *err)
{
    enum found rc;

    do
        rc = next(r, f, err);
    while (rc == FOUND_ONE &&
           (f->type == FRAME_WITHDRAWN ||
            (f->at >= r->withdrawn_from && f->at < r->withdrawn)));
    return rc;
}

void worklog_skip_above(struct worklog_reader *r, size_t n)
{
    r->skip_above = n;
}

bool worklog_withdrawn(const struct worklog_reader *r, uint64_t *end)
{
    if (r->withdrawn && end)
        *end = r->withdrawn;
    return r->withdrawn != 0;
}

bool worklog_damaged(const struct worklog_reader *r, uint64_t *at)
{
    if (r->damaged && at)
        *at = r->at;
    return r->damaged;
}

int worklog_read_at(struct worklog_reader *r, uint64_t at, struct frame *f,
                    struct err *err)
{
    enum found rc = frame_at(r, at, SIZE_MAX, f, err);

    if (rc == FOUND_NONE)
        return err_set(err, ERR_INPUT, "\"%s\" has no whole frame at %ju",
                       r->path, (uintmax_t)at);
    return rc == FOUND_FAILED ? -1 : 0;
}

void worklog_reader_close(struct worklog_reader *r)
{
    if (!r)
        return;
    close(r->fd);
    free(r->payload);
    free(r->path);
    free(r);
}
