/*
 * Starting other programs, waiting for those that end soon, and telling
 * whether the others live.
 */
#include <config.h>

#include "jobs/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

extern char **environ;

#define STAT_FIELD_SESSION 6 /* proc(5); 3 is the state */
#define STAT_FIELD_START 22
#define PAUSE_MS 5

/* ---- /proc -------------------------------------------------------------- */

/* The rest of this is called between fork() and exec() too: no malloc, no
 * stdio. */

/* A field of a stat that begins at the state, as a number. */
static int stat_field(const char *text, int field, uint64_t *out)
{
    uint64_t v = 0;

    for (int at = 3; at < field; at++) {
        text = strchr(text, ' ');
        if (!text)
            return -1;
        text++;
    }
    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (v > (UINT64_MAX - 9) / 10)
            return -1;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *out = v;
    return 0;
}

static enum child_life look(const char *path, uint64_t *start, pid_t *session)
{
    char text[4096];
    const char *p;
    ssize_t got;
    uint64_t sid;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || errno == ESRCH ? CHILD_ENDED : CHILD_UNKNOWN;
    got = read(fd, text, sizeof(text) - 1);
    if (got < 0 && errno == ESRCH) {
        close(fd);
        return CHILD_ENDED;
    }
    close(fd);
    if (got < 0)
        return CHILD_UNKNOWN;
    text[got] = '\0';
    /* the name in parentheses may have blanks and parentheses itself */
    p = strrchr(text, ')');
    if (!p || p[1] != ' ')
        return CHILD_UNKNOWN;
    p += 2;
    if (stat_field(p, STAT_FIELD_SESSION, &sid) ||
        stat_field(p, STAT_FIELD_START, start))
        return CHILD_UNKNOWN;
    *session = (pid_t)sid;
    /* a zombie has ended; only its parent has not looked yet */
    return *p == 'Z' || *p == 'X' ? CHILD_ENDED : CHILD_RUNS;
}

static enum child_life look_at(pid_t pid, uint64_t *start, pid_t *session)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    return look(path, start, session);
}

int child_look(pid_t pid, uint64_t *start, pid_t *session)
{
    return look_at(pid, start, session) == CHILD_RUNS ? 0 : -1;
}

enum child_life child_life(const struct child_id *id)
{
    uint64_t start = 0;
    pid_t session = 0;
    enum child_life life = look_at(id->pid, &start, &session);

    /* another has its number by now */
    if (life == CHILD_RUNS && start != id->start)
        return CHILD_ENDED;
    return life;
}

/* ---- start -------------------------------------------------------------- */

/* What the new process tells through the pipe: first who it is, and then, if
 * it cannot become the program, why. */
struct hello {
    pid_t pid;
    uint64_t start;
};
struct failure {
    int why;
    bool dir; /* chdir() failed */
};

static void put_pipe(int fd, const void *what, size_t n)
{
    ssize_t put;

    do {
        put = write(fd, what, n);
    } while (put < 0 && errno == EINTR);
}

static int redirect(const struct child *c)
{
    int in = c->in > 0 ? c->in : open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (in < 0 || dup2(in, STDIN_FILENO) < 0)
        return -1;
    if (c->out >= 0 && dup2(c->out, STDOUT_FILENO) < 0)
        return -1;
    return c->err >= 0 && dup2(c->err, STDERR_FILENO) < 0 ? -1 : 0;
}

static void default_signals(void)
{
    static const int reset[] = { SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE,
                                 SIGTERM, SIGALRM, SIGXFSZ };
    sigset_t none;

    for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
        signal(reset[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The new process, up to the program. */
static void become(const struct child *c, pid_t parent, int fd)
{
    struct hello hello = { .pid = getpid(), .start = 0 };
    struct failure failure = { .why = 0, .dir = false };
    pid_t session = 0;

    setsid();
    if (c->tied) {
        prctl(PR_SET_PDEATHSIG, SIGUSR1);
        if (getppid() != parent)
            _exit(127);
    }
    if (look("/proc/self/stat", &hello.start, &session) != CHILD_RUNS)
        hello.start = 0;
    put_pipe(fd, &hello, sizeof(hello));
    failure.dir = c->dir && chdir(c->dir);
    if (!failure.dir && redirect(c) == 0) {
        default_signals();
        if (c->env)
            environ = (char **)c->env;
        execvp(c->argv[0], (char *const *)c->argv);
    }
    failure.why = errno;
    put_pipe(fd, &failure, sizeof(failure));
    _exit(127);
}

/* All of n bytes, or fewer at the end. */
static size_t read_all(int fd, void *out, size_t n)
{
    size_t len = 0;

    while (len < n) {
        ssize_t got = read(fd, (char *)out + len, n - len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return len;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* What came through the pipe, and the errors that it stands for. */
static int hear(struct child_id *id, const struct child *c, pid_t forked,
                int fd, struct err *err)
{
    struct hello hello = { 0, 0 };
    struct failure failure = { 0, false };
    bool began = read_all(fd, &hello, sizeof(hello)) == sizeof(hello);
    bool failed = read_all(fd, &failure, sizeof(failure)) == sizeof(failure);

    if (c->detached || !began || failed)
        reap(forked);
    if (!began)
        return err_set(err, ERR_RETRY, "cannot start \"%s\": the new process"
                       " ended at once", c->argv[0]);
    if (failed) {
        errno = failure.why;
        if (failure.dir)
            return err_errno(err, ERR_INPUT, "cannot work in \"%s\"", c->dir);
        return err_errno(err, ERR_INPUT, "cannot start \"%s\"", c->argv[0]);
    }
    id->pid = hello.pid;
    id->start = hello.start;
    return 0;
}

int child_start(struct child_id *id, const struct child *c, struct err *err)
{
    pid_t parent = getpid(), pid;
    int ends[2], rc;

    if (pipe2(ends, O_CLOEXEC))
        return err_errno(err, ERR_RETRY, "cannot start \"%s\"", c->argv[0]);
    pid = fork();
    if (pid < 0) {
        rc = err_errno(err, ERR_RETRY, "cannot start \"%s\"", c->argv[0]);
        close(ends[0]);
        close(ends[1]);
        return rc;
    }
    if (pid == 0) {
        /* the child of a child that has ended belongs to init */
        if (c->detached && fork() != 0)
            _exit(0);
        become(c, parent, ends[1]);
    }
    close(ends[1]);
    rc = hear(id, c, pid, ends[0], err);
    close(ends[0]);
    return rc;
}

int child_status(int wait_status)
{
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
                                  : 128 + WTERMSIG(wait_status);
}

/* ---- run to the end ----------------------------------------------------- */

/* Read what there is; true at the end. */
static bool drain(int fd, struct buf *to)
{
    char part[4096];
    ssize_t got = read(fd, part, sizeof(part));

    if (got > 0) {
        /* the beginning is kept: that is where an answer or an error is */
        if (!to->full && (size_t)got > to->max - to->len) {
            buf_put(to, part, to->max - to->len);
            to->full = true;
        }
        buf_put(to, part, (size_t)got);
    }
    return got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
}

/* Both outputs to their ends, then the process: 0, or -1 after the deadline;
 * the process is then still there. */
static int watch(pid_t pid, int fds[2], struct buf *to[2], uint64_t end_ms,
                 int *wait_status)
{
    struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
    uint64_t now = clock_ms();

    for (; now < end_ms && (p[0].fd >= 0 || p[1].fd >= 0); now = clock_ms()) {
        if (poll(p, 2, (int)(end_ms - now)) <= 0)
            continue;
        for (int i = 0; i < 2; i++)
            if (p[i].fd >= 0 && p[i].revents && drain(p[i].fd, to[i]))
                p[i].fd = -1;
    }
    for (; now < end_ms; now = clock_ms()) {
        static const struct timespec pause = { 0, PAUSE_MS * 1000000L };
        pid_t got = waitpid(pid, wait_status, WNOHANG);

        if (got == pid)
            return 0;
        if (got < 0 && errno != EINTR) {
            /* SIGCHLD is ignored here, and the status went with it */
            *wait_status = 127 << 8;
            return 0;
        }
        nanosleep(&pause, NULL);
    }
    return -1;
}

static int run_started(int *status, struct buf *to[2], int fds[2], pid_t pid,
                       const char *name, unsigned timeout_ms,
                       struct err *err)
{
    int wait_status = 0;

    if (watch(pid, fds, to, clock_ms() + timeout_ms, &wait_status)) {
        kill(-pid, SIGKILL); /* its session began with it */
        kill(pid, SIGKILL);
        reap(pid);
        return err_set(err, ERR_RETRY, "\"%s\" took longer than %u s", name,
                       (timeout_ms + 999) / 1000);
    }
    *status = child_status(wait_status);
    return 0;
}

/* What is to be done between start and end of a program with its outputs. */
static int run_child(int *status, struct buf *out, struct buf *errs,
                     const struct child *how, unsigned timeout_ms,
                     int (*start)(pid_t *pid, const struct child *c,
                                  struct err *err),
                     struct err *err)
{
    int o[2] = { -1, -1 }, e[2] = { -1, -1 }, rc;
    struct child c = *how;
    pid_t pid = 0;

    if (pipe2(o, O_CLOEXEC) || pipe2(e, O_CLOEXEC)) {
        rc = err_errno(err, ERR_RETRY, "cannot start \"%s\"", c.argv[0]);
        goto close_pipes;
    }
    c.out = o[1];
    c.err = e[1];
    rc = start(&pid, &c, err);
    close(o[1]);
    close(e[1]);
    o[1] = e[1] = -1;
    if (rc == 0)
        rc = run_started(status, (struct buf *[]){ out, errs },
                         (int[]){ o[0], e[0] }, pid, c.argv[0], timeout_ms,
                         err);
close_pipes:
    for (int i = 0; i < 2; i++) {
        if (o[i] >= 0)
            close(o[i]);
        if (e[i] >= 0)
            close(e[i]);
    }
    return rc;
}

static int start_child(pid_t *pid, const struct child *c, struct err *err)
{
    struct child_id id = { 0, 0 };

    if (child_start(&id, c, err))
        return -1;
    *pid = id.pid;
    return 0;
}

int child_run(int *status, struct buf *out, struct buf *errs,
              const char *const *argv, char *const *env, unsigned timeout_ms,
              struct err *err)
{
    struct child c = { .argv = argv, .env = env };

    return run_child(status, out, errs, &c, timeout_ms, start_child, err);
}

/* A session and signals of its own. */
static int spawn_attributes(posix_spawnattr_t *a)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    return posix_spawnattr_setflags(a, POSIX_SPAWN_SETSID |
                                           POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF) ||
                   posix_spawnattr_setsigmask(a, &none) ||
                   posix_spawnattr_setsigdefault(a, &all) ? ENOMEM : 0;
}

static int spawn_files(posix_spawn_file_actions_t *f, const struct child *c)
{
    return posix_spawn_file_actions_adddup2(f, c->in, STDIN_FILENO) ||
                   posix_spawn_file_actions_adddup2(f, c->out,
                                                    STDOUT_FILENO) ||
                   posix_spawn_file_actions_adddup2(f, c->err,
                                                    STDERR_FILENO)
               ? ENOMEM : 0;
}

static int spawn(pid_t *pid, const struct child *c, struct err *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int why = posix_spawn_file_actions_init(&files);

    if (why == 0) {
        why = posix_spawnattr_init(&attributes);
        if (why == 0) {
            why = spawn_attributes(&attributes);
            if (why == 0)
                why = spawn_files(&files, c);
            if (why == 0)
                why = posix_spawnp(pid, c->argv[0], &files, &attributes,
                                   (char *const *)c->argv, environ);
            posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&files);
    }
    if (why == 0)
        return 0;
    errno = why;
    return err_errno(err, why == EAGAIN || why == ENOMEM || why == EMFILE ||
                          why == ENFILE || why == EINTR
                     ? ERR_RETRY : ERR_INPUT,
                     "cannot start \"%s\"", c->argv[0]);
}

int child_filter(int *status, struct buf *out, struct buf *errs, int in,
                 const char *const *argv, unsigned timeout_ms,
                 struct err *err)
{
    struct child c = { .argv = argv, .in = in };

    return run_child(status, out, errs, &c, timeout_ms, spawn, err);
}

/* ---- our own programs --------------------------------------------------- */

/* The directory of the running program; false if the system does not say. */
static bool own_dir(char dir[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", dir, PATH_MAX - 1);
    char *slash;

    if (n <= 0)
        return false;
    dir[n] = '\0';
    slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

char *child_helper(const char *name)
{
    const char *libexec = getenv("APUS_LIBEXEC");
    char dir[PATH_MAX];

    if (libexec)
        return file_join(libexec, name);
    for (int i = 0; i < 2 && own_dir(dir); i++) {
        char *path = i == 0 ? xasprintf("%s/%s", dir, name)
                            : xasprintf("%s/../libexec/%s", dir, name);

        if (file_exists(path))
            return path;
        free(path);
    }
    return file_join(APUS_LIBEXECDIR, name);
}

char *child_shared(const char *name)
{
    char dir[PATH_MAX], *path;

    if (own_dir(dir)) {
        path = xasprintf("%s/../share/apus/%s", dir, name);
        if (file_exists(path))
            return path;
        free(path);
    }
    return file_join(APUS_PKGDATADIR, name);
}

/* ---- environment -------------------------------------------------------- */

static bool starts(const char *text, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (strncmp(text, *prefixes, strlen(*prefixes)) == 0)
            return true;
    return false;
}

/* What a surrounding job, allocation or mpirun may have put there.  mpirun
 * hands its own state to what it starts in the form of parameters. */
static bool is_left_over(const char *text)
{
    static const char *const from_job[] = { "SLURM_", "SLURMD_", "SRUN_",
        "SALLOC_", "SBATCH_CPU_BIND", "SBATCH_MEM_BIND", "PMIX_", "PMI_",
        "PMI2_", "OMPI_", "OPAL_", "ORTE_", "PRTE_", "HYDI_", "HYDRA_",
        "MPI_LOCAL", "MV2_COMM_", "PALS_", NULL };
    static const char *const from_person[] = { "SLURM_CONF=",
        "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_MCA_", "PMIX_MCA_",
        "PRTE_ALLOW_RUN_AS_ROOT", "PRTE_MCA_", NULL };
    static const char *const from_mpirun[] = { "OMPI_MCA_orte_",
        "OMPI_MCA_ess=", "OMPI_MCA_ess_", "OMPI_MCA_pmix=",
        "OMPI_MCA_initial_wdir=", "OMPI_MCA_mpi_oversubscribe=",
        "OMPI_MCA_shmem_RUNTIME_QUERY_hint=", "PRTE_MCA_prte_",
        "PRTE_MCA_ess=", "PRTE_MCA_ess_", NULL };

    return starts(text, from_mpirun) ||
           (starts(text, from_job) && !starts(text, from_person));
}

/* Paths, language, our own settings, those of the MPI, of the network and of
 * the site's Slurm.  No CUDA_VISIBLE_DEVICES: that is the job's to know. */
static bool is_for_job(const char *text)
{
    static const char *const keep[] = { "PATH=", "LD_LIBRARY_PATH=", "HOME=",
        "USER=", "LOGNAME=", "SHELL=", "LANG=", "LC_", "TZ=", "TMPDIR=",
        "XDG_CACHE_HOME=", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=",
        "XDG_STATE_HOME=", "APUS_", "SLURM_CONF=", "SBATCH_",
        "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_MCA_", "PMIX_MCA_",
        "PRTE_ALLOW_RUN_AS_ROOT", "PRTE_MCA_", "UCX_", "NCCL_", "FI_", NULL };

    return starts(text, keep);
}

/* Does one of `extra` set the same name? */
static bool is_replaced(const char *text, const char *const *extra)
{
    size_t n = strcspn(text, "=") + 1;

    for (; extra && *extra; extra++)
        if (strncmp(text, *extra, n) == 0)
            return true;
    return false;
}

/* mpirun refuses root unless it is told twice.  What it is to start is our
 * worker, and who is root here has begun that on purpose. */
static const char *const for_root[] = { "OMPI_ALLOW_RUN_AS_ROOT=1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "PRTE_ALLOW_RUN_AS_ROOT=1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1", NULL };

char **child_env_new(enum child_env kind, const char *const *extra)
{
    bool root = kind == CHILD_ENV_CLEAN && geteuid() == 0;
    size_t n = sizeof(for_root) / sizeof(for_root[0]), len = 0;
    char **env;

    for (char **e = environ; *e; e++)
        n++;
    for (const char *const *x = extra; x && *x; x++)
        n++;
    env = xcalloc(n + 1, sizeof(*env));
    for (char **e = environ; *e; e++)
        if (!is_left_over(*e) && !is_replaced(*e, extra) &&
            !(root && is_replaced(*e, for_root)) &&
            (kind == CHILD_ENV_CLEAN || is_for_job(*e)))
            env[len++] = xstrdup(*e);
    for (const char *const *x = extra; x && *x; x++)
        env[len++] = xstrdup(*x);
    for (const char *const *x = for_root; root && *x; x++)
        env[len++] = xstrdup(*x);
    return env;
}

void child_env_free(char **env)
{
    for (char **e = env; e && *e; e++)
        free(*e);
    free(env);
}
