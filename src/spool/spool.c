/*
 * The spool's directories: opening, finding, listing, renaming, removing, and
 * the progress of a batch.  What a batch is made of is in spool_batch.c, how a
 * file becomes one in spool_add.c, who has it in claim.c, whether that one
 * lives in owner.c.
 */
#include <config.h>

#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "base/vec.h"
#include "spool/spool_internal.h"

#define MIN_PREFIX 4
#define PROGRESS_MAX ((size_t)4 << 20)
#define MAX_STARTS 1000000

struct spool {
    char *dir;             /* absolute */
    char *at[SPOOL_STATES]; /* dir/state */
    int fd[SPOOL_STATES];
};

static const char *const names[SPOOL_STATES] = {
    "tmp", "todo", "running", "done", "sending", "sent", "failed"
};

#define TO(state) (1u << (state))

/* Where a batch may go from a state. */
static const unsigned allowed[SPOOL_STATES] = {
    [SPOOL_TMP] = TO(SPOOL_TODO) | TO(SPOOL_FAILED),
    [SPOOL_TODO] = TO(SPOOL_RUNNING) | TO(SPOOL_FAILED),
    [SPOOL_RUNNING] = TO(SPOOL_DONE) | TO(SPOOL_TODO) | TO(SPOOL_FAILED),
    [SPOOL_DONE] = TO(SPOOL_SENDING) | TO(SPOOL_FAILED),
    /* to todo, and from sent: what is sealed again */
    [SPOOL_SENDING] = TO(SPOOL_SENT) | TO(SPOOL_DONE) | TO(SPOOL_FAILED) |
                      TO(SPOOL_TODO),
    [SPOOL_SENT] = TO(SPOOL_FAILED) | TO(SPOOL_DONE),
    [SPOOL_FAILED] = TO(SPOOL_TODO),
};

const char *spool_state_name(enum spool_state s)
{
    return names[s];
}

/* ---- opening ------------------------------------------------------------ */

/* Of a directory that must be there, and ours. */
static int check_dir(int fd, const char *path, dev_t *dev, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st))
        return spool_fail(err, "open directory", path);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_FATAL,
                       "spool \"%s\" belongs to user %ju, not to this one:"
                       " name a directory of your own with the setting spool",
                       path, (uintmax_t)st.st_uid);
    *dev = st.st_dev;
    return 0;
}

/* Who only asks can do that on a read-only file system, too. */
static int open_root(struct spool *s, const char *dir, bool asks, int *root,
                     dev_t *dev, struct err *err)
{
    char path[PATH_MAX];
    struct statvfs vfs;
    struct stat st;

    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
        return err_set(err, ERR_INPUT, "spool: \"%s\" is not a directory:"
                       " name another with --spool or the setting spool",
                       dir);
    errno = 0;
    if (file_mkdirs(dir, err)) {
        spool_remedy(err, errno);
        return err_prefix(err, "spool");
    }
    *root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*root < 0 || !realpath(dir, path) || fstatvfs(*root, &vfs))
        return spool_fail(err, "open directory", dir);
    if (check_dir(*root, dir, dev, err))
        return -1;
    if (!asks && (vfs.f_flag & ST_RDONLY)) {
        errno = EROFS;
        return spool_fail(err, "write to", dir);
    }
    s->dir = xstrdup(path);
    return 0;
}

/* mkdirat tells whether it is there already, which no check before it can
 * with two of us at once. */
static int open_state(struct spool *s, enum spool_state i, int root,
                      dev_t root_dev, bool *made, struct err *err)
{
    dev_t dev;

    s->at[i] = file_join(s->dir, names[i]);
    if (mkdirat(root, names[i], 0777) == 0)
        *made = true;
    else if (errno != EEXIST)
        return spool_fail(err, "make directory", s->at[i]);
    s->fd[i] = openat(root, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
                      O_CLOEXEC);
    if (s->fd[i] < 0)
        return spool_fail(err, "open directory", s->at[i]);
    if (check_dir(s->fd[i], s->at[i], &dev, err))
        return -1;
    if (dev != root_dev)
        return err_set(err, ERR_FATAL,
                       "\"%s\" is on another file system than \"%s\": no"
                       " batch can be moved there, make it a directory of"
                       " the same one", s->at[i], s->dir);
    return 0;
}

/* Owners need hard links: said here, before anything is asked for that would
 * find no place.  A spool that cannot have them stays new. */
static int try_owner(const struct spool *s, int root, struct err *err)
{
    const char *tmp = s->at[SPOOL_TMP];
    enum taking end = claim_add(tmp, 0, NULL, err);

    claim_drop(tmp);
    if (end == TAKING_FAILED)
        unlinkat(root, names[SPOOL_TMP], AT_REMOVEDIR);
    return end == TAKING_FAILED ? -1 : 0;
}

static int open_spool(struct spool **out, const char *dir, bool asks,
                      struct err *err)
{
    struct spool *s = xcalloc(1, sizeof(*s));
    int root = -1, rc = -1;
    bool made = false;
    dev_t dev;

    for (int i = 0; i < SPOOL_STATES; i++)
        s->fd[i] = -1;
    if (open_root(s, dir, asks, &root, &dev, err))
        goto out;
    for (int i = 0; i < SPOOL_STATES; i++)
        if (open_state(s, (enum spool_state)i, root, dev, &made, err))
            goto out;
    if (made && (spool_sync_dir(s->dir, err) || try_owner(s, root, err)))
        goto out;
    *out = s;
    s = NULL;
    rc = 0;
out:
    if (root >= 0)
        close(root);
    spool_close(s);
    return rc;
}

int spool_open(struct spool **out, const char *dir, struct err *err)
{
    return open_spool(out, dir, false, err);
}

bool spool_is_missing(const char *dir)
{
    char *todo = file_join(dir, names[SPOOL_TODO]);
    struct stat st;
    bool missing = stat(dir, &st) ? errno == ENOENT || errno == ENOTDIR
                                  : S_ISDIR(st.st_mode) &&
                                        st.st_uid == geteuid() &&
                                        stat(todo, &st) && errno == ENOENT;

    free(todo);
    return missing;
}

int spool_open_there(struct spool **out, const char *dir, struct err *err)
{
    if (spool_is_missing(dir))
        return err_set(err, ERR_INPUT, "no spool at \"%s\": apus run and apus"
                       " submit make one, the setting spool names another",
                       dir);
    return open_spool(out, dir, true, err);
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    for (int i = 0; i < SPOOL_STATES; i++) {
        if (s->fd[i] >= 0)
            close(s->fd[i]);
        free(s->at[i]);
    }
    free(s->dir);
    free(s);
}

uint64_t spool_inode(const struct spool *s)
{
    struct stat st;

    return stat(s->dir, &st) ? 0 : (uint64_t)st.st_ino;
}

int spool_sync_all(const struct spool *s)
{
    return sys_sync_fs(s->fd[SPOOL_TMP]);
}

const char *spool_dir(const struct spool *s)
{
    return s->dir;
}

void batch_name(char out[BATCH_NAME], struct id id)
{
    out[0] = 'b';
    base64url(out + 1, id.b, 32);
}

int batch_name_id(struct id *id, const char *name)
{
    return name[0] == 'b' ? id_parse(id, name + 1) : -1;
}

char *spool_path(const struct spool *s, enum spool_state state, struct id id)
{
    char name[BATCH_NAME];

    batch_name(name, id);
    return file_join(s->at[state], name);
}

void batch_clear(struct batch *b)
{
    free(b->path);
    b->path = NULL;
}

/* ---- finding ------------------------------------------------------------ */

/* Find a directory of that name in a state; FOUND_FAILED if it is not a
 * directory, or another user's. */
static enum found look_at(const struct spool *s, enum spool_state state,
                          const char *name, ino_t *inode, struct err *err)
{
    struct stat st;

    if (fstatat(s->fd[state], name, &st, AT_SYMLINK_NOFOLLOW)) {
        if (errno == ENOENT)
            return FOUND_NONE;
        return spool_fail(err, "look into", s->at[state]);
    }
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s/%s\" is not a directory",
                       s->at[state], name);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_INPUT, "\"%s/%s\" belongs to user %ju, not"
                       " to this one: it is left alone", s->at[state], name,
                       (uintmax_t)st.st_uid);
    *inode = st.st_ino;
    return FOUND_ONE;
}

static enum found look_in_state(const struct spool *s, enum spool_state state,
                                const char *name, struct err *err)
{
    ino_t unused;

    return look_at(s, state, name, &unused, err);
}

enum found spool_locate(const struct spool *s, struct id id,
                        enum spool_state *state, struct err *err)
{
    char name[BATCH_NAME];

    batch_name(name, id);
    /* Forwards and then backwards: whichever way it is moved while we look,
     * it cannot be missed by one move. */
    for (int i = 0; i < 2 * SPOOL_STATES; i++) {
        int at = i < SPOOL_STATES ? i : 2 * SPOOL_STATES - 1 - i;
        enum found there = look_in_state(s, (enum spool_state)at, name, err);

        if (there == FOUND_FAILED)
            return FOUND_FAILED;
        *state = (enum spool_state)at;
        if (there == FOUND_ONE)
            return FOUND_ONE;
    }
    return FOUND_NONE;
}

/* Read the names of a state; `each` ends the walk with anything but 0. */
typedef int name_fn(void *self, const char *name, struct id id,
                    struct err *err);

static int walk(const struct spool *s, enum spool_state state, name_fn *each,
                void *self, struct err *err)
{
    int fd = openat(s->fd[state], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    int rc = 0;

    if (!d) {
        spool_fail(err, "read", s->at[state]);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while (rc == 0 && (errno = 0, (e = readdir(d)) != NULL)) {
        struct id id;

        if (batch_name_id(&id, e->d_name) == 0)
            rc = each(self, e->d_name, id, err);
    }
    if (rc == 0 && errno)
        rc = spool_fail(err, "read", s->at[state]);
    closedir(d);
    return rc;
}

/* Ids that begin with what somebody typed. */
struct batch_search {
    const char *what;
    size_t n;
    bool found, several;
    struct id id, other;
};

/* A leading "b" may be the one of the directory or the id's first letter. */
static bool begins(const char *name, const struct batch_search *f)
{
    return (f->n >= MIN_PREFIX && strncmp(name + 1, f->what, f->n) == 0) ||
           (f->n > MIN_PREFIX && strncmp(name, f->what, f->n) == 0);
}

static int note_match(void *self, const char *name, struct id id,
                      struct err *err)
{
    struct batch_search *f = self;

    (void)err;
    if (!begins(name, f))
        return 0;
    if (!f->found)
        f->id = id;
    else if (!id_equal(f->id, id)) {
        f->other = id;
        f->several = true;
    }
    f->found = true;
    return 0;
}

/* Where a batch is meant a file may be, too, and be mistyped. */
static const char *no_file(const char *what)
{
    return file_is_dir(what) ? ": that is a directory, name a file in it"
           : file_exists(what) ? "" : ", nor a file of that name";
}

static int no_batch(const struct spool *s, const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "no batch \"%s\" in the spool \"%s\"%s",
                   what, s->dir, no_file(what));
}

static int search_prefix(const struct spool *s, const char *what, struct id *id,
                         struct err *err)
{
    struct batch_search f = { .what = what, .n = strlen(what) };

    if (f.n < MIN_PREFIX && file_is_dir(what))
        return no_batch(s, what, err);
    if (f.n < MIN_PREFIX)
        return err_set(err, ERR_INPUT,
                       "batch \"%s\": at least %d characters of its id are"
                       " needed", what, MIN_PREFIX);
    for (int i = 0; i < SPOOL_STATES; i++)
        if (walk(s, (enum spool_state)i, note_match, &f, err))
            return -1;
    if (!f.found)
        return no_batch(s, what, err);
    if (f.several) {
        return err_set(err, ERR_INPUT,
                       "several batches begin with \"%s\", use a longer prefix:"
                       " %s, %s",
                       what, id_text(f.id).s, id_text(f.other).s);
    }
    *id = f.id;
    return 0;
}

/* The path of a batch's directory, also where it was before it was moved. */
static int search_path(const struct spool *s, const char *what, struct id *id,
                       struct err *err)
{
    size_t n = strlen(what);
    char *path = xstrdup(what), *slash;
    struct stat st, ours;
    int rc = -1;

    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    slash = strrchr(path, '/');
    if (!slash || batch_name_id(id, slash + 1))
        goto out;
    slash[slash == path] = '\0';
    if (stat(path, &st))
        goto out;
    for (int i = 0; rc && i < SPOOL_STATES; i++)
        if (fstat(s->fd[i], &ours) == 0 && ours.st_dev == st.st_dev &&
            ours.st_ino == st.st_ino)
            rc = 0;
out:
    free(path);
    if (rc)
        return err_set(err, ERR_INPUT, "\"%s\" is not a batch of the spool"
                       " \"%s\"%s", what, s->dir, no_file(what));
    return 0;
}

int spool_find(const struct spool *s, const char *what, struct batch *b,
               struct err *err)
{
    enum spool_state state;
    struct id id;
    enum found there = FOUND_NONE;

    /* a whole id needs no search */
    if (id_parse(&id, what) == 0)
        there = spool_locate(s, id, &state, err);
    if (there == FOUND_NONE &&
        (strchr(what, '/') ? search_path(s, what, &id, err)
                           : search_prefix(s, what, &id, err)))
        return -1;
    if (there == FOUND_NONE)
        there = spool_locate(s, id, &state, err);
    if (there == FOUND_FAILED)
        return -1;
    if (there == FOUND_NONE)
        return no_batch(s, what, err);
    b->state = state;
    b->id = id;
    b->path = spool_path(s, state, id);
    return 0;
}

struct listing {
    const struct spool *s;
    enum spool_state state;
    struct batch *list;
    size_t n, cap;
};

static int note_batch(void *self, const char *name, struct id id,
                      struct err *err)
{
    struct listing *l = self;
    struct batch *b;

    (void)err;
    /* another's, no directory, or gone by now */
    if (look_in_state(l->s, l->state, name, NULL) != FOUND_ONE)
        return 0;
    VEC_RESERVE(l->list, l->cap, l->n + 1);
    b = &l->list[l->n++];
    b->state = l->state;
    b->id = id;
    b->path = file_join(l->s->at[l->state], name);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    const struct batch *x = a, *y = b;

    return id_compare(x->id, y->id);
}

int spool_list(const struct spool *s, enum spool_state state,
               struct batch **list, size_t *n, struct err *err)
{
    struct listing l = { .s = s, .state = state };

    if (walk(s, state, note_batch, &l, err)) {
        spool_list_free(l.list, l.n);
        return -1;
    }
    if (l.n > 1)
        qsort(l.list, l.n, sizeof(*l.list), compare_ids);
    *list = l.list;
    *n = l.n;
    return 0;
}

void spool_list_free(struct batch *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        batch_clear(&list[i]);
    free(list);
}

/* ---- moving ------------------------------------------------------------- */

enum taking spool_check_alone(const struct spool *s, const struct batch *b,
                              struct err *err)
{
    char name[BATCH_NAME];
    ino_t inode = 0, other = 0;
    enum found here, there;

    batch_name(name, b->id);
    here = look_at(s, b->state, name, &inode, err);
    if (here != FOUND_ONE)
        return here == FOUND_FAILED ? TAKING_FAILED : TAKING_LATE;
    for (int i = 0; i < SPOOL_STATES; i++) {
        enum spool_state at = (enum spool_state)i;

        if (at == b->state)
            continue;
        there = look_at(s, at, name, &other, err);
        if (there == FOUND_FAILED)
            return TAKING_FAILED;
        if (there == FOUND_NONE)
            continue;
        /* it was moved, and may be back: only another directory is another */
        if (other == inode ||
            look_in_state(s, b->state, name, err) == FOUND_NONE)
            return TAKING_LATE;
        return err_set(err, ERR_FATAL,
                       "batch %s is in both \"%s\" and \"%s\": move one of"
                       " them out of the spool", name, s->at[b->state],
                       s->at[i]);
    }
    return TAKING_DONE;
}

static enum taking rename_batch(const struct spool *s, const struct batch *b,
                                const char *from, const char *to,
                                struct err *err)
{
    char name[BATCH_NAME], *what;
    int why;

    if (sys_rename(from, to) == 0)
        return TAKING_DONE;
    why = errno;
    batch_name(name, b->id);
    /* ENOENT also means that the directory of the target is missing */
    if (why == ENOENT && look_in_state(s, b->state, name, err) == FOUND_NONE)
        return TAKING_LATE;
    errno = why;
    what = xasprintf("move \"%s\" to", from);
    room_fail(err, ERR_RETRY, what, to);
    free(what);
    return spool_remedy(err, why);
}

enum taking spool_take_out(const struct spool *s, const struct batch *b,
                           const char *to, struct err *err)
{
    char *from = spool_path(s, b->state, b->id);
    enum taking rc = spool_check_alone(s, b, err);

    if (rc == TAKING_DONE)
        rc = rename_batch(s, b, from, to, err);
    free(from);
    return rc;
}

enum taking spool_rename(const struct spool *s, struct batch *b,
                         enum spool_state to, struct err *err)
{
    enum spool_state was = b->state;
    char *from, *path;
    enum taking rc;

    if (!(allowed[was] & TO(to)))
        return err_set(err, ERR_FATAL, "a batch in %s never goes to %s",
                       names[was], names[to]);
    rc = spool_check_alone(s, b, err);
    if (rc)
        return rc;
    from = spool_path(s, was, b->id);
    path = spool_path(s, to, b->id);
    rc = rename_batch(s, b, from, path, err);
    free(from);
    if (rc) {
        free(path);
        return rc;
    }
    /* from here on it is there, synced or not */
    free(b->path);
    b->path = path;
    b->state = to;
    if (spool_sync_dir(s->at[to], err) || spool_sync_dir(s->at[was], err))
        return TAKING_FAILED;
    return TAKING_DONE;
}

/* The number of an aNNN, or -1. */
static int64_t start_number(const char *name)
{
    char again[16];
    unsigned n = 0;
    size_t i = 1;

    if (name[0] != 'a')
        return -1;
    for (; name[i] >= '0' && name[i] <= '9' && i < 8; i++)
        n = n * 10 + (unsigned)(name[i] - '0');
    snprintf(again, sizeof(again), "a%03u", n);
    return strcmp(name, again) == 0 ? (int64_t)n : -1;
}

/* The name was free just now.  A directory that is there all the same is ours
 * if it is empty and nobody else has the batch: the answer to the first try
 * was lost (NFS).  Whoever was thought dead and still made it finds that each
 * log in it has one that made it. */
static bool is_new_start(const char *batch_path, const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)) != NULL)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    return d && n == 0 && owner_is_self(batch_path);
}

static int see_start(void *self, int dir, const char *name, struct err *err)
{
    uint32_t *next = self;
    int64_t n = start_number(name);

    (void)dir;
    (void)err;
    if (n >= *next)
        *next = (uint32_t)n + 1;
    return 0;
}

/* One past the highest there is. */
static int next_start(const char *batch_path, uint32_t *next, struct err *err)
{
    *next = 0;
    return spool_each_name(batch_path, see_start, next, err);
}

/* TAKING_LATE if there is one. */
static enum taking make_start(const char *batch_path, const char *path,
                              bool was_free, struct err *err)
{
    if (mkdir(path, 0777) == 0)
        return TAKING_DONE;
    if (errno != EEXIST)
        return spool_fail(err, "make directory", path);
    return was_free && is_new_start(batch_path, path) ? TAKING_DONE
                                                     : TAKING_LATE;
}

int batch_new_start(const char *batch_path, uint32_t *start, struct err *err)
{
    uint32_t next = 0;

    if (next_start(batch_path, &next, err))
        return -1;
    for (uint32_t n = next; n < MAX_STARTS; n++) {
        char name[16], *path;
        enum taking end;

        snprintf(name, sizeof(name), "a%03" PRIu32, n);
        path = file_join(batch_path, name);
        end = make_start(batch_path, path, n == next, err);
        free(path);
        if (end == TAKING_LATE)
            continue;
        if (end == TAKING_FAILED || spool_sync_dir(batch_path, err))
            return -1;
        *start = n;
        return 0;
    }
    return err_set(err, ERR_INPUT, "\"%s\" was started %d times", batch_path,
                   MAX_STARTS);
}

/* ---- the end of a batch ------------------------------------------------- */

int spool_age(const struct spool *s, const struct batch *b, uint64_t *age_s,
              struct err *err)
{
    struct timespec now;
    struct stat st;

    if (lstat(b->path, &st))
        return spool_fail(err, "look at", b->path);
    if (spool_now(s->at[SPOOL_TMP], &now, err))
        return -1;
    *age_s = now.tv_sec > st.st_mtim.tv_sec
                 ? (uint64_t)(now.tv_sec - st.st_mtim.tv_sec) : 0;
    return 0;
}

/* ---- progress ----------------------------------------------------------- */

int progress_write(const char *batch_path, const char *json, size_t n,
                   struct err *err)
{
    if (n > PROGRESS_MAX)
        return err_set(err, ERR_FATAL, "progress of %zu bytes, at most %zu",
                       n, PROGRESS_MAX);
    return spool_write_in(batch_path, "progress", json, n, err);
}

int progress_read(const char *batch_path, struct buf *json, struct err *err)
{
    struct buf text;
    enum found found;
    int rc = 0;

    buf_init(&text, PROGRESS_MAX);
    found = spool_read_in(&text, batch_path, "progress", NULL, err);
    if (found == FOUND_ONE && text.len > 0) {
        rc = buf_reserve(json, text.len, "progress", err);
        if (rc == 0)
            buf_put(json, text.data, text.len);
    }
    buf_clear(&text);
    return found == FOUND_FAILED || rc ? -1 : 0;
}
