/*
 * The lease of a batch from AO (doc/queue.md): how long it runs, renewing it,
 * giving requests back.
 *
 *     BATCH/lease   {"format":"apus-lease-1","until":"<ms>","ttl":"<s>",
 *                    "taken":"<s>"}
 *
 * `until` is the scheduler's time, `taken` this machine's, at which `ttl`
 * seconds were given: what is left is told by one clock alone.  Both are 0
 * when the queue has said that nothing is leased to us any more.
 */
#ifndef APUS_RELAY_LEASE_H
#define APUS_RELAY_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct talk;

struct lease {
    uint64_t until_ms, ttl_s;
    int64_t taken_s;
};

#define LEASE_MIN_S 600
#define LEASE_MAX_S 86400

/* Write it as from now on, read it: 1, 0 there is none, -1. */
int lease_write(const char *batch_path, uint64_t until_ms, uint64_t ttl_s,
                struct err *err);
int lease_read(struct lease *l, const char *batch_path, struct err *err);

/* Seconds that are left by this machine's clock; 0 if it is over. */
uint64_t lease_left_s(const struct lease *l);

/* Renew the lease of a batch, for ttl_s seconds from now: 0, and its file says
 * so; 1 if nothing of it is leased to us any more, and its file says that. */
int relay_renew(struct talk *t, const char *batch_path,
                const unsigned char batch[32], uint64_t ttl_s,
                struct err *err);

/* A request that goes back, and why. */
struct release {
    unsigned char request[32];
    char *reason; /* the list owns it */
};
struct releases {
    struct release *list;
    size_t n, cap;
};
void releases_add(struct releases *r, const unsigned char request[32],
                  const char *reason);
void releases_clear(struct releases *r);

/* Give these back; an empty list is everything that this node has of the
 * batch, without a reason.  *released (NULL is allowed) is how many the queue
 * counted. */
int relay_release(struct talk *t, const unsigned char batch[32],
                  const struct releases *r, uint64_t *released,
                  struct err *err);

/* For tests of its parser. */
int lease_parse(struct lease *l, const char *text, size_t n, struct err *err);

#endif
