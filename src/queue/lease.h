/*
 * The lease of a batch from AO (doc/queue.md): how long it runs, renewing it,
 * giving requests back.
 *
 *     BATCH/lease   {"format":"apus-lease-1","until":"<ms>","ttl":"<s>",
 *                    "taken":"<s>"}
 *
 * `until` is the scheduler's time, `taken` this machine's, at which `ttl`
 * seconds were given: what is left is measured by one clock alone.  Both are 0
 * when the queue has said that nothing is leased to us any more.
 */
#ifndef APUS_QUEUE_LEASE_H
#define APUS_QUEUE_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct buf;
struct err;
struct client;

struct lease {
    uint64_t until_ms, ttl_s;
    int64_t taken_s;
};

/* Write it as from now on, read it. */
int lease_write(const char *batch_path, uint64_t until_ms, uint64_t ttl_s,
                struct err *err);
enum found lease_read(struct lease *l, const char *batch_path, struct err *err);

/* Seconds that are left by this machine's clock; 0 if it is over. */
uint64_t lease_left_s(const struct lease *l);

/* What a renewal ends with; the lease's file says the first two. */
enum lease_end {
    LEASE_KEPT,  /* for ttl_s seconds from now */
    LEASE_OVER,  /* nothing of it is leased to us any more */
    LEASE_FAILED /* err says why */
};
enum lease_end lease_renew(struct client *t, const char *batch_path,
                           struct id batch, uint64_t ttl_s,
                           struct err *err);

/* A request that goes back: it is to blame, and this is why, or it is put off,
 * since this node lacks something. */
struct release {
    struct id request;
    char *reason;     /* the list owns it; NULL: no blame */
    unsigned later_s; /* until this node is given it again */
};
struct releases {
    struct release *list;
    size_t n, cap;
};

/* Seconds until it may be had again: what a network or a disk lacks soon, what
 * somebody must mend, or the request is to blame for, an hour later. */
#define LATER_SOON_S 600
#define LATER_MENDED_S 3600

void releases_blame(struct releases *r, struct id request, const char *reason);
void releases_put_off(struct releases *r, struct id request, unsigned later_s);
void releases_clear(struct releases *r);

/* Append a line of Release: `reason` NULL, no blame; later_s 0: not said, as
 * a queue that does not know it (client.h) must have it. */
void release_put(struct buf *out, struct id request, const char *reason,
                 unsigned later_s);

/* Give these back; an empty list is everything that this node has of the
 * batch, without blame and at once.  *released (NULL is allowed) is how many
 * the queue counted. */
int lease_release(struct client *t, struct id batch, const struct releases *r,
                  uint64_t *released, struct err *err);

/* For tests of its parser. */
int lease_parse(struct lease *l, const char *text, size_t n, struct err *err);

#endif
