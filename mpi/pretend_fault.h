/*
 * For tests of disputes: what a worker with a fault would have committed to.
 */
#ifndef APUS_MPI_PRETEND_FAULT_H
#define APUS_MPI_PRETEND_FAULT_H

struct answer;
struct commit;
struct err;
struct model;
struct pretended;
struct sequence;

/* Put the trace of a finished answer, computed with the fault, in place of its
 * own, and its last row: a->last becomes *last, the caller's to free.  The
 * model has its matrices.  ERR_INPUT where the fault changes the output: then
 * nothing was changed. */
int pretend_fault(struct commit *c, struct answer *a, float **last,
                  const struct model *m, struct pretended *fault,
                  const struct sequence *s, struct err *err);

#endif
