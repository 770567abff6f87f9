/*
 * Starting other programs: by their words and never through a shell, in a
 * session of their own, so that a key pressed at our terminal reaches us
 * alone, and with standard input from nowhere.  Linux only: a process is
 * known by its number and its start time (proc(5)).
 */
#ifndef APUS_JOBS_CHILD_H
#define APUS_JOBS_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

/* A process that can be told from a later one with the same number. */
struct child_id {
    pid_t pid;
    uint64_t start; /* clock ticks after boot */
};

struct child {
    const char *const *argv; /* NULL-terminated; argv[0] is sought in PATH */
    char *const *env;        /* NULL: that of this process */
    const char *dir;         /* working directory; NULL: here */
    int in;                  /* standard input; 0: nothing to read */
    int out;                 /* standard output; -1: that of this process */
    int err;                 /* standard error; -1: that of this process */
    bool detached;           /* it is nobody's child and is not waited for */
    bool tied;               /* it gets SIGUSR1 when this process ends */
};

/* Start it; *id is set when it runs.  The descriptors stay the caller's.
 * ERR_INPUT if the program or the directory cannot be used, ERR_RETRY if
 * there is no process or descriptor to be had. */
int child_start(struct child_id *id, const struct child *c, struct err *err);

enum child_life {
    CHILD_UNKNOWN, /* the system does not say */
    CHILD_ENDED,   /* nobody may have waited for it yet */
    CHILD_RUNS
};
enum child_life child_life(const struct child_id *id);

/* Start time and session of a living process: 0, or -1 if there is none. */
int child_look(pid_t pid, uint64_t *start, pid_t *session);

/* The exit status of wait(2) as a shell has it: 128 + signal. */
int child_status(int wait_status);

/* Run a program to its end, with its output appended to `out` and `errs`;
 * what goes beyond their ceilings is dropped, and their flag says so.  It and
 * what it started in its session are killed after timeout_ms.  0 with
 * *status as child_status() has it; -1 with ERR_RETRY if it took too long,
 * else as child_start(). */
int child_run(int *status, struct buf *out, struct buf *errs,
              const char *const *argv, char *const *env, unsigned timeout_ms,
              struct err *err);

/* The same for a program that reads `in`, a descriptor which stays the
 * caller's, as its standard input.  It is started without a copy of this
 * process, however large that is. */
int child_filter(int *status, struct buf *out, struct buf *errs, int in,
                 const char *const *argv, unsigned timeout_ms,
                 struct err *err);

/* Where a helper program of ours is: in the directory APUS_LIBEXEC alone, if
 * that is set; beside the running program, as in a build tree; in ../libexec
 * from there, also if the installation was moved; where it was installed.  The
 * caller frees it. */
char *child_helper(const char *name);

/* Where a file that was installed with the programs is: in ../share/apus from
 * the running one, also if the installation was moved or went to another
 * prefix than the build was made for; else where that one says.  The caller
 * frees it. */
char *child_shared(const char *name);

/* What of this process's environment a program may see, as a new environment
 * with `extra` ("NAME=value", NULL-terminated, may be NULL) added; free it
 * with child_env_free.
 * CHILD_ENV_CLEAN leaves out what a surrounding job or mpirun has put there
 * (SLURM_*, SRUN_*, PMI*, OMPI_*, PRTE_*), which would make another program
 * take itself for part of that; what a person sets (SLURM_CONF, OMPI_MCA_* but
 * those in which mpirun hands on its state, OMPI_ALLOW_RUN_AS_ROOT*, and the
 * same of PMIX and PRTE) stays; where this is root it has what makes Open MPI's
 * mpirun take it.
 * CHILD_ENV_JOB keeps of this only what a job on another machine has a use
 * for: a job's environment is stored, and shown to administrators. */
enum child_env { CHILD_ENV_CLEAN, CHILD_ENV_JOB };
char **child_env_new(enum child_env kind, const char *const *extra);
void child_env_free(char **env);

#endif
