/*
 * Workers on this machine: mpirun, or the worker itself for one rank.
 */
#include <config.h>

#include "jobs/launcher.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

extern char **environ;

/* ---- the command --------------------------------------------------------- */

static size_t count(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static unsigned cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set))
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* mpirun -np N [--oversubscribe] [options] worker args, or worker --alone
 * args.  The strings are borrowed but for the number's. */
static const char **command(const struct launch *l, char number[16])
{
    const char **argv = xcalloc(count(l->options) + count(l->args) + 8,
                                sizeof(*argv));
    size_t n = 0;

    if (l->ranks > 1) {
        snprintf(number, 16, "%u", l->ranks);
        argv[n++] = "mpirun";
        argv[n++] = "-np";
        argv[n++] = number;
        if (l->ranks > cores())
            argv[n++] = "--oversubscribe";
        for (size_t i = 0; i < count(l->options); i++)
            argv[n++] = l->options[i];
        argv[n++] = l->worker;
    } else {
        argv[n++] = l->worker;
        argv[n++] = "--alone";
    }
    for (size_t i = 0; i < count(l->args); i++)
        argv[n++] = l->args[i];
    return argv;
}

/* What a surrounding job left would be taken for ours. */
static bool is_leftover(const char *entry)
{
    static const char *const prefix[] = { "SLURM_", "PMIX_", "PMI_", "OMPI_",
                                          "PRTE_" };
    static const char *const kept[] = { "SLURM_CONF=", "SLURM_JOB_ID=",
                                        "SLURM_RESTART_COUNT=",
                                        "OMPI_ALLOW_RUN_AS_ROOT",
                                        "OMPI_MCA_" };

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (strncmp(entry, kept[i], strlen(kept[i])) == 0)
            return false;
    for (size_t i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++)
        if (strncmp(entry, prefix[i], strlen(prefix[i])) == 0)
            return true;
    return false;
}

static char **clean_environment(void)
{
    char **out;
    size_t n = 0;

    while (environ[n])
        n++;
    out = xcalloc(n + 1, sizeof(*out));
    n = 0;
    for (char **e = environ; *e; e++)
        if (!is_leftover(*e))
            out[n++] = *e;
    return out;
}

/* ---- signals ------------------------------------------------------------- */

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t child, early;

/* All of them mean the same to a worker; mpirun hands USR1 on to its ranks,
 * and would kill them for the others. */
static void pass_on(int number)
{
    int why = errno;

    (void)number;
    if (child > 0)
        kill((pid_t)child, SIGUSR1);
    else
        early = 1;
    errno = why;
}

static void catch(struct sigaction old[N_SIGNALS])
{
    struct sigaction sa = { .sa_handler = pass_on };

    early = 0;
    for (size_t i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &sa, &old[i]);
}

static void restore(const struct sigaction old[N_SIGNALS])
{
    child = 0;
    for (size_t i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &old[i], NULL);
}

/* In a process group of its own: Ctrl-C comes to us, and mpirun would end its
 * ranks for it. */
static int spawn(pid_t *pid, const char **argv, struct err *err)
{
    char **env = clean_environment();
    posix_spawnattr_t attr;
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    rc = posix_spawnp(pid, argv[0], NULL, &attr, (char *const *)argv, env);
    posix_spawnattr_destroy(&attr);
    free(env);
    if (rc == 0)
        return 0;
    errno = rc;
    return err_errno(err, ERR_INPUT, "cannot start \"%s\"", argv[0]);
}

int launch_wait(const struct launch *l, int *status, struct err *err)
{
    struct sigaction old[N_SIGNALS];
    char number[16];
    const char **argv = command(l, number);
    int st = 0, rc;
    pid_t pid = 0;

    catch(old);
    rc = spawn(&pid, argv, err);
    free(argv);
    if (rc == 0) {
        child = (sig_atomic_t)pid;
        if (early)
            kill(pid, SIGUSR1);
        while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
            ;
        *status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    }
    restore(old);
    return rc;
}
