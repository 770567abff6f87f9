/*
 * The arguments of `transactions`: read, or refused by their names, so that no
 * filter is passed over.
 */
#ifndef APUS_LOCALNET_GRAPHQL_FILTER_H
#define APUS_LOCALNET_GRAPHQL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct stored;
struct item;
struct json;

struct graphql_filter {
    /* lists; NULL: not filtered */
    const struct json *ids, *owners, *recipients, *bundled_in, *tags;
    bool unbundled;             /* bundledIn: null */
    uint64_t min, max;          /* height of the block */
    bool in_block;              /* min or max was given */
    bool ascending;
    uint64_t first;
    bool from_cursor;
    uint64_t after;             /* place in the order of coming */
};

/* ERR_INPUT for an argument, an operator or a value that is not known here.
 * The filter borrows from `args`. */
int graphql_filter_read(struct graphql_filter *f, const struct json *args,
                        struct err *err);

/* Whether an item, whose head is `it`, passes. */
bool graphql_filter_fits(const struct graphql_filter *f, const struct stored *h,
                         const struct item *it);

#endif
