/*
 * Append the fields of an item as members of a JSON object, in the form that
 * the gateway's GraphQL and the units of the legacynet share.
 */
#ifndef APUS_LOCALNET_ITEM_JSON_H
#define APUS_LOCALNET_ITEM_JSON_H

#include <stddef.h>

struct buf;
struct item;

/* Bytes as base64url; none, or over 768 of them, are "". */
void item_json_bytes(struct buf *b, const char *key, const void *bytes,
                     size_t n);

/* "tags":[{"name":..,"value":..} ..]; bytes that are not UTF-8 are U+FFFD. */
void item_json_tags(struct buf *b, const struct item *it);

/* "owner":{"address":..,"key":..} */
void item_json_owner(struct buf *b, const struct item *it);

#endif
