/*
 * What a DApp asks, read from its signed message (arweave/item.h), which lies
 * on Arweave or in a file.
 */
#ifndef APUS_QUEUE_ASK_ITEM_H
#define APUS_QUEUE_ASK_ITEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct ask;
struct buf;
struct err;
struct item;

/* As ask_read, of a message with data[0..n).  Whether whoever signed it may
 * speak for a process is for the queue to say. */
int ask_item_read(struct ask *a, const struct item *message, const void *data,
                  size_t n, struct err *err);

/* Whether its prompt lies in another item, and in which. */
bool ask_item_source(struct id *id, const struct item *message,
                     const void *data, size_t n);

/* Append the line, for request_parse; source[0..n_source) are the data of that
 * other item, NULL: there is none.  ERR_INPUT if no queue takes such a
 * message. */
int ask_item_line(struct buf *out, const struct item *message,
                  const void *data, size_t n, const void *source,
                  size_t n_source, struct err *err);

#endif
