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

struct watched_late {
    struct id id;
    unsigned wait_s;
    double at;       /* by base/clock */
};

struct watched {
    char *dir;       /* SPOOL/watch */
    struct id secret;
    struct id *seen; /* sorted */
    size_t n, cap;
    struct watched_late *late;
    size_t n_late, late_cap;
};

/* Read both, or make the secret.  Close it in any case. */
int watched_open(struct watched *w, const char *spool, struct err *err);
void watched_close(struct watched *w);

bool watched_has(const struct watched *w, struct id statement);

/* Add one that was looked at; it is on the disk when this returns. */
int watched_add(struct watched *w, struct id statement, struct err *err);

/* What did not go well is tried again after a minute, then after twice as long
 * each time, up to an hour: a statement, a model, a dispute, by its id.  This
 * process alone knows of it.  Whether it is too early yet: */
bool watched_waits(const struct watched *w, struct id id);
void watched_put_off(struct watched *w, struct id id);

#endif
