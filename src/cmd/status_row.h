/*
 * What apus status knows of a batch: where it stands, who has it, what it
 * waits for, why its last start failed.  All of it is read where it lies, in
 * the batch's directory, and asked of Slurm; nothing is kept.
 */
#ifndef APUS_CMD_STATUS_ROW_H
#define APUS_CMD_STATUS_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "jobs/launcher.h"
#include "node/owners.h"
#include "spool/spool.h"

struct err;
struct settings;

/* Jobs of this machine and of Slurm that are there for batches in todo. */
struct status_jobs {
    struct launch_job *local, *slurm; /* sorted by batch */
    size_t n_local, n_slurm;
};

/* Ask with one question each.  -1: somebody does not answer, and where no job
 * is found nobody knows whether there is one.  Clear it in any case. */
int status_jobs_ask(struct status_jobs *j, const struct settings *s,
                    struct err *err);
void status_jobs_clear(struct status_jobs *j);

#define STATUS_TEXT 640

struct status_row {
    char id[ID_TEXT];
    const char *state;
    struct batch_info info;
    uint64_t done, total, refused;
    bool computing;            /* somebody draws tokens now: */
    uint64_t tok_s;            /* so many a second, in this start */
    struct buf progress;       /* as it lies there */
    char owner[320], when[FREE_AT];
    char refusal[STATUS_TEXT]; /* how many and why the first; "" */
    char error[STATUS_TEXT];   /* why it failed, or its last start; "" */
    const char *job_state;     /* "pending", "held", "requeued", "running";
                                * NULL: there is no job */
    bool in_slurm;             /* the job is Slurm's, else a process here */
    struct launch_job job;
};

/* 0, or -1 where there is no such batch any more; clear it in any case. */
int status_row_init(struct status_row *r, const struct spool *s,
                    const struct batch *b, const struct owners *o,
                    const struct status_jobs *j);
void status_row_clear(struct status_row *r);

/* For people: who has it, what it waits for, why it failed; "" if there is
 * nothing to say. */
void status_row_worker(const struct status_row *r, struct buf *out);

/* "3 of 4", "3 of 4, 1 refused". */
void status_row_done(const struct status_row *r, struct buf *out);

/* An object for programs.  disputes: JSON, or NULL where nothing is known of
 * them. */
void status_row_json(const struct status_row *r, const char *disputes,
                     struct buf *out);

#endif
