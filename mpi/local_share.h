/*
 * The machine of a rank: its name, and what of it the rank may use, which is as
 * much as the others that run there.
 */
#ifndef APUS_MPI_LOCAL_SHARE_H
#define APUS_MPI_LOCAL_SHARE_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* Ranks of this machine, of a job of so many, all of them where nothing tells
 * how many are here. */
uint64_t local_ranks(int ranks);

/* Its number among the ranks of this machine, which Slurm and Open MPI tell
 * before MPI starts; 0 where neither does. */
unsigned local_rank(void);

/* Bytes for its weights and cache: its share of what is free while nobody has
 * read a model yet, or of what the job has, less a tenth. */
uint64_t rank_memory(int ranks);

/* ERR_INPUT, with what is needed and what there is, unless the memory of this
 * machine, or what the job has of it, could hold the parts that the ranks here
 * have of a model file of so many bytes, each part once: ranks in a row, as
 * Slurm and mpirun place them by default.  Where the number of ranks here is
 * not known, it could. */
int local_holds_parts(unsigned tp, uint64_t model, struct err *err);

/* How many threads it has: as many as were asked for, 0: what Slurm bound it
 * to, else its share of the cores; at least 1. */
size_t rank_threads(size_t asked, int ranks);

/* The name of this node, as Slurm or the system calls it, "?" without one; n is
 * at least 2. */
void local_node(char *out, size_t n);

/* Print one line, for a look at whether ranks start and where. */
void local_show(int rank, int ranks);

#endif
