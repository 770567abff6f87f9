/*
 * The answers of batches that are done, put together in one output.
 */
#ifndef APUS_CMD_ANSWERS_OUT_H
#define APUS_CMD_ANSWERS_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/found.h"

struct err;
struct export_counts;
struct named;
struct refusals;

/* Write the answers of these batches, one after the other, to an output as -o
 * names it, and count them.  What is there and has other answers is kept
 * (keep.h).  `partial`: also of batches that are not done, as far as they are
 * answered.
 * Damage to a checkpoint is reported and is not a failure: sum->damage.code
 * is set then.  Where an answer is lost by it and the output is a regular file,
 * that stays as it is and answers_write_beside is called instead. */
int answers_write(const struct named *n, const char *output, bool partial,
                  struct export_counts *sum, struct err *err);

/* Write the answers that there are to OUTPUT.partial; *path is its name, which
 * the caller frees.  FOUND_NONE if there is none yet or the output is not a
 * regular file.  Damage is not reported. */
enum found answers_write_beside(char **path, const struct named *n,
                                const char *output,
                                struct export_counts *sum, struct err *err);

/* Compare the checkpoints of these batches with their hashes, and write no
 * answer.  Damage is reported and is not a failure, as above. */
int answers_check(const struct named *n, struct export_counts *sum,
                  struct err *err);

/* Say how many answers an output got, unless it is standard output. */
void answers_report(const struct export_counts *sum, const char *output);

/* What was refused in all of them; the first that was tells why. */
int answers_refused(const struct named *n, struct refusals *r,
                    struct err *err);

#endif
