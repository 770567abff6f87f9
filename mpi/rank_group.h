/*
 * A group (engine/group.h) of ranks of a job: `tp` neighbours, the first of
 * which answers requests.  Pieces go to each other member on the second way of
 * mpi/comm.h, which never blocks; arrivals are asked for, and a member that is
 * silent for lost_s seconds within an exchange (longer within a barrier) ends
 * the group, and so does one that says that it leaves.  Whoever finds that out
 * tells the others.  None of MPI's collectives is called: with a dead member
 * they never return.
 */
#ifndef APUS_MPI_RANK_GROUP_H
#define APUS_MPI_RANK_GROUP_H

#include <stdbool.h>

#include "engine/group.h"

struct comm;
struct err;
struct rank_group;

/* The group of this rank, of `tp` ranks.  comm_second was called.  ERR_INPUT:
 * tp does not divide the number of ranks.  The communicator is borrowed. */
int rank_group_new(struct rank_group **out, struct comm *comm, unsigned tp,
                   unsigned lost_s, struct err *err);

/* NULL is accepted; nobody is in a call any more. */
void rank_group_free(struct rank_group *g);

/* What a backend gets; valid until rank_group_free. */
const struct group *rank_group_view(const struct rank_group *g);

/* Let calls of this member fail from now on, the one that waits, too.  Any
 * thread may call it.  The others get no message. */
void rank_group_stop(struct rank_group *g);

/* Say why this member does nothing more for its group: calls of the others that
 * wait for it fail with that error, after this member's name.  Of the thread
 * that makes its calls. */
void rank_group_leave(struct rank_group *g, const struct err *why);

/* Whether this member has found that what it computed is wrong.  Any thread may
 * call it. */
bool rank_group_accuses(const struct rank_group *g);

/* When the first member last broadcast something, by clock_s; 0: never. */
double rank_group_heard(const struct rank_group *g);

#endif
