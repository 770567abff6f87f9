/*
 * The answers of batches that are done, put together in one output.
 */
#ifndef APUS_CMD_ANSWERS_OUT_H
#define APUS_CMD_ANSWERS_OUT_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct named;
struct refusals;

/* Write the answers of these batches, one after the other, to an output as -o
 * names it, and say how many there are unless it is standard output.  What is
 * there and has other answers is kept (keep.h).  `partial`: also of batches
 * that are not done, as far as they are answered. */
int answers_write(const struct named *n, const char *output, bool partial,
                  struct err *err);

/* What was refused in all of them; the first that was tells why. */
int answers_refused(const struct named *n, struct refusals *r,
                    struct err *err);

#endif
