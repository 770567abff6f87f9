/*
 * What the queue answers to a Complete (doc/queue.md): five numbers, which must
 * be all lines of the message, and a line for each request that is a conflict,
 * unknown or refused, which must be in it.
 */
#ifndef APUS_PUSH_COMPLETE_ANSWER_H
#define APUS_PUSH_COMPLETE_ANSWER_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* A queue before version 2.0 refuses none, and does not say so. */
enum { COMPLETE_ACCEPTED, COMPLETE_REPEATED, COMPLETE_CONFLICTS,
       COMPLETE_UNKNOWN, COMPLETE_REFUSED, COMPLETE_COUNTS };

/* Whether an answer can be one to this message of n_lines lines, each of which
 * begins with {"request":"ID".  ERR_RETRY says why not. */
int complete_answer(const char *message, size_t n_lines,
                    const uint64_t count[COMPLETE_COUNTS], const char *data,
                    struct err *err);

#endif
