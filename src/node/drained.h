/*
 * When apus drain ran last: SPOOL/drained.
 *
 *     {"format":"apus-drained-1","at":"1700000000","gap":"1800"}
 *
 * `at` is the end of the last round, by this machine's clock in seconds; `gap`
 * the seconds between the last round of the drain before and the start of this
 * one, which is about cron's interval; 0: there was none.  apus doctor compares
 * both with what the queue demands of a node.
 */
#ifndef APUS_NODE_DRAINED_H
#define APUS_NODE_DRAINED_H

#include <stdint.h>

#include "base/found.h"

struct err;
struct spool;

struct drained {
    uint64_t at_s, gap_s;
};

/* Read the file; FOUND_NONE if it does not exist. */
enum found drained_read(struct drained *d, const struct spool *s,
                        struct err *err);
int drained_write(const struct drained *d, const struct spool *s,
                  struct err *err);

/* Return the seconds since a time; 0 if the clock was set back. */
uint64_t drained_since(uint64_t at_s);

#endif
