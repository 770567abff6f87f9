/*
 * Makes what a party sends in a dispute, from an execution: the show that the
 * judge awaits, and the proof of the statement that the dispute has come to.
 * Either party can make a proof if it has the inputs.
 */
#ifndef APUS_DISPUTE_PROVER_H
#define APUS_DISPUTE_PROVER_H

#include "base/found.h"

struct buf;
struct err;
struct execution;
struct judge;

/* Append the show that the judge awaits.  ERR_INPUT if the residual rows of the
 * position were not kept. */
int prover_show(struct buf *out, struct execution *x, const struct judge *g,
                struct err *err);

/* Append the proof of g->place, whether the statement holds or not. */
int prover_prove(struct buf *out, struct execution *x, const struct judge *g,
                 struct err *err);

/* Write the challenger's next pick, at most JUDGE_PICK_MAX characters: the
 * first place where the last show differs from its own execution.  FOUND_NONE
 * if nothing differs. */
enum found prover_pick(char *choice, struct execution *x, const struct judge *g,
                       struct err *err);

#endif
