/*
 * Files and directories of the spool: read and replaced without following
 * links, removed, and error messages with their remedy.
 */
#ifndef APUS_SPOOL_SPOOL_FILE_H
#define APUS_SPOOL_SPOOL_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/found.h"

struct buf;
struct err;

/* "cannot WHAT "PATH"" for the current errno, with the remedy. */
int spool_fail(struct err *err, const char *what, const char *path);
/* Add the remedy to an error that is filled already, for an errno; others
 * than those of a full or read-only file system change nothing.  -1. */
int spool_remedy(struct err *err, int why);

/* Open a directory for reading: O_NOFOLLOW, and it must be this user's. */
int spool_open_dir(const char *path, struct err *err);

/* Call `see` for each name in a directory of this user's but "." and "..",
 * with the directory's descriptor.  Ends at the first that is not 0 and
 * returns it; -1 also if the directory cannot be read. */
typedef int (*spool_name_fn)(void *self, int dir, const char *name,
                             struct err *err);
int spool_each_name(const char *path, spool_name_fn see, void *self,
                    struct err *err);

/* Append a file of a batch, at most b->max bytes in all, *mtime (NULL is
 * allowed) its time. */
enum found spool_read_in(struct buf *b, const char *batch_path,
                         const char *name, struct timespec *mtime,
                         struct err *err);
/* Replace a file of a batch. */
int spool_write_in(const char *batch_path, const char *name, const void *data,
                   size_t n, struct err *err);

/* Make a file in a directory that no other process knows, which is synced
 * later, whole. */
int spool_put_in(const char *dir, const char *name, const void *data, size_t n,
                 struct err *err);
/* Sync a directory and all that is in it. */
int spool_sync_tree(const char *path, struct err *err);

/* What time it is for the file system of this directory, which is touched. */
int spool_now(const char *dir, struct timespec *now, struct err *err);

/* Seconds since a file was written, by the clock of its file system: its
 * directory is touched. */
int spool_file_age(const char *path, uint64_t *age_s, struct err *err);

/* rm -r, which follows no link; what is not there is removed already. */
int spool_remove_tree(const char *path, struct err *err);

/* fsync of a directory, on file systems that have it. */
int spool_sync_dir(const char *path, struct err *err);

#endif
