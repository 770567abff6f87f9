/*
 * When apus drain ran last, and how long its queue keeps answers open to
 * disputes: SPOOL/drained.
 *
 *     {"format":"apus-drained-3","at":"1700000000","gap":"1800",
 *      "window":"86400","turn":"21600"}
 *
 * `at` is the end of the last round, by this machine's clock in seconds; `gap`
 * the seconds between the last round of the drain before and the start of this
 * one, which is about cron's interval; 0: there was none.  apus doctor compares
 * both with what the queue demands of a node.  `window` is the longest Window
 * that the queue was seen to have, in seconds; 0: none, or it is unknown;
 * `turn` the longest Turn.  apus clean keeps what may be disputed.
 * apus-drained-2 has no turn, apus-drained-1 no window either.
 */
#ifndef APUS_NODE_DRAINED_H
#define APUS_NODE_DRAINED_H

#include <stdint.h>

#include "base/found.h"

struct err;
struct spool;

struct drained {
    uint64_t at_s, gap_s, window_s, turn_s;
};

/* Return the seconds for which the checkpoint of an answer is wanted; 0: no
 * longer than it takes to send it, since there is no window.  Disputes let a
 * window stand still: each side may use four turns (here 0: unknown), and an
 * hour more for each move (doc/queue.md), in all less than two days.  It is at
 * least 7 days after the window.  That is one dispute.  No bound follows from
 * the queue's rules for several about one answer, one after the other: its
 * requester, each node, operator and challenger may dispute it once, a file
 * five times, and the window stands still meanwhile, until after 7 days of that
 * the requester may cancel. */
uint64_t drained_kept(uint64_t window_s, uint64_t turn_s);

/* Read the file; FOUND_NONE if it does not exist. */
enum found drained_read(struct drained *d, const struct spool *s,
                        struct err *err);
int drained_write(const struct drained *d, const struct spool *s,
                  struct err *err);

/* Return the seconds since a time; 0 if the clock was set back. */
uint64_t drained_since(uint64_t at_s);

#endif
