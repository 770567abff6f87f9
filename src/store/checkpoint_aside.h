/*
 * The file beside a part under which it is written: PART.XXXXXXXX.tmp, a name
 * that no other process picks, so that of two who write the same part each
 * renames what is its own.  What somebody left who was cut off is removed.
 */
#ifndef APUS_STORE_CHECKPOINT_ASIDE_H
#define APUS_STORE_CHECKPOINT_ASIDE_H

struct err;

/* The name for a part; the caller frees it. */
int aside_name(char **out, const char *path, struct err *err);

/* Say that this file is being written, until the descriptor is closed: -1 if
 * the file system has no locks. */
int aside_lock(const char *aside);

/* Remove what lies beside the part but `mine`, where no process is writing it;
 * on a file system without locks what was not written to for a minute.  Whoever
 * loses a file all the same finds it gone and fails: it never renames
 * another's. */
void aside_sweep(const char *path, const char *mine);

#endif
