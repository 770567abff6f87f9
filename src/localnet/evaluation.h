/*
 * A message and its environment as a process sees them: the request to a
 * evaluator.
 */
#ifndef APUS_LOCALNET_EVALUATION_H
#define APUS_LOCALNET_EVALUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arweave/item.h"

struct buf;

struct evaluation {
    /* the message; ids are texts */
    const char *id, *target, *owner, *from, *anchor, *hash_chain;
    const struct item_tag *tag;
    size_t n_tags;
    const char *data;
    size_t n_data;
    uint64_t nonce, timestamp_ms, height;
    bool read_only; /* a dry run */
    /* the process */
    const char *process, *process_owner, *module;
    const struct item_tag *process_tag;
    size_t n_process_tags;
};

void evaluation_put(struct buf *request, const struct evaluation *e);

#endif
