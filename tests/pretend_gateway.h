/*
 * Gateways for tests: one transaction whose data holds items, and for each
 * gateway the way in which it misbehaves.
 */
#ifndef APUS_TESTS_PRETEND_GATEWAY_H
#define APUS_TESTS_PRETEND_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "tests/pretend_server.h"

enum gateway_way {
    WAY_GOOD,
    WAY_OLD,       /* tells no size of the item, but where its data begins */
    WAY_PARTS,     /* does not know where items are, but their parts */
    WAY_SILENT,    /* knows items by their data alone */
    WAY_INDEX,     /* .. but one, `placed`, and has an index */
    WAY_FLIP,      /* changes the last byte of long ranges */
    WAY_SHORT,     /* ends ranges after half of them */
    WAY_SHORT_FLIP, /* both, where it ends */
    WAY_WHOLE,     /* answers 200 to a range */
    WAY_ELSEWHERE, /* tells a wrong offset */
    WAY_ENDLESS,   /* tells a size of nearly 2^64 */
    WAY_MISSING,   /* 404 */
    WAY_BUSY,      /* 503 */
    WAY_BUSY_ONCE, /* 503 the first time */
    WAY_STALL,     /* stops within ranges */
    WAY_PAGE       /* a web page for everything */
};

struct world_item {
    struct id id;
    size_t at, size, head_n;
};

struct world {
    struct id root;
    struct buf data;          /* of the root */
    struct world_item item[8];
    size_t n_items;
    const char *tx;           /* JSON of the root, or NULL */
    size_t n_tx;
};

struct pretend_gateway {
    struct world *world;
    struct pretend *server;
    enum gateway_way way;
    const struct id *placed;
    const char *index;        /* what it answers to a query */
    unsigned n_reads;         /* of ranges of over 8 KiB */
    uint64_t n_bytes;         /* sent in them */
    uint64_t first_at;        /* where the first of them began */
};

/* 0 of either: a world without data. */
void world_init(struct world *w);
void world_clear(struct world *w);
/* Append an item: its bytes, whose head is head_n long. */
void world_add(struct world *w, struct id id, const void *item, size_t n,
               size_t head_n);

void pretend_gateway_start(struct pretend_gateway *g, struct world *w,
                           enum gateway_way way);
void pretend_gateway_end(struct pretend_gateway *g);

#endif
