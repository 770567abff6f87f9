/*
 * Repairing a checkpoint (apus seal --again): a batch whose parts, indexes,
 * refused.jsonl or checkpoint.json are damaged becomes one that is answered
 * but for what was lost, so that sealing, or running it on, makes the same
 * checkpoint again.
 */
#ifndef APUS_STORE_SEAL_AGAIN_H
#define APUS_STORE_SEAL_AGAIN_H

#include <stddef.h>
#include <stdint.h>

#include "store/resume.h"

struct batch_info;
struct err;

struct seal_again {
    size_t n_parts, n_damaged; /* parts that were looked at */
    uint64_t n_kept;           /* answers that went into the log */
    uint64_t n_dropped;        /* answers whose own hashes do not fit, or
                                * do not cover all of it */
};

enum seal_taken {
    /* The checkpoint is as it was, or, if removing it failed, everything of it
     * that is good is in the log.  Running it again resumes, after a crash,
     * too. */
    SEAL_TAKE_FAILED = -1,
    /* Each answer whose hashes fit is in a new log of the batch, each reason
     * of a readable refused.jsonl too, and the files of the checkpoint are
     * removed. */
    SEAL_TAKEN_APART,
    SEAL_UNDAMAGED /* nothing was changed */
};

/* Take the checkpoint of a batch, which this process must own, apart if
 * something in it is damaged.  A part whose SHA-256 differs keeps answers only
 * if the tree of its results still has the root that checkpoint.json names,
 * and none whose last row no leaf covers.  `caller` (may be NULL) is warned
 * of what is damaged. */
enum seal_taken seal_take_apart(const char *batch_path,
                                const struct batch_info *batch,
                                const struct caller *caller,
                                struct seal_again *report, struct err *err);

#endif
