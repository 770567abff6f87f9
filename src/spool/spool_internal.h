/*
 * What the files of the spool share: names, steps of a batch, claims.  Not for
 * others.
 */
#ifndef APUS_SPOOL_SPOOL_INTERNAL_H
#define APUS_SPOOL_SPOOL_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/found.h"
#include "base/id.h"
#include "spool/spool.h"
#include "spool/spool_file.h"

struct buf;
struct err;

#define BATCH_NAME 45             /* "b", 43 characters of an id, a NUL */
#define BATCH_FILE_MAX (64u << 10) /* of batch.json, an owner */

/* The name of a batch's directory, and the id in such a name (0 or -1). */
void batch_name(char out[BATCH_NAME], struct id id);
int batch_name_id(struct id *id, const char *name);

/* "SPOOL/state/b<id>"; the caller frees it. */
char *spool_path(const struct spool *s, enum spool_state state, struct id id);

/* Find the state that the batch of an id is in.  ERR_INPUT where something of
 * that name is not a batch of ours. */
enum found spool_locate(const struct spool *s, struct id id,
                        enum spool_state *state, struct err *err);

/* Rename a batch out of its state to `to`, without a sync. */
enum taking spool_take_out(const struct spool *s, const struct batch *b,
                           const char *to, struct err *err);

/* What the name of an entry of SPOOL/tmp begins with that nobody reads any
 * more: it is only to be removed. */
#define SPOOL_GONE ".gone-"

/* Remove what others left in SPOOL/tmp a day ago when they were cut off. */
void spool_remove_leftovers(const char *tmp);

/* Parts of a file, many of which become batches: each is copied into
 * SPOOL/tmp, all are synced together, each goes to todo, and spool_sync_added
 * ends it. */
struct adding;
int adding_new(struct adding **out, const struct spool *s, const char *file,
               const struct batch_part *part, struct id model,
               struct err *err);
int adding_sync(struct adding *const *a, size_t n, struct err *err);
/* As spool_add_file, but a power failure may take the batch away until
 * spool_sync_added. */
int adding_publish(struct adding *a, struct batch *b, bool *existed,
                   struct err *err);
void adding_free(struct adding *a); /* and its copy; NULL is allowed */
int spool_sync_added(const struct spool *s, struct err *err);

/* sys_sync_fs of the spool. */
int spool_sync_all(const struct spool *s);

/* Whether a batch is where we think (TAKING_LATE: it has been moved) and only
 * there: it has one state, and no program of ours puts it in two. */
enum taking spool_check_alone(const struct spool *s, const struct batch *b,
                              struct err *err);

/* A step of the table by rename, both directories synced; b follows, also
 * where only the sync failed. */
enum taking spool_rename(const struct spool *s, struct batch *b,
                         enum spool_state to, struct err *err);

/* The last entry of a batch's log of owners (claim.c). */
struct claim {
    uint32_t n;            /* its number, from 1; 0 there is none, or only the
                              file `owner` of before there was a log */
    bool owned;            /* by `owner`; else it is nobody's */
    struct owner owner;
    struct timespec time;  /* when it was touched; tv_nsec -1 if unknown */
};
/* The file of entry n. */
#define OWNER_NAME 14
void claim_name(char out[OWNER_NAME], uint32_t n);
/* 0, or -1 it cannot be read; n and time are set if it was found. */
int claim_last(struct claim *c, const char *batch_path, struct err *err);
/* Add an entry after `last`, for o or (NULL) for nobody; TAKING_LATE if another
 * has added one. */
enum taking claim_add(const char *batch_path, uint32_t last,
                      const struct owner *o, struct err *err);
/* Make the first entry in a directory that no other process knows yet, which
 * the caller syncs. */
int claim_begin(const char *dir, const struct owner *o, struct err *err);
/* As owner_judge, of an entry that was `read` or could not be. */
enum owner_life claim_judge(const struct claim *c, bool read,
                            const char *batch_path, slurm_over_fn *over,
                            void *self, unsigned stale_s);
/* In a state where a batch is nobody's: whether somebody is just moving it
 * there or away.  That takes a moment; PASSING_S later it is no longer so,
 * nor where its process is gone. */
#define PASSING_S 60
bool claim_is_passing(const struct claim *c, bool read,
                      const char *batch_path);

/* Remove the first entry: of a directory that was this process's alone. */
void claim_drop(const char *dir);

bool owner_same(const struct owner *a, const struct owner *b);

/* The texts of batch.json and of an owner.  Reading: ERR_INPUT says what is
 * wrong with them, and the argument is as it was. */
int batch_info_put(struct buf *out, const struct batch_info *i,
                   struct err *err);
int batch_info_parse(struct batch_info *i, const char *text, size_t n,
                     struct err *err);
void owner_put(struct buf *out, const struct owner *o);
int owner_parse(struct owner *o, const char *text, size_t n,
                struct err *err);

#endif
