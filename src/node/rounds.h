/*
 * The outcome of the last rounds of apus drain: SPOOL/rounds.
 *
 *     {"format":"apus-rounds-1","lost":"3","pulled":"1700000000",
 *      "told":"1700000000"}
 *
 * `lost` consecutive rounds gave back everything that they pulled.  From three
 * on the node lacks something, and pulls one request an hour until it has
 * answered one, so that it does not keep requests from others.  Times are this
 * machine's in seconds, 0 for never: of the last such pull, and of the last
 * report.
 */
#ifndef APUS_NODE_ROUNDS_H
#define APUS_NODE_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct spool;

#define ROUNDS_LOST 3
#define ROUNDS_PULL_S 3600
#define ROUNDS_TELL_S 86400

struct rounds {
    uint64_t lost;
    uint64_t pulled_s, told_s;
};

/* Read the file; zeros if it does not exist, ERR_INPUT if it is damaged. */
int rounds_read(struct rounds *r, const struct spool *s, struct err *err);
int rounds_write(const struct rounds *r, const struct spool *s,
                 struct err *err);
/* Reset the counters. */
int rounds_forget(const struct spool *s, struct err *err);

/* Return whether the node pulls only one request an hour. */
bool rounds_limited(const struct rounds *r);
/* Return the time of day in seconds, which is comparable across processes. */
uint64_t rounds_now(void);
/* Return whether this many seconds have passed since then; also true if the
 * clock was set back. */
bool rounds_due(uint64_t since_s, uint64_t seconds);

/* For tests of its parser. */
int rounds_parse(struct rounds *r, const char *text, size_t n,
                 struct err *err);

#endif
