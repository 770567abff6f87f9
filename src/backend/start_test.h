/*
 * The test of a backend at its start: small models of several kinds, computed
 * by the steps that serve, and every number that leaves them compared with what
 * X1 (doc/numerics.md) gives.
 */
#ifndef APUS_BACKEND_START_TEST_H
#define APUS_BACKEND_START_TEST_H

#ifdef __cplusplus
extern "C" {
#endif

struct backend;
struct err;

/* Load and compute each model, and close the backend, which is of no group.
 * -1: ERR_RETRY, with the kind of the model and a hash of what came of it:
 * these are not the numbers of X1; other errors are those of its steps.  1: it
 * does not load one, err says why, as it may for want of memory, and nothing
 * is known. */
int backend_start_test(struct backend *b, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
