/*
 * What apus watch keeps in a spool: a secret that seeds its draws, so that no
 * node can predict which answers it will check, the statements that it has
 * checked, and those whose model it lacks.
 */
#ifndef APUS_NODE_WATCHED_H
#define APUS_NODE_WATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;

#define WATCHED_MAX 100000 /* statements */

struct watched_seen {
    struct id statement, node; /* node: who signed it */
    uint64_t number;           /* in the order in which they were added */
    struct id model;           /* that is lacking; else zeros */
};

struct watched_list {
    struct watched_seen *seen; /* sorted by statement */
    size_t n, cap, max;
    uint64_t last;             /* number */
};

struct watched_late {
    struct id id;
    unsigned wait_s;
    double at;       /* by base/clock */
};

struct watched {
    char *dir;       /* SPOOL/watch */
    struct id secret;
    struct watched_list checked, lacking;
    struct watched_late *late;
    size_t n_late, late_cap;
};

/* Read all of it, or create the secret.  Call watched_close in any case. */
int watched_open(struct watched *w, const char *spool, struct err *err);
void watched_close(struct watched *w);

bool watched_has(const struct watched *w, struct id statement);

/* Add a checked statement and the node that signed it; it is on disk when this
 * returns.  If the list is full (its max), drop the oldest of the node that has
 * the most, so no node drives out those of others. */
int watched_add(struct watched *w, struct id statement, struct id node,
                struct err *err);

/* The same of a statement that cannot be checked without this model.  It leaves
 * that list when it is added as checked. */
int watched_add_lacking(struct watched *w, struct id statement, struct id node,
                        struct id model, struct err *err);
/* Return the model without which a statement cannot be checked, or NULL. */
const struct id *watched_lacks(const struct watched *w, struct id statement);
/* Return whether any statement waits for this model. */
bool watched_misses(const struct watched *w, struct id model);

/* Whatever failed (a statement, a model, a dispute, by its id) is retried after
 * a minute, then after twice as long each time, up to an hour.  The state is
 * kept in memory only.  Return whether it is too early to retry: */
bool watched_waits(const struct watched *w, struct id id);
void watched_put_off(struct watched *w, struct id id);

#endif
