/*
 * What localnet has taken, in the order in which it took it, in one file:
 * "APUSNET1", then records of
 *
 *     type     u32
 *     n        u32, bytes of payload, at most JOURNAL_MAX
 *     sum      8 bytes, the first of SHA-256 of type, n and payload
 *     payload
 *
 * (integers little-endian).  State is what comes of replaying it.  A record
 * that was cut off at the end of the file by a crash is dropped; one that is
 * damaged before the end is an error.
 */
#ifndef APUS_LOCALNET_JOURNAL_H
#define APUS_LOCALNET_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct journal;

#define JOURNAL_MAX ((size_t)1 << 20)

/* Payloads are written down where they are made. */
enum journal_type {
    JOURNAL_START = 1, /* the first: when the net began */
    JOURNAL_ITEM,      /* an item that the bundler took, with its bytes */
    JOURNAL_FILE,      /* one whose bytes are a file */
    JOURNAL_NESTED,    /* what was found in a bundle */
    JOURNAL_BLOCK,     /* a block with items */
    JOURNAL_MINE,      /* blocks that somebody asked for */
    JOURNAL_MESSAGE,   /* an item that was scheduled on AO */
    JOURNAL_FAILED     /* its evaluation failed: it need not be repeated */
};

struct journal_record {
    enum journal_type type;
    const unsigned char *data; /* valid during the call */
    size_t n;
    uint64_t at;               /* where data lies in the file */
};
typedef int journal_fn(void *self, const struct journal_record *r,
                       struct err *err);

/* Open or begin the journal; each record that is there is told to `each`. */
int journal_open(struct journal **out, const char *path, journal_fn *each,
                 void *self, struct err *err);
void journal_close(struct journal *j);

/* Append a record whose payload is a[0..n_a) b[0..n_b); *at (may be NULL) is
 * where b lies in the file.  `sync`: it is on the disk when this returns.
 * After a failure the file is as it was. */
int journal_put(struct journal *j, enum journal_type type, const void *a,
                size_t n_a, const void *b, size_t n_b, bool sync,
                uint64_t *at, struct err *err);

#endif
