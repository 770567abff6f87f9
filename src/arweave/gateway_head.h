/*
 * What the headers of a gateway's answer say of an item (doc/arweave.md): in
 * which transaction it lies and where, and its parts, from which its head is
 * made again.  And what it says of a transaction's confirmations.  All of it is
 * said by the gateway alone.
 */
#ifndef APUS_ARWEAVE_GATEWAY_HEAD_H
#define APUS_ARWEAVE_GATEWAY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct buf;
struct err;
struct gateway_block;

struct gateway_hint {
    bool has_root;          /* the three below */
    struct id root;         /* id of the transaction */
    uint64_t at, size;      /* of the item in its data */
    bool has_data;
    uint64_t n_data;        /* bytes of the item's data */
};

/* From lines as net/http_text.h makes them. */
void gateway_hint_read(struct gateway_hint *h, const char *lines, size_t n);

/* Append an item's head made of X-Arweave-Signature, -Owner and so on, if they
 * are there.  ERR_INPUT if they make no head. */
enum found gateway_head_make(struct buf *head, const char *lines, size_t n,
                             struct err *err);

/* The answer to GET /tx/{id}/status: confirmations, 1 at least. */
int gateway_depth_read(uint64_t *n, const char *json, size_t len,
                       struct err *err);

/* The block that a transaction's status names, or that a block says it is. */
int gateway_block_read(struct gateway_block *b, bool status, const char *json,
                       size_t n, struct err *err);

#endif
