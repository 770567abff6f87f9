/*
 * What was named on a command line: a batch, an item on Arweave, or a file of
 * a checkpoint, and whether it may be opened: libhdf5 is not a parser for files
 * of strangers.
 */
#ifndef APUS_CMD_PART_H
#define APUS_CMD_PART_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct part_file;
struct spool;

/* Whether this names a file and no batch: it ends with ".h5". */
bool part_is_file(const char *what);

/* Whether this names an output file: it ends with ".jsonl", or is a file and no
 * part of a checkpoint. */
bool part_is_output(const char *what);

/* Whether this is an id, of 43 characters, that no batch of the spool has: an
 * item on Arweave.  The spool is not made for that. */
bool part_is_item(const char *what, const char *spool_dir);

/* Open a file which is what the checkpoint.json beside it in this spool names,
 * by its SHA-256; any file if `trust` is set.  ERR_INPUT, which is damage with
 * its remedy if it is a part of this spool (err_damage); `s` may be NULL. */
int part_open(struct part_file **out, const struct spool *s,
              const char *path, bool trust, struct err *err);

/* Lines of the user's file before those of the batch in whose directory a part
 * lies; 0 if it is in none. */
uint64_t part_lines_before(const char *path);

#endif
