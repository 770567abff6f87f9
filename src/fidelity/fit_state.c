/*
 * The directory of a fitted conversion.
 */
#include <config.h>

#include "fidelity/fit_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "proof/digest.h"

#define MAGIC "apusfit1"
#define HEAD 48

static void put_stat(struct digest *d, const char *name, const struct stat *st)
{
    unsigned char raw[32];

    set_u64(raw, (uint64_t)st->st_size);
    set_u64(raw + 8, (uint64_t)st->st_mtim.tv_sec);
    set_u64(raw + 16, (uint64_t)st->st_mtim.tv_nsec);
    set_u64(raw + 24, (uint64_t)st->st_ino);
    digest_put(d, name, strlen(name) + 1);
    digest_put(d, raw, sizeof(raw));
}

static void put_dir(struct digest *d, const char *path)
{
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        char *full = file_join(path, entry[i]->d_name);
        struct stat st;

        if (stat(full, &st) == 0 && S_ISREG(st.st_mode))
            put_stat(d, entry[i]->d_name, &st);
        free(full);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
}

int fit_state_source(struct id *out, const char *path, struct err *err)
{
    struct digest *d;
    struct stat st;

    if (stat(path, &st))
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    d = digest_new();
    if (S_ISDIR(st.st_mode))
        put_dir(d, path);
    else
        put_stat(d, "", &st);
    digest_end(d, out);
    return 0;
}

static int read_rows(const struct fit_state *s, float *x, size_t n,
                     uint32_t *done)
{
    char *path = file_join(s->dir, "rows");
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    unsigned char head[HEAD];
    ssize_t want = (ssize_t)(n * sizeof(*x));
    int rc = -1;

    if (fd >= 0 && file_read_at(fd, head, HEAD, 0) == HEAD &&
        memcmp(head, MAGIC, 8) == 0 &&
        memcmp(head + 8, s->key.b, sizeof(s->key.b)) == 0 &&
        file_read_at(fd, x, (size_t)want, HEAD) == want) {
        *done = get_u32(head + 40);
        rc = 0;
    }
    free(path);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Make the directory, 0700.  One that is there, under a name that others can
 * know, may be theirs: what is in it would be trusted and written over. */
static int make_own(const char *dir, struct err *err)
{
    const char *slash = strrchr(dir, '/');
    char *above = xstrndup(dir, slash ? (size_t)(slash - dir) : 0);
    struct stat st;
    int rc = file_mkdirs(above, err);

    free(above);
    if (rc)
        return -1;
    if (mkdir(dir, 0700) && errno != EEXIST)
        return room_fail(err, ERR_RETRY, "make", dir);
    if (lstat(dir, &st))
        return room_fail(err, ERR_RETRY, "open", dir);
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
        !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    return err_set(err, ERR_INPUT, "\"%s\" is not a directory that this"
                   " account has and it alone can write: remove it, or choose"
                   " another place (TMPDIR; of apus model add, --models)", dir);
}

int fit_state_open(struct fit_state *s, const char *dir, struct id key,
                   float *x, size_t n, uint32_t *done, struct err *err)
{
    char *path;

    s->dir = xstrdup(dir);
    s->key = key;
    s->fd = -1;
    *done = 0;
    if (make_own(dir, err))
        goto fail;
    path = file_join(dir, "tensors");
    s->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    free(path);
    if (s->fd < 0) {
        room_fail(err, ERR_RETRY, "open", dir);
        goto fail;
    }
    if (flock(s->fd, LOCK_EX | LOCK_NB)) {
        err_set(err, ERR_RETRY, "\"%s\": another process fits this model",
                dir);
        goto fail;
    }
    if (read_rows(s, x, n, done))
        *done = 0;
    return 0;
fail:
    fit_state_close(s);
    return -1;
}

void fit_state_close(struct fit_state *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->dir);
    s->dir = NULL;
    s->fd = -1;
}

int fit_state_put(struct fit_state *s, uint64_t at, const void *data, size_t n,
                  struct err *err)
{
    if (sys_pwrite(s->fd, data, n, (off_t)at))
        return room_fail(err, ERR_RETRY, "write", s->dir);
    return 0;
}

int fit_state_get(const struct fit_state *s, uint64_t at, void *data, size_t n,
                  struct err *err)
{
    if (file_read_at(s->fd, data, n, at) == (ssize_t)n)
        return 0;
    return err_set(err, ERR_RETRY, "\"%s\": tensors cannot be read", s->dir);
}

int fit_state_save(struct fit_state *s, uint32_t done, const float *x,
                   size_t n, struct err *err)
{
    unsigned char head[HEAD] = MAGIC;
    char *path = file_join(s->dir, "rows");
    struct file_out *f = NULL;
    int rc = 0;

    memcpy(head + 8, s->key.b, sizeof(s->key.b));
    set_u32(head + 40, done);
    if (sys_fdatasync(s->fd))
        rc = room_fail(err, ERR_RETRY, "write", s->dir);
    else if (file_out_open(&f, path, err))
        rc = -1;
    if (rc == 0 && (file_out_put(f, head, HEAD, err) ||
                    file_out_put(f, x, n * sizeof(*x), err))) {
        file_out_abort(f);
        rc = -1;
    } else if (rc == 0) {
        rc = file_out_commit(f, err);
    }
    free(path);
    return rc;
}

void fit_state_remove(struct fit_state *s)
{
    char *rows, *tensors;

    if (!s->dir)
        return;
    rows = file_join(s->dir, "rows");
    tensors = file_join(s->dir, "tensors");
    unlink(rows);
    unlink(tensors);
    rmdir(s->dir);
    free(rows);
    free(tensors);
    fit_state_close(s);
}
