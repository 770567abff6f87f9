/*
 * Requests from the queue on AO into a batch of the spool.  What is leased to
 * us must not be lost, however this process ends, so each Pull is signed and
 * kept in the batch's directory in tmp before it is sent, and its answer
 * beside it before anything is made of it:
 *
 *     tmp/b<id of the first Pull>/wire/NNNN.item     the signed Pull
 *                                 wire/NNNN.answer   what the queue said
 *
 * From the answers alone comes the batch; nothing of it is believed that is
 * not checked.  A request that no worker could answer is released with the
 * reason; one whose source cannot be had here is put off, for other nodes.
 */
#ifndef APUS_QUEUE_PULL_H
#define APUS_QUEUE_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/caller.h"
#include "base/id.h"

struct batch;
struct err;
struct gateways;
struct spool;
struct client;

#define PULL_MAX 100 /* requests of one message */

struct pull {
    struct client *client;
    const struct spool *spool;
    struct gateways *gateways;
    const struct id *model; /* those that we serve */
    size_t n_models;
    uint64_t per_message; /* 1 to PULL_MAX */
    uint64_t total;       /* most requests of a batch */
    uint64_t ttl_s;       /* of the lease */
    uint64_t max_file;    /* bytes of a file of requests */
    struct caller caller; /* asked between two messages; no progress is told */
};

/* What came of it. */
struct pulled {
    uint64_t requests;     /* of the batch, in todo */
    uint64_t released;     /* requests that went back */
    bool all_back;         /* all that was leased did */
    struct id model;
    char why[200];         /* what the queue says where it gives nothing */
};

/* How a pull ended. */
enum pull_end {
    PULL_NONE,  /* nothing waits for us, or all of it went back */
    PULL_BATCH, /* *b is in todo */
    PULL_FAILED /* err says why */
};

/* Pull one batch.  ERR_RETRY: what was leased is kept in tmp, the next
 * pull_left resumes.  ERR_INPUT for an answer that cannot be right: the lease
 * was given back. */
enum pull_end pull_batch(const struct pull *p, struct batch *b,
                         struct pulled *n, struct err *err);

/* Finish one batch whose puller has died: as pull_batch, PULL_NONE if there is
 * none left (one whose lease is over is dropped).  What cannot be finished now
 * either goes back. */
enum pull_end pull_left(const struct pull *p, struct batch *b,
                        struct pulled *n, struct err *err);

#endif
