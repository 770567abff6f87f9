/*
 * Finding items by their owner and tags: GraphQL of gateways (doc/arweave.md).
 * It is an index and nothing more: a gateway may leave out, add or invent, so
 * what it names is fetched and verified, and several gateways are asked.
 */
#ifndef APUS_ARWEAVE_GRAPHQL_H
#define APUS_ARWEAVE_GRAPHQL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/found.h"
#include "base/id.h"

struct buf;
struct err;
struct graphql;
struct item_text_tag;
struct settings;

#define GRAPHQL_CURSOR 256 /* bytes of a cursor, with its NUL */
#define GRAPHQL_PAGE_MAX 1000 /* ids of a page, whatever was asked for */

/* The gateways of the setting `gateways`, and limits of net/http. */
int graphql_new(struct graphql **out, const struct settings *s,
                struct err *err);
void graphql_free(struct graphql *g);

struct graphql_query {
    const struct id *owner;          /* address; NULL: any */
    const struct item_text_tag *tag; /* all of them; printable ASCII */
    size_t n_tags;
    size_t max;                      /* most ids from one gateway */
};

/* Append to `ids` (32 bytes each) what the gateways name, newest first, each
 * once.  0 if one of them answered; ERR_RETRY or ERR_INPUT, of the last, if
 * none did. */
int graphql_find(struct graphql *g, const struct graphql_query *q,
                 struct buf *ids, struct err *err);

/* One page of an answer: its ids are appended, and where the next one begins
 * is in cursor ("" after the last).  ERR_INPUT names what is wrong in it, or
 * says what the gateway said; ids may then have got some. */
int graphql_page(struct buf *ids, char cursor[GRAPHQL_CURSOR],
                 const char *json, size_t n, struct err *err);

/* The body of a request for the page behind a cursor. */
void graphql_body(struct buf *out, const struct graphql_query *q,
                  const char *cursor);

/* The body of a question in what item `id` is bundled. */
void graphql_parent_body(struct buf *out, struct id id);

/* Read its answer; FOUND_NONE if the item is in none or is unknown, ERR_INPUT
 * for what is not an answer. */
enum found graphql_parent_read(struct id *parent, const char *json, size_t n,
                               struct err *err);

#endif
