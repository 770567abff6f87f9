/*
 * SPOOL/watch/secret has 32 bytes, SPOOL/watch/statements 72 a statement: its
 * id, its node, a number u64.  Before these had nodes, SPOOL/watch/seen had 32
 * bytes a statement; it is read where there is no other.
 */
#include <config.h>

#include "node/watched.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"

#define FIRST_WAIT_S 60
#define LAST_WAIT_S 3600
#define ENTRY 72

/* ---- the list ------------------------------------------------------------ */

static int by_statement(const void *a, const void *b)
{
    const struct watched_seen *x = a, *y = b;

    return id_compare(x->statement, y->statement);
}

static int by_node(const void *a, const void *b)
{
    const struct watched_seen *x = a, *y = b;
    int order = id_compare(x->node, y->node);

    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

bool watched_has(const struct watched *w, struct id statement)
{
    struct watched_seen key = { .statement = statement };

    return w->n &&
           bsearch(&key, w->seen, w->n, sizeof(*w->seen), by_statement);
}

static void insert(struct watched *w, const struct watched_seen *one)
{
    VEC_RESERVE(w->seen, w->cap, w->n + 1);
    w->seen[w->n++] = *one;
    w->last = one->number > w->last ? one->number : w->last;
}

static void sort(struct watched *w)
{
    if (w->n)
        qsort(w->seen, w->n, sizeof(*w->seen), by_statement);
}

/* Take out the oldest of the node that has the most; the list is not sorted
 * after it. */
static void drop_one(struct watched *w)
{
    size_t first = 0, most = 0, at = 0;

    qsort(w->seen, w->n, sizeof(*w->seen), by_node);
    for (size_t i = 0; i < w->n; i++) {
        if (!id_equal(w->seen[i].node, w->seen[first].node))
            first = i;
        if (i - first + 1 > most) {
            most = i - first + 1;
            at = first;
        }
    }
    w->seen[at] = w->seen[--w->n];
}

/* ---- files --------------------------------------------------------------- */

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

/* Of `size` bytes an entry; 1 if the file is there. */
static int read_list(struct watched *w, const char *name, size_t size,
                     struct err *err)
{
    char *path = file_join(w->dir, name);
    bool there = file_exists(path);
    struct buf b;
    int rc = 0;

    buf_init(&b, size * WATCHED_MAX);
    if (there)
        rc = file_read(&b, path, err);
    if (rc == 0 && b.len % size)
        rc = err_set(err, ERR_INPUT, "\"%s\" is truncated: remove it, and"
                     " statements are checked again", path);
    for (size_t at = 0; rc == 0 && at < b.len; at += size) {
        struct watched_seen one = { .statement = id_at(b.data + at),
                                    .number = at / size };

        if (size == ENTRY) {
            one.node = id_at(b.data + at + 32);
            one.number = get_u64((unsigned char *)b.data + at + 64);
        }
        insert(w, &one);
    }
    sort(w);
    buf_clear(&b);
    free(path);
    return rc ? -1 : there;
}

static int read_seen(struct watched *w, struct err *err)
{
    int rc = read_list(w, "statements", ENTRY, err);

    return rc ? (rc < 0 ? -1 : 0) : read_list(w, "seen", 32, err) < 0 ? -1 : 0;
}

static int write_seen(const struct watched *w, struct err *err)
{
    char *path = file_join(w->dir, "statements");
    char *before = file_join(w->dir, "seen");
    struct buf b;
    int rc;

    buf_init(&b, ENTRY * (WATCHED_MAX + 1));
    for (size_t i = 0; i < w->n; i++) {
        buf_put(&b, w->seen[i].statement.b, 32);
        buf_put(&b, w->seen[i].node.b, 32);
        buf_put_u64(&b, w->seen[i].number);
    }
    rc = file_write(path, b.data, b.len, err);
    if (rc == 0)
        unlink(before);
    buf_clear(&b);
    free(before);
    free(path);
    return rc;
}

int watched_open(struct watched *w, const char *spool, struct err *err)
{
    memset(w, 0, sizeof(*w));
    w->max = WATCHED_MAX;
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

int watched_add(struct watched *w, struct id statement, struct id node,
                struct err *err)
{
    struct watched_seen one = { statement, node, w->last + 1 };

    while (w->n >= w->max)
        drop_one(w);
    insert(w, &one);
    sort(w);
    return write_seen(w, err);
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
