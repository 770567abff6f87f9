/*
 * What apus watch keeps in a spool: a secret that seeds its draws, so that no
 * node can predict which answers it will check, and the statements that it has
 * seen.
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
};

struct watched_late {
    struct id id;
    unsigned wait_s;
    double at;       /* by base/clock */
};

struct watched {
    char *dir;       /* SPOOL/watch */
    struct id secret;
    struct watched_seen *seen; /* sorted by statement */
    size_t n, cap, max;
    uint64_t last;   /* number */
    struct watched_late *late;
    size_t n_late, late_cap;
};

/* Read both, or create the secret.  Call watched_close in any case. */
int watched_open(struct watched *w, const char *spool, struct err *err);
void watched_close(struct watched *w);

bool watched_has(const struct watched *w, struct id statement);

/* Add a checked statement and the node that signed it; it is on disk when this
 * returns.  If the list has w->max, drop the oldest of the node that has the
 * most, so no node drives out those of others. */
int watched_add(struct watched *w, struct id statement, struct id node,
                struct err *err);

/* Whatever failed (a statement, a model, a dispute, by its id) is retried after
 * a minute, then after twice as long each time, up to an hour.  The state is
 * kept in memory only.  Return whether it is too early to retry: */
bool watched_waits(const struct watched *w, struct id id);
void watched_put_off(struct watched *w, struct id id);

#endif
