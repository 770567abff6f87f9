/*
 * run.jsonl of a batch: a line for each start, with what may differ between two
 * runs, and one for each rank that withdrew its answers.  People read it, and a
 * job of Slurm finds its own starts in it.
 */
#ifndef APUS_MPI_RUN_LOG_H
#define APUS_MPI_RUN_LOG_H

#include <stdint.h>

struct owner;

/* Append the line of a start of this process.  Best effort: no work depends on
 * it. */
void run_log_add(const char *batch_path, uint32_t start, int ranks,
                 const char *kernel);

/* Append that all was withdrawn which a rank answered in a start, where it is
 * and why, which names the device.  Best effort, too. */
void run_log_withdrawn(const char *batch_path, uint32_t start, int rank,
                       const char *host, const char *why);

/* The highest restart count of the starts of self's Slurm job, -1 if there is
 * none. */
int64_t run_log_last(const char *batch_path, const struct owner *self);

#endif
