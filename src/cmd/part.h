/*
 * Files of checkpoints that were named on a command line, and whether they
 * may be opened: libhdf5 is no parser for files of strangers.
 */
#ifndef APUS_CMD_PART_H
#define APUS_CMD_PART_H

#include <stdbool.h>

struct err;
struct spool;

/* Whether this names a file and no batch: it ends with ".h5". */
bool part_is_file(const char *what);

/* 0 if the file is what the checkpoint.json beside it in this spool names, by
 * its SHA-256, or `trust` is set; -1 with ERR_INPUT. */
int part_may_open(const struct spool *s, const char *path, bool trust,
                  struct err *err);

#endif
