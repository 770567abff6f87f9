/*
 * A watchdog around what a library does that may never return: a rank that
 * hangs in a call of MPI is of no use to anybody, and holds its job up.  One of
 * a process, by alarm(2).
 */
#ifndef APUS_MPI_WATCHDOG_H
#define APUS_MPI_WATCHDOG_H

/* MPI begins to start: after start_s seconds the process says that it does not,
 * and ends with `status`; it is warned of after call_s, if that is less. */
void watchdog_start(unsigned start_s, unsigned call_s, int status);

/* It has started: from now on the message is of a call that does not return. */
void watchdog_started(void);

/* A call begins that may take so many seconds, or, 0, is over. */
void watchdog(unsigned seconds);

/* MPI begins to end: after so many seconds the process ends with `status` and
 * says nothing. */
void watchdog_end(unsigned seconds, int status);

#endif
