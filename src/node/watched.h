/*
 * What apus watch keeps in a spool: a secret, by which it draws, so that no
 * node knows which answers it will look at, and the statements that it has
 * seen.
 */
#ifndef APUS_NODE_WATCHED_H
#define APUS_NODE_WATCHED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct err;

#define WATCHED_MAX 100000 /* statements */

struct watched {
    char *dir;       /* SPOOL/watch */
    struct id secret;
    struct id *seen; /* sorted */
    size_t n, cap;
};

/* Read both, or make the secret.  Close it in any case. */
int watched_open(struct watched *w, const char *spool, struct err *err);
void watched_close(struct watched *w);

bool watched_has(const struct watched *w, struct id statement);

/* Add one that was looked at; it is on the disk when this returns. */
int watched_add(struct watched *w, struct id statement, struct err *err);

#endif
