/*
 * What became of the last rounds of apus drain: SPOOL/rounds.
 *
 *     {"format":"apus-rounds-1","lost":"3","pulled":"1700000000",
 *      "told":"1700000000"}
 *
 * `lost` rounds in a row gave back all that they had pulled.  From three on
 * the node lacks something, and pulls one request an hour until one is
 * answered: it keeps requests from others no longer.  Times are this machine's
 * in seconds, 0 for never: when it pulled such a request, when this was told.
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

/* Zeros if there is no file; ERR_INPUT if it is damaged. */
int rounds_read(struct rounds *r, const struct spool *s, struct err *err);
int rounds_write(const struct rounds *r, const struct spool *s,
                 struct err *err);
/* Begin anew. */
int rounds_forget(const struct spool *s, struct err *err);

/* Whether the node pulls one request an hour only. */
bool rounds_limited(const struct rounds *r);
/* The time of day, which outlives a process. */
uint64_t rounds_now(void);
/* Whether so many seconds have passed since; also where the clock was put
 * back. */
bool rounds_due(uint64_t since_s, uint64_t seconds);

/* For tests of its parser. */
int rounds_parse(struct rounds *r, const char *text, size_t n,
                 struct err *err);

#endif
