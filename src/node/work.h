/*
 * Shared by commands that run workers: the state of a batch, the worker's
 * command line, waiting for a worker here and reporting its progress.
 */
#ifndef APUS_NODE_WORK_H
#define APUS_NODE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct batch;
struct batch_info;
struct caller;
struct err;
struct launch;
struct model_record;
struct seal_options;
struct settings;
struct spool;

struct work_options {
    struct settings *settings;
    const char *model_path;    /* NULL: the store's */
    const struct caller *caller; /* its stop is not called: a signal reaches
                                  * the worker, too */
    bool quiet;                /* the worker is */
    bool unnamed;              /* not requested by name: earlier idle
                                * starts count against it */
    bool reports_saved;          /* the caller says that it was saved */
    uint64_t most_tokens;      /* that all of it may give; 0: unknown */
};

/* Return whether the whole batch is answered and sealed. */
bool work_is_done(const struct batch *b);

/* Bring a batch to todo: from failed, since a person names it, and from running
 * if its owner is dead.  ERR_RETRY if a live process works on it. */
int work_prepare(const struct spool *s, struct batch *b, struct err *err);

/* Return whether srun or mpirun started this program several times and this is
 * not the first copy, which works alone; log that this one exits. */
bool work_is_twin(void);

/* How working on a batch ended. */
enum work_end {
    WORK_FAILED = -1, /* err says why */
    WORK_DONE,
    WORK_SAVED,       /* run it again to go on */
    WORK_KILLED       /* the worker was; not of work_here */
};

/* Answer a batch with a worker on this machine, or, in a job of Slurm (a shell
 * of salloc), on all that it has, and wait for it; a killed worker is restarted
 * as long as restarts make progress.  b is updated as the batch moves. */
enum work_end work_here(const struct spool *s, struct batch *b,
                        const struct work_options *o, struct err *err);

/* Return the path of the worker, beside this program; the caller frees it. */
char *work_worker_path(void);

/* Return why several processes cannot be started here, NULL if they can. */
const char *work_no_mpi(void);

/* Check that a model of this record can be held by ranks together as many as
 * the setting tp says, and with kernel = cuda by a GPU, which gives what the
 * setting tensors asks for.  ERR_INPUT, with the remedy or what a GPU does not
 * compute, if it cannot. */
int work_check_group(const struct settings *s, const struct model_record *rec,
                     struct err *err);

/* The same of the model of a batch, in this file (NULL: the store's); a model
 * that cannot be read is not complained of. */
int work_check_batch(const struct settings *s, const struct batch_info *info,
                     const char *model_path, struct err *err);

/* Return the number of processes for a batch on this machine, with this model
 * file (NULL: the store's): the setting, or one per core, limited by memory and
 * the number of requests, in whole groups (jobs/plan.h).  Without MPI it is
 * one, with a note. */
unsigned work_ranks(const struct settings *s, const struct batch_info *info,
                    const char *model_path);

/* Set the worker's program and arguments for a batch, on `ranks` ranks (0: as
 * the setting says).  Free them with launch_clear. */
void work_launch(struct launch *l, const struct batch *b,
                 const struct work_options *o);
void work_launch_clear(struct launch *l);

/* Set the options for sealing batches of this model, which must be in the
 * store. */
int work_seal_options(struct seal_options *o, const struct settings *s,
                      struct id model, struct err *err);

/* Warn if requests of a batch, or of a file where one is named, have the same
 * custom_id. */
void work_warn_repeated(const struct batch *b, const char *file);

#endif
