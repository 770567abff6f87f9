/*
 * Starting apus-worker: on this machine, or as a job of Slurm, behind one
 * table.  What the worker does with its requests is not known here, and what
 * became of them is to be read in the spool: a state is for people, and for
 * telling whether an owner may still live.
 *
 * Words are handed on as words and never through a shell.  Every question to
 * Slurm has a deadline: APUS_SLURM_TIMEOUT in the environment, in seconds, 1
 * to 600, by default 30.
 */
#ifndef APUS_JOBS_LAUNCHER_H
#define APUS_JOBS_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"

struct buf;
struct err;

#define LAUNCH_BATCH_LEN 43 /* characters of a batch id, base64url */
#define LAUNCH_RANKS_MAX 65535
#define LAUNCH_ID_SIZE 32
#define LAUNCH_NAME_SIZE 48

/* What to start.  All of it is the caller's. */
struct launch {
    const char *worker;         /* path of apus-worker, or its name in PATH */
    const char *batch;          /* the batch id; NULL: no batch of its own */
    uint64_t spool;             /* the spool that has it, see launch_job */
    const char *const *args;    /* arguments of the worker, NULL-terminated */
    unsigned ranks;             /* processes on one machine, or tasks per
                                   node; 0: one, or as the job script says */
    unsigned nodes;             /* Slurm's; 0: as the job script says */
    bool whole_nodes;           /* Slurm's: with all that they have */
    const char *const *options; /* further words for sbatch or mpirun, NULL-
                                   terminated; may be NULL */
    const char *const *starter; /* the local launcher's: words that start the
                                   ranks instead of mpirun (jobs/allocation.h),
                                   and variables that these need; or NULL */
    const char *const *env;
    const char *log;            /* file that the output is appended to */
    const char *dir;            /* working directory; NULL: here */
};

enum launch_state {
    LAUNCH_PENDING,   /* waits for its turn */
    LAUNCH_RUNNING,   /* works, or ends just now */
    LAUNCH_OVER,      /* has ended, or is unknown: look at the spool */
    LAUNCH_UNANSWERED /* nobody knows now; it may live */
};

struct launch_job {
    char id[LAUNCH_ID_SIZE]; /* Slurm's number, or "PID:STARTTIME" */
    enum launch_state state;
    char reason[128]; /* why it waits or how it ended; "" if not known */
    char name[LAUNCH_NAME_SIZE]; /* what people call it: a task of a job array
                                    is "5_1"; "" if not known */
    char batch[LAUNCH_BATCH_LEN + 1]; /* of list: the batch it is for, or "" */
    uint64_t spool; /* whose batch that is: the inode of the spool's directory,
                       which all nodes see alike; 0: not known.  Batches of two
                       spools have one id if file and model are the same. */
};

/*
 * A way of starting.  Functions that take `struct err` return 0, or -1 and
 * leave their other arguments alone, except where they say more.
 */
struct launcher {
    const char *name;

    /* Start it in the background, with the directory of the log made, and
     * give its id.  Where a job of the same batch and spool pends or runs, none
     * is started and its id is given instead.  ERR_INPUT if it is refused;
     * ERR_RETRY if the controller does not answer: the job may have come to
     * be all the same, so submit the same batch again and not another. */
    int (*submit)(const struct launch *l, char id[LAUNCH_ID_SIZE],
                  struct err *err);

    /* Find a job of this user that pends or runs for that batch, in that spool
     * or in one that is not known (0: in any).  Fails if the controller does
     * not answer (ERR_RETRY) or the id is none (ERR_INPUT).  Locally, of this
     * machine. */
    enum found (*find)(const char *batch, uint64_t spool,
                       struct launch_job *j, struct err *err);

    /* All jobs of this user that pend or run for a batch of their own, sorted
     * by batch: *jobs (free() it) and *n, with one question.  ERR_RETRY if the
     * controller does not answer. */
    int (*list)(struct launch_job **jobs, size_t *n, struct err *err);

    /* The states of n jobs by their ids, with one question for all (one for
     * each thousand).  Without an answer they are LAUNCH_UNANSWERED, and that
     * is not a failure.  ERR_INPUT if an id is none of this launcher's. */
    int (*states)(struct launch_job *j, size_t n, struct err *err);

    /* Have it save and end, without waiting for that.  Nothing is to be done
     * for a job that is over or unknown. */
    int (*cancel)(const char *id, struct err *err);

    /* The same of n jobs, with one call for each few hundred.  After a failure
     * some may have been asked to save and others not. */
    int (*cancel_all)(const char *const *ids, size_t n, struct err *err);

    /* The command in one line, as a person would type it to the same effect,
     * for a dry run: appended to `out`, without a line feed. */
    void (*show)(const struct launch *l, struct buf *out);
};

/* The job of a batch in what `list` gave, as `find` does; NULL if there is
 * none. */
const struct launch_job *launch_job_of(const struct launch_job *jobs,
                                       size_t n, const char *batch,
                                       uint64_t spool);

/* "local" or "slurm"; NULL for any other name. */
const struct launcher *launcher_find(const char *name);

/* The same, and "auto": slurm where SLURM_CONF is set or `sinfo` answers,
 * local where there is no `sinfo`, or one that knows of no configuration.
 * ERR_RETRY where it does not answer within ten seconds, or says no: a Slurm
 * that is down is one all the same. */
int launcher_choose(const struct launcher **out, const char *name,
                    struct err *err);

/* The local launcher in the foreground: with standard output and error of
 * this process (`log` is not used), wait for the end, and *status is the exit
 * status, 128 + signal for one that was killed.
 *
 * INT, TERM, HUP, USR1 and USR2 that reach this process meanwhile (those that
 * it ignores excepted) are passed on as USR1, on which a worker saves, so that
 * it ends with 75 soon.  A worker that was told so and was killed all the
 * same gives 75 too: after a signal nothing but 75 says "more to do", and
 * the caller, who asked for an end, should not start it again.
 * If this process is killed the worker gets USR1.  No other thread may take
 * these signals, or wait for children.
 *
 * With one rank there is no mpirun, and the worker gets --alone before its
 * arguments; `options` are then not used.  Plain mpirun ends all ranks when
 * one is lost or exits with something other than 0: the rank with something
 * to save has to be the last to exit. */
int launch_wait(const struct launch *l, int *status, struct err *err);

#endif
