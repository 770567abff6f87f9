/*
 * What a party sends in a dispute, from an execution: the show that the judge
 * awaits, and the proof of the statement that it came to.  Either party can
 * make a proof whose inputs it has.
 */
#ifndef APUS_DISPUTE_PROVER_H
#define APUS_DISPUTE_PROVER_H

struct buf;
struct err;
struct execution;
struct judge;

/* Append what is to be shown now.  ERR_INPUT where residual rows of the
 * position were not kept. */
int prover_show(struct buf *out, struct execution *x, const struct judge *g,
                struct err *err);

/* Append the proof of g->place, whether the statement holds or not. */
int prover_prove(struct buf *out, struct execution *x, const struct judge *g,
                 struct err *err);

/* The challenger's next pick: the first place where what was shown last is
 * not what its own execution has.  1 with a pick of at most JUDGE_PICK_MAX
 * characters, 0 if all is the same there, or -1. */
int prover_pick(char *choice, struct execution *x, const struct judge *g,
                struct err *err);

#endif
