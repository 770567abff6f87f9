/*
 * SPOOL/watch/secret has 32 bytes, SPOOL/watch/statements 72 a statement: its
 * id, its node, a number u64.  Before these had nodes, SPOOL/watch/seen had 32
 * bytes a statement; it is read where there is no other.  SPOOL/watch/lacking
 * has "apuslck1" and 104 bytes a statement: the same 72, and its model.
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
#include "base/found.h"
#include "base/mem.h"
#include "base/vec.h"

#define FIRST_WAIT_S 60
#define LAST_WAIT_S 3600
#define SEEN 32     /* bytes of a statement in these lists */
#define CHECKED 72
#define LACKING 104

#define MAGIC_SIZE 8
static const char lacking_magic[] = "apuslck1";

/* ---- a list -------------------------------------------------------------- */

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

static struct watched_seen *find(const struct watched_list *l,
                                 struct id statement)
{
    struct watched_seen key = { .statement = statement };

    return l->n ? bsearch(&key, l->seen, l->n, sizeof(*l->seen), by_statement)
                : NULL;
}

static void insert(struct watched_list *l, const struct watched_seen *one)
{
    VEC_RESERVE(l->seen, l->cap, l->n + 1);
    l->seen[l->n++] = *one;
    l->last = one->number > l->last ? one->number : l->last;
}

static void sort(struct watched_list *l)
{
    if (l->n)
        qsort(l->seen, l->n, sizeof(*l->seen), by_statement);
}

/* Take out the oldest of the node that has the most; the list is not sorted
 * after it. */
static void drop_one(struct watched_list *l)
{
    size_t first = 0, most = 0, at = 0;

    qsort(l->seen, l->n, sizeof(*l->seen), by_node);
    for (size_t i = 0; i < l->n; i++) {
        if (!id_equal(l->seen[i].node, l->seen[first].node))
            first = i;
        if (i - first + 1 > most) {
            most = i - first + 1;
            at = first;
        }
    }
    l->seen[at] = l->seen[--l->n];
}

static void add(struct watched_list *l, struct watched_seen one)
{
    one.number = l->last + 1;
    while (l->n >= l->max)
        drop_one(l);
    insert(l, &one);
    sort(l);
}

bool watched_has(const struct watched *w, struct id statement)
{
    return find(&w->checked, statement) != NULL;
}

const struct id *watched_lacks(const struct watched *w, struct id statement)
{
    const struct watched_seen *one = find(&w->lacking, statement);

    return one ? &one->model : NULL;
}

bool watched_misses(const struct watched *w, struct id model)
{
    for (size_t i = 0; i < w->lacking.n; i++)
        if (id_equal(w->lacking.seen[i].model, model))
            return true;
    return false;
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

static struct watched_seen parse(const unsigned char *at, size_t size,
                                 uint64_t number)
{
    struct watched_seen one = { .statement = id_at(at), .number = number };

    if (size >= CHECKED) {
        one.node = id_at(at + 32);
        one.number = get_u64(at + 64);
    }
    if (size >= LACKING)
        one.model = id_at(at + 72);
    return one;
}

/* Check that a list begins with its magic, where it has one, and that its last
 * statement is whole. */
static int check_list(const char *path, const struct buf *b, size_t size,
                      size_t n_magic, struct err *err)
{
    size_t n = b->len < n_magic ? b->len : n_magic;

    if (n && memcmp(b->data, lacking_magic, n) != 0)
        return err_set(err, ERR_INPUT, "\"%s\" does not begin with \"%s\":"
                       " another version of apus wrote it; remove it, and"
                       " statements are checked again", path, lacking_magic);
    if (n < n_magic || (b->len - n_magic) % size)
        return err_set(err, ERR_INPUT, "\"%s\" is truncated: remove it, and"
                       " statements are checked again", path);
    return 0;
}

/* Read a list of so many bytes a statement, after n_magic bytes. */
static enum found read_list(const struct watched *w, struct watched_list *l,
                            const char *name, size_t size, size_t n_magic,
                            struct err *err)
{
    char *path = file_join(w->dir, name);
    bool there = file_exists(path);
    struct buf b;
    int rc = 0;

    buf_init(&b, n_magic + size * WATCHED_MAX);
    if (there)
        rc = file_read(&b, path, err);
    if (rc == 0 && there)
        rc = check_list(path, &b, size, n_magic, err);
    for (size_t at = n_magic; rc == 0 && at < b.len; at += size) {
        struct watched_seen one = parse((unsigned char *)b.data + at, size,
                                        at / size);

        insert(l, &one);
    }
    sort(l);
    buf_clear(&b);
    free(path);
    return rc ? FOUND_FAILED : there ? FOUND_ONE : FOUND_NONE;
}

static int read_lists(struct watched *w, struct err *err)
{
    enum found found = read_list(w, &w->checked, "statements", CHECKED, 0,
                                 err);

    if (found == FOUND_NONE)
        found = read_list(w, &w->checked, "seen", SEEN, 0, err);
    if (found != FOUND_FAILED)
        found = read_list(w, &w->lacking, "lacking", LACKING,
                          MAGIC_SIZE, err);
    return found == FOUND_FAILED ? -1 : 0;
}

static int write_list(const struct watched *w, const struct watched_list *l,
                      const char *name, struct err *err)
{
    bool lacking = l == &w->lacking;
    char *path = file_join(w->dir, name);
    struct buf b;
    int rc;

    buf_init(&b, MAGIC_SIZE + LACKING * (WATCHED_MAX + 1));
    if (lacking)
        buf_put(&b, lacking_magic, MAGIC_SIZE);
    for (size_t i = 0; i < l->n; i++) {
        buf_put(&b, l->seen[i].statement.b, 32);
        buf_put(&b, l->seen[i].node.b, 32);
        buf_put_u64(&b, l->seen[i].number);
        if (lacking)
            buf_put(&b, l->seen[i].model.b, 32);
    }
    rc = file_write(path, b.data ? b.data : "", b.len, err);
    buf_clear(&b);
    free(path);
    return rc;
}

static int write_checked(const struct watched *w, struct err *err)
{
    char *before = file_join(w->dir, "seen");
    int rc = write_list(w, &w->checked, "statements", err);

    if (rc == 0)
        unlink(before);
    free(before);
    return rc;
}

int watched_open(struct watched *w, const char *spool, struct err *err)
{
    memset(w, 0, sizeof(*w));
    w->checked.max = w->lacking.max = WATCHED_MAX;
    w->dir = file_join(spool, "watch");
    return file_mkdirs(w->dir, err) || read_secret(w, err) ||
                   read_lists(w, err) ? -1 : 0;
}

void watched_close(struct watched *w)
{
    free(w->dir);
    free(w->checked.seen);
    free(w->lacking.seen);
    free(w->late);
    memset(w, 0, sizeof(*w));
}

int watched_add(struct watched *w, struct id statement, struct id node,
                struct err *err)
{
    struct watched_list *l = &w->lacking;
    struct watched_seen *lacked = find(l, statement);

    add(&w->checked, (struct watched_seen){ .statement = statement,
                                            .node = node });
    if (write_checked(w, err))
        return -1;
    if (!lacked)
        return 0;
    *lacked = l->seen[--l->n];
    sort(l);
    return write_list(w, l, "lacking", err);
}

int watched_add_lacking(struct watched *w, struct id statement, struct id node,
                        struct id model, struct err *err)
{
    if (find(&w->lacking, statement))
        return 0;
    add(&w->lacking, (struct watched_seen){ .statement = statement,
                                            .node = node, .model = model });
    return write_list(w, &w->lacking, "lacking", err);
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
