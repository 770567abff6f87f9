/*
 * Who has a batch, as a log in its directory: owner-0001, owner-0002, ..., each
 * whole when it appears and never changed but for its time; long after the last
 * it is removed.  The last says who has the batch, or that none has.  A process
 * that wants it links the next number, which one of several can; only then is
 * the batch moved.  So it never has two owners, and never one that nobody can
 * name; who judged an owner that is not the last one any more finds the number
 * taken.
 */
#include <config.h>

#include "spool/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/mem.h"
#include "base/sys.h"

#define PREFIX "owner-"
#define DIGITS 7             /* of a number at most */
#define MAX_NUMBER 9999999
#define BEFORE "owner"       /* instead of a log */
#define NOBODY "{\"format\":\"apus-owner-2\",\"nobody\":true}\n"
#define NOBODY_1 "{\"format\":\"apus-owner-1\",\"nobody\":true}\n"
#define TRIES 8
#define KEPT 64              /* entries */

/* ---- the log ------------------------------------------------------------ */

void claim_name(char out[OWNER_NAME], uint32_t n)
{
    if (n == 0)
        snprintf(out, OWNER_NAME, BEFORE);
    else
        snprintf(out, OWNER_NAME, PREFIX "%04" PRIu32, n % (MAX_NUMBER + 1));
}

/* The number in a name, 0 if it is no such name. */
static uint32_t entry_number(const char *name)
{
    const char *digits = name + strlen(PREFIX);
    char again[OWNER_NAME];
    uint32_t n = 0;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    for (int i = 0; i < DIGITS && *digits >= '0' && *digits <= '9'; i++)
        n = n * 10 + (uint32_t)(*digits++ - '0');
    claim_name(again, n);
    return strcmp(again, name) == 0 ? n : 0;
}

static int see_number(void *self, int dir, const char *name, struct err *err)
{
    uint32_t *last = self, n = entry_number(name);

    (void)dir;
    (void)err;
    if (n > *last)
        *last = n;
    return 0;
}

/* The last number there is, 0 if there is none.  What was there when the walk
 * began is seen: nothing of late is removed. */
static int last_number(const char *batch_path, uint32_t *last,
                       struct err *err)
{
    *last = 0;
    return spool_each_name(batch_path, see_number, last, err);
}

static bool is_text(const struct buf *b, const char *text)
{
    return b->len == strlen(text) && memcmp(b->data, text, b->len) == 0;
}

/* Of what can be seen and not read: too long, a link. */
static void time_of(struct claim *c, const char *batch_path, const char *name)
{
    char *path = file_join(batch_path, name);
    struct stat st;

    if (lstat(path, &st) == 0)
        c->time = st.st_mtim;
    free(path);
}

int claim_last(struct claim *c, const char *batch_path, struct err *err)
{
    char name[OWNER_NAME];
    struct buf text;
    enum found rc;

    memset(c, 0, sizeof(*c));
    c->time.tv_nsec = -1;
    if (last_number(batch_path, &c->n, err))
        return -1;
    claim_name(name, c->n);
    buf_init(&text, BATCH_FILE_MAX);
    rc = spool_read_in(&text, batch_path, name, &c->time, err);
    if (rc == FOUND_ONE && !is_text(&text, NOBODY) &&
        !is_text(&text, NOBODY_1)) {
        c->owned = true;
        if (owner_parse(&c->owner, text.len ? text.data : "", text.len,
                        err)) {
            err_prefix(err, "\"%s/%s\"", batch_path, name);
            rc = FOUND_FAILED;
        }
    }
    if (rc == FOUND_FAILED && c->time.tv_nsec < 0)
        time_of(c, batch_path, name);
    buf_clear(&text);
    return rc == FOUND_FAILED ? -1 : 0;
}

/* TAKING_LATE if the name is another's. */
static enum taking link_entry(const char *aside, const char *path,
                              struct err *err)
{
    if (sys_link(aside, path) == 0)
        return TAKING_DONE;
    if (errno == EEXIST)
        return TAKING_LATE;
    if (sys_lacks_links(errno))
        return err_set(err, ERR_FATAL, "cannot make \"%s\": this file system"
                       " has no hard links, put the spool on another", path);
    return spool_fail(err, "make", path);
}

/* A push that fails is tried again for days, and each try adds two. */
static void forget_old(const char *batch_path, uint32_t n)
{
    char name[OWNER_NAME], *path;

    if (n <= KEPT)
        return;
    claim_name(name, n - KEPT);
    path = file_join(batch_path, name);
    unlink(path);
    free(path);
}

enum taking claim_add(const char *batch_path, uint32_t last,
                      const struct owner *o, struct err *err)
{
    char name[OWNER_NAME], scratch[FILE_SCRATCH], *aside, *path;
    struct buf text;
    enum taking end = TAKING_FAILED;

    if (last >= MAX_NUMBER)
        return err_set(err, ERR_FATAL, "\"%s\" had %d owners", batch_path,
                       MAX_NUMBER);
    if (file_scratch(scratch, err))
        return TAKING_FAILED;
    claim_name(name, last + 1);
    path = file_join(batch_path, name);
    aside = xasprintf("%s/.new-%s", batch_path, scratch);
    buf_init(&text, BATCH_FILE_MAX);
    if (o)
        owner_put(&text, o);
    else
        buf_puts(&text, NOBODY);
    if (spool_write_in(batch_path, aside + strlen(batch_path) + 1, text.data,
                       text.len, err) == 0) {
        end = link_entry(aside, path, err);
        unlink(aside);
    }
    if (end == TAKING_DONE)
        forget_old(batch_path, last + 1);
    if (end == TAKING_DONE && spool_sync_dir(batch_path, err))
        end = TAKING_FAILED;
    buf_clear(&text);
    free(aside);
    free(path);
    return end;
}

int claim_begin(const char *dir, const struct owner *o, struct err *err)
{
    char name[OWNER_NAME];
    struct buf text;
    int rc;

    claim_name(name, 1);
    buf_init(&text, BATCH_FILE_MAX);
    owner_put(&text, o);
    rc = spool_put_in(dir, name, text.data, text.len, err);
    buf_clear(&text);
    return rc;
}

void claim_drop(const char *dir)
{
    char name[OWNER_NAME], *path;

    claim_name(name, 1);
    path = file_join(dir, name);
    unlink(path);
    free(path);
}

/* ---- owners ------------------------------------------------------------- */

void owner_self_process(struct owner *o)
{
    owner_self(o);
    o->slurm_job[0] = '\0';
    o->slurm_restarts = 0;
}

/* Of a process, whichever job it is in. */
static bool is_self(const struct claim *c)
{
    static _Thread_local struct owner self;

    /* its host may be renamed meanwhile; after a fork it is another */
    if (self.pid != getpid())
        owner_self(&self);
    return c->owned && strcmp(c->owner.host, self.host) == 0 &&
           strcmp(c->owner.boot, self.boot) == 0 &&
           strcmp(c->owner.ns, self.ns) == 0 &&
           c->owner.pid == self.pid && c->owner.pid_start == self.pid_start;
}

bool owner_is_self(const char *batch_path)
{
    struct claim c;

    return claim_last(&c, batch_path, NULL) == 0 && is_self(&c);
}

enum found owner_read(struct owner *o, const char *batch_path, struct err *err)
{
    struct claim c;

    if (claim_last(&c, batch_path, err))
        return FOUND_FAILED;
    if (c.owned)
        *o = c.owner;
    return c.owned ? FOUND_ONE : FOUND_NONE;
}

int owner_write(const char *batch_path, const struct owner *o,
                struct err *err)
{
    uint32_t n;
    enum taking end = TAKING_LATE;

    while (end == TAKING_LATE) {
        if (last_number(batch_path, &n, err))
            return -1;
        end = claim_add(batch_path, n, o, err);
    }
    return end == TAKING_DONE ? 0 : -1;
}

int owner_touch(const char *batch_path, struct err *err)
{
    char name[OWNER_NAME], *path;
    struct claim c;
    struct stat st;
    int rc;

    rc = claim_last(&c, batch_path, err);
    if (rc && !(lstat(batch_path, &st) && errno == ENOENT))
        return -1;
    if (rc || !is_self(&c))
        return err_set(err, ERR_FATAL, "\"%s\" was taken away from this"
                       " process", batch_path);
    claim_name(name, c.n);
    path = file_join(batch_path, name);
    if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW))
        rc = spool_fail(err, "touch", path);
    free(path);
    return rc;
}

enum owner_life owner_judge(const struct batch *b, slurm_over_fn *over,
                            void *self, unsigned stale_s)
{
    struct claim c;
    int rc = claim_last(&c, b->path, NULL);

    return claim_judge(&c, rc == 0, b->path, over, self, stale_s);
}

enum taking owner_succeed(const char *batch_path, const struct owner *was,
                          struct err *err)
{
    struct owner self;
    struct claim c;

    if (claim_last(&c, batch_path, err))
        return TAKING_FAILED;
    if (!c.owned || !owner_same(&c.owner, was))
        return TAKING_LATE;
    owner_self(&self);
    return claim_add(batch_path, c.n, &self, err);
}

/* ---- moving ------------------------------------------------------------- */

/* Where it is now, if it is anywhere: its path follows. */
static bool follow(const struct spool *s, struct batch *b)
{
    if (spool_locate(s, b->id, &b->state, NULL) != FOUND_ONE)
        return false;
    free(b->path);
    b->path = spool_path(s, b->state, b->id);
    return true;
}

/* It was ours and is nobody's.  If that cannot be written, it is when this
 * process has ended, or in a minute: errors are ignored. */
static void give_up_claim(const struct spool *s, const struct batch *b)
{
    struct batch at = { .state = b->state, .path = xstrdup(b->path) };
    struct claim c;

    at.id = b->id;
    for (int i = 0; i < TRIES; i++) {
        if (claim_last(&c, at.path, NULL) == 0 &&
            (!is_self(&c) ||
             claim_add(at.path, c.n, NULL, NULL) != TAKING_FAILED))
            break;
        if (!follow(s, &at))
            break;
    }
    batch_clear(&at);
}

/* Whether it is in another state by now, where b follows. */
static bool went(const struct spool *s, struct batch *b)
{
    enum spool_state was = b->state;

    return follow(s, b) && b->state != was;
}

/* Whether it went away while we looked at it; else the error stands. */
static enum taking gone_or_failed(const struct spool *s,
                                  const struct batch *b)
{
    enum spool_state now;

    return spool_locate(s, b->id, &now, NULL) == FOUND_ONE && now != b->state
               ? TAKING_LATE : TAKING_FAILED;
}

/* Whether entry n of a batch's log is the last one. */
static enum taking is_last(const struct claim *c, uint32_t n)
{
    return c->n == n ? TAKING_DONE : TAKING_LATE;
}

/* Move a batch whose entry n is ours.  The log decides and not the rename,
 * which somebody who was thought dead may have done just before us. */
static enum taking move_claimed(const struct spool *s, struct batch *b,
                                enum spool_state to, uint32_t n,
                                struct err *err)
{
    struct batch at = { .state = b->state, .path = xstrdup(b->path) };
    struct claim c;
    enum taking rc;

    at.id = b->id;
    /* who slept since it judged has added a number that is long past */
    rc = claim_last(&c, b->path, err) ? gone_or_failed(s, b)
                                      : is_last(&c, n);
    if (rc == TAKING_DONE)
        rc = spool_rename(s, &at, to, err);
    if (rc != TAKING_FAILED) {
        bool late = rc == TAKING_LATE;

        free(at.path);
        at.path = spool_path(s, to, b->id);
        at.state = to;
        if (claim_last(&c, at.path, late ? NULL : err) == 0)
            rc = is_last(&c, n);
        else if (!late)
            rc = TAKING_FAILED;
    }
    if (rc == TAKING_DONE) {
        free(b->path);
        b->path = at.path;
        b->state = to;
        return TAKING_DONE;
    }
    if (rc == TAKING_FAILED && at.state == to) /* moved, but not safely: back */
        spool_rename(s, &at, b->state, NULL);
    give_up_claim(s, &at);
    batch_clear(&at);
    return rc;
}

static enum taking claim_as(const struct spool *s, struct batch *b,
                            const struct owner *self, struct err *err)
{
    struct claim c;
    enum taking alone, end;
    int rc;

    if (b->state != SPOOL_TODO && b->state != SPOOL_DONE)
        return err_set(err, ERR_FATAL, "a batch in %s cannot be claimed",
                       spool_state_name(b->state));
    alone = spool_check_alone(s, b, err);
    if (alone != TAKING_DONE)
        return alone;
    rc = claim_last(&c, b->path, err);
    if (rc && c.time.tv_nsec < 0)
        return gone_or_failed(s, b);
    if (claim_is_passing(&c, rc == 0, b->path) && !is_self(&c))
        return TAKING_LATE;
    end = claim_add(b->path, c.n, self, err);
    if (end == TAKING_LATE)
        return end;
    if (end == TAKING_FAILED) { /* it may have been added */
        give_up_claim(s, b);
        return gone_or_failed(s, b);
    }
    return move_claimed(s, b, b->state == SPOOL_TODO ? SPOOL_RUNNING
                                                     : SPOOL_SENDING,
                        c.n + 1, err);
}

enum taking spool_claim(const struct spool *s, struct batch *b,
                        struct err *err)
{
    struct owner self;

    owner_self_process(&self);
    return claim_as(s, b, &self, err);
}

enum taking spool_claim_job(const struct spool *s, struct batch *b,
                            struct err *err)
{
    struct owner self;

    owner_self(&self);
    return claim_as(s, b, &self, err);
}

enum taking spool_adopt(const struct spool *s, struct batch *b,
                        slurm_over_fn *over, void *over_self,
                        unsigned stale_s, struct err *err)
{
    struct owner self;
    enum taking end;
    struct claim c;
    int rc;

    if (b->state != SPOOL_RUNNING && b->state != SPOOL_SENDING)
        return TAKING_DONE;
    rc = claim_last(&c, b->path, NULL);
    if (claim_judge(&c, rc == 0, b->path, over, over_self, stale_s) !=
        OWNER_DEAD)
        return went(s, b) ? TAKING_DONE : TAKING_LATE;
    owner_self_process(&self);
    end = claim_add(b->path, c.n, &self, err);
    if (end == TAKING_LATE)
        return went(s, b) ? TAKING_DONE : TAKING_LATE;
    if (end == TAKING_FAILED) { /* it may have been added */
        give_up_claim(s, b);
        return went(s, b) ? TAKING_DONE : TAKING_FAILED;
    }
    end = move_claimed(s, b, b->state == SPOOL_SENDING ? SPOOL_DONE
                                                       : SPOOL_TODO,
                       c.n + 1, err);
    if (end == TAKING_DONE)
        give_up_claim(s, b);
    else if (end == TAKING_LATE && went(s, b))
        end = TAKING_DONE;
    return end;
}

enum taking spool_take_over(struct batch *b, struct err *err)
{
    struct owner self;
    struct claim c;
    int rc = claim_last(&c, b->path, NULL);

    if (rc == 0 && is_self(&c))
        return TAKING_DONE;
    if (claim_judge(&c, rc == 0, b->path, NULL, NULL, OWNER_STALE_S) !=
        OWNER_DEAD)
        return TAKING_LATE;
    owner_self_process(&self);
    return claim_add(b->path, c.n, &self, err);
}

enum taking spool_move(const struct spool *s, struct batch *b,
                       enum spool_state to, struct err *err)
{
    bool held = b->state == SPOOL_RUNNING || b->state == SPOOL_SENDING ||
                b->state == SPOOL_TMP;
    struct claim c;
    enum taking rc;

    if (to == SPOOL_RUNNING || to == SPOOL_SENDING)
        return err_set(err, ERR_FATAL, "a batch goes to %s by a claim alone",
                       spool_state_name(to));
    if (held && claim_last(&c, b->path, err))
        return gone_or_failed(s, b);
    if (held && c.owned && !is_self(&c))
        return TAKING_LATE;
    rc = spool_rename(s, b, to, err);
    if (held && b->state == to)
        give_up_claim(s, b);
    return rc;
}

int spool_leave(const struct spool *s, struct batch *b, enum spool_state to,
                struct err *err)
{
    switch (spool_move(s, b, to, err)) {
    case TAKING_DONE:
        return 0;
    case TAKING_LATE:
        return err_set(err, ERR_RETRY, "\"%s\" was taken away from this"
                       " process", b->path);
    case TAKING_FAILED:
        break;
    }
    return -1;
}
