/*
 * What of this machine this process may use, which in a container or a job is
 * less than what is there.  Linux only.
 */
#ifndef APUS_BASE_MACHINE_H
#define APUS_BASE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* Processors, by the affinity mask and the quota of its control groups
 * (cgroups(7), both versions), rounded up; 1 if nobody knows. */
unsigned machine_cores(void);

/* Whether two of them may be one core: simultaneous multithreading is on. */
bool machine_shares_cores(void);

/* Cores: processors, those of one core counted once. */
unsigned machine_whole_cores(void);

/* Sockets on which the processors of the affinity mask are; 1 if nobody
 * knows. */
unsigned machine_sockets(void);

/* The number of the socket that all CPUs which this process may use belong to;
 * -1 if they are of several, or nobody knows. */
int machine_socket(void);

/* Bytes of memory, by what is installed and the limits of its control groups;
 * 0 if nobody knows. */
uint64_t machine_memory(void);

/* Bytes of it that can be had now, what caches would give back included; 0 if
 * nobody knows. */
uint64_t machine_memory_free(void);

/* Bytes of memory that this process has for itself: neither of files nor
 * shared; 0 if nobody knows. */
uint64_t machine_memory_own(void);

/* How many processes the system has killed for want of memory, of this machine
 * and of the control groups of this process: a number that grows, and says
 * nothing else. */
uint64_t machine_killed(void);

/* Limits of this process (setrlimit(2)) so low that a worker may fail for
 * them, for people: "58 MiB of memory (ulimit -v)"; "" if there is none. */
#define MACHINE_LIMITS 256
void machine_limits(char out[MACHINE_LIMITS]);

#endif
