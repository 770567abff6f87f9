/*
 * The job of Slurm that this process is in, as a shell of salloc or a batch
 * script is, and starting ranks on all that it has.  One task of an srun is in
 * a step, which has its share of the job and no more.
 */
#ifndef APUS_JOBS_ALLOCATION_H
#define APUS_JOBS_ALLOCATION_H

#include <stdbool.h>

#include "base/found.h"
#include "jobs/launcher.h"
#include "jobs/plan.h"

struct err;

struct allocation {
    char job[LAUNCH_ID_SIZE];
    char name[LAUNCH_NAME_SIZE]; /* "5_1" of a task of an array, whose number
                                    may be that of the array */
    struct plan_job has;
    bool pmix;                /* srun can start ranks, else mpirun does */
    char *others;             /* steps that were there before: "7.0 7.1 " */
};
void allocation_clear(struct allocation *a);

/* Of processes that one srun or mpirun started and that would all do the same:
 * the number of this one, 0 if it is alone or is none of them.  *n: how many
 * there are. */
unsigned allocation_twin(unsigned *n);

/* Find the running job that this process is in.  FOUND_NONE if it is in none,
 * or in a step, or the variables are left over from one that is over (`left`,
 * of 128 bytes, says so, else it is ""); ERR_RETRY: Slurm does not answer. */
enum found allocation_find(struct allocation *a, char left[128],
                           struct err *err);

/* Before the first start: note the steps of mpirun and of workers that run in
 * it.  They are of other work.  0, -1 ERR_RETRY. */
int allocation_note_others(struct allocation *a, struct err *err);

/* Find a step with that name, or one of mpirun or of a worker that was not
 * noted, which runs in it.  Fails with ERR_RETRY. */
enum found allocation_has_step(const struct allocation *a, const char *name,
                               struct err *err);

/* What a job is there for, whichever it is. */
enum allocation_use {
    ALLOCATION_UNKNOWN = -1, /* ERR_RETRY */
    ALLOCATION_OTHERS,       /* somebody's shell or script */
    ALLOCATION_OURS          /* batches alone, being made by apus or of
                                apus-batch.sh; also one that is over */
};
enum allocation_use allocation_use(const char *job, struct err *err);

/* "JOB.STEP" of the step with that name.  Fails with ERR_RETRY. */
enum found allocation_step(char step[LAUNCH_ID_SIZE], const char *job,
                           const char *name, struct err *err);

/* Have the ranks of a step save and end, and nothing else of its job; one that
 * is over is not a failure.  0, -1. */
int allocation_report_step(const char *step, struct err *err);

/* The words that start ranks on it as planned, before the program, and
 * variables that they need; free both with allocation_free_words. */
void allocation_words(char ***words, char ***env, const struct allocation *a,
                      const struct plan *p, const char *name);
void allocation_free_words(char **words);

#endif
