/*
 * The directory of a fitted conversion.
 */
#include <config.h>

#include "fidelity/fit_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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
#include "model/import/formats.h"
#include "proof/digest.h"

#define MAGIC "apusfit2"
#define HEAD 56
#define TENSORS "tensors"
#define ROWS "rows"

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

/* All files of a set, of which the path names one. */
static void put_set(struct digest *d, const char *path)
{
    char *file;
    struct stat st;

    for (uint64_t i = 0; (file = formats_set_file(path, i)); i++) {
        if (stat(file, &st) == 0)
            put_stat(d, file, &st);
        free(file);
    }
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
    put_set(d, path);
    digest_end(d, out);
    return 0;
}

/* Layers of the rows that are there: n numbers, into x unless it is NULL.  0 if
 * these are not there, or fewer bytes of tensors than they stand for. */
static uint32_t read_rows(const struct fit_state *s, float *x, size_t n)
{
    char *path = file_join(s->dir, ROWS);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    unsigned char head[HEAD];
    ssize_t want = (ssize_t)(n * sizeof(*x));
    struct stat st, tensors;
    uint32_t done = 0;

    if (fd >= 0 && file_read_at(fd, head, HEAD, 0) == HEAD &&
        memcmp(head, MAGIC, 8) == 0 &&
        memcmp(head + 8, s->key.b, sizeof(s->key.b)) == 0 &&
        fstat(fd, &st) == 0 && st.st_size == (off_t)HEAD + want &&
        fstat(s->fd, &tensors) == 0 &&
        (uint64_t)tensors.st_size >= get_u64(head + 48) &&
        (!x || file_read_at(fd, x, (size_t)want, HEAD) == want))
        done = get_u32(head + 40);
    free(path);
    if (fd >= 0)
        close(fd);
    return done;
}

int fit_state_rows(const struct fit_state *s, float *x, size_t n,
                   struct err *err)
{
    if (read_rows(s, x, n))
        return 0;
    return err_set(err, ERR_RETRY, "\"%s\": rows cannot be read", s->dir);
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

/* Without them the next try begins again: what is lost would stop each. */
static void drop_rows(const struct fit_state *s)
{
    char *path = file_join(s->dir, ROWS);

    unlink(path);
    free(path);
}

/* Rows stand for tensors of their own conversion alone: they go before the
 * first tensor of another is written. */
static int begin_again(const struct fit_state *s, struct err *err)
{
    drop_rows(s);
    if (sys_sync_dir(s->dir) || ftruncate(s->fd, 0))
        return room_fail(err, ERR_RETRY, "write", s->dir);
    return 0;
}

int fit_state_open(struct fit_state *s, const char *dir, struct id key,
                   size_t n, uint32_t *done, struct err *err)
{
    char *path;

    s->dir = xstrdup(dir);
    s->key = key;
    s->fd = -1;
    *done = 0;
    if (make_own(dir, err))
        goto fail;
    path = file_join(dir, TENSORS);
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
    *done = read_rows(s, NULL, n);
    if (*done || begin_again(s, err) == 0)
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
    ssize_t got = file_read_at(s->fd, data, n, at);

    if (got == (ssize_t)n)
        return 0;
    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s/%s\"", s->dir,
                         TENSORS);
    drop_rows(s);
    return err_set(err, ERR_RETRY, "\"%s/%s\" is not whole: the same command"
                   " begins again", s->dir, TENSORS);
}

int fit_state_save(struct fit_state *s, uint32_t done, const float *x,
                   size_t n, struct err *err)
{
    unsigned char head[HEAD] = MAGIC;
    char *path = file_join(s->dir, ROWS);
    struct file_out *f = NULL;
    struct stat st;
    int rc = 0;

    memcpy(head + 8, s->key.b, sizeof(s->key.b));
    set_u32(head + 40, done);
    if (fstat(s->fd, &st) == 0)
        set_u64(head + 48, (uint64_t)st.st_size);
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

/* Whether a file there is of this conversion: one of these, or what a process
 * that was killed left aside of one (base/file.h). */
static bool is_ours(const char *name)
{
    static const char *const ours[] = { TENSORS, ROWS, FIT_STATE_NEAREST };

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        size_t n = strlen(ours[i]);

        if (strcmp(name, ours[i]) == 0 ||
            (name[0] == '.' && strncmp(name + 1, ours[i], n) == 0 &&
             name[n + 1] == '.'))
            return true;
    }
    return false;
}

void fit_state_remove(struct fit_state *s)
{
    struct dirent **entry;
    int n;

    if (!s->dir)
        return;
    n = scandir(s->dir, &entry, NULL, NULL);
    for (int i = 0; i < n; i++) {
        char *path = file_join(s->dir, entry[i]->d_name);

        if (is_ours(entry[i]->d_name))
            unlink(path);
        free(path);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    rmdir(s->dir);
    fit_state_close(s);
}
