/*
 * Transactions of format 2, as GET /tx/ID gives them (doc/arweave.md): read
 * and verified, so that the root and size of their data are proven.
 */
#ifndef APUS_ARWEAVE_TX_H
#define APUS_ARWEAVE_TX_H

#include <stddef.h>
#include <stdint.h>

#include "arweave/item.h"
#include "base/id.h"

struct err;

#define TX_MAX_TAG_BYTES 2048
#define TX_JSON_MAX ((size_t)16 << 20) /* a node takes 15 MiB */

struct tx {
    struct id id;
    struct id owner;     /* address */
    struct id data_root; /* zeros if data_size is 0 */
    uint64_t data_size;
    struct item_tag *tag;        /* decoded bytes, ours; may be empty */
    size_t n_tags;
    void *bytes;                 /* what the tags point to */
};

/* Parse and verify.  ERR_INPUT: no transaction, of another format, another
 * than `id` (NULL: any), or a signature that is wrong or of a kind that is
 * not verified (owner empty: secp256k1). */
int tx_check(struct tx *tx, const char *json, size_t n, const struct id *id,
             struct err *err);
void tx_clear(struct tx *tx);

#endif
