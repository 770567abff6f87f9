/*
 * ANS-104 bundles (doc/arweave.md): a count, a table of sizes and ids, the
 * items back to back.
 */
#ifndef APUS_ARWEAVE_BUNDLE_H
#define APUS_ARWEAVE_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct err;

#define BUNDLE_MAX_ITEMS 65536

struct bundle_entry {
    struct id id;
    uint64_t at;   /* offset of the item from the start of the bundle */
    uint64_t size; /* bytes */
};

/* Append the head of a bundle of items with these ids and sizes; `at` of each
 * entry is filled in.  The items follow it. */
int bundle_head(struct buf *out, struct bundle_entry *e, size_t n,
                struct err *err);

/* The table of a bundle of `size` bytes of which the first n are here (all of
 * the head must be).  Strict: at most BUNDLE_MAX_ITEMS, head and sizes come to
 * exactly `size`, no size of less than an item.  *e is the caller's.  Ids are
 * the table's: the caller compares them with the items'. */
int bundle_table(struct bundle_entry **e, size_t *n_items, const void *bytes,
                 size_t n, uint64_t size, struct err *err);

/* Whether bytes[0..n) begin as a bundle does and no item can: the number of
 * its items in 32 bytes. */
bool bundle_begins(const void *bytes, size_t n, uint64_t *n_items);

#define BUNDLE_NAME 40
/* "a bundle of 2 items" */
void bundle_name(char out[BUNDLE_NAME], uint64_t n_items);

/* A whole bundle in memory: its table, and every item in it is well-formed,
 * verifies and has the id that the table says. */
int bundle_check(const void *bytes, size_t n, struct err *err);

#endif
