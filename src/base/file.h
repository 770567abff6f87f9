/*
 * Whole files.  A file appears whole or not at all: it is written aside under
 * a name of its own in the same directory, synced, renamed, and the directory
 * is synced.
 */
#ifndef APUS_BASE_FILE_H
#define APUS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct buf;

/* Append the contents of a regular file to `b`; its ceiling is what bounds
 * the read.  ERR_INPUT when it is missing, no file, or too long. */
int file_read(struct buf *b, const char *path, struct err *err);

/* Read n bytes at an offset into `out`: how many, fewer only where the file
 * ends; -1 with errno set. */
ssize_t file_read_at(int fd, void *out, size_t n, uint64_t at);

/* Size of a regular file in *size. */
int file_size(const char *path, uint64_t *size, struct err *err);

bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* Whether this user has no permission to read it, which says nothing of what is
 * in it. */
bool file_is_denied(const char *path);

/* Replace `path` by these bytes. */
int file_write(const char *path, const void *data, size_t n, struct err *err);

/* Let whoever may read or write the file `old` do that with `path`, too, which
 * is to replace it; nothing if there is no such file. */
int file_share_as(const char *path, const char *old, struct err *err);

/* mkdir -p, mode 0777 less the umask. */
int file_mkdirs(const char *path, struct err *err);

/* Random letters, for the name of a file or directory that nobody else makes
 * up: not this process again, none on another machine, none in a container
 * that has its number. */
#define FILE_SCRATCH 9 /* 8 letters and a NUL */
int file_scratch(char out[FILE_SCRATCH], struct err *err);

/* "dir/name", the caller frees it. */
char *file_join(const char *dir, const char *name);

/* A file that is being written aside. */
struct file_out;

int file_out_open(struct file_out **out, const char *path, struct err *err);
int file_out_put(struct file_out *f, const void *data, size_t n,
                 struct err *err);
/* Put the contents of a regular file. */
int file_out_put_file(struct file_out *f, const char *path, struct err *err);
/* Overwrite n bytes that were put before, at offset `at`. */
int file_out_patch(struct file_out *f, uint64_t at, const void *data,
                   size_t n, struct err *err);
uint64_t file_out_size(const struct file_out *f);

/* Write what is held, so that what was put can be read: aside, by the name that
 * file_out_aside gives (NULL if it is written through). */
int file_out_flush(struct file_out *f, struct err *err);
const char *file_out_aside(const struct file_out *f);
const char *file_out_path(const struct file_out *f);

/* The same for a descriptor that is written through (base/output.h): it is
 * taken, `name` is for messages.  EPIPE on what is `standard` output is
 * ERR_CLOSED. */
void file_out_stream(struct file_out **out, int fd, const char *name,
                     bool standard);

/* Sync and rename to the final name; `f` is freed whatever happens.  On
 * failure nothing is left beside the target, and the target is as it was.
 * What is not a regular file is never replaced. */
int file_out_commit(struct file_out *f, struct err *err);

/* The commit will sync neither the file nor its directory: the caller does, in
 * a directory that no other process knows yet. */
void file_out_sync_later(struct file_out *f);

/* Drop it (NULL is allowed). */
void file_out_abort(struct file_out *f);

#endif
