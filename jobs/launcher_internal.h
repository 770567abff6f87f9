/*
 * What the launchers share.
 */
#ifndef APUS_JOBS_LAUNCHER_INTERNAL_H
#define APUS_JOBS_LAUNCHER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobs/launcher.h"

struct buf;
struct err;

extern const struct launcher local_launcher, slurm_launcher;

/* How long a question to Slurm may take. */
unsigned slurm_timeout_s(void);

/* A command that grows; the words are copies. */
struct words {
    const char **v; /* NULL-terminated */
    size_t n;
};
void words_add(struct words *w, const char *word);
void words_add_all(struct words *w, const char *const *more);
void words_printf(struct words *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void words_clear(struct words *w);

/* Append a word so that a shell reads it as one; all of them with blanks. */
void words_quote(struct buf *out, const char *word);
void words_show(struct buf *out, const char *const *words);

/* -1 with ERR_INPUT unless it can be started in principle. */
int launch_check(const struct launch *l, struct err *err);

/* -1 with ERR_INPUT unless it is NULL or a batch id. */
int launch_check_batch(const char *batch, struct err *err);

/* The job's name, "apus-BATCH" or "apus"; the caller frees it. */
char *launch_job_name(const char *batch);

/* Take the batch out of such a name: *j gets it, or "" if there is none. */
void launch_set_batch(struct launch_job *j, const char *name);

/* What says of which spool a job's batch is, "apus-BATCH:SPOOL", or the name
 * alone; the caller frees it. */
char *launch_tag(const char *batch, uint64_t spool);
/* Take the spool out of it: j->spool gets it, or 0. */
void launch_set_spool(struct launch_job *j, const char *tag);

/* Whether the batch of a job is in this spool, or may be. */
bool launch_is_of(const struct launch_job *j, uint64_t spool);

/* Keep those of n jobs that have a batch, sorted by it: how many. */
size_t launch_keep_batches(struct launch_job *jobs, size_t n);

/* An absolute path of `path`, which is relative to `dir` (NULL: here); a name
 * without a slash is left alone where `bare` is set.  The caller frees it. */
char *launch_path(const char *dir, const char *path, int bare);

/* Make the directory of an absolute path. */
int launch_make_parent(const char *path, struct err *err);

#endif
