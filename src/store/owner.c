/*
 * Who works on a batch, and whether that one still lives.  Asking Slurm is
 * for the caller.
 */
#include <config.h>

#include "store/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define FORMAT "apus-owner-1"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define STAT_FIELD_START 22 /* proc(5): starttime; 3 is the state */

/* ---- this process ------------------------------------------------------- */

/* A short file of /proc as text: 0, or -1 with errno. */
static int read_proc(char *text, size_t size, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), why;
    size_t n = 0;
    ssize_t got = 1;

    if (fd < 0)
        return -1;
    while (got != 0 && n < size - 1) {
        got = read(fd, text + n, size - 1 - n);
        if (got < 0 && errno != EINTR)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    why = errno;
    close(fd);
    errno = why;
    text[n] = '\0';
    return got < 0 ? -1 : 0;
}

/* Start time and state of a process from its stat: the name in parentheses
 * may have blanks and parentheses itself, so what counts is the last one. */
static int parse_stat(const char *text, uint64_t *start, char *state)
{
    const char *p = strrchr(text, ')');
    char digits[24];
    size_t n;

    if (!p || p[1] != ' ' || !p[2])
        return -1;
    p += 2;
    *state = *p;
    for (int field = 3; field < STAT_FIELD_START; field++) {
        p = strchr(p, ' ');
        if (!p)
            return -1;
        p++;
    }
    n = strspn(p, "0123456789");
    if (n == 0 || n >= sizeof(digits))
        return -1;
    memcpy(digits, p, n);
    digits[n] = '\0';
    return json_u64_text(digits, start);
}

/* 1 it lives and *start is when it began, 0 it does not, -1 unknown. */
static int look_at_process(int64_t pid, uint64_t *start)
{
    char path[64], text[4096], state;

    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    if (read_proc(text, sizeof(text), path))
        return errno == ENOENT || errno == ESRCH ? 0 : -1;
    if (parse_stat(text, start, &state))
        return -1;
    /* a zombie has ended; only its parent has not looked yet */
    return state != 'Z' && state != 'X';
}

/* Printable ASCII, cut to the space there is. */
static void set_name(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; text[n] && text[n] != '\n' && n < size - 1; n++)
        out[n] = text[n] > ' ' && text[n] <= '~' ? text[n] : '?';
    out[n] = '\0';
}

static bool is_job(const char *text)
{
    size_t n = strspn(text, "0123456789");

    return text[n] == '\0' && n < sizeof(((struct owner *)0)->slurm_job);
}

static void set_slurm(struct owner *o)
{
    const char *job = getenv("SLURM_JOB_ID");
    const char *restarts = getenv("SLURM_RESTART_COUNT");
    uint64_t n;

    if (!job || !is_job(job))
        return;
    memcpy(o->slurm_job, job, strlen(job) + 1);
    /* unset in the first run */
    if (restarts && json_u64_text(restarts, &n) == 0 && n <= UINT32_MAX)
        o->slurm_restarts = (uint32_t)n;
}

void owner_self(struct owner *o)
{
    char text[256] = "";

    memset(o, 0, sizeof(*o));
    if (gethostname(text, sizeof(text)) == 0) {
        text[sizeof(text) - 1] = '\0';
        set_name(o->host, sizeof(o->host), text);
    }
    if (!o->host[0])
        set_name(o->host, sizeof(o->host), "?");
    if (read_proc(text, sizeof(text), BOOT_ID) == 0)
        set_name(o->boot, sizeof(o->boot), text);
    o->pid = (int64_t)getpid();
    if (look_at_process(o->pid, &o->pid_start) != 1)
        o->pid_start = 0;
    set_slurm(o);
}

/* ---- the file ----------------------------------------------------------- */

static void put_text(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, ",\"%s\":", key);
    json_put_string(out, text, strlen(text));
}

void owner_put(struct buf *out, const struct owner *o)
{
    buf_puts(out, "{\"format\":\"" FORMAT "\"");
    put_text(out, "host", o->host);
    put_text(out, "boot", o->boot);
    buf_printf(out, ",\"pid\":%" PRId64 ",\"start\":\"%" PRIu64 "\"", o->pid,
               o->pid_start);
    put_text(out, "slurm_job", o->slurm_job);
    buf_printf(out, ",\"slurm_restarts\":%" PRIu32 "}\n", o->slurm_restarts);
}

/* A string of printable ASCII that fits. */
static int get_text(char *out, size_t size, const struct json *root,
                    const char *key, struct err *err)
{
    const char *text = json_string(json_get(root, key));
    size_t n = text ? strlen(text) : size;

    if (n < size)
        set_name(out, size, text);
    if (n >= size || strcmp(out, text) != 0)
        return err_set(err, ERR_INPUT,
                       "\"%s\": a word of at most %zu bytes expected", key,
                       size - 1);
    return 0;
}

static int get_owner(struct owner *o, const struct json *root,
                     struct err *err)
{
    const char *format = json_string(json_get(root, "format"));
    const char *start = json_string(json_get(root, "start"));
    uint64_t restarts;

    if (!format || strcmp(format, FORMAT) != 0)
        return err_set(err, ERR_INPUT, "\"format\": " FORMAT " expected");
    if (get_text(o->host, sizeof(o->host), root, "host", err) ||
        get_text(o->boot, sizeof(o->boot), root, "boot", err) ||
        get_text(o->slurm_job, sizeof(o->slurm_job), root, "slurm_job", err))
        return -1;
    if (!o->host[0])
        return err_set(err, ERR_INPUT, "\"host\": it is empty");
    /* it becomes an argument of commands */
    if (!is_job(o->slurm_job))
        return err_set(err, ERR_INPUT, "\"slurm_job\": digits expected");
    if (json_i64(json_get(root, "pid"), &o->pid) || o->pid < 1 ||
        o->pid > INT_MAX)
        return err_set(err, ERR_INPUT, "\"pid\": a process id expected");
    if (!start || json_u64_text(start, &o->pid_start))
        return err_set(err, ERR_INPUT, "\"start\": digits expected");
    if (json_u64(json_get(root, "slurm_restarts"), &restarts) ||
        restarts > UINT32_MAX)
        return err_set(err, ERR_INPUT,
                       "\"slurm_restarts\": a number below 2^32 expected");
    o->slurm_restarts = (uint32_t)restarts;
    return 0;
}

int owner_parse(struct owner *o, const char *text, size_t n, struct err *err)
{
    struct owner got;
    struct json *root;
    int rc;

    if (json_parse(&root, text, n, err))
        return -1;
    memset(&got, 0, sizeof(got));
    rc = get_owner(&got, root, err);
    json_free(root);
    if (rc == 0)
        *o = got;
    return rc;
}

void owner_text(char *out, size_t n, const struct owner *o)
{
    if (o->slurm_job[0])
        snprintf(out, n, "Slurm job %s on %s", o->slurm_job, o->host);
    else
        snprintf(out, n, "process %" PRId64 " on %s", o->pid, o->host);
}

bool owner_same(const struct owner *a, const struct owner *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0 &&
           a->pid == b->pid && a->pid_start == b->pid_start &&
           strcmp(a->slurm_job, b->slurm_job) == 0 &&
           a->slurm_restarts == b->slurm_restarts;
}

/* ---- judging ------------------------------------------------------------ */

/* SPOOL/tmp of a batch at SPOOL/state/b<id>, NULL if that is no such path. */
static char *tmp_of(const char *batch_path)
{
    char *dir = xstrdup(batch_path), *slash, *tmp = NULL;

    for (int i = 0; i < 2; i++) {
        slash = strrchr(dir, '/');
        if (!slash)
            goto out;
        *slash = '\0';
    }
    tmp = xasprintf("%s/%s", dir, spool_state_name(SPOOL_TMP));
out:
    free(dir);
    return tmp;
}

static enum owner_life by_time(const char *batch_path,
                               const struct timespec *mtime, unsigned stale_s)
{
    char *tmp = tmp_of(batch_path);
    struct err unused = ERR_INIT;
    struct timespec now;
    bool known = tmp && spool_now(tmp, &now, &unused) == 0;

    free(tmp);
    if (!known)
        return OWNER_UNKNOWN;
    if (now.tv_sec - mtime->tv_sec > (time_t)stale_s ||
        (now.tv_sec - mtime->tv_sec == (time_t)stale_s &&
         now.tv_nsec > mtime->tv_nsec))
        return OWNER_DEAD;
    return OWNER_ALIVE;
}

/* As good as any time where nobody has said who has it. */
static enum owner_life by_directory(const char *batch_path, unsigned stale_s)
{
    struct stat st;

    if (lstat(batch_path, &st) || !S_ISDIR(st.st_mode))
        return OWNER_UNKNOWN;
    return by_time(batch_path, &st.st_mtim, stale_s);
}

/* Nobody knows the boot id or the start time where there is no /proc. */
static bool is_local(const struct owner *o, const struct owner *self)
{
    return strcmp(o->host, self->host) == 0 && o->boot[0] && self->boot[0] &&
           o->pid_start && self->pid_start;
}

static enum owner_life by_owner(const char *batch_path, const struct owner *o,
                                const struct timespec *mtime,
                                slurm_over_fn *over, void *over_self,
                                unsigned stale_s)
{
    struct owner self;
    uint64_t start;
    int there;

    if (o->slurm_job[0]) {
        int rc = over ? over(over_self, o->slurm_job, o->slurm_restarts) : -1;

        if (rc < 0)
            return OWNER_UNKNOWN;
        return rc ? OWNER_DEAD : OWNER_ALIVE;
    }
    owner_self(&self);
    if (!is_local(o, &self))
        return by_time(batch_path, mtime, stale_s);
    if (strcmp(o->boot, self.boot) != 0)
        return OWNER_DEAD;
    there = look_at_process(o->pid, &start);
    if (there < 0)
        return by_time(batch_path, mtime, stale_s);
    return there && start == o->pid_start ? OWNER_ALIVE : OWNER_DEAD;
}

enum owner_life claim_judge(const struct claim *c, bool read,
                            const char *batch_path, slurm_over_fn *over,
                            void *self, unsigned stale_s)
{
    enum owner_life life;

    if (read && c->owned)
        return by_owner(batch_path, &c->owner, &c->time, over, self, stale_s);
    if (read) /* nobody's, or nobody has ever said whose */
        return c->n ? OWNER_DEAD : by_directory(batch_path, stale_s);
    /* it can be seen and not read: whoever wrote it touches it, or is dead */
    if (c->time.tv_nsec < 0)
        return OWNER_UNKNOWN;
    life = by_time(batch_path, &c->time, stale_s);
    return life == OWNER_DEAD ? OWNER_DEAD : OWNER_UNKNOWN;
}

bool claim_is_passing(const struct claim *c, bool read, const char *batch_path)
{
    struct owner self;
    uint64_t start;

    if (read && !c->owned)
        return false;
    owner_self(&self);
    if (read && is_local(&c->owner, &self)) {
        int there = look_at_process(c->owner.pid, &start);

        if (strcmp(c->owner.boot, self.boot) != 0 || there == 0 ||
            (there > 0 && start != c->owner.pid_start))
            return false;
    }
    return by_time(batch_path, &c->time, PASSING_S) != OWNER_DEAD;
}
