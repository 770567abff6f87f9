/*
 * The data of an item or a transaction into a file.  It is written to
 * PATH.part, from the front on, by one process at a time; what lies there
 * after a failure is hashed again and gone on with.  If what came is not what
 * was signed, nobody knows who gave the wrong byte: it is then asked of each
 * gateway alone, from the front.
 */
#include <config.h>

#include "arweave/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arweave/data_root.h"
#include "arweave/gateway_internal.h"
#include "arweave/item.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"

#define PIECE ((size_t)1 << 20)

struct file_fetch {
    const struct id *id;
    const char *path;
    char *part;
    int fd;
    uint64_t max_size;
    struct gateway_data data;
    uint64_t have;             /* data bytes in part, all of them hashed */
    struct item_stream *item;  /* what hashes it: this, or for the data of */
    struct data_root *root;    /* a transaction this */
    bool local;                /* no gateway's fault: none else is asked */
    bool doubt;                /* gateways disagree about the head or size */
    struct buf *head;          /* the caller's, or NULL */
    void (*progress)(void *self, uint64_t done, uint64_t size);
    void *self;
};

static int fail_fetch(const struct file_fetch *f, const char *what,
                      struct err *err)
{
    return err_errno(err, ERR_RETRY, "cannot %s \"%s\"", what, f->part);
}

/* ---- the file ----- */

/* The lock ends with the process, so that nothing is left to be mended; where
 * a file system has none, the last rename wins, with the same bytes. */
static int open_part(struct file_fetch *f, struct err *err)
{
    f->fd = open(f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (f->fd < 0)
        return fail_fetch(f, "open", err);
    if (flock(f->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(f->fd);
        f->fd = -1;
        return err_set(err, ERR_RETRY, "another process is writing \"%s\"",
                       f->part);
    }
    return 0;
}

static int commit_part(struct file_fetch *f, struct err *err)
{
    if (sys_fsync(f->fd) || sys_rename(f->part, f->path) ||
        sys_sync_parent(f->path))
        return fail_fetch(f, "finish", err);
    return 0;
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
}

/* ---- what is hashed ----- */

static int hash_put(struct file_fetch *f, const void *data, size_t n,
                    struct err *err)
{
    return f->root ? data_root_put(f->root, data, n, err)
                   : item_stream_put(f->item, data, n, NULL, NULL, err);
}

static void hash_free(struct file_fetch *f)
{
    item_stream_free(f->item);
    data_root_free(f->root);
    f->item = NULL;
    f->root = NULL;
}

/* Begin with the head, and with what lies in the part file. */
static int hash_begin(struct file_fetch *f, struct err *err)
{
    unsigned char *piece = xmalloc(PIECE);
    struct stat st;
    int rc = -1;

    hash_free(f);
    if (f->data.is_tx)
        f->root = data_root_new(f->data.size);
    else
        f->item = item_stream_new(f->data.head.len + f->data.size);
    f->have = 0;
    if (f->item && hash_put(f, f->data.head.data, f->data.head.len, err))
        goto out;
    if (fstat(f->fd, &st)) {
        fail_fetch(f, "read", err);
        goto out;
    }
    /* longer than it can be: none of it is ours */
    if ((uint64_t)st.st_size > f->data.size && sys_ftruncate(f->fd, 0)) {
        fail_fetch(f, "write", err);
        goto out;
    }
    for (;;) {
        ssize_t got = pread(f->fd, piece, PIECE, (off_t)f->have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            fail_fetch(f, "read", err);
        if (got < 0 || (got && hash_put(f, piece, (size_t)got, err)))
            goto out;
        if (!got)
            break;
        f->have += (uint64_t)got;
    }
    rc = 0;
out:
    free(piece);
    return rc;
}

/* 0, or ERR_INPUT if it is not what was signed under this id. */
static int hash_end(struct file_fetch *f, struct err *err)
{
    struct id root;
    const struct item *it;

    if (f->root && (!f->data.size || !data_root_end(f->root, &root, err))) {
        if (!f->data.size || id_equal(root, f->data.data_root))
            return 0;
        return err_set(err, ERR_INPUT, "\"%s\" is not the data of the "
                       "transaction", f->part);
    }
    if (f->root || item_stream_end(f->item, &it, err))
        return -1;
    if (!id_equal(it->id, *f->id))
        return err_set(err, ERR_INPUT, "it is another item");
    return 0;
}

/* ---- one round ----- */

static int find_place(struct gateways *g, size_t i, void *self, struct err *err)
{
    struct file_fetch *f = self;
    uint64_t have;
    char *dir;
    int rc;

    if (gateway_find(g, i, *f->id, &f->data, err))
        return -1;
    if (f->data.size > f->max_size)
        return err_set(err, ERR_INPUT, "\"%s/%s\" has %" PRIu64 " bytes of "
                       "data, at most %" PRIu64 " are fetched",
                       gateways_url(g, i), f->data.path, f->data.size,
                       f->max_size);
    dir = directory_of(f->path);
    if (file_size(f->part, &have, NULL))
        have = 0;
    rc = room_check(dir, f->data.size > have ? f->data.size - have : 0,
                    "make room there and run it again", err);
    free(dir);
    return rc;
}

static int write_body(void *self, const void *data, size_t n, struct err *err)
{
    struct file_fetch *f = self;

    if (sys_pwrite(f->fd, data, n, (off_t)f->have)) {
        f->local = true;
        return room_fail(err, ERR_FATAL, "write", f->part);
    }
    if (hash_put(f, data, n, err))
        return -1;
    f->have += n;
    if (f->progress)
        f->progress(f->self, f->have, f->data.size);
    return 0;
}

/* What is missing, from gateway i; where that one has the item may be
 * elsewhere than where the first one has it. */
static int read_rest(struct gateways *g, size_t i, void *self,
                     struct err *err)
{
    struct file_fetch *f = self;
    struct gateway_data d;
    int rc = -1;

    if (f->have == f->data.size)
        return 0;
    gateway_data_init(&d);
    if (gateway_find(g, i, *f->id, &d, err))
        goto out;
    if (d.size != f->data.size || d.head.len != f->data.head.len ||
        d.is_tx != f->data.is_tx ||
        (d.head.len &&
         memcmp(d.head.data, f->data.head.data, d.head.len) != 0)) {
        f->doubt = true;
        err_set(err, ERR_INPUT, "\"%s/%s\" has another item than the one "
                "before", gateways_url(g, i), d.path);
        goto out;
    }
    rc = gateway_read(g, i, &d, f->have, f->data.size - f->have, write_body, f,
                      err);
out:
    gateway_data_clear(&d);
    return rc;
}

/* Everything from gateways [first, end): *wrong where all came and it is not
 * what was signed, or where it was not to be had as the first one told. */
static int fetch_from(struct file_fetch *f, struct gateways *g, size_t first,
                      size_t end, bool *wrong, struct err *err)
{
    uint64_t before;
    int rc;

    *wrong = f->doubt = false;
    if (gateways_each(g, first, end, find_place, f, err) || hash_begin(f, err))
        return -1;
    do { /* while it goes forward, the limits of attempts begin anew */
        before = f->have;
        rc = gateways_each(g, first, end, read_rest, f, err);
    } while (rc && !f->local && f->have > before &&
             !caller_stops(&g->caller));
    *wrong = rc ? f->doubt : hash_end(f, err) != 0;
    return *wrong ? -1 : rc;
}

static int fetch_all(struct file_fetch *f, struct gateways *g, struct err *err)
{
    struct err own = ERR_INIT;
    bool wrong;
    int rc;

    err = err_or(err, &own);
    rc = fetch_from(f, g, 0, g->n, &wrong, err);
    for (size_t i = 0; rc && wrong && i < g->n; i++) {
        bool bad;

        caller_note(&g->caller, false, err->text);
        if (sys_ftruncate(f->fd, 0))
            return fail_fetch(f, "write", err);
        rc = fetch_from(f, g, i, i + 1, &bad, err);
        if (caller_stops(&g->caller))
            break;
    }
    /* nothing of it is to be gone on with */
    if (rc && wrong && sys_ftruncate(f->fd, 0))
        return fail_fetch(f, "write", err);
    return rc;
}

int gateway_file(struct gateways *g, struct id id, const char *path,
                 uint64_t max_size, struct buf *head,
                 void (*progress)(void *self, uint64_t done, uint64_t size),
                 void *self, struct err *err)
{
    struct file_fetch f = { .id = &id,
                            .path = path,
                            .max_size = max_size,
                            .fd = -1,
                            .progress = progress,
                            .self = self };
    int rc = -1;

    f.part = xasprintf("%s.part", path);
    gateway_data_init(&f.data);
    if (open_part(&f, err))
        goto out;
    if (fetch_all(&f, g, err) || commit_part(&f, err))
        goto out;
    if (head) {
        buf_put(head, f.data.head.data, f.data.head.len);
        if (buf_check(head, "the item's head", err))
            goto out;
    }
    rc = 0;
out:
    if (rc && f.local)
        err_turn(err, ERR_RETRY);
    if (f.fd >= 0)
        close(f.fd);
    hash_free(&f);
    gateway_data_clear(&f.data);
    free(f.part);
    return rc;
}
