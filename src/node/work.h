/*
 * What the commands that make workers work share: where a batch stands, the
 * worker's command line, waiting for one here and showing how far it is.
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

/* Whether everything of it was answered and sealed. */
bool work_is_done(const struct batch *b);

/* Bring a batch to todo: from failed, since a person names it, and from
 * running if its owner is dead.  ERR_RETRY if somebody works on it. */
int work_prepare(const struct spool *s, struct batch *b, struct err *err);

/* Whether another process does the same as this one, since srun or mpirun
 * started several: this one reports that it exits. */
bool work_is_twin(void);

/* How the work on a batch ended. */
enum work_end {
    WORK_FAILED = -1, /* err says why */
    WORK_DONE,
    WORK_SAVED,       /* run it again to go on */
    WORK_KILLED       /* the worker was; not of work_here */
};

/* Answer a batch with a worker on this machine, or, in a job of Slurm (a
 * shell of salloc), on all that it has, and wait for it; a worker
 * that was killed is started again, as long as that gets anywhere.  b
 * follows. */
enum work_end work_here(const struct spool *s, struct batch *b,
                        const struct work_options *o, struct err *err);

/* Path of the worker, beside this program; the caller frees it. */
char *work_worker_path(void);

/* Why several processes cannot be started here, NULL if they can. */
const char *work_no_mpi(void);

/* Processes for a batch on this machine, with the model in this file (NULL:
 * the store's): as the setting says, or one a core, as far as memory and
 * requests allow (jobs/plan.h); one without MPI, with a note. */
unsigned work_ranks(const struct settings *s, const struct batch_info *info,
                    const char *model_path);

/* The worker's program and arguments for a batch, on `ranks` ranks (0: as the
 * setting says); launch_clear frees what is in it. */
void work_launch(struct launch *l, const struct batch *b,
                 const struct work_options *o);
void work_launch_clear(struct launch *l);

/* How batches of this model, which must be in the store, are sealed. */
int work_seal_options(struct seal_options *o, const struct settings *s,
                      struct id model, struct err *err);

/* Warn if requests of a batch, or of a file where one is named, have the same
 * custom_id. */
void work_warn_repeated(const struct batch *b, const char *file);

#endif
