/*
 * What a file of requests would ask for: which lines would be refused, and how
 * many tokens there are.  Nothing is computed, and no spool is looked at.
 */
#ifndef APUS_MPI_CHECKING_H
#define APUS_MPI_CHECKING_H

#include <stdbool.h>

struct err;
struct settings;

/* Print a line for each request that would be refused, and the sums, as JSON if
 * so wanted.  The exit status of `apus check`: 0, or 4 if all would be refused,
 * or any and `strict`; -1 (ERR_CLOSED: nobody reads standard output). */
int checking(const struct settings *s, const char *model, const char *file,
             bool json, bool strict, struct err *err);

#endif
