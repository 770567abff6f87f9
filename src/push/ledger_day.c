/*
 * Ledgers of a day: where they are, and one at a time.
 */
#include <config.h>

#include "push/ledger_day.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "arweave/wallet.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "push/ledger.h"

#define LOCK_MS 30000 /* one holder needs milliseconds */
#define TURN_MS 20
#define N_OTHERS 2

struct ledger_day {
    char *lock, *path;
    char *others[N_OTHERS]; /* read, never written; may be NULL */
};

/* ---- where it is --------------------------------------------------------- */

/* "ledger" beside the wallet itself, through any link. */
static int beside_wallet(char **dir, const struct settings *s,
                         struct err *err)
{
    char *path, *real;

    if (wallet_path(&path, s, err))
        return -1;
    real = realpath(path, NULL);
    if (!real) {
        err_errno(err, ERR_INPUT, "cannot find the wallet \"%s\"", path);
        free(path);
        return -1;
    }
    free(path);
    *strrchr(real, '/') = '\0';
    *dir = file_join(*real ? real : "/", "ledger");
    free(real);
    return 0;
}

enum writable {
    WRITABLE_FAILED = -1, /* the disk fails */
    WRITABLE_NO,          /* this user may not */
    WRITABLE_YES
};

/* Whether files can be made in `dir`, which is made if need be. */
static enum writable can_write(const char *dir, bool make, struct err *err)
{
    char *parent;
    int rc;

    if (make && mkdir(dir, 0777) == 0)
        return WRITABLE_YES;
    if (access(dir, W_OK | X_OK) == 0)
        return file_is_dir(dir) ? WRITABLE_YES : WRITABLE_NO;
    if (errno == ENOENT && !make) {
        parent = xstrdup(dir);
        *strrchr(parent, '/') = '\0';
        rc = access(*parent ? parent : "/", W_OK | X_OK);
        free(parent);
        if (rc == 0)
            return WRITABLE_YES;
    }
    if (errno == EACCES || errno == EPERM || errno == EROFS ||
        errno == ENOENT || errno == ENOTDIR)
        return WRITABLE_NO;
    return err_errno(err, ERR_RETRY, "cannot use the ledger's directory"
                     " \"%s\"", dir);
}

int ledger_dir(char **dir, bool *in_spool, const struct settings *s,
               const char *spool_dir, bool make, struct err *err)
{
    const char *set = settings_text(s, "ledger");
    char *made;
    enum writable writable;

    *in_spool = false;
    if (*set) {
        if (make && file_mkdirs(set, err))
            return err_prefix(err, "the setting ledger");
        if (file_exists(set) && !file_is_dir(set))
            return err_set(err, ERR_INPUT, "the setting ledger: \"%s\" is not"
                           " a directory", set);
        if (file_is_dir(set) && access(set, W_OK | X_OK))
            return err_errno(err, ERR_INPUT, "the setting ledger: cannot"
                             " write to \"%s\"", set);
        *dir = xstrdup(set);
        return 0;
    }
    if (beside_wallet(&made, s, err))
        return -1;
    writable = can_write(made, make, err);
    if (writable == WRITABLE_YES) {
        *dir = made;
        return 0;
    }
    free(made);
    if (writable == WRITABLE_FAILED)
        return -1;
    made = file_join(spool_dir, "ledger");
    if (make && file_mkdirs(made, err)) {
        free(made);
        return -1;
    }
    *in_spool = true;
    *dir = made;
    return 0;
}

int ledger_day_open(struct ledger_day **out, const struct settings *s,
                    const char *spool_dir, struct id address, struct err *err)
{
    char date[16] = "", id[ID_TEXT], *dir, *wallet_dir = NULL;
    struct ledger_day *d;
    time_t now = time(NULL);
    struct tm tm;
    bool in_spool;

    if (ledger_dir(&dir, &in_spool, s, spool_dir, true, err))
        return -1;
    if (gmtime_r(&now, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    base64url(id, address.b, 32);
    d = xcalloc(1, sizeof(*d));
    d->lock = file_join(dir, "lock");
    d->path = xasprintf("%s/%s-%s.jsonl", dir, id, date);
    d->others[0] = xasprintf("%s/ledger/%s.jsonl", spool_dir, date);
    if (!in_spool)
        d->others[1] = xasprintf("%s/ledger/%s-%s.jsonl", spool_dir, id,
                                 date);
    else if (beside_wallet(&wallet_dir, s, NULL) == 0)
        d->others[1] = xasprintf("%s/%s-%s.jsonl", wallet_dir, id, date);
    free(wallet_dir);
    free(dir);
    *out = d;
    return 0;
}

void ledger_day_close(struct ledger_day *d)
{
    if (!d)
        return;
    free(d->lock);
    free(d->path);
    for (size_t i = 0; i < N_OTHERS; i++)
        free(d->others[i]);
    free(d);
}

/* ---- one at a time ------------------------------------------------------- */

/* A descriptor that holds the lock, or -1.  On a file system without locks it
 * holds none: ledger_ask looks again after it has written. */
static int take_lock(const struct ledger_day *d, struct err *err)
{
    const struct timespec turn = { 0, TURN_MS * 1000000L };
    int fd = open(d->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0)
        return err_errno(err, ERR_RETRY, "cannot open \"%s\"", d->lock);
    for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB); ms += TURN_MS) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return fd;
        if (ms >= LOCK_MS) {
            close(fd);
            return err_set(err, ERR_RETRY, "another process has kept \"%s\""
                           " locked for %d s", d->lock, LOCK_MS / 1000);
        }
        nanosleep(&turn, NULL);
    }
    return fd;
}

/* Find another file that is to be counted: not our own by another name, nor one
 * that is not for this user. */
static enum found find_other(const struct ledger_day *d, const char *path,
                             struct err *err)
{
    struct stat ours, other;

    if (stat(path, &other) == 0 && access(path, R_OK) == 0)
        return stat(d->path, &ours) || ours.st_dev != other.st_dev ||
               ours.st_ino != other.st_ino ? FOUND_ONE : FOUND_NONE;
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
        return FOUND_NONE;
    return err_errno(err, ERR_RETRY, "cannot read \"%s\"", path);
}

/* What the other files come to. */
static int sum_others(const struct ledger_day *d, uint64_t *winc,
                      struct err *err)
{
    uint64_t one;
    enum found found;

    *winc = 0;
    for (size_t i = 0; i < N_OTHERS; i++) {
        found = d->others[i] ? find_other(d, d->others[i], err) : FOUND_NONE;
        if (found == FOUND_FAILED)
            return -1;
        if (found == FOUND_NONE)
            continue;
        if (ledger_sum(d->others[i], &one, err))
            return -1;
        *winc = one > UINT64_MAX - *winc ? UINT64_MAX : *winc + one;
    }
    return 0;
}

int ledger_day_sum(struct ledger_day *d, uint64_t *winc, struct err *err)
{
    uint64_t others;
    int fd = take_lock(d, err), rc;

    if (fd < 0)
        return -1;
    rc = sum_others(d, &others, err) || ledger_sum(d->path, winc, err) ? -1
                                                                       : 0;
    if (rc == 0)
        *winc = *winc > UINT64_MAX - others ? UINT64_MAX : *winc + others;
    close(fd);
    return rc;
}

enum ledger_end ledger_day_ask(struct ledger_day *d, struct id id,
                               uint64_t price, uint64_t most, uint64_t *winc,
                               struct err *err)
{
    uint64_t others;
    enum ledger_end end = LEDGER_FAILED;
    int fd = take_lock(d, err), rc;

    if (fd < 0)
        return LEDGER_FAILED;
    rc = sum_others(d, &others, err);
    if (rc == 0 && others > most) {
        *winc = others;
        end = LEDGER_OVER;
    } else if (rc == 0) {
        end = ledger_ask(d->path, id, price, most - others, winc, err);
        *winc = *winc > UINT64_MAX - others ? UINT64_MAX : *winc + others;
    }
    close(fd);
    return end;
}

int ledger_day_paid(struct ledger_day *d, struct id id, uint64_t winc,
                    struct err *err)
{
    int fd = take_lock(d, err), rc;

    if (fd < 0)
        return -1;
    rc = ledger_paid(d->path, id, winc, err);
    close(fd);
    return rc;
}
