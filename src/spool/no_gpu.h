/*
 * Hosts where a rank was promised a GPU and could use none, also since other
 * programs fill it: the next starts leave them out.  They are lines of
 * SPOOL/log/no-gpu, "SECONDS HOST", the time being that of day; a line counts
 * for NO_GPU_S, so that a host that was mended comes back by itself, and at
 * once when the file is removed.  A line "SECONDS HOST lost" is of a GPU that
 * failed or hung in its work: one is chance, the second within NO_GPU_S makes
 * its host one of those that are left out.
 *
 * Lines that are none are passed over: the file decides where jobs run, never
 * what an answer is.
 */
#ifndef APUS_SPOOL_NO_GPU_H
#define APUS_SPOOL_NO_GPU_H

#include <stddef.h>

struct err;

#define NO_GPU_S 3600

/* Add a host, by the name that Slurm has for it.  ERR_INPUT: it is no name. */
int no_gpu_add(const char *spool_dir, const char *host, struct err *err);

/* Note that a host has lost a GPU, and add it if it has not lost the first: how
 * often it has lately is in *times.  Errors are those of no_gpu_add. */
int no_gpu_lost(unsigned *times, const char *spool_dir, const char *host,
                struct err *err);

/* The hosts that count now, each once, with commas between, as Slurm wants
 * them: the caller frees it.  NULL: there are none. */
char *no_gpu_hosts(const char *spool_dir);

#endif
