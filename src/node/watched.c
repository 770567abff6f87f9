/*
 * SPOOL/watch/secret has 32 bytes, SPOOL/watch/seen 32 a statement.
 */
#include <config.h>

#include "node/watched.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"

#define FIRST_WAIT_S 60
#define LAST_WAIT_S 3600

static int by_id(const void *a, const void *b)
{
    return id_compare(*(const struct id *)a, *(const struct id *)b);
}

bool watched_has(const struct watched *w, struct id statement)
{
    return w->n && bsearch(&statement, w->seen, w->n, sizeof(*w->seen), by_id);
}

static void insert(struct watched *w, struct id statement)
{
    VEC_RESERVE(w->seen, w->cap, w->n + 1);
    w->seen[w->n++] = statement;
    qsort(w->seen, w->n, sizeof(*w->seen), by_id);
}

static int read_secret(struct watched *w, struct err *err)
{
    char *path = file_join(w->dir, "secret");
    struct buf b;
    int rc = 0;

    buf_init(&b, 64);
    if (!file_exists(path)) {
        if (getrandom(w->secret.b, 32, 0) != 32)
            rc = err_set(err, ERR_FATAL, "no random bytes for a secret");
        else
            rc = file_write(path, w->secret.b, 32, err);
    } else {
        rc = file_read(&b, path, err);
        if (rc == 0 && b.len != 32)
            rc = err_set(err, ERR_INPUT, "\"%s\" has %zu bytes and not 32:"
                         " remove it", path, b.len);
        if (rc == 0)
            w->secret = id_at(b.data);
    }
    buf_clear(&b);
    free(path);
    return rc;
}

static int read_seen(struct watched *w, struct err *err)
{
    char *path = file_join(w->dir, "seen");
    struct buf b;
    int rc = 0;

    buf_init(&b, 32 * (size_t)WATCHED_MAX);
    if (file_exists(path))
        rc = file_read(&b, path, err);
    if (rc == 0 && b.len % 32)
        rc = err_set(err, ERR_INPUT, "\"%s\" is truncated: remove it, and"
                     " statements are checked again", path);
    if (rc == 0 && b.len) {
        w->n = b.len / 32;
        VEC_RESERVE(w->seen, w->cap, w->n);
        memcpy(w->seen, b.data, b.len);
        qsort(w->seen, w->n, sizeof(*w->seen), by_id);
    }
    buf_clear(&b);
    free(path);
    return rc;
}

int watched_open(struct watched *w, const char *spool, struct err *err)
{
    memset(w, 0, sizeof(*w));
    w->dir = file_join(spool, "watch");
    return file_mkdirs(w->dir, err) || read_secret(w, err) ||
                   read_seen(w, err) ? -1 : 0;
}

void watched_close(struct watched *w)
{
    free(w->dir);
    free(w->seen);
    free(w->late);
    memset(w, 0, sizeof(*w));
}

int watched_add(struct watched *w, struct id statement, struct err *err)
{
    char *path;
    int rc;

    if (w->n >= WATCHED_MAX)
        return err_set(err, ERR_INPUT, "\"%s/seen\" has %d statements, which is"
                       " the maximum: move it away", w->dir, WATCHED_MAX);
    insert(w, statement);
    path = file_join(w->dir, "seen");
    rc = file_write(path, w->seen, w->n * sizeof(*w->seen), err);
    free(path);
    return rc;
}

/* ---- later --------------------------------------------------------------- */

static struct watched_late *late_of(const struct watched *w, struct id id)
{
    for (size_t i = 0; i < w->n_late; i++)
        if (id_equal(w->late[i].id, id))
            return &w->late[i];
    return NULL;
}

bool watched_waits(const struct watched *w, struct id id)
{
    const struct watched_late *l = late_of(w, id);

    return l && clock_s() < l->at;
}

void watched_put_off(struct watched *w, struct id id)
{
    struct watched_late *l = late_of(w, id);

    if (!l) {
        VEC_RESERVE(w->late, w->late_cap, w->n_late + 1);
        l = &w->late[w->n_late++];
        *l = (struct watched_late){ .id = id, .wait_s = FIRST_WAIT_S / 2 };
    }
    l->wait_s = l->wait_s < LAST_WAIT_S / 2 ? 2 * l->wait_s : LAST_WAIT_S;
    l->at = clock_s() + l->wait_s;
}
