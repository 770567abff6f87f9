/*
 * Starts workers in the background, here or as Slurm jobs, as the setting
 * `launcher` says, and does not wait for them.
 */
#ifndef APUS_NODE_START_H
#define APUS_NODE_START_H

#include <stdbool.h>

struct batch;
struct batch_info;
struct err;
struct launcher;
struct settings;
struct spool;

struct start {
    struct settings *settings;
    const struct spool *spool; /* NULL: of a dry run, there is none */
    const struct launcher *launcher;
    char **words;   /* of the setting sbatch, NULL-terminated */
    unsigned nodes; /* of Slurm; 0: one */
    unsigned gpus;  /* that a job asks for on each node (start_gpus); 0: what
                       words say */
    bool dry_run;   /* start nothing, print the command (by print) */
    bool many;      /* say nothing of logs: there would be many lines */
    /* Print a line; NULL: for cron, log what was started. */
    void (*print)(const char *line);
};

/* Prepare to start workers.  ERR_INPUT if a setting of the worker is invalid.
 * ERR_RETRY if Slurm does not answer: everything but `launcher` is set, and
 * nothing can be started.  Call start_clear in any case. */
int start_init(struct start *s, struct settings *settings,
               const struct spool *spool, struct err *err);
void start_clear(struct start *s);

/* Let a job ask for n GPUs on each node, and for a rank each: start_init was
 * called, and nodes is set.  ERR_INPUT: words of the setting sbatch, or
 * --ranks, say something else, or they make no whole groups (setting tp). */
int start_gpus(struct start *s, unsigned n, struct err *err);

/* Start a worker for a pending batch (`info` describes it), with this model
 * file (NULL: the store's), and print a line: batch, launcher, job. */
int start_batch(const struct start *s, const struct batch *b,
                const struct batch_info *info, const char *model_path,
                struct err *err);

#endif
