/*
 * Who works on a batch, and whether that one still lives.  Asking Slurm is
 * for the caller.
 */
#include <config.h>

#include "spool/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"

#define FORMAT "apus-owner-2"
#define FORMAT_1 "apus-owner-1"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define STAT_FIELD_START 22 /* proc(5): starttime; 3 is the state */
#define AHEAD_S 60          /* a clock was put back since */
#define SILENT_S 150        /* two touches and a half are missing */

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

/* Whether a process lives, and when it began.  Its number, or "self". */
static enum owner_life look_at_stat(const char *process, uint64_t *start)
{
    char path[64], text[4096], state;

    snprintf(path, sizeof(path), "/proc/%s/stat", process);
    if (read_proc(text, sizeof(text), path))
        return errno == ENOENT || errno == ESRCH ? OWNER_DEAD : OWNER_UNKNOWN;
    if (parse_stat(text, start, &state))
        return OWNER_UNKNOWN;
    /* a zombie has ended; only its parent has not looked yet */
    return state == 'Z' || state == 'X' ? OWNER_DEAD : OWNER_ALIVE;
}

static enum owner_life look_at_process(int64_t pid, uint64_t *start)
{
    char number[24];

    snprintf(number, sizeof(number), "%" PRId64, pid);
    return look_at_stat(number, start);
}

/* The namespaces in which a pid and a start time mean something, as the
 * numbers of their inodes: a container may share host name and boot with
 * those who judge it.  "" where that is unknown, or /proc is of another one. */
static void set_namespaces(char *out, size_t size)
{
    char text[32];
    struct stat pid, boot = { .st_ino = 0 };
    ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);

    out[0] = '\0';
    if (n < 0)
        return;
    text[n] = '\0';
    if (strtol(text, NULL, 10) != (long)getpid() ||
        stat("/proc/self/ns/pid", &pid))
        return;
    if (stat("/proc/self/ns/time", &boot)) /* before Linux 5.6 */
        boot.st_ino = 0;
    snprintf(out, size, "%ju.%ju", (uintmax_t)pid.st_ino,
             (uintmax_t)boot.st_ino);
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
    set_namespaces(o->ns, sizeof(o->ns));
    o->pid = (int64_t)getpid();
    if (look_at_stat("self", &o->pid_start) != OWNER_ALIVE)
        o->pid_start = 0;
    set_slurm(o);
}

/* ---- the file ----------------------------------------------------------- */

void owner_put(struct buf *out, const struct owner *o)
{
    buf_putc(out, '{');
    json_put_text(out, "format", FORMAT);
    json_put_text(out, "host", o->host);
    json_put_text(out, "boot", o->boot);
    json_put_text(out, "ns", o->ns);
    json_put_number(out, "pid", (uint64_t)o->pid);
    json_put_digits(out, "start", o->pid_start);
    json_put_text(out, "slurm_job", o->slurm_job);
    json_put_number(out, "slurm_restarts", o->slurm_restarts);
    buf_puts(out, "}\n");
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

    if (!format || (strcmp(format, FORMAT) != 0 &&
                    strcmp(format, FORMAT_1) != 0))
        return err_set(err, ERR_INPUT, "\"format\": " FORMAT " or " FORMAT_1
                       " expected: another version of apus wrote it");
    if (get_text(o->host, sizeof(o->host), root, "host", err) ||
        get_text(o->boot, sizeof(o->boot), root, "boot", err) ||
        get_text(o->slurm_job, sizeof(o->slurm_job), root, "slurm_job", err))
        return -1;
    if (strcmp(format, FORMAT) == 0 &&
        get_text(o->ns, sizeof(o->ns), root, "ns", err))
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
           strcmp(a->ns, b->ns) == 0 && a->pid == b->pid &&
           a->pid_start == b->pid_start &&
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

/* Seconds since the owner's entry, or without one the directory, was touched,
 * by the clock of the file system; -1 if that is unknown. */
static int touched_ago(uint64_t *ago_s, const char *batch_path,
                       const char *name, const struct timespec *mtime)
{
    char *tmp = tmp_of(batch_path), *path;
    struct timespec now = { .tv_sec = 0 };
    bool known = tmp && spool_now(tmp, &now, NULL) == 0;

    free(tmp);
    if (!known)
        return -1;
    /* that clock was put back: it shall not live until it has caught up */
    if (mtime->tv_sec - now.tv_sec > AHEAD_S) {
        path = file_join(batch_path, name);
        utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
        free(path);
    }
    *ago_s = now.tv_sec > mtime->tv_sec
                 ? (uint64_t)(now.tv_sec - mtime->tv_sec) : 0;
    if (*ago_s && now.tv_nsec <= mtime->tv_nsec)
        --*ago_s;
    return 0;
}

/* What is known of an owner.  Where its process cannot be asked after, and
 * nothing else is known, it lives for stale_s after each touch. */
struct owner_verdict {
    enum owner_life life;
    bool by_touch;
    uint64_t ago_s;  /* by_touch: the last */
};

static void by_touch(struct owner_verdict *v, const char *batch_path,
                     const char *name, const struct timespec *mtime,
                     unsigned stale_s)
{
    v->by_touch = touched_ago(&v->ago_s, batch_path, name, mtime) == 0;
    v->life = !v->by_touch ? OWNER_UNKNOWN
              : v->ago_s >= stale_s ? OWNER_DEAD : OWNER_ALIVE;
}

/* As good as any time where no owner is named. */
static void by_directory(struct owner_verdict *v, const char *batch_path,
                         unsigned stale_s)
{
    struct stat st;

    if (lstat(batch_path, &st) == 0 && S_ISDIR(st.st_mode))
        by_touch(v, batch_path, ".", &st.st_mtim, stale_s);
}

/* Of a process of this host; OWNER_UNKNOWN if it cannot be seen from here.
 * Nobody knows the boot id or the start time where there is no /proc; format 1
 * does not say in which namespace its numbers are. */
static enum owner_life process_life(const struct owner *o)
{
    struct owner self;
    uint64_t start;
    enum owner_life there;

    owner_self(&self);
    if (strcmp(o->host, self.host) != 0 || !o->boot[0] || !self.boot[0] ||
        !o->pid_start || !self.pid_start)
        return OWNER_UNKNOWN;
    if (strcmp(o->boot, self.boot) != 0)
        return OWNER_DEAD;
    if (!self.ns[0] || (o->ns[0] && strcmp(o->ns, self.ns) != 0))
        return OWNER_UNKNOWN;
    there = look_at_process(o->pid, &start);
    if (there == OWNER_ALIVE && start == o->pid_start)
        return OWNER_ALIVE;
    return there == OWNER_UNKNOWN || !o->ns[0] ? OWNER_UNKNOWN : OWNER_DEAD;
}

bool owner_is_seen(const struct owner *o)
{
    return process_life(o) == OWNER_ALIVE;
}

static void by_owner(struct owner_verdict *v, const char *batch_path,
                     const struct claim *c, slurm_over_fn *over,
                     void *over_self, unsigned stale_s)
{
    const struct owner *o = &c->owner;
    char name[OWNER_NAME];

    if (o->slurm_job[0]) {
        enum owner_job job = OWNER_JOB_UNKNOWN;

        if (over)
            job = over(over_self, o->slurm_job, o->slurm_restarts);
        v->life = job == OWNER_JOB_UNKNOWN ? OWNER_UNKNOWN
                  : job == OWNER_JOB_ALIVE ? OWNER_ALIVE : OWNER_DEAD;
        if (job != OWNER_BY_PROCESS)
            return;
    }
    v->life = process_life(o);
    if (v->life != OWNER_UNKNOWN)
        return;
    claim_name(name, c->n);
    by_touch(v, batch_path, name, &c->time, stale_s);
}

static struct owner_verdict judge_claim(const struct claim *c, bool read,
                                        const char *batch_path,
                                        slurm_over_fn *over, void *self,
                                        unsigned stale_s)
{
    struct owner_verdict v = { .life = OWNER_UNKNOWN };
    char name[OWNER_NAME];

    if (read && c->owned) {
        by_owner(&v, batch_path, c, over, self, stale_s);
    } else if (read && c->n) {
        v.life = OWNER_DEAD; /* nobody's */
    } else if (read) {
        by_directory(&v, batch_path, stale_s);
    } else if (c->time.tv_nsec >= 0) {
        /* it can be seen and not read: who wrote it touches it, or is dead */
        claim_name(name, c->n);
        by_touch(&v, batch_path, name, &c->time, stale_s);
        if (v.life == OWNER_ALIVE)
            v.life = OWNER_UNKNOWN;
    }
    return v;
}

enum owner_life claim_judge(const struct claim *c, bool read,
                            const char *batch_path, slurm_over_fn *over,
                            void *self, unsigned stale_s)
{
    return judge_claim(c, read, batch_path, over, self, stale_s).life;
}

bool claim_is_passing(const struct claim *c, bool read, const char *batch_path)
{
    struct owner_verdict v = { .life = OWNER_UNKNOWN };
    char name[OWNER_NAME];

    if (read && (!c->owned || process_life(&c->owner) == OWNER_DEAD))
        return false;
    claim_name(name, c->n);
    by_touch(&v, batch_path, name, &c->time, PASSING_S);
    return v.life != OWNER_DEAD;
}

/* ---- for people --------------------------------------------------------- */

/* "12 on n1", with what is to be waited for. */
static void report_free(char *out, size_t n, const struct owner_verdict *v,
                        unsigned stale_s)
{
    time_t at = time(NULL) + (time_t)(stale_s - v->ago_s) + 59;
    char text[16] = "";
    struct tm tm;

    if (localtime_r(&at, &tm))
        strftime(text, sizeof(text), "%H:%M", &tm);
    snprintf(out, n, "free at %s", text);
}

bool owner_free_at(char *out, size_t n, const struct batch *b, bool silent)
{
    struct claim c;
    int rc = claim_last(&c, b->path, NULL);
    struct owner_verdict v =
        judge_claim(&c, rc == 0, b->path, NULL, NULL, OWNER_STALE_S);

    out[0] = '\0';
    if (!v.by_touch || v.life == OWNER_DEAD ||
        (silent && rc == 0 && c.owned && c.owner.ns[0] &&
         v.ago_s < SILENT_S))
        return false;
    report_free(out, n, &v, OWNER_STALE_S);
    return true;
}

void owner_describe(char *out, size_t n, const struct batch *b)
{
    char when[FREE_AT], who[320] = "an unknown owner";
    struct claim c;
    int rc = claim_last(&c, b->path, NULL);

    if (rc == 0 && c.owned)
        owner_text(who, sizeof(who), &c.owner);
    else if (rc == 0 && c.n)
        snprintf(who, sizeof(who), "a process that has just left it");
    if (owner_free_at(when, sizeof(when), b, false))
        snprintf(out, n, "%s (cannot be seen from here: %s unless it is"
                 " touched)", who, when);
    else
        snprintf(out, n, "%s", who);
}
