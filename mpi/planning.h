/*
 * apus-worker --plan: how many ranks a job of Slurm starts, for its script.
 */
#ifndef APUS_MPI_PLANNING_H
#define APUS_MPI_PLANNING_H

#include <stddef.h>

struct err;
struct settings;

/* Read from standard input what scontrol says of the job and its nodes, look
 * at these batches (none: at all in todo) and their models (model_path: this
 * one), and print a line of numbers: nodes, ranks, ranks on each node (0: not
 * the same on all), CPUs for each rank, whether there are fewer CPUs than that
 * (0, 1), bytes of memory of a node (0: not known); then, of a job that
 * computes on GPUs, the word by which srun leaves out its nodes where lately
 * none could be used, if others are left.  What bounds them is logged. */
int planning(const struct settings *s, const char *model_path,
             const char *const *name, size_t n, struct err *err);

/* Print, with commas between, the hosts where lately no GPU could be used, if
 * there are any and ranks of these settings may use GPUs. */
void planning_print_no_gpu(const struct settings *s);

#endif
