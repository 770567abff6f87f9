/*
 * What a process gives up before it parses bytes that a stranger made: memory,
 * time, files and, where the kernel has seccomp, all system calls but those
 * that reading an open file takes.  Linux.
 */
#ifndef APUS_BASE_SANDBOX_H
#define APUS_BASE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct sandbox {
    uint64_t memory;  /* bytes of address space; not under a sanitizer */
    unsigned cpu_s;   /* seconds of CPU time */
    unsigned wall_s;  /* seconds in all */
    unsigned n_files; /* descriptors */
};

/* Close all but the standard descriptors and give up the rest, for good: no
 * more than that is used, no file is written or opened, no process or
 * connection made, no privilege gained.  What is refused ends the process by a
 * signal; opening a file for reading fails with EACCES. */
enum sandboxed {
    SANDBOX_FAILED = -1, /* ERR_FATAL */
    SANDBOX_LIMITS,      /* alone: the kernel has no seccomp, or this build no
                          * libseccomp */
    SANDBOX_FILTER
};
enum sandboxed sandbox_enter(const struct sandbox *s, struct err *err);

/* The library behind the filter and its version, or NULL without one. */
const char *sandbox_library(void);

#endif
