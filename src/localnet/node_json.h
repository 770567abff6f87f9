/*
 * What a HyperBEAM node says of an evaluation.  Since December 2025 it has
 * what its compute unit said, decoded, in `raw`, and the messages once more in
 * `outbox`; before, as text of JSON in `json.body`.
 */
#ifndef APUS_LOCALNET_NODE_JSON_H
#define APUS_LOCALNET_NODE_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Append {"raw":{..},"outbox":{..},"data":".."} of a result, or (is_old)
 * {"json":{"body":".."}}. */
void node_put_results(struct buf *b, const char *result, size_t n,
                      bool is_old);

/* The same where nothing can be read: {"outbox":{}} */
void node_put_nothing(struct buf *b);

#endif
