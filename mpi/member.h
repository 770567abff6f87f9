/*
 * A rank that is not the first of its group (setting `tp`): it has no requests
 * and no log, and computes what the first one orders (backend_follow).  It ends
 * when rank 0 says so, or when rank 0 is silent too long.  What it finds to be
 * wrong it withdraws from the first one's log, whoever else is alive.
 */
#ifndef APUS_MPI_MEMBER_H
#define APUS_MPI_MEMBER_H

#include <stdbool.h>

struct comm;
struct err;
struct rank_group;
struct rank_options;
struct member;

/* Start the thread that computes, or says for whatever it is told to load why
 * this rank cannot.  All is borrowed; the options are copied. */
int member_new(struct member **out, struct comm *comm, struct rank_group *g,
               const struct rank_options *o, struct err *err);

/* Take what rank 0 sent and look at the time; `signalled`: this rank was told
 * to save, which it tells rank 0.  In a batch rank 0 is lost when silent for
 * lost_s seconds and half of them, START_FACTOR times lost_s between batches.
 * Whether it is over, and the exit status. */
bool member_ends(struct member *m, bool signalled, int *status);

/* End the thread; NULL is accepted. */
void member_free(struct member *m);

#endif
