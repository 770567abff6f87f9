/*
 * Processes of AO, each in an operating system process of its own, so that an
 * evaluation that fails, runs away or brings Lua down leaves no trace.
 *
 * Every SNAP_EVERY evaluations the process that has the state forks; the
 * parent sleeps, as the state to come back to, and the child goes on.  When an
 * evaluation fails the child ends, the parent forks again, and what was
 * evaluated since is evaluated once more, which gives the same.  A dry run is
 * a fork that is thrown away.
 */
#ifndef APUS_LOCALNET_EVALUATOR_H
#define APUS_LOCALNET_EVALUATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "localnet/vm.h"

struct buf;
struct evaluator;
struct evaluators;
struct err;

#define EVALUATOR_REPLY_MAX ((size_t)64 << 20)

/* Forks the process that makes evaluators: one thread, nothing open. */
int evaluators_new(struct evaluators **out, struct err *err);
/* Ends all of them. */
void evaluators_free(struct evaluators *c);

/* find (NULL: there are none) finds the models that it opens; it is called in
 * evaluator_eval. */
int evaluator_new(struct evaluator **out, struct evaluators *c,
                  vm_find_fn *find, void *self, struct err *err);
void evaluator_free(struct evaluator *c);

/* Evaluate a request (vm.h); reply is as after vm_eval.  keep: the state is
 * the new one, if it did not fail. */
enum evaluator_end {
    EVALUATOR_GONE = -1, /* ERR_FATAL */
    EVALUATOR_DONE,
    EVALUATOR_FAILED     /* the request did */
};
enum evaluator_end evaluator_eval(struct evaluator *c, const void *request,
                                  size_t n, bool keep, struct buf *reply,
                                  struct err *err);

/* Give up waiting in evaluator_eval, from another thread: it is gone then, and
 * so do all later ones. */
void evaluator_stop(struct evaluator *c);

#endif
