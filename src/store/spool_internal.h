/*
 * What the files of the spool share: names, files of a batch, error messages
 * with their remedy, removing.  Not for others.
 */
#ifndef APUS_STORE_SPOOL_INTERNAL_H
#define APUS_STORE_SPOOL_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "store/spool.h"

struct buf;
struct err;

#define BATCH_NAME 45             /* "b", 43 characters of an id, a NUL */
#define BATCH_FILE_MAX (64u << 10) /* of batch.json and owner */
#define SCRATCH_NAME 9            /* 8 letters and a NUL */

/* The name of a batch's directory, and the id in such a name (0 or -1). */
void batch_name(char out[BATCH_NAME], const unsigned char id[32]);
int batch_name_id(unsigned char id[32], const char *name);

/* "SPOOL/state/b<id>"; the caller frees it. */
char *spool_path(const struct spool *s, enum spool_state state,
                 const unsigned char id[32]);

/* Where the batch of an id is: 1 and *state, 0 nowhere, -1 with ERR_INPUT
 * where something of that name is no batch of ours. */
int spool_locate(const struct spool *s, const unsigned char id[32],
                 enum spool_state *state, struct err *err);

/* Random letters, for names that nobody else uses. */
int spool_scratch(char out[SCRATCH_NAME], struct err *err);

/* "cannot WHAT "PATH"" for the current errno, with the remedy. */
int spool_fail(struct err *err, const char *what, const char *path);
/* Add the remedy to an error that is filled already, for an errno; others
 * than those of a full or read-only file system change nothing.  -1. */
int spool_remedy(struct err *err, int why);

/* Open a directory for reading: O_NOFOLLOW, and it must be this user's. */
int spool_open_dir(const char *path, struct err *err);

/* Append a file of a batch, at most b->max bytes in all, *mtime (NULL is
 * allowed) its time.  1, 0 if there is none, -1. */
int spool_read_in(struct buf *b, const char *batch_path, const char *name,
                  struct timespec *mtime, struct err *err);
/* Replace a file of a batch. */
int spool_write_in(const char *batch_path, const char *name, const void *data,
                   size_t n, struct err *err);

/* What time it is for the file system of this directory, which is touched. */
int spool_now(const char *dir, struct timespec *now, struct err *err);

/* rm -r, which follows no link; what is not there is removed already. */
int spool_remove_tree(const char *path, struct err *err);

/* Remove what others left in SPOOL/tmp a day ago when they were cut off. */
void spool_remove_leftovers(const char *tmp);

/* fsync of a directory, on file systems that have it. */
int spool_sync_dir(const char *path, struct err *err);

/* The texts of batch.json and owner.  Reading: ERR_INPUT says what is wrong
 * with them, and the argument is as it was. */
int batch_info_put(struct buf *out, const struct batch_info *i,
                   struct err *err);
int batch_info_parse(struct batch_info *i, const char *text, size_t n,
                     struct err *err);
void owner_put(struct buf *out, const struct owner *o);
int owner_parse(struct owner *o, const char *text, size_t n,
                struct err *err);

#endif
