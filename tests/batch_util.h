/*
 * Batches and their logs made by hand, in the scratch directory.
 */
#ifndef APUS_TESTS_BATCH_UTIL_H
#define APUS_TESTS_BATCH_UTIL_H

#include "proof/digest.h"
#include "proof/statement.h"
#include "spool/spool.h"
#include "store/resume.h"
#include "store/worklog.h"
#include "tests/spool_util.h"

#define LINE "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":" \
             "\"/v1/completions\",\"body\":{\"prompt\":\"x\"," \
             "\"max_tokens\":2}}\n"
#define LINE_OF_TWO "{\"custom_id\":\"b\",\"method\":\"POST\",\"url\":" \
                    "\"/v1/completions\",\"body\":{\"prompt\":\"x\"," \
                    "\"max_tokens\":2,\"n\":2}}\n"

void must(int rc, const struct err *err);

/* "SCRATCH/NAME" with these requests and an owner; its model is that of
 * record_util.h.  The path is what at() gives, and info->source has it too,
 * until batch_info_clear. */
void batch_make(struct batch_info *info, const char *name, const char *lines);

/* So many lines; the caller frees them. */
char *lines_of(const char *line, size_t n);

/* Begin the log of a rank; the directory of the start is made. */
struct worklog *log_begin(const struct batch_info *info, uint32_t start,
                          uint32_t rank);

void log_frame(struct worklog *w, enum frame_type type, uint32_t line,
               uint32_t choice, const void *payload, size_t n);

void log_end(struct worklog *w);

/* A log in letters, one frame for each letter and digit: o0 opens line 0 with
 * others, a0 alone, p0 parks it, r0 is a record (of no use), g0 gives it up,
 * t0 a tensor; capitals are of choice 1. */
void log_make(const struct batch_info *info, uint32_t start, uint32_t rank,
              const char *text);

#endif
