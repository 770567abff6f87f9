/*
 * Removing batches.  A sync takes longer than all else about it, so that many
 * batches share one: all are renamed out of their states first, then the
 * states are synced, and only then files are removed.  Before the sync a power
 * failure may bring a batch back, and it must not come back without its files.
 * Whoever removes files holds a lock on their directory in tmp, so that a sweep
 * leaves them to it.
 */
#include <config.h>

#include "spool/spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/vec.h"
#include "spool/spool_file.h"

/* A file server answers one question at a time slowly, and many at once. */
#define THREADS 8
#define PATHS_PER_THREAD 16
#define WHY_MAX 1024 /* bytes of an error that another process had */

struct doomed {
    const struct spool *s;
    char *dir;                 /* tmp/.gone-NAME; NULL: not made yet */
    int lock;                  /* of dir; -1: none */
    bool dirty[SPOOL_STATES];  /* to be synced */
};

static char *state_dir(const struct spool *s, enum spool_state state)
{
    return file_join(spool_dir(s), spool_state_name(state));
}

static int sync_state(const struct spool *s, enum spool_state state,
                      struct err *err)
{
    char *dir = state_dir(s, state);
    int rc = spool_sync_dir(dir, err);

    free(dir);
    return rc;
}

/* A name in tmp that is free; the caller frees it. */
static int gone_name(char **out, const struct spool *s, struct err *err)
{
    char scratch[FILE_SCRATCH], *tmp;

    if (file_scratch(scratch, err))
        return -1;
    tmp = state_dir(s, SPOOL_TMP);
    *out = xasprintf("%s/" SPOOL_GONE "%s", tmp, scratch);
    free(tmp);
    return 0;
}

/* ---- removing files ------------------------------------------------------ */

struct doomed_names {
    char **path;
    size_t n;
};

static void names_clear(struct doomed_names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->path[i]);
    free(l->path);
}

/* Paths of a directory's entries that begin so; of none if it is gone. */
static void names_list(struct doomed_names *l, const char *dir,
                       const char *prefix)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        VEC_MORE(l->path, l->n);
        l->path[l->n++] = file_join(dir, e->d_name);
    }
    if (d)
        closedir(d);
}

/* Trees that several threads remove. */
struct removal {
    const struct doomed_names *names;
    atomic_size_t next;
    pthread_mutex_t mutex; /* of err and failed */
    struct err *err;       /* the first that occurred */
    bool failed;
};

static void *remove_some(void *self)
{
    struct removal *r = self;
    size_t i;

    while ((i = atomic_fetch_add(&r->next, 1)) < r->names->n) {
        struct err err = ERR_INIT;

        if (spool_remove_tree(r->names->path[i], &err) == 0)
            continue;
        pthread_mutex_lock(&r->mutex);
        if (!r->failed)
            err_copy(r->err, &err);
        r->failed = true;
        pthread_mutex_unlock(&r->mutex);
    }
    return NULL;
}

/* All of them, also after one that cannot be removed; signals are handled by
 * this thread. */
static int remove_names(const struct doomed_names *l, struct err *err)
{
    struct removal r = { .names = l, .err = err };
    pthread_t thread[THREADS];
    sigset_t all, before;
    size_t n = 0;

    pthread_mutex_init(&r.mutex, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n + 1 < THREADS && n < l->n / PATHS_PER_THREAD &&
           pthread_create(&thread[n], NULL, remove_some, &r) == 0)
        n++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    remove_some(&r);
    while (n > 0)
        pthread_join(thread[--n], NULL);
    pthread_mutex_destroy(&r.mutex);
    return r.failed ? -1 : 0;
}

/* A lock on a directory, until it is closed; -1 if another process has it.
 * Where directories cannot be locked, nobody has one: two that remove the same
 * files do no harm. */
static int lock_dir(int *lock, const char *dir)
{
    *lock = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*lock < 0 || flock(*lock, LOCK_EX | LOCK_NB) == 0 ||
        errno != EWOULDBLOCK)
        return 0;
    close(*lock);
    *lock = -1;
    return -1;
}

/* ---- one ----------------------------------------------------------------- */

static int check_state(const struct batch *b, struct err *err)
{
    if (b->state == SPOOL_RUNNING || b->state == SPOOL_SENDING)
        return err_set(err, ERR_FATAL,
                       "batch in %s: somebody may work on it",
                       spool_state_name(b->state));
    return 0;
}

enum taking spool_remove(const struct spool *s, const struct batch *b,
                         struct err *err)
{
    enum taking rc;
    char *gone;

    if (check_state(b, err) || gone_name(&gone, s, err))
        return TAKING_FAILED;
    rc = spool_take_out(s, b, gone, err);
    if (rc == TAKING_DONE && (sync_state(s, b->state, err) ||
                              spool_remove_tree(gone, err)))
        rc = TAKING_FAILED;
    free(gone);
    return rc;
}

/* ---- many ---------------------------------------------------------------- */

struct doomed *doomed_new(const struct spool *s)
{
    struct doomed *d = xcalloc(1, sizeof(*d));

    d->s = s;
    d->lock = -1;
    return d;
}

void doomed_free(struct doomed *d)
{
    if (!d)
        return;
    if (d->lock >= 0)
        close(d->lock);
    free(d->dir);
    free(d);
}

static int make_dir(struct doomed *d, struct err *err)
{
    char *dir;

    if (d->dir)
        return 0;
    if (gone_name(&dir, d->s, err))
        return -1;
    if (sys_mkdir_own(dir)) {
        spool_fail(err, "make directory", dir);
        free(dir);
        return -1;
    }
    d->dir = dir;
    lock_dir(&d->lock, dir);
    return 0;
}

static enum taking add_doomed(struct doomed *d, const struct batch *b,
                              struct err *err)
{
    char name[BATCH_NAME], *to;
    enum taking rc;

    if (make_dir(d, err))
        return TAKING_FAILED;
    batch_name(name, b->id);
    to = file_join(d->dir, name);
    rc = spool_take_out(d->s, b, to, err);
    free(to);
    return rc;
}

/* On a full disk there may be no room for another directory, or another name
 * in it: alone a batch needs none, and makes room. */
enum taking doomed_add(struct doomed *d, const struct batch *b,
                       struct err *err)
{
    struct err why = ERR_INIT;
    enum taking rc;

    if (check_state(b, err))
        return TAKING_FAILED;
    rc = add_doomed(d, b, &why);
    if (rc == TAKING_FAILED)
        return spool_remove(d->s, b, err);
    if (rc == TAKING_DONE)
        d->dirty[b->state] = true;
    return rc;
}

int doomed_sync(struct doomed *d, struct err *err)
{
    for (int i = 0; i < SPOOL_STATES; i++) {
        if (d->dirty[i] && sync_state(d->s, (enum spool_state)i, err))
            return -1;
        d->dirty[i] = false;
    }
    return 0;
}

int doomed_remove(struct doomed *d, struct err *err)
{
    struct doomed_names in = { .n = 0 };
    int rc;

    if (!d->dir)
        return 0;
    rc = doomed_sync(d, err);
    if (rc == 0) {
        names_list(&in, d->dir, "");
        rc = remove_names(&in, err) || spool_remove_tree(d->dir, err) ? -1 : 0;
    }
    names_clear(&in);
    if (rc == 0) {
        free(d->dir);
        d->dir = NULL;
    }
    return rc;
}

/* ---- removing in a process of its own ------------------------------------ */

/* The new process: it holds nothing open that was open before it, no terminal
 * and no lock of a caller.  The error, if any, goes to `to`. */
static void remove_apart(struct doomed *d, int to)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct err err = ERR_INIT;
    int rc;

    setsid();
    signal(SIGPIPE, SIG_IGN);
    dup2(d->lock < 0 ? null : d->lock, STDIN_FILENO);
    dup2(to, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    sys_close_from(STDERR_FILENO + 1);
    /* paths are absolute, and another file system may be unmounted */
    rc = chdir("/") || doomed_remove(d, &err) ? -1 : 0;
    if (rc)
        sys_write(STDOUT_FILENO, err.text, strlen(err.text));
    _exit(rc ? 1 : 0);
}

static enum doomed_end left_wrong(pid_t pid, struct err *err,
                                  const char *text, size_t n)
{
    int status;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status == 0)
        return DOOMED_REMOVED;
    return n ? err_set(err, ERR_RETRY, "%.*s", (int)n, text)
             : err_set(err, ERR_RETRY, "the process that removes files was"
                       " killed: the next apus clean completes it");
}

/* Wait for its error or its end. */
static enum doomed_end hear_end(pid_t pid, int from, int wait_ms,
                                struct err *err)
{
    struct pollfd p = { .fd = from, .events = POLLIN };
    char text[WHY_MAX];
    ssize_t n;
    int rc;

    while ((rc = poll(&p, 1, wait_ms)) < 0 && errno == EINTR)
        continue;
    if (rc == 0)
        return DOOMED_CONTINUES;
    while ((n = read(from, text, sizeof(text))) < 0 && errno == EINTR)
        continue;
    return left_wrong(pid, err, text, n > 0 ? (size_t)n : 0);
}

enum doomed_end doomed_leave(struct doomed *d, int wait_ms, struct err *err)
{
    int pipe_fd[2];
    enum doomed_end end;
    pid_t pid;

    if (!d->dir || doomed_sync(d, err))
        return d->dir ? DOOMED_FAILED : DOOMED_REMOVED;
    if (pipe2(pipe_fd, O_CLOEXEC))
        return doomed_remove(d, err) ? DOOMED_FAILED : DOOMED_REMOVED;
    pid = fork();
    if (pid == 0)
        remove_apart(d, pipe_fd[1]);
    close(pipe_fd[1]);
    if (pid > 0)
        end = hear_end(pid, pipe_fd[0], wait_ms, err);
    else
        end = doomed_remove(d, err) ? DOOMED_FAILED : DOOMED_REMOVED;
    close(pipe_fd[0]);
    return end;
}

/* ---- what was left ------------------------------------------------------- */

/* Directories in tmp that no process is working on, each with its lock. */
static void lock_gone(struct doomed_names *gone, int **lock, const char *tmp)
{
    struct doomed_names all = { .n = 0 };

    names_list(&all, tmp, SPOOL_GONE);
    *lock = xcalloc(all.n + 1, sizeof(**lock));
    for (size_t i = 0; i < all.n; i++) {
        if (lock_dir(&(*lock)[gone->n], all.path[i]))
            continue;
        VEC_MORE(gone->path, gone->n);
        gone->path[gone->n++] = all.path[i];
        all.path[i] = NULL;
    }
    names_clear(&all);
}

/* Another process may be adding to such a directory, which then stays: only
 * what is in it before the sync is removed. */
int spool_sweep(const struct spool *s, struct err *err)
{
    struct doomed_names gone = { .n = 0 }, in = { .n = 0 };
    char *tmp = state_dir(s, SPOOL_TMP);
    int rc = 0, *lock;

    lock_gone(&gone, &lock, tmp);
    for (size_t i = 0; i < gone.n; i++)
        names_list(&in, gone.path[i], "");
    for (int i = SPOOL_TODO; gone.n && rc == 0 && i < SPOOL_STATES; i++)
        rc = sync_state(s, (enum spool_state)i, err);
    if (rc == 0)
        rc = remove_names(&in, err);
    for (size_t i = 0; i < gone.n; i++) {
        if (rc == 0 && rmdir(gone.path[i]) && errno == ENOTDIR)
            unlink(gone.path[i]);
        if (lock[i] >= 0)
            close(lock[i]);
    }
    names_clear(&in);
    names_clear(&gone);
    free(lock);
    free(tmp);
    return rc;
}
