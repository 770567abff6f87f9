/*
 * An item as a node of GraphQL: every field that gateways have, whichever were
 * asked for.
 */
#ifndef APUS_LOCALNET_GRAPHQL_NODE_H
#define APUS_LOCALNET_GRAPHQL_NODE_H

struct buf;
struct stored;
struct item;

/* Append {"id":..}; `it` is the head of h. */
void graphql_put_node(struct buf *out, const struct stored *h,
                      const struct item *it);

#endif
