/*
 * What Slurm's programs and our helper apus-slurm answer, as values.  All of
 * it comes from outside: nothing is believed beyond its form.
 */
#ifndef APUS_JOBS_SLURM_ANSWER_H
#define APUS_JOBS_SLURM_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "jobs/launcher.h"

struct err;

#define SLURM_JOBS_MAX 100000 /* in one answer */

/* One line of JSON of apus-slurm. */
struct slurm_reply {
    bool failed;
    bool retry;               /* failed, and the world may change */
    char error[256];          /* why it failed */
    char id[LAUNCH_ID_SIZE];  /* of a job submitted or cancelled, or "" */
    struct launch_job *jobs;  /* n of them; free() */
    size_t n;
};

/* 0, or -1 with ERR_INPUT if it is not an answer of apus-slurm. */
int slurm_parse_reply(struct slurm_reply *r, const char *text, size_t n,
                      struct err *err);

/* Lines of `squeue -h -o SLURM_QUEUE_FORMAT`, of which the fields after the
 * second may be missing: *jobs (free() it) and *n_jobs.  -1 with ERR_INPUT
 * for a line that is none. */
#define SLURM_QUEUE_FORMAT "%A %T %r|%i|%j|%k"
int slurm_parse_queue(struct launch_job **jobs, size_t *n_jobs,
                      const char *text, size_t n, struct err *err);

/* The id that `sbatch --parsable` printed, "ID" or "ID;CLUSTER". */
int slurm_parse_submitted(char id[LAUNCH_ID_SIZE], const char *text,
                          struct err *err);

/* Seconds of what `squeue -o %L` prints, "DAYS-HH:MM:SS" or a shorter form of
 * it, down to a plain number of seconds.  FOUND_NONE for "UNLIMITED",
 * "NOT_SET", "INVALID" (squeue's word for a job that is past its end) and "".
 * *seconds is left alone unless there are some. */
enum found slurm_parse_time_left(uint64_t *seconds, const char *text,
                                 struct err *err);

/* For how many of the seconds that are left a worker may work before it saves:
 * the last 60 are for saving, a tenth of less than ten minutes, but 10 at
 * least. */
uint64_t slurm_work_seconds(uint64_t left);

/* Is it a job's number? */
bool slurm_is_id(const char *text);

/* What an error text of a Slurm program says: the job is unknown or over; the
 * controller did not answer, so that nobody knows what it did. */
bool slurm_says_gone(const char *text);
bool slurm_says_silent(const char *text);

#endif
