/*
 * Between item.c and item_sign.c: what of an item's deep hash comes before
 * its data.
 */
#ifndef APUS_ARWEAVE_ITEM_HASH_H
#define APUS_ARWEAVE_ITEM_HASH_H

#include "arweave/deephash.h"

struct item;

/* Seven of the eight elements: type, owner, target, anchor and raw_tags of
 * the item are read; put its data next. */
void item_hash_head(unsigned char acc[DEEPHASH_SIZE], const struct item *it);

#endif
