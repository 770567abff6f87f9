/*
 * Starting workers in the background, here or as jobs of Slurm, as the
 * setting `launcher` says.  Nothing is waited for.
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
    bool dry_run;   /* start nothing, print the command (by print) */
    bool many;      /* say nothing of logs: there would be many lines */
    /* Print a line; NULL: for cron, log what was started. */
    void (*print)(const char *line);
};

/* ERR_INPUT if a setting of the worker makes no sense.  ERR_RETRY if Slurm is
 * asked whether it is there and does not answer: all is set but `launcher`,
 * which is NULL, and nothing can be started.  Clear it in any case. */
int start_init(struct start *s, struct settings *settings,
               const struct spool *spool, struct err *err);
void start_clear(struct start *s);

/* Start a worker for a batch in todo of which this is known, with the model in
 * this file (NULL: the store's), and print a line: batch, launcher, job. */
int start_batch(const struct start *s, const struct batch *b,
                const struct batch_info *info, const char *model_path,
                struct err *err);

#endif
