/*
 * Starting workers: one table, two launchers, "local" (mpirun on this
 * machine) and "slurm".  What a worker does, and how far it is, is told by
 * the spool alone, never by its job.
 */
#ifndef APUS_JOBS_LAUNCHER_H
#define APUS_JOBS_LAUNCHER_H

#include <stddef.h>

struct buf;
struct err;

/* What to start.  Borrowed strings; lists end with NULL. */
struct launch {
    const char *worker;         /* path of apus-worker */
    const char *batch;          /* id of the batch, 43 characters */
    const char *const *args;    /* of the worker */
    unsigned ranks;             /* here, or on each node; 0: one */
    unsigned nodes;             /* Slurm's; 0: as the script says */
    const char *const *options; /* further words for sbatch or mpirun */
    const char *log;            /* file for the output, appended to */
    const char *dir;            /* working directory; NULL: this one */
};

/* Start it on this machine and wait for it, its output is ours.  *status is
 * its exit status, 128 and the signal if it was killed.  SIGINT, SIGTERM,
 * SIGHUP and SIGUSR1 that come meanwhile tell it to save (SIGUSR1). */
int launch_wait(const struct launch *l, int *status, struct err *err);

#endif
