/*
 * A worker on this machine: itself, or under mpirun.  Each is the leader of a
 * session of its own and has the name of its job in the environment, so that
 * a later process can find it in /proc.
 */
#include <config.h>

#include "jobs/launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/found.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/vec.h"
#include "jobs/boxes.h"
#include "jobs/child.h"
#include "jobs/launcher_internal.h"

#define JOB_NAME "APUS_JOB_NAME="
#define JOB_TAG "APUS_JOB_TAG="
#define ENVIRON_MAX (4 << 20)
#define LOG_MODE 0666 /* less the umask */
#define EXIT_SAVED 75 /* of a worker: saved, run it again */
#define AGAIN_MS 2000

/* ---- the command -------------------------------------------------------- */

/* How many CPUs this process may use; 0 if nobody knows. */
static unsigned n_cpus(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set))
        return 0;
    return (unsigned)CPU_COUNT(&set);
}

static void command(struct words *w, const struct launch *l)
{
    char *worker = launch_path(NULL, l->worker, 1);

    if (l->starter) {
        words_add_all(w, l->starter);
        words_add(w, worker);
    } else if (l->ranks <= 1) {
        words_add(w, worker);
        words_add(w, "--alone");
    } else {
        unsigned cpus = n_cpus();

        words_add(w, "mpirun");
        words_add_all(w, (const char *[]){ "--bind-to", "none", NULL });
        words_add(w, "-np");
        words_printf(w, "%u", l->ranks);
        /* it counts cores and not their threads */
        if (cpus && machine_shares_cores())
            cpus = (cpus + 1) / 2;
        if (cpus && l->ranks > cpus)
            words_add(w, "--oversubscribe");
        words_add_all(w, l->options);
        words_add(w, worker);
    }
    words_add_all(w, l->args);
    free(worker);
}

static void local_show(const struct launch *l, struct buf *out)
{
    struct words w = { NULL, 0 };

    if (l->dir) {
        buf_puts(out, "cd ");
        words_quote(out, l->dir);
        buf_puts(out, " && ");
    }
    if (l->ranks > 1 && geteuid() == 0)
        buf_puts(out, "OMPI_ALLOW_RUN_AS_ROOT=1"
                      " OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ");
    command(&w, l);
    words_show(out, w.v);
    words_clear(&w);
    if (l->log) {
        buf_puts(out, " >>");
        words_quote(out, l->log);
        buf_puts(out, " 2>&1");
    }
}

/* Start it as `c` says; the command and the environment come from here. */
static int start(struct child_id *id, const struct launch *l,
                 struct child *c, struct err *err)
{
    struct words w = { NULL, 0 };
    char *name = launch_job_name(l->batch);
    char *job = xasprintf(JOB_NAME "%s", name);
    char *id_tag = launch_tag(l->batch, l->spool);
    char *tag = xasprintf(JOB_TAG "%s", id_tag);
    struct words extra = { NULL, 0 };
    char **env;
    int rc;

    words_add(&extra, job);
    words_add(&extra, tag);
    if (c->detached) /* it writes into a log */
        words_add(&extra, "APUS_LOG_JOB=local");
    words_add_all(&extra, l->env);
    env = child_env_new(CHILD_ENV_CLEAN, extra.v);
    words_clear(&extra);
    command(&w, l);
    c->argv = w.v;
    c->env = env;
    c->dir = l->dir;
    rc = child_start(id, c, err);
    child_env_free(env);
    words_clear(&w);
    free(tag);
    free(id_tag);
    free(job);
    free(name);
    return rc;
}

/* ---- what runs ---------------------------------------------------------- */

static void put_id(char out[LAUNCH_ID_SIZE], const struct child_id *id)
{
    snprintf(out, LAUNCH_ID_SIZE, "%ld:%" PRIu64, (long)id->pid, id->start);
}

static int parse_id(struct child_id *id, const char *text, struct err *err)
{
    const char *colon = strchr(text, ':');
    char digits[LAUNCH_ID_SIZE];
    uint64_t pid = 0;

    if (colon && (size_t)(colon - text) < sizeof(digits)) {
        memcpy(digits, text, (size_t)(colon - text));
        digits[colon - text] = '\0';
        if (json_u64_text(digits, &pid) == 0 && pid > 0 &&
            pid <= INT32_MAX && json_u64_text(colon + 1, &id->start) == 0) {
            id->pid = (pid_t)pid;
            return 0;
        }
    }
    return err_set(err, ERR_INPUT, "\"%.64s\" is not a local job:"
                   " PID:STARTTIME expected", text);
}

static void set_job(struct launch_job *j, const struct child_id *id)
{
    memset(j, 0, sizeof(*j));
    put_id(j->id, id);
    snprintf(j->name, sizeof(j->name), "%ld", (long)id->pid);
    j->state = LAUNCH_RUNNING;
}

/* The value in a process's environment of what begins with `name`, or NULL;
 * valid while text is.  What cannot be read is somebody else's. */
static const char *value_of(pid_t pid, const char *name, struct buf *text)
{
    char path[64];
    char part[4096];
    ssize_t got;
    size_t n = strlen(name);
    int fd;

    buf_reset(text);
    snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    while ((got = read(fd, part, sizeof(part))) > 0)
        buf_put(text, part, (size_t)got);
    close(fd);
    for (size_t at = 0; at + n <= text->len;) {
        if (memcmp(text->data + at, name, n) == 0)
            return text->data + at + n;
        at += strlen(text->data + at) + 1;
    }
    return NULL;
}

/* The next process that a job is: 1, 0 there is none left. */
static int next_job(DIR *proc, struct launch_job *j)
{
    struct dirent *e;
    struct buf text;
    int found = 0;

    buf_init(&text, ENVIRON_MAX);
    while (!found && (e = readdir(proc)) != NULL) {
        struct child_id id = { 0, 0 };
        const char *name = NULL;
        pid_t session = 0;
        uint64_t pid = 0;

        if (json_u64_text(e->d_name, &pid) || pid == 0 || pid > INT32_MAX)
            continue;
        id.pid = (pid_t)pid;
        /* the ranks have the line too, and only one is in charge */
        if (child_look(id.pid, &id.start, &session) == 0 &&
            session == id.pid)
            name = value_of(id.pid, JOB_NAME, &text);
        if (!name || child_life(&id) != CHILD_RUNS)
            continue;
        set_job(j, &id);
        launch_set_batch(j, name);
        name = value_of(id.pid, JOB_TAG, &text);
        launch_set_spool(j, name ? name : "");
        found = 1;
    }
    buf_clear(&text);
    return found;
}

static DIR *open_proc(struct err *err)
{
    DIR *proc = opendir("/proc");

    if (!proc)
        err_errno(err, ERR_RETRY, "cannot read \"/proc\"");
    return proc;
}

static enum found local_find(const char *batch, uint64_t spool,
                             struct launch_job *j, struct err *err)
{
    struct launch_job next;
    DIR *proc;
    bool found = false;

    if (launch_check_batch(batch, err))
        return FOUND_FAILED;
    proc = open_proc(err);
    if (!proc)
        return FOUND_FAILED;
    while (!found && next_job(proc, &next))
        found = strcmp(next.batch, batch) == 0 && launch_is_of(&next, spool);
    if (found)
        *j = next;
    closedir(proc);
    return found ? FOUND_ONE : FOUND_NONE;
}

static int local_list(struct launch_job **jobs, size_t *n, struct err *err)
{
    struct launch_job next, *list = NULL;
    size_t count = 0;
    DIR *proc = open_proc(err);

    if (!proc)
        return -1;
    while (next_job(proc, &next)) {
        VEC_MORE(list, count);
        list[count++] = next;
    }
    closedir(proc);
    *n = launch_keep_batches(list, count);
    *jobs = list;
    return 0;
}

static int local_states(struct launch_job *j, size_t n, struct err *err)
{
    struct child_id id = { 0, 0 };

    for (size_t i = 0; i < n; i++)
        if (parse_id(&id, j[i].id, err))
            return -1;
    for (size_t i = 0; i < n; i++) {
        enum child_life life;

        parse_id(&id, j[i].id, NULL);
        life = child_life(&id);
        j[i].state = life == CHILD_RUNS ? LAUNCH_RUNNING
                   : life == CHILD_ENDED ? LAUNCH_OVER : LAUNCH_UNANSWERED;
        j[i].reason[0] = '\0';
    }
    return 0;
}

static int local_cancel(const char *text, struct err *err)
{
    struct child_id id = { 0, 0 };

    if (parse_id(&id, text, err))
        return -1;
    if (child_life(&id) == CHILD_ENDED)
        return 0;
    if (kill(id.pid, SIGUSR1) && errno != ESRCH)
        return err_errno(err, ERR_INPUT, "cannot end process %ld",
                         (long)id.pid);
    return 0;
}

static int local_cancel_all(const char *const *ids, size_t n,
                            struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (local_cancel(ids[i], err))
            return -1;
    return 0;
}

/* ---- start -------------------------------------------------------------- */

/* Copy lines to the log, with time, node and process ($1) before those that
 * have none, as apus-batch.sh does; it ends with the last that writes. */
static const char stamp_lines[] =
    "trap '' HUP INT TERM USR1 USR2\n"
    "node=$(uname -n)\n"
    "while IFS= read -r line || [ -n \"$line\" ]; do\n"
    "    case $line in\n"
    "    [0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T*) ;;\n"
    "    *) line=\"$(date -u +%Y-%m-%dT%H:%M:%SZ) $node local:$1 $line\" ;;\n"
    "    esac\n"
    "    printf '%s\\n' \"$line\"\n"
    "done\n";

static int start_stamping(int in, int log, pid_t pid, struct err *err)
{
    char *number = xasprintf("%ld", (long)pid);
    const char *const argv[] = { "sh", "-c", stamp_lines, "apus-log", number,
                                 NULL };
    char **env = child_env_new(CHILD_ENV_CLEAN, NULL);
    struct child c = {
        .argv = argv, .env = env, .in = in, .out = log, .err = log,
        .detached = true
    };
    struct child_id unused;
    int rc = child_start(&unused, &c, err);

    child_env_free(env);
    free(number);
    return rc;
}

/* Start it with a log in which every line says when.  A worker writes such
 * lines, mpirun does not. */
static int start_logged(struct child_id *id, const struct launch *l, int log,
                        struct err *err)
{
    struct child c = { .out = log, .err = log, .detached = true };
    int ends[2], rc;

    if (l->ranks <= 1)
        return start(id, l, &c, err);
    if (pipe2(ends, O_CLOEXEC))
        return err_errno(err, ERR_RETRY, "no pipe");
    c.out = c.err = ends[1];
    rc = start(id, l, &c, err);
    if (rc == 0 && start_stamping(ends[0], log, id->pid, err)) {
        kill(id->pid, SIGTERM);
        rc = -1;
    }
    close(ends[0]);
    close(ends[1]);
    return rc;
}

static int local_submit(const struct launch *l, char id[LAUNCH_ID_SIZE],
                        struct err *err)
{
    struct child_id started = { 0, 0 };
    struct launch_job j;
    char *path;
    int rc, fd;

    if (launch_check(l, err))
        return -1;
    if (!l->log)
        return err_set(err, ERR_INPUT, "no file for the output");
    rc = l->batch ? local_find(l->batch, l->spool, &j, err) : 0;
    if (rc) {
        if (rc == 1)
            memcpy(id, j.id, LAUNCH_ID_SIZE);
        return rc == 1 ? 0 : -1;
    }
    path = launch_path(l->dir, l->log, 0);
    rc = launch_make_parent(path, err);
    if (rc)
        goto free_path;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
              LOG_MODE);
    if (fd < 0) {
        rc = err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
        goto free_path;
    }
    rc = start_logged(&started, l, fd, err);
    close(fd);
    if (rc == 0)
        put_id(id, &started);
free_path:
    free(path);
    return rc;
}

const struct launcher local_launcher = {
    .name = "local",
    .submit = local_submit,
    .find = local_find,
    .list = local_list,
    .states = local_states,
    .cancel = local_cancel,
    .cancel_all = local_cancel_all,
    .show = local_show,
};

/* ---- in the foreground -------------------------------------------------- */

/* The signals to pass on.  One that this process ignores (nohup, a job in the
 * background of a script) must not be seen: Linux keeps it while it is
 * blocked. */
static void signals_of(sigset_t *set)
{
    static const int passed[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1,
                                  SIGUSR2 };

    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        struct sigaction now;

        if (sigaction(passed[i], NULL, &now) == 0 &&
            now.sa_handler != SIG_IGN)
            sigaddset(set, passed[i]);
    }
}

/* Wait until the child has ended; *asked says whether it was asked to save, and
 * then its boxes are not news.  mpirun and srun lose a signal that comes
 * before their ranks are there, so it is sent again every AGAIN_MS. */
static int wait_and_pass(pid_t pid, const sigset_t *set, int *wait_status,
                         struct boxes *boxes, bool *asked, struct err *err)
{
    /* SIGCHLD may have gone to another thread: look once a second */
    static const struct timespec a_second = { 1, 0 };
    uint64_t sent_ms = 0;

    for (;;) {
        pid_t got = waitpid(pid, wait_status, WNOHANG);
        int signo;

        if (got == pid)
            return 0;
        if (got < 0 && errno != EINTR)
            return err_errno(err, ERR_FATAL, "cannot wait for process %ld",
                             (long)pid);
        signo = sigtimedwait(set, NULL, &a_second);
        if ((signo > 0 && signo != SIGCHLD) ||
            (*asked && clock_ms() - sent_ms >= AGAIN_MS)) {
            boxes_drop(boxes); /* first: mpirun says at once that it is asked */
            kill(pid, SIGUSR1);
            sent_ms = clock_ms();
            *asked = true;
        }
    }
}

int launch_wait(const struct launch *l, int *status, struct err *err)
{
    struct child c = { .out = -1, .err = -1, .tied = true };
    struct sigaction plain = { .sa_handler = SIG_DFL }, before;
    struct child_id id = { 0, 0 };
    struct boxes *boxes = NULL;
    sigset_t set, old;
    int wait_status = 0, rc;
    bool asked = false;

    if (launch_check(l, err) || boxes_open(&boxes, &c.err, err))
        return -1;
    signals_of(&set);
    sigemptyset(&plain.sa_mask);
    sigaction(SIGCHLD, &plain, &before);
    sigprocmask(SIG_BLOCK, &set, &old);
    rc = start(&id, l, &c, err);
    if (c.err >= 0)
        close(c.err);
    if (rc == 0)
        rc = wait_and_pass(id.pid, &set, &wait_status, boxes, &asked, err);
    boxes_close(boxes);
    sigprocmask(SIG_SETMASK, &old, NULL);
    sigaction(SIGCHLD, &before, NULL);
    if (rc)
        return -1;
    *status = child_status(wait_status);
    if (asked && *status >= 128)
        *status = EXIT_SAVED;
    return 0;
}
