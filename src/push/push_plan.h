/*
 * What the files of a push's journal (push_items.h) share: their names, the
 * plan that was settled when the push began, and how it is signed.
 */
#ifndef APUS_PUSH_PUSH_PLAN_H
#define APUS_PUSH_PUSH_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/caller.h"
#include "base/found.h"
#include "base/id.h"

struct err;
struct key;

#define PUSH_BUNDLE_ITEMS 1000
#define PUSH_BUNDLE_BYTES ((size_t)64 << 20) /* of JSON, or one item */

/* "BATCH/push/NAME", the caller frees it. */
char *push_path(const char *batch_path, const char *name);
/* The same of "KIND-NNNN.SUFFIX". */
char *push_path_of(const char *batch_path, const char *kind, size_t number,
                   const char *suffix);

/* Open for reading, following no link: -1 with ERR_INPUT or ERR_RETRY. */
int push_open(const char *path, struct err *err);

/* What was settled when the push began. */
struct push_plan {
    bool hashes;                /* publish = hashes: no parts either */
    struct id node;             /* address of the wallet */
    struct id previous;         /* the statement before this one, or zeros */
};

/* Settle it, or read what was settled: `plan` is as it was then.  ERR_INPUT
 * if another wallet or another way to publish began. */
int push_plan_settle(struct push_plan *plan, const char *batch_path,
                     struct err *err);
/* FOUND_NONE if this batch was never pushed. */
enum found push_plan_read(struct push_plan *plan, const char *batch_path,
                          struct err *err);

struct push_signing {
    const struct key *key;
    const char *version, *commit; /* tags of the statement */
    unsigned threads;             /* 0: one a core */
    size_t bundle_items;          /* 0: PUSH_BUNDLE_ITEMS, for tests fewer */
    struct caller caller;         /* its stop ends with ERR_RETRY */
};

#endif
