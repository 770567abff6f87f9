/*
 * Removing batches.  A sync takes longer than all else about it, so that many
 * batches share one: all are renamed out of their states first, then the
 * states are synced, and only then files are removed.  Before the sync a power
 * failure may bring a batch back, and it must not come back without its files.
 */
#include <config.h>

#include "spool/spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/vec.h"
#include "spool/spool_file.h"

struct doomed {
    const struct spool *s;
    char *dir;                 /* tmp/.gone-NAME; NULL: not made yet */
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
    return d;
}

void doomed_free(struct doomed *d)
{
    if (!d)
        return;
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
    int rc;

    if (!d->dir)
        return 0;
    rc = doomed_sync(d, err) || spool_remove_tree(d->dir, err) ? -1 : 0;
    if (rc == 0) {
        free(d->dir);
        d->dir = NULL;
    }
    return rc;
}

/* ---- what was left ------------------------------------------------------- */

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

/* Another process may be adding to such a directory, which then stays: only
 * what is in it before the sync is removed. */
int spool_sweep(const struct spool *s, struct err *err)
{
    struct doomed_names gone = { .n = 0 }, in = { .n = 0 };
    char *tmp = state_dir(s, SPOOL_TMP);
    int rc = 0;

    names_list(&gone, tmp, SPOOL_GONE);
    for (size_t i = 0; i < gone.n; i++)
        names_list(&in, gone.path[i], "");
    for (int i = SPOOL_TODO; gone.n && rc == 0 && i < SPOOL_STATES; i++)
        rc = sync_state(s, (enum spool_state)i, err);
    for (size_t i = 0; rc == 0 && i < in.n; i++)
        rc = spool_remove_tree(in.path[i], err);
    for (size_t i = 0; rc == 0 && i < gone.n; i++)
        if (rmdir(gone.path[i]) && errno == ENOTDIR)
            unlink(gone.path[i]);
    names_clear(&in);
    names_clear(&gone);
    free(tmp);
    return rc;
}
