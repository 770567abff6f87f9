/*
 * The spool: a batch is a directory, its state is which directory it is in,
 * and every change of state is a rename.  There are no locks; whoever takes a
 * batch adds an owner-NNNN with the next number, which one of several can, and
 * the others take another batch.
 *
 *     SPOOL/tmp todo running done sending sent failed / b<batch id>/
 *         requests.jsonl  ids  batch.json  owner-NNNN  progress  why  error
 *         aNNN/RRRR.log   part-PPPP.h5  part-PPPP.idx  run.jsonl
 */
#ifndef APUS_SPOOL_SPOOL_H
#define APUS_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct buf;
struct earlier;
struct err;
struct request_file;
struct source;

enum spool_state {
    SPOOL_TMP, SPOOL_TODO, SPOOL_RUNNING, SPOOL_DONE, SPOOL_SENDING,
    SPOOL_SENT, SPOOL_FAILED, SPOOL_STATES
};
const char *spool_state_name(enum spool_state s);

/* Make the directories (umask decides the mode) and check that they are ours:
 * opened with O_NOFOLLOW, owned by this user, one file system; of a new one
 * also that it has hard links.  ERR_RETRY on a read-only or full file system,
 * with the remedy. */
struct spool;
int spool_open(struct spool **out, const char *dir, struct err *err);
/* The same for who only asks: nothing is made, it may be on a read-only file
 * system, and where there is no spool it is ERR_INPUT: no spool at "DIR". */
int spool_open_there(struct spool **out, const char *dir, struct err *err);
/* Whether nothing is at DIR, or a directory of ours in which no spool was made
 * yet.  What is there and not ours is for spool_open to name. */
bool spool_is_missing(const char *dir);

/* The inode of its directory, which tells two spools apart on every node that
 * sees them; 0 if it cannot be read. */
uint64_t spool_inode(const struct spool *s);
void spool_close(struct spool *s);
const char *spool_dir(const struct spool *s);

/* A batch that was found: where it was just now. */
struct batch {
    enum spool_state state;
    struct id id;
    char *path;            /* SPOOL/state/b<id> */
};
void batch_clear(struct batch *b);

/* By id or unique prefix of at least 4 characters (a leading "b" is not a part
 * of it), or a path to its directory.  ERR_INPUT: none, or several. */
int spool_find(const struct spool *s, const char *what, struct batch *b,
               struct err *err);

/* All batches of a state, sorted by id; *list is the caller's, and so is what
 * is in it (batch_clear).  What belongs to another user is left out. */
int spool_list(const struct spool *s, enum spool_state state,
               struct batch **list, size_t *n, struct err *err);

void spool_list_free(struct batch *list, size_t n);

/* How a step ended that one process alone can take with a batch. */
enum taking {
    TAKING_FAILED = -1, /* err says why */
    TAKING_DONE,
    TAKING_LATE         /* another process was faster, or has it */
};

/* rename from its state to another, sync both directories; b follows, also
 * where only the sync failed.  To running and sending it goes by spool_claim.
 * Out of tmp, running and sending only its owner moves it, who then has it no
 * longer.  ERR_FATAL for a step that no batch makes, or if a batch of that id
 * is in a second state. */
enum taking spool_move(const struct spool *s, struct batch *b,
                       enum spool_state to, struct err *err);

/* As spool_move, of a batch that this process has: 0, or -1 with ERR_RETRY if
 * it was taken away. */
int spool_leave(const struct spool *s, struct batch *b, enum spool_state to,
                struct err *err);

/* Seconds since anything was made or removed in the batch's directory, by the
 * clock of the file system. */
int spool_age(const struct spool *s, const struct batch *b, uint64_t *age_s,
              struct err *err);

/* Take a batch that is neither in running nor in sending out of the spool and
 * remove it. */
enum taking spool_remove(const struct spool *s, const struct batch *b,
                         struct err *err);

/* Many batches to be removed.  Each leaves its state at once, in one step, for
 * a directory in tmp, whose contents are removed at the end: with one sync for
 * all of them.  If the process ends in between, spool_sweep completes it. */
struct doomed;
struct doomed *doomed_new(const struct spool *s);
/* Take a batch out of its state, as spool_remove. */
enum taking doomed_add(struct doomed *d, const struct batch *b,
                       struct err *err);
/* Sync: after it no power failure brings a batch back.  Then remove files. */
int doomed_sync(struct doomed *d, struct err *err);
int doomed_remove(struct doomed *d, struct err *err);
enum doomed_end {
    DOOMED_FAILED = -1,
    DOOMED_REMOVED,
    DOOMED_CONTINUES /* it takes longer than wait_ms */
};
/* As doomed_remove, in a process of its own, which completes it also if this
 * one ends. */
enum doomed_end doomed_leave(struct doomed *d, int wait_ms, struct err *err);
void doomed_free(struct doomed *d);

/* Remove what removals left that were cut off; those at work are let be. */
int spool_sweep(const struct spool *s, struct err *err);

/* Remove copies of files that processes left in tmp which are dead, before a
 * batch was made of them; *n were found.  Without `remove` only count them. */
int spool_clear_unfinished(const struct spool *s, bool remove, size_t *n,
                           struct err *err);

/* What batch.json says.  Written whole before the batch leaves tmp. */
struct batch_info {
    struct id id, model, file; /* SHA-256 of requests.jsonl */
    bool from_ao;
    struct id process; /* zeros for a file */
    /* from AO: requests of their own, whose ids are their lines' custom_id; or
     * the lines of a file that one request names (Infer-Batch): this one */
    bool is_file_of_ao;
    struct id request; /* zeros otherwise */
    /* of its lines (doc/proof.md section 5): 2, or 1 in batches from AO and in
     * those made before there was version 2; 3 of a part of a file with lines
     * that stand in a part before it, too: as 2, counted on from `earlier`, the
     * SHA-256 of the list of them.  A batch keeps its own. */
    unsigned ids;
    struct id earlier;         /* zeros otherwise */
    uint64_t n_requests;       /* below 2^32 */
    uint64_t n_lines;          /* with ids of version 1 the same number; with
                                  others also those that are blank */
    char *source;              /* path of the file, for people; may be NULL */
    uint64_t lines_before;     /* lines of the source before the first of
                                  requests.jsonl; 0 unless it is a part */
    char *output;              /* where `apus run` writes; may be NULL */
};
void batch_info_clear(struct batch_info *i);
int batch_info_write(const char *batch_path, const struct batch_info *i,
                     struct err *err);
int batch_info_read(struct batch_info *i, const char *batch_path,
                    struct err *err);

/* The id that a batch of a file, or of a part of one, has by what it is. */
void batch_info_id(struct id *id, const struct batch_info *i);

/* Open requests.jsonl of a batch with the ids that the batch has
 * (request_file.h). */
int batch_request_file(struct request_file **out, const struct batch_info *i,
                       const char *batch_path, struct err *err);

/* Id of a request of a batch: that of its line (request_file_id), or of a
 * request from AO the id that its custom_id is.  ERR_INPUT if it is invalid
 * (NULL is allowed). */
int batch_request_id(struct id *id, const struct batch_info *i, struct id line,
                     const char *custom_id, struct err *err);

/* Make a batch of a file of requests, a pipe or "-" (source.h): copied into
 * tmp (synced, counted, hashed), then renamed to todo.  A batch with that id
 * that is anywhere already is found instead (*existed).  Of several processes
 * that add the same file at once one makes it.  Paths are kept as absolute
 * ones; an output that is a descriptor of this process is not kept. */
int spool_add_file(const struct spool *s, const char *file, struct id model,
                   const char *output, struct batch *b, bool *existed,
                   struct err *err);

/* As spool_add_file, of what was opened by that name (source.h) and is closed
 * here: what is read once can be looked at before there is a spool. */
int spool_add_opened(const struct spool *s, const char *file,
                     struct source *from, struct id model, const char *output,
                     struct batch *b, bool *existed, struct err *err);

/* As spool_add_file, of a file that the caller made, or of what was opened of
 * one and is closed here. */
struct batch_part {
    const char *source;            /* what people call it */
    uint64_t lines_before;         /* so many of that come before it .. */
    const struct earlier *earlier; /* .. and these in it again; may be NULL */
    struct source *from;           /* NULL: the file, whole */
};
int spool_add_part(const struct spool *s, const char *file,
                   const struct batch_part *part, struct id model,
                   const char *output, struct batch *b, bool *existed,
                   struct err *err);

/* The batch that spool_add_file would make or find, and what its batch.json
 * would say, but nothing is made; s may be NULL: there is no spool yet.  The
 * caller clears both. */
int spool_plan_file(const struct spool *s, const char *file, struct id model,
                    struct batch *b, struct batch_info *info, bool *existed,
                    struct err *err);

/* What batch.json calls a file as its source; the caller frees it. */
char *spool_source_name(const char *file);

/* Begin a batch in tmp whose id is known before its requests are (apus pull):
 * the directory, one in it named `wire` for what comes over the wire, and
 * this process as the owner, all synced; it appears whole. */
int spool_begin(const struct spool *s, struct id id, struct batch *b,
                struct err *err);

/* Take over a batch in tmp whose owner is dead: TAKING_DONE also if it was ours
 * before; TAKING_LATE if somebody is at it, or was faster. */
enum taking spool_take_over(struct batch *b, struct err *err);

/* What the file `why` of a failed batch begins with if it was cancelled. */
#define BATCH_CANCELLED "cancelled"

/* A file of a batch, such as "lease" or "wire/0000.item": replaced whole, or
 * appended to `out`. */
int batch_file_write(const char *batch_path, const char *name,
                     const void *data, size_t n, struct err *err);
enum found batch_file_read(struct buf *out, const char *batch_path,
                           const char *name, struct err *err);

/* Who works on a batch. */
struct owner {
    char host[256], boot[40];
    char ns[44];                 /* where its pid means something; "": of
                                    format 1, or unknown */
    int64_t pid;
    uint64_t pid_start;          /* field 22 of /proc/PID/stat */
    char slurm_job[32];          /* "" if none */
    uint32_t slurm_restarts;
};
void owner_self(struct owner *o); /* this process; Slurm from environment */
void owner_self_process(struct owner *o); /* whatever job it is in */
/* Make o the owner of a batch that no other process knows. */
int owner_write(const char *batch_path, const struct owner *o,
                struct err *err);
/* FOUND_NONE if it has none, FOUND_FAILED if that cannot be read. */
enum found owner_read(struct owner *o, const char *batch_path, struct err *err);
/* For people: "process 12 on HOST", "Slurm job 7 on HOST". */
void owner_text(char *out, size_t n, const struct owner *o);
/* For people: that, and where only its touches tell whether it lives, when it
 * would be free: "process 12 on HOST (cannot be seen from here: free at 06:24
 * unless it is touched)". */
#define OWNER_TEXT 480
void owner_describe(char *out, size_t n, const struct batch *b);
/* Of a batch in running or sending: whether only touches tell, and "free at
 * 06:24", the time of day here, else "".  `silent`: only if one has been
 * missed, or an older version wrote who has it. */
#define FREE_AT 32
bool owner_free_at(char *out, size_t n, const struct batch *b, bool silent);
/* Whether this very process can be seen from here, and lives. */
bool owner_is_seen(const struct owner *o);
/* Whether this process is the owner of a batch. */
bool owner_is_self(const char *batch_path);
/* Touch what says that this process is the owner, once a minute.  ERR_FATAL
 * if it is not: the batch was taken away. */
int owner_touch(const char *batch_path, struct err *err);
/* This process (of a job) instead of `was`, unless the owner is another by
 * now. */
enum taking owner_succeed(const char *batch_path, const struct owner *was,
                          struct err *err);

enum owner_life { OWNER_ALIVE, OWNER_DEAD, OWNER_UNKNOWN };
/* What slurmctld knows of the job of an owner. */
enum owner_job {
    OWNER_JOB_UNKNOWN, /* the controller does not answer */
    OWNER_JOB_ALIVE,
    OWNER_JOB_OVER,    /* or unknown to it */
    OWNER_BY_PROCESS   /* the job does not show it: judge the process as of an
                        * owner without a job */
};
typedef enum owner_job slurm_over_fn(void *self, const char *job,
                                     uint32_t restarts);

/* Judge the owner of a batch in running or sending.  That of a Slurm job is
 * dead if the job is over, unknown while the controller does not answer (or
 * `over` is NULL); one of this host and this PID namespace if no process has
 * its pid and start time, or the host was booted since; any other, that of a
 * container or written by an older version too, if it was not touched for
 * stale_s seconds, measured against a directory of the spool touched just now
 * and never against the local clock.  Without any owner the directory's own
 * time counts; one that has been given up is nobody's: dead.  Unknown is to be
 * taken for alive. */
enum owner_life owner_judge(const struct batch *b, slurm_over_fn *over,
                            void *self, unsigned stale_s);

/* A batch in running or sending whose owner is dead goes back (to todo, or
 * done): TAKING_DONE also if it was in another state, TAKING_LATE if its owner
 * lives, or may.  b follows. */
enum taking spool_adopt(const struct spool *s, struct batch *b,
                        slurm_over_fn *over, void *self, unsigned stale_s,
                        struct err *err);

/* Seconds without a touch after which an owner elsewhere is dead. */
#define OWNER_STALE_S 900

/* Claim: todo -> running, done -> sending.  This process is the owner before
 * the batch is moved. */
enum taking spool_claim(const struct spool *s, struct batch *b,
                        struct err *err);
/* The same for a worker of a Slurm job, which owns the batch if this is one:
 * it is requeued, and resumes.  Next a worker makes the aNNN of its start
 * (mkdir, next free number). */
enum taking spool_claim_job(const struct spool *s, struct batch *b,
                            struct err *err);
int batch_new_start(const char *batch_path, uint32_t *start, struct err *err);

/* progress, rewritten whole; reading appends the JSON text, nothing if there
 * is none yet. */
int progress_write(const char *batch_path, const char *json, size_t n,
                   struct err *err);
int progress_read(const char *batch_path, struct buf *json, struct err *err);

#endif
