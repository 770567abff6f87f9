/*
 * Shared by the files of the judge.
 */
#ifndef APUS_DISPUTE_JUDGE_INTERNAL_H
#define APUS_DISPUTE_JUDGE_INTERNAL_H

#include "dispute/judge.h"

#define SUM_LIMIT ((int64_t)1 << 53) /* no exact sum is as large */

/* The verdict, with the name of the statement that decided. */
int judge_decide(struct judge *g, enum judge_verdict v, uint32_t statement);

/* End without one; `why` says what of the answer is not judged, in the words of
 * contrib/ao/judge. */
int judge_leave(struct judge *g, const char *why);

/* Take the three records of an answer; the hash of the first is already
 * verified. */
int judge_take_records(struct judge *g, const unsigned char *bytes,
                       struct err *err);

/* Take the first show about a result of a file, and the show after `order`. */
int judge_show_line(struct judge *g, const unsigned char *bytes, size_t n,
                    struct err *err);
int judge_show_after(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err);

/* Take shows about stop strings, and decide whether one ends in the picked
 * output token. */
int judge_show_stops(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err);
int judge_show_offsets(struct judge *g, const unsigned char *bytes, size_t n,
                       struct err *err);
int judge_show_between(struct judge *g, const unsigned char *bytes, size_t n,
                       struct err *err);
int judge_decide_stops(struct judge *g);

/* Return whether the judge supports this model's architecture, numerics and
 * flags. */
bool judge_can_judge(const struct model_record *m);

/* Statement 0: return whether the records agree with each other and with
 * themselves. */
bool judge_records_good(const struct judge *g);

/* Take the next list: numbers [first, first + n) of `width` bytes each. */
void judge_shown(struct shown *s, uint32_t first, uint32_t n,
                 const unsigned char *bytes, size_t width);

/* Return the first key that the position attends to; the last is the position
 * itself. */
uint32_t judge_first_key(const struct judge *g);

#endif
