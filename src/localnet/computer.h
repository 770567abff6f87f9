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
#ifndef APUS_LOCALNET_COMPUTER_H
#define APUS_LOCALNET_COMPUTER_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct computer;
struct computers;
struct err;

#define COMPUTER_REPLY_MAX ((size_t)64 << 20)

/* Forks the process that makes computers: one thread, nothing open. */
int computers_new(struct computers **out, struct err *err);
/* Ends all of them. */
void computers_free(struct computers *c);

int computer_new(struct computer **out, struct computers *c,
                 struct err *err);
void computer_free(struct computer *c);

/* Evaluate a request (vm.h); reply is as after vm_eval.  keep: the state is
 * the new one, if it did not fail.  0, 1 if it failed, -1 if the computer is
 * gone (ERR_FATAL). */
int computer_eval(struct computer *c, const void *request, size_t n,
                  bool keep, struct buf *reply, struct err *err);

/* Give up waiting in computer_eval, from another thread: it fails with -1, and
 * so do all later ones. */
void computer_stop(struct computer *c);

#endif
