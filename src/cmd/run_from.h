/*
 * Where the requests of `apus run --from` come from: answers that somebody
 * has, in a part of a checkpoint, a batch of the spool, or published.
 */
#ifndef APUS_CMD_RUN_FROM_H
#define APUS_CMD_RUN_FROM_H

#include <stdbool.h>

#include "base/id.h"

struct err;
struct settings;

struct run_from {
    char *path;              /* a file of requests, ours to be removed */
    char *source;            /* what they are the requests of */
    char *out;               /* where answers go if nothing else is said */
    struct id model;         /* that answered */
    char model_id[44];       /* the same as text */
    char *hint;              /* where it is to be had, or NULL */
};

/* Make the file of requests from FILE.h5, BATCH, ID, or a file of requests
 * that was answered.  run_from_clear is due after success, and allowed of
 * zeros; after a failure it is zeros. */
int run_from_make(struct run_from *f, const struct settings *s,
                  const char *what, bool trust, struct err *err);
void run_from_clear(struct run_from *f);

/* The model could not be opened: add what it is and where it is to be had. */
int run_from_no_model(const struct run_from *f, const char *what,
                      struct err *err);

/* ERR_INPUT unless this is the model that answered. */
int run_from_check_model(const struct run_from *f, struct id id,
                         const char *what, struct err *err);

#endif
