/*
 * NVIDIA's libraries, which are opened at run time: no program of apus is
 * linked with one, and each computes without.
 */
#ifndef APUS_BACKEND_CUDA_LIBRARY_H
#define APUS_BACKEND_CUDA_LIBRARY_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Open the library of this file name, in the first of the directories `dirs`
 * (separated by colons; may be NULL) that has it, else where the loader looks.
 * Closed by dlclose.  NULL: it is nowhere. */
void *library_open(const char *name, const char *dirs);

/* Put the function of this name into *to, a pointer to such a function.  False,
 * with NULL there: the library lacks it. */
bool library_find(void *library, void *to, const char *name);

/* Set what these libraries read of the environment, where nobody has: NCCL
 * connects members when they join, where it has a deadline, and not in an
 * exchange.  Call it before there are threads. */
void library_settle(void);

#ifdef __cplusplus
}
#endif

#endif
