/*
 * Bundles: a head of 32 bytes and 64 an item, all numbers little-endian in 32
 * bytes, then the items.
 */
#include <config.h>

#include "arweave/bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"

#define NUMBER 32   /* bytes of one */
#define ENTRY 64    /* size and id */
#define ITEM_MIN 116 /* ed25519, no tags, no data */

static void put_number(struct buf *out, uint64_t v)
{
    static const unsigned char zeros[NUMBER - 8];

    buf_put_u64(out, v);
    buf_put(out, zeros, sizeof(zeros));
}

/* -1 if it does not fit in 63 bits: no file is as large. */
static int get_number(const unsigned char *p, uint64_t *v)
{
    for (int i = 8; i < NUMBER; i++)
        if (p[i] != 0)
            return -1;
    *v = get_u64(p);
    return *v > INT64_MAX ? -1 : 0;
}

int bundle_head(struct buf *out, struct bundle_entry *e, size_t n,
                struct err *err)
{
    uint64_t at = NUMBER + (uint64_t)n * ENTRY;

    if (n > BUNDLE_MAX_ITEMS)
        return err_set(err, ERR_INPUT, "a bundle of %zu items, at most %d", n,
                       BUNDLE_MAX_ITEMS);
    if (buf_reserve(out, (size_t)at, "the head of a bundle", err))
        return -1;
    put_number(out, n);
    for (size_t i = 0; i < n; i++) {
        put_number(out, e[i].size);
        buf_put(out, e[i].id.b, 32);
        e[i].at = at;
        at += e[i].size;
    }
    return 0;
}

static int read_entries(struct bundle_entry *e, size_t n,
                        const unsigned char *p, uint64_t size,
                        struct err *err)
{
    uint64_t at = NUMBER + (uint64_t)n * ENTRY;

    for (size_t i = 0; i < n; i++, p += ENTRY) {
        if (get_number(p, &e[i].size) || e[i].size > size - at)
            return err_set(err, ERR_INPUT, "bundle: item %zu extends past its"
                           " %" PRIu64 " bytes", i, size);
        if (e[i].size < ITEM_MIN)
            return err_set(err, ERR_INPUT, "bundle: item %zu has %" PRIu64
                           " bytes, no item has less than %d", i, e[i].size,
                           ITEM_MIN);
        e[i].id = id_at(p + NUMBER);
        e[i].at = at;
        at += e[i].size;
    }
    if (at != size)
        return err_set(err, ERR_INPUT, "bundle: %" PRIu64 " bytes after its"
                       " last item", size - at);
    return 0;
}

bool bundle_begins(const void *bytes, size_t n, uint64_t *n_items)
{
    return n >= NUMBER && get_number(bytes, n_items) == 0 &&
           *n_items <= BUNDLE_MAX_ITEMS;
}

void bundle_name(char out[BUNDLE_NAME], uint64_t n_items)
{
    snprintf(out, BUNDLE_NAME, "a bundle of %" PRIu64 " item%s", n_items,
             plural_s(n_items));
}

int bundle_table(struct bundle_entry **e, size_t *n_items, const void *bytes,
                 size_t n, uint64_t size, struct err *err)
{
    const unsigned char *p = bytes;
    struct bundle_entry *made;
    uint64_t count;

    if (n < NUMBER || n > size)
        return err_set(err, ERR_INPUT, "bundle: its %" PRIu64 " bytes end"
                       " within its head", size);
    if (get_number(p, &count) || count > BUNDLE_MAX_ITEMS)
        return err_set(err, ERR_INPUT, "bundle: it says that it has over %d"
                       " items", BUNDLE_MAX_ITEMS);
    if (count > (n - NUMBER) / ENTRY)
        return err_set(err, ERR_INPUT, "bundle: the head of %" PRIu64 " items"
                       " extends past %zu bytes", count, n);
    made = xcalloc((size_t)count + 1, sizeof(*made));
    if (read_entries(made, (size_t)count, p + NUMBER, size, err)) {
        free(made);
        return -1;
    }
    *e = made;
    *n_items = (size_t)count;
    return 0;
}

static int check_entry(const struct bundle_entry *e, size_t i,
                       const unsigned char *bytes, struct err *err)
{
    struct item it;

    if (item_open(&it, bytes + e->at, (size_t)e->size, err))
        return err_prefix(err, "bundle: item %zu", i);
    /* The head is signed by nobody. */
    if (!id_equal(it.id, e->id))
        return err_set(err, ERR_INPUT, "bundle: item %zu has not the id that"
                       " its head says", i);
    return 0;
}

int bundle_check(const void *bytes, size_t n, struct err *err)
{
    struct bundle_entry *e = NULL;
    size_t n_items;
    int rc;

    if (bundle_table(&e, &n_items, bytes, n, n, err))
        return -1;
    rc = 0;
    for (size_t i = 0; rc == 0 && i < n_items; i++)
        rc = check_entry(&e[i], i, bytes, err);
    free(e);
    return rc;
}
