/*
 * Waiting for batches that somebody else works on.
 */
#ifndef APUS_CMD_WAIT_H
#define APUS_CMD_WAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd/named.h"

struct settings;
struct spool;

/* What is waited for: a batch, or those of a file. */
struct wait_for {
    const char *what;    /* as it was named */
    const char *output;  /* where the answers go; NULL: where its batch.json
                          * says, if it is one batch, else nowhere */
    struct named named;  /* wait_all clears it */
    enum { WAIT_ON, WAIT_DONE, WAIT_FAILED, WAIT_SAVED } end;
    unsigned idle;       /* looks in a row that found no worker */
    char said[640];      /* what was last said of it */
};

/* Wait until each of n is done or failed, or nothing works on it, and write
 * the answers of those that are done.  Ctrl-C ends the waiting alone.  An exit
 * status: CMD_DONE; CMD_FAILED if one failed; else CMD_NO if the checkpoint of
 * one is damaged; else CMD_SAVED if one was saved and nothing continues it, or
 * Ctrl-C came; else CMD_REFUSED as of cmd_refused. */
int wait_all(const struct settings *s, const struct spool *spool,
             struct wait_for *list, size_t n, bool strict);

#endif
